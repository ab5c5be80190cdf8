"""Losses over the candidates of a batch; what a mask leaves out has no influence.

Means are over the whole batch, also where several processes have a part of its people each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.engine.distributed import part_of_mean

_LEAST = 1e-6  # keeps a division by a spread of zero finite; far below any spread that scores have


def softmax_ranking(logits: Tensor, rows: Tensor, columns: Tensor, takes_part: Tensor) -> Tensor:
    """Mean over positives of -log softmax: each person's positives against all candidates.

    Args:
        logits: shape (batch, candidates).
        rows: row of each positive, shape (positives,).
        columns: column of each positive, shape (positives,).
        takes_part: shape (candidates,) bool; positives outside it are left out too.

    Example: logits (0, 0), the first positive: ln 2.
    """
    counted = takes_part[columns]
    log_total = logits.masked_fill(~takes_part, -torch.inf).logsumexp(dim=1)
    rows, columns = rows[counted], columns[counted]
    return (log_total[rows] - logits[rows, columns]).sum() / part_of_mean(counted.sum())


def mutual_divergence(
    student: Tensor, teacher: Tensor, takes_part: Tensor, temperature: float
) -> Tensor:
    """Mean over people of KL(teacher || student) over shared candidates; the teacher is a constant.

    Both are calibrated first (`standardised`), so that heads with different scales can learn from
    each other: p = softmax(z / temperature). Reference: Zhang et al. 2018, arXiv:1706.00384.

    Args:
        student: scores, shape (..., batch, candidates).
        teacher: scores, likewise.
        takes_part: candidates that both heads have, shape (..., 1, candidates) or (candidates,).
        temperature: of p; a higher one compares more than the top.

    Returns:
        Shape (...): one divergence for each pair of heads; 0 where they share no candidate.
    """
    mask = takes_part.expand(torch.broadcast_shapes(student.shape, teacher.shape))
    teacher_log_p = _log_p(teacher.detach(), mask, temperature)
    gap = (teacher_log_p - _log_p(student, mask, temperature)).masked_fill(~mask, 0)
    n_people = part_of_mean(torch.tensor(gap.shape[-2], device=gap.device))
    return (teacher_log_p.exp() * gap).sum(dim=-1).sum(dim=-1) / n_people


def standardised(scores: Tensor, takes_part: Tensor) -> Tensor:
    """Each person's scores with mean 0 and deviation 1 over the tracks that take part; 0 elsewhere.

    Args:
        scores: shape (..., tracks).
        takes_part: likewise, bool.

    Example: (1, 3) gives (-1, 1); three equal scores give zeros.
    """
    count = takes_part.sum(dim=-1, keepdim=True).clamp(min=1)
    present = scores.masked_fill(~takes_part, 0)
    centred = (present - present.sum(dim=-1, keepdim=True) / count).masked_fill(~takes_part, 0)
    # The floor stands inside the root, whose slope at zero is infinite: gradients would be NaN.
    spread = (centred.square().sum(dim=-1, keepdim=True) / count + _LEAST**2).sqrt()
    return centred / spread


def _log_p(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Log-probabilities over the masked candidates; finite elsewhere, for the caller to mask."""
    logits = (standardised(scores, mask) / temperature).masked_fill(
        ~mask, torch.finfo(scores.dtype).min
    )
    return logits.log_softmax(dim=-1)
