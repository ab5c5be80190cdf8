"""Hyperparameters of the training loop, the same for every task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """Hyperparameters of the loop; the same names for every family."""

    learning_rate: float = 0.02
    optimiser: str = "adam"  # or adamw
    weight_decay: float = 0.0
    schedule: str = "constant"  # or linear, cosine: to 0 at the last step of max_epochs
    warm_up_epochs: float = 0.0  # in which the rate rises linearly
    clip_norm: float = 0.0  # longest gradient; 0 clips none
    accumulate: int = 1  # batches whose gradients are averaged for one step
    precision: str = "float32"  # or bfloat16: autocast of the forward pass
    validate_every: int = 4  # epochs
    patience: int = 3  # validations without a better one until the fit stops
    max_epochs: int = 1_000  # a bound against a fit without end; validation stops long before
    epochs_without_validation: int = 10  # of data too small to hold anything out
