"""Listens of users to tracks: daily sums, undated counts, and the distinct pairs they make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import torch

from feature_store.tables.edge_weights import Arithmetic, edge_weight

if TYPE_CHECKING:
    from torch import Tensor

EPOCH = date(1970, 1, 1)

TORCH = Arithmetic(
    log1p=lambda number: torch.log1p(number.double()),
    exp=torch.exp,
    floor_divide=lambda dividend, divisor: torch.div(dividend, divisor, rounding_mode="floor"),
)
"""The arithmetic of the edge weight on tensors; counts are int64, ages float64."""


def day_number(day: date) -> int:
    """Days since 1970-01-01, as Arrow's date32 counts them."""
    return (day - EPOCH).days


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Distinct user-track pairs in order of user, then track.

    Attributes:
        users: positions, shape (n,).
        tracks: positions, shape (n,).
        weight: how strong, shape (n,).
    """

    users: Tensor
    tracks: Tensor
    weight: Tensor

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.users)

    def where(self, mask: Tensor) -> Pairs:
        """The pairs that `mask`, shape (n,), lets through."""
        return Pairs(self.users[mask], self.tracks[mask], self.weight[mask])

    def of_users(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs of some users, found without a pass over all pairs.

        Args:
            users: positions, shape (batch,), in any order.

        Returns:
            Of each pair the row of its user in `users`, and its track, both of shape (pairs,).

        Example: pairs (1, 7), (2, 5), (2, 6) and users (2, 1): rows (0, 0, 1), tracks (5, 6, 7).
        """
        first = torch.searchsorted(self.users, users)
        count = torch.searchsorted(self.users, users, right=True) - first
        rows = torch.arange(len(users)).repeat_interleave(count)
        offset = torch.arange(len(rows)) - (count.cumsum(0) - count)[rows]
        return rows, self.tracks[first[rows] + offset]


@dataclass(frozen=True, slots=True, eq=False)
class Listens:
    """Sums of listens per user, track and day; a count without times is one undated row.

    Attributes:
        users, tracks: positions, shape (n,).
        day: days since 1970-01-01, shape (n,); means nothing where `is_dated` is false.
        is_dated: shape (n,).
        listen_count: shape (n,).
        completion_permille: sum of completion in thousandths, shape (n,).
    """

    users: Tensor
    tracks: Tensor
    day: Tensor
    is_dated: Tensor
    listen_count: Tensor
    completion_permille: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.users)

    def where(self, mask: Tensor) -> Listens:
        """The rows that `mask`, shape (n,), lets through."""
        return Listens(
            self.users[mask],
            self.tracks[mask],
            self.day[mask],
            self.is_dated[mask],
            self.listen_count[mask],
            self.completion_permille[mask],
        )

    def before(self, end: date) -> Listens:
        """Rows of days before `end`, and the undated ones."""
        return self.where(~self.is_dated | (self.day < day_number(end)))

    def within(self, start: date, end: date) -> Listens:
        """Dated rows of [start, end)."""
        return self.where(
            self.is_dated & (self.day >= day_number(start)) & (self.day < day_number(end))
        )

    def recent(self, end: date, n_days: int | None) -> Listens:
        """Rows of the `n_days` before `end`, all for None; and the undated ones."""
        if n_days is None:
            return self
        return self.where(~self.is_dated | (self.day >= day_number(end) - n_days))

    def pairs(self, end: date, n_tracks: int, *, at_least: int = 1) -> Pairs:
        """Distinct pairs with `at_least` listens, with the weights of graph_user_listened_track.

        The weight is that of the day before `end`, by the formula in
        feature_store/tables/edge_weights.py. A pair's last dated row gives its age; a pair of
        undated rows alone has age 0.
        """
        keys, group = torch.unique(self.users * n_tracks + self.tracks, return_inverse=True)
        count = _sum_by(group, self.listen_count, len(keys))
        completion = _sum_by(group, self.completion_permille, len(keys))
        undated = torch.iinfo(torch.int64).max
        age_days = torch.where(self.is_dated, day_number(end) - 1 - self.day, undated)
        newest = torch.full((len(keys),), undated).scatter_reduce(0, group, age_days, "amin")
        newest = torch.where(newest == undated, 0, newest)
        weight = edge_weight(TORCH, count, completion, newest.double())
        pairs = Pairs(keys // n_tracks, keys % n_tracks, weight.float())
        return pairs.where(count >= at_least)


def listens_of(
    users: Tensor, tracks: Tensor, day: Tensor, listen_count: Tensor, completion_permille: Tensor
) -> Listens:
    """Dated listens from their columns, all of shape (n,)."""
    dated = torch.ones(len(users), dtype=torch.bool)
    return Listens(users, tracks, day, dated, listen_count, completion_permille)


def counts_of(users: Tensor, tracks: Tensor, listen_count: Tensor) -> Listens:
    """Undated counts from their columns, all of shape (n,).

    Completion counts as full, as in the graph's contract.
    """
    undated = torch.zeros(len(users), dtype=torch.bool)
    return Listens(
        users, tracks, torch.zeros_like(users), undated, listen_count, 1000 * listen_count
    )


def joined(first: Listens, second: Listens) -> Listens:
    """Rows of both."""
    return Listens(
        torch.cat([first.users, second.users]),
        torch.cat([first.tracks, second.tracks]),
        torch.cat([first.day, second.day]),
        torch.cat([first.is_dated, second.is_dated]),
        torch.cat([first.listen_count, second.listen_count]),
        torch.cat([first.completion_permille, second.completion_permille]),
    )


def exclude_pairs(pairs: Pairs, excluded: Pairs, n_tracks: int) -> Pairs:
    """The pairs of `pairs` that are not in `excluded`."""
    keys = pairs.users * n_tracks + pairs.tracks
    return pairs.where(~torch.isin(keys, excluded.users * n_tracks + excluded.tracks))


def _sum_by(group: Tensor, values: Tensor, n_groups: int) -> Tensor:
    """Integer sums of `values` per group, shape (n_groups,)."""
    return torch.zeros(n_groups, dtype=values.dtype).index_add(0, group, values)
