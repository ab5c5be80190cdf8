"""Learning from pairs: what a person heard ranks before something that the person did not hear.

Reference: BPR (Rendle et al. 2009, arXiv:1205.2618).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.data.batches import LearningBatch


@dataclass(frozen=True, slots=True, eq=False)
class Triples:
    """Places in a batch, all of shape (triples,).

    Attributes:
        rows: a person's place among the batch's people.
        heard: place among the candidates of a track that the person heard.
        unheard: likewise, of one that the person did not hear.
    """

    rows: Tensor
    heard: Tensor
    unheard: Tensor


def drawn_triples(batch: LearningBatch) -> Triples:
    """A negative for each positive, uniform over the candidates that its person did not hear.

    Drawn by torch's global generator, which the loop's caller seeds; without rejection, so that a
    person who heard nearly everything costs no more than another. The positives of one who heard
    all candidates are left out.

    Example: candidates 0 to 4, of which the person heard 1 and 2: the places of the unheard are 0,
    3, 4; draw 1 of 0..2 gives 3, because both heard ones come before it.
    """
    n_candidates, n_people = len(batch.candidates), len(batch.users)
    order = torch.argsort(batch.rows * n_candidates + batch.columns)
    rows, heard = batch.rows[order], batch.columns[order]
    count = torch.bincount(rows, minlength=n_people)
    first = count.cumsum(0) - count
    n_unheard = (n_candidates - count)[rows]
    drawn = (torch.rand(len(rows), device=rows.device, dtype=torch.float64) * n_unheard).long()
    # heard[k] - k unheard candidates come before the k-th heard one: it is passed by greater draws.
    passed_at = heard - (torch.arange(len(rows), device=rows.device) - first[rows])
    width = n_candidates + 1
    n_passed = torch.searchsorted(rows * width + passed_at, rows * width + drawn, right=True)
    unheard = drawn + n_passed - first[rows]
    is_possible = n_unheard > 0
    return Triples(rows[is_possible], heard[is_possible], unheard[is_possible])


def pairwise_ranking(heard: Tensor, unheard: Tensor) -> Tensor:
    """Mean of -ln sigmoid(heard - unheard) over triples, both of shape (triples,).

    Example: equal scores give ln 2.
    """
    return functional.softplus(unheard - heard).sum() / max(1, len(heard))
