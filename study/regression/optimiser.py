"""Optimisers by name, and the learning rate's course over a training's presentations."""

from collections.abc import Iterable
from math import cos, pi

from torch import nn, optim

from study.regression.config import TrialConfig


def make_optimiser(parameters: Iterable[nn.Parameter], config: TrialConfig) -> optim.Optimizer:
    """Adam, AdamW, or Adadelta with Keras 2 settings (rho 0.95, eps 1e-7), as published."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "adadelta":
        return optim.Adadelta(parameters, lr=rate, rho=0.95, eps=1e-7, weight_decay=decay)
    family = optim.Adam if config.optimiser == "adam" else optim.AdamW
    # One pass over the weights: a fifth of a small step was the optimiser's before.
    return family(parameters, lr=rate, weight_decay=decay, fused=True)


def learning_rate(config: TrialConfig, presentations: int) -> float:
    """The rate after some presentations: constant, or a half cosine to zero at the end of the budget."""
    if config.schedule == "constant":
        return config.learning_rate
    progress = min(1.0, presentations / config.presentations)
    return config.learning_rate * (1 + cos(pi * progress)) / 2
