"""One configuration: everything that decides how a network is trained, typed and checked once.

The fields are the keys of the search-space files. A configuration says nothing about data,
folds, seeds or machines, so that the same one can be trained anywhere.
"""

from math import comb
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BASE = "base"
"""Name of the base regressor."""

ASKED = frozenset(
    {"objective", "n", "p", "replacement", "dropout", "mixup_alpha", "mixup_bandwidth", "bias_weight"}
)
"""Fields that tell arms apart; blanks do so only where an arm says so."""


class TrialConfig(BaseModel):
    """How to train one network. Defaults are those of the base network with modern training."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objective: Literal["set_sum", "mixup", "bias_penalty"] = "set_sum"
    """What a step minimises; `set_sum` with n = 1 and p = 0 is plain mini-batch training."""
    n: int = Field(default=1, ge=1)
    """Set size: slots in a set."""
    p: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a slot is a blank."""
    replacement: bool = False
    """Whether a scan can be drawn twice within an epoch."""
    blank: Literal["mask", "image"] = "mask"
    """`mask`: f(B) = 0 by definition; `image`: the zero image goes through the network."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate after every convolution and after the pooling layer."""
    mixup_alpha: Positive = 0.2
    """Beta(alpha, alpha) of mixup's mixing weight; used by `objective: mixup`."""
    mixup_bandwidth: Positive | None = None
    """C-Mixup: partners are drawn by the distance of their labels, with a Gaussian kernel of this many label
    SDs; None mixes the scans of a step whatever their labels. Used by `objective: mixup`."""
    bias_weight: NonNegative = 0.0
    """lambda, the weight of the squared mean error; used by `objective: bias_penalty`."""
    loss: Literal["mse", "mae"] = "mse"
    """Loss between the sum of predictions and the sum of labels."""
    optimiser: Literal["adam", "adamw", "adadelta"] = "adam"
    learning_rate: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    """Decoupled for `adamw`, L2 otherwise."""
    schedule: Literal["constant", "cosine"] = "constant"
    averaging: float = Field(default=0.95, ge=0, lt=1)
    """Decay a step of the exponentially averaged weights that predict; 0 predicts with the last."""
    scans_per_step: int = Field(default=4, ge=1)
    """Slots of an optimiser step (the paper's b), raised to the next multiple of n."""
    presentations: int = Field(default=4000, ge=1)
    """Budget of a training: real scans passed through one network, blanks not counted."""
    reports: int = Field(default=10, ge=1)
    """Times the out-of-fold predictions are taken within the budget."""
    flips: bool = True
    """Flip x, y and z, each with probability one half."""
    rotation: float = Field(default=0.2, ge=0, le=3.15)
    """Largest rotation about each axis, in radians."""
    translation: NonNegative = 2.0
    """Largest translation along each axis, in voxels."""
    interpolation: Literal["linear", "nearest"] = "linear"
    views: int = Field(default=4, ge=1)
    """Fixed augmented copies of a scan that a prediction averages; 1 means the scan as it is."""
    scale_labels: bool = True
    """Divide labels by the training fold's standard deviation inside training."""
    bias_at_mean: bool = True
    """Start the output bias at the training fold's mean label; needs masked blanks."""
    execution: Literal["streamed", "replicated"] = "streamed"
    chunk: Annotated[int, Field(ge=1)] | None = None
    """Most scans in one forward and backward pass of the streamed execution and of predicting; None
    takes as many as keep memory small and caches warm, from grid and device alone."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the convolutions; pooling, linear layer and sums are always float32."""
    regressor: str = Field(default=BASE, pattern=r"^(base|.+:[A-Za-z_][A-Za-z0-9_.]*)$")
    """The network: `base`, or the user's own, `FILE.py:NAME` or `MODULE:NAME` (`study.regression.named`)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.objective != "set_sum" and (self.n != 1 or self.p != 0):
            raise ValueError(
                f"`objective: {self.objective}` needs n = 1 and p = 0, got n = {self.n}, p = {self.p}"
            )
        if self.objective != "bias_penalty" and self.bias_weight != 0:
            raise ValueError("`bias_weight` belongs to `objective: bias_penalty`")
        if self.objective == "bias_penalty" and self.loss != "mse":
            raise ValueError("`objective: bias_penalty` is defined for `loss: mse` only")
        if self.regressor != BASE and self.precision != "float32":
            raise ValueError(
                "`precision: bfloat16` belongs to the base regressor; another one casts by itself"
            )
        if self.reports > self.presentations:
            raise ValueError(
                f"`reports` <= `presentations` must hold, got {self.reports} > {self.presentations}"
            )
        return self

    @property
    def slots_per_step(self) -> int:
        """b: `scans_per_step` raised to the next multiple of n."""
        return -(-self.scans_per_step // self.n) * self.n

    @property
    def expected_set_size(self) -> float:
        """n(1 - p), the first face of regularisation strength."""
        return self.n * (1 - self.p)

    def mean_error_weight(self, m: int) -> float:
        """lambda: relative weight of the squared mean error in the expected objective, m training scans.

        (n - 1)(1 - p) with replacement; without, m lambda / (m - 1 - lambda), infinite when only
        the total is learned. Derived for MSE where n divides m.
        """
        if self.objective == "bias_penalty":
            return self.bias_weight
        weight = (self.n - 1) * (1 - self.p)
        if self.replacement or weight == 0:
            return weight
        return m * weight / (m - 1 - weight) if weight < m - 1 else float("inf")

    def distinct_sets(self, m: int) -> int:
        """Number of distinct virtual samples that m training scans can form (paper, section 2.1)."""
        n = self.n if self.replacement else min(self.n, m)
        if self.replacement:
            return comb(m + n, n) - 1 if self.p > 0 else comb(m + n - 1, n)
        return sum(comb(m, i) for i in range(1, n + 1)) if self.p > 0 else comb(m, n)
