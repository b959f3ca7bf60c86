"""Optimisers by name, and the learning rate's course over a training's presentations."""

from collections.abc import Iterable
from inspect import unwrap
from math import cos, pi
from typing import TypeVar

import torch
from torch import nn, optim

from study.regression.config import TrialConfig

Family = TypeVar("Family", bound=optim.Optimizer)


def make_optimiser(parameters: Iterable[nn.Parameter], config: TrialConfig) -> optim.Optimizer:
    """Adam, AdamW, or Adadelta with Keras 2 settings (rho 0.95, eps 1e-7), as published."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "adadelta":
        return _unguarded(optim.Adadelta)(parameters, lr=rate, rho=0.95, eps=1e-7, weight_decay=decay)
    family = optim.Adam if config.optimiser == "adam" else optim.AdamW
    # One pass over the weights: a fifth of a small step was the optimiser's before.
    return _unguarded(family)(parameters, lr=rate, weight_decay=decay, fused=True)


def _unguarded(family: type[Family]) -> type[Family]:
    """The optimiser without the guards that keep `torch.compile` out of its methods: the first call of one
    imports the compiler, which takes a second in every process."""
    guarded = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: unwrap(getattr(family, name)) for name in guarded}
    return type(family.__name__, (family,), {**methods, "step": torch.no_grad()(unwrap(family.step))})


def learning_rate(config: TrialConfig, presentations: int) -> float:
    """The rate after some presentations: constant, or a half cosine to zero at the end of the budget."""
    if config.schedule == "constant":
        return config.learning_rate
    progress = min(1.0, presentations / config.presentations)
    return config.learning_rate * (1 + cos(pi * progress)) / 2
