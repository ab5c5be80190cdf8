"""Data-parallel losses: a backward pass that averages the gradients of all processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from training.data.batches import TrainingBatch
    from training.models.protocols import Recommender


def data_parallel_loss(model: Recommender) -> Callable[[TrainingBatch], dict[str, Tensor]]:
    """`model.training_loss`, whose backward pass leaves the average of all processes' gradients.

    The parameters of rank 0 become those of every process.
    """
    if not dist.is_initialized():
        return model.training_loss
    with warnings.catch_warnings():
        # Sparse buffers cannot be broadcast; what torch recommends instead still broadcasts them.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        wrapped = DistributedDataParallel(
            _TrainingLoss(model),
            broadcast_buffers=False,
            find_unused_parameters=True,  # a head may have nothing to learn emotion from
        )
    return cast("Callable[[TrainingBatch], dict[str, Tensor]]", wrapped)


class _TrainingLoss(nn.Module):
    """DistributedDataParallel wraps `forward`; the loop minimises `training_loss`."""

    def __init__(self, model: Recommender) -> None:
        super().__init__()
        self.model = cast("nn.Module", model)

    def forward(self, batch: TrainingBatch) -> dict[str, Tensor]:
        return cast("Recommender", self.model).training_loss(batch)
