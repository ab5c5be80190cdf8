"""Ranking and mutual-learning losses over the candidates of a batch, with masks.

A candidate outside a mask has no influence. Means are over the whole batch, also where several
processes have a shard of its listeners each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.distributed import mean_denominator

_LEAST = 1e-6  # keeps a division by a spread of zero finite; far below any spread that scores have


def softmax_ranking(
    logits: Tensor, rows: Tensor, columns: Tensor, candidate_mask: Tensor
) -> Tensor:
    """Mean over positives of -log softmax: each listener's positives against all candidates.

    Args:
        logits: shape (batch, candidates).
        rows: row of each positive, shape (positives,).
        columns: column of each positive, shape (positives,).
        candidate_mask: shape (candidates,) bool; positives outside it are left out too.

    Example: logits (0, 0), the first positive: ln 2.
    """
    counted = candidate_mask[columns]
    log_total = logits.masked_fill(~candidate_mask, -torch.inf).logsumexp(dim=1)
    rows, columns = rows[counted], columns[counted]
    return (log_total[rows] - logits[rows, columns]).sum() / mean_denominator(counted.sum())


def mutual_divergence(
    student: Tensor, teacher: Tensor, candidate_mask: Tensor, temperature: float
) -> Tensor:
    """Mean over users of KL(teacher || student) over common candidates; the teacher is constant.

    Both are calibrated first (`standardised`), so that heads with different scales can learn from
    each other: p = softmax(z / temperature). Reference: Zhang et al. 2018, arXiv:1706.00384.

    Args:
        student: scores, shape (..., batch, candidates).
        teacher: scores, likewise.
        candidate_mask: candidates that both heads have, shape (..., 1, candidates) or
            (candidates,).
        temperature: of p; a higher one compares more than the top.

    Returns:
        Shape (...): one divergence for each pair of heads; 0 where they have no common candidate.
    """
    mask = candidate_mask.expand(torch.broadcast_shapes(student.shape, teacher.shape))
    teacher_log_p = _log_p(teacher.detach(), mask, temperature)
    gap = (teacher_log_p - _log_p(student, mask, temperature)).masked_fill(~mask, 0)
    n_users = mean_denominator(torch.tensor(gap.shape[-2], device=gap.device))
    return (teacher_log_p.exp() * gap).sum(dim=-1).sum(dim=-1) / n_users


def standardised(scores: Tensor, candidate_mask: Tensor) -> Tensor:
    """Each listener's scores with mean 0 and deviation 1 over the tracks of the mask; 0 elsewhere.

    Args:
        scores: shape (..., tracks).
        candidate_mask: likewise, bool.

    Example: (1, 3) gives (-1, 1); three equal scores give zeros.
    """
    count = candidate_mask.sum(dim=-1, keepdim=True).clamp(min=1)
    present = scores.masked_fill(~candidate_mask, 0)
    centred = (present - present.sum(dim=-1, keepdim=True) / count).masked_fill(~candidate_mask, 0)
    # The floor stands inside the root, whose slope at zero is infinite: gradients would be NaN.
    spread = (centred.square().sum(dim=-1, keepdim=True) / count + _LEAST**2).sqrt()
    return centred / spread


def _log_p(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Log-probabilities over the masked candidates; finite elsewhere, for the caller to mask."""
    logits = (standardised(scores, mask) / temperature).masked_fill(
        ~mask, torch.finfo(scores.dtype).min
    )
    return logits.log_softmax(dim=-1)
