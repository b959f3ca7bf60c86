"""The K networks of one configuration and one seed, one a fold, advancing together from report to report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.agreement import icc, mae, mse
from study.cohort.rows import Images, Rows
from study.cohort.split import Fold
from study.regression.augmentation import identity_transform
from study.regression.config import TrialConfig
from study.regression.prediction import Predictor, draw_views, predict
from study.regression.resident import resident
from study.regression.training import DivergedError, NetworkTraining


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where all folds stand after the same number of presentations.

    Scores pool the out-of-fold predictions, label units. `shift` is the mean prediction on scans
    as they are minus over the views, in label standard deviations; `blank_response` is the mean
    |f(B)|. `train_mse` and `train_mae` are errors on scans that the predicting network trained on,
    through the same views and averaged weights and without dropout, so that the difference from
    `mse` or `mae` is that of the scans alone; where there are several folds every scan is predicted
    once a repeat, by the network of the fold after the one that holds it out. All four cost passes
    of their own and are taken at the last report only, NaN before.
    """

    report: int
    presentations: int
    steps: int
    train_loss: float
    mse: float
    mae: float
    icc: float
    shift: float
    blank_response: float
    seconds: float
    oof_RM: NDArray[np.float64]
    train_mse: float = float("nan")
    train_mae: float = float("nan")


class CrossValidation:
    """Trains a configuration on every fold and predicts each scan by networks that did not see it.

    Args:
        config: How to train.
        images_MDHW: Development scans (M, D, H, W), preprocessed; read a chunk at a time.
        labels_M: (M,), label units.
        folds: Positions of training and held-out scans; each scan is held out once a repeat
            (a holdout leaves the others without a prediction: NaN).
        seed: Seeds folds' initial weights, order and augmentation, the same for every configuration.
        view_seed: Seeds the fixed views, one for a whole study.
        device: Where the networks live.
    """

    def __init__(
        self,
        config: TrialConfig,
        images_MDHW: Images,
        labels_M: NDArray[np.float64],
        folds: Sequence[Fold],
        *,
        seed: int,
        view_seed: int,
        device: str = "cpu",
    ) -> None:
        self.config, self.folds, self.device = config, tuple(folds), device
        self.images_MDHW, self.labels_M = resident(images_MDHW, device), labels_M
        self.views = draw_views(config, view_seed)
        self.report = 0
        self.trainings = [
            NetworkTraining(
                config,
                Rows(self.images_MDHW, fold.train),
                labels_M[fold.train],
                seeds=np.random.SeedSequence([seed, fold.repeat, fold.index]),
                device=device,
            )
            for fold in self.folds
        ]

    @property
    def finished(self) -> bool:
        """Whether the budget is spent."""
        return self.report == self.config.reports

    @property
    def presentations(self) -> int:
        """Presentations of each network at the latest report."""
        return self.mark(self.report)

    def mark(self, report: int) -> int:
        """Presentations at which a report is due."""
        return self.config.presentations * report // self.config.reports

    def advance(self) -> Report:
        """Train every fold to the next report mark, then predict every held-out scan.

        Raises:
            DivergedError: A loss or prediction is not finite or has exploded.
        """
        start = time.perf_counter()
        self.report += 1
        losses = [training.advance(self.presentations) for training in self.trainings]
        oof_RM = self._predict_held_out(self.views)
        seen = np.unique(np.concatenate([fold.held_out for fold in self.folds]))
        if not np.isfinite(oof_RM[:, seen]).all():
            raise DivergedError(f"a prediction is not finite after {self.presentations} presentations")
        predictions, labels = oof_RM[:, seen], np.broadcast_to(self.labels_M[seen], oof_RM[:, seen].shape)
        last = self.finished
        train_mse, train_mae = self._training_errors() if last else (float("nan"), float("nan"))
        return Report(
            report=self.report,
            presentations=self.presentations,
            steps=max(training.steps for training in self.trainings),
            train_loss=float(np.mean(losses)),
            mse=float(np.mean(mse(predictions, labels))),
            mae=float(np.mean(mae(predictions, labels))),
            icc=float(np.mean(icc(predictions, labels))),
            shift=self._shift(oof_RM) if last else float("nan"),
            blank_response=self._blank_response() if last else float("nan"),
            seconds=time.perf_counter() - start,
            oof_RM=oof_RM,
            train_mse=train_mse,
            train_mae=train_mae,
        )

    def networks(self) -> list[Predictor]:
        """The predicting networks, one a fold, in label units."""
        return [training.predictor() for training in self.trainings]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on as if never stopped."""
        return {"report": self.report, "trainings": [training.state_dict() for training in self.trainings]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict` of the same configuration, data, folds and seeds."""
        self.report = state["report"]
        for training, saved in zip(self.trainings, state["trainings"], strict=True):
            training.load_state_dict(saved)

    def _predict_held_out(self, views: NDArray[np.float64]) -> NDArray[np.float64]:
        repeats = 1 + max(fold.repeat for fold in self.folds)
        oof_RM = np.full((repeats, len(self.labels_M)), np.nan)
        for fold, network in zip(self.folds, self.networks(), strict=True):
            images = Rows(self.images_MDHW, fold.held_out)
            oof_RM[fold.repeat, fold.held_out] = predict(
                network, images, views, config=self.config, device=self.device
            )
        return oof_RM

    def _training_errors(self) -> tuple[float, float]:
        """MSE and MAE, label units, of scans predicted by networks that trained on them."""
        errors = []
        for fold, network in zip(self.folds, self.networks(), strict=True):
            known = self._known(fold)
            images = Rows(self.images_MDHW, known)
            predictions = predict(network, images, self.views, config=self.config, device=self.device)
            errors.append(predictions - self.labels_M[known])
        pooled = np.concatenate(errors)
        return float(np.mean(pooled**2)), float(np.mean(np.abs(pooled)))

    def _known(self, fold: Fold) -> NDArray[np.int64]:
        """Training scans that stand for a fold's: those the fold before it holds out, so that no scan
        counts twice and the cost is that of one report; all of them where there is one fold."""
        siblings = {other.index: other for other in self.folds if other.repeat == fold.repeat}
        order = sorted(siblings)
        before = siblings[order[order.index(fold.index) - 1]]
        return fold.train if before is fold else before.held_out

    def _shift(self, oof_RM: NDArray[np.float64]) -> float:
        if self.config.views == 1:
            return 0.0
        as_is_RM = self._predict_held_out(identity_transform())
        return float(np.nanmean(as_is_RM - oof_RM) / np.std(self.labels_M))

    def _blank_response(self) -> float:
        shape = self.images_MDHW.shape[1:]
        return float(np.mean([network.blank_response(shape) for network in self.networks()]))
