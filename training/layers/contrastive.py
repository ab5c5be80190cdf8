"""The contrastive loss of CLIP, with negatives of every process.

Radford et al. 2021, "Learning transferable visual models from natural language supervision"
(arXiv:2103.00020), figure 3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.engine.distributed import all_gather, gather, mean_over_batch, process_rank

INITIAL_LOG_SCALE = 2.6
"""Of HTCL: e^2.6 = 13.46."""


class Temperature(nn.Module):
    """A learned scale of cosines, e^t."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(INITIAL_LOG_SCALE))

    def forward(self) -> Tensor:
        """The scale, shape ()."""
        return self.log_scale.exp()


def contrastive_loss(
    x: Tensor, y: Tensor, scale: Tensor, tracks_of_x: Tensor, tracks_of_y: Tensor
) -> Tensor:
    """CLIP(X, Y; t): half of the cross-entropies of finding y_i by x_i, and x_i by y_i.

    Every row of the other side is a candidate, of all processes, but for copies of the right one: a
    track that is twice in a batch is no negative. Each process gives its part of the whole batch's
    mean, so that the mean over processes is the loss, and its gradient the gradient, of one process
    that has the whole batch.

    Args:
        x: this process's rows, shape (n, dim), in any length.
        y: their partners, shape (n, dim).
        scale: e^t, shape ().
        tracks_of_x: an integer for each row, the same for rows of the same track, shape (n,).
        tracks_of_y: likewise.
    """
    own_x, own_y = F.normalize(x.float(), dim=1), F.normalize(y.float(), dim=1)
    all_x, all_y = gather(own_x), gather(own_y)
    finding_y = _cross_entropy(scale * own_x @ all_y.T, tracks_of_y)
    finding_x = _cross_entropy(scale * own_y @ all_x.T, tracks_of_x)
    return (mean_over_batch(finding_y) + mean_over_batch(finding_x)) / 2


def _cross_entropy(scores: Tensor, tracks: Tensor) -> Tensor:
    """Cross-entropy of each row's own partner among the candidates, shape (n,).

    Args:
        scores: shape (n, rows of all processes).
        tracks: of the partners, shape (n,).
    """
    of_all = all_gather(tracks.cpu())
    first = sum(map(len, of_all[: process_rank()]))
    own = torch.arange(first, first + len(tracks), device=scores.device)
    is_copy = (tracks[:, None].cpu() == torch.cat(of_all)).to(scores.device)
    is_copy = is_copy.scatter(1, own[:, None], value=False)
    return F.cross_entropy(scores.masked_fill(is_copy, -torch.inf), own, reduction="none")
