"""Train, validation and test splits: one split rule for every family.

Listens with times are cut by the calendar, at the same days for all listeners: train < validation
window < test window, and the test window ends with the night. A track that became available after
the cut is neither listed nor relevant there, and its listens are left out: on the night of the cut
the catalogue lacked it. Counts without times are divided at random within each listener, 8:1:1.
Only pairs that the listener had not heard before the cut are held out: repeating a favourite is no
recommendation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from torch import Tensor

from training.data.interactions import Listens, Pairs, day_number, exclude_pairs

if TYPE_CHECKING:
    from feature_store.setting_groups import SplitSettings

Part = TypeVar("Part")
Other = TypeVar("Other")
"""What a task's splits hold out."""


@dataclass(frozen=True, slots=True)
class Window:
    """Days [start, end)."""

    start: date
    end: date

    def __post_init__(self) -> None:
        """Refuse an end before the start; an empty window is a window."""
        if self.end < self.start:
            raise ValueError(f"window [{self.start}, {self.end}) ends before it starts")


@dataclass(frozen=True, slots=True)
class Cut:
    """The night's cut, which all tasks share: train < validation window < test window.

    The test window ends with the night.
    """

    validation: Window
    test: Window


def night_cut(first_day: date | None, as_of: date, config: SplitSettings) -> Cut | None:
    """Cut a night at two days; both windows shrink together when listens span few days.

    A window is at most a `min_days_per_window`-th of the days from the first listen to `as_of`, and
    at least one day.

    Args:
        first_day: of the first listen with a time; None where nothing has a time.
        as_of: the last day.
        config: sizes.
    """
    if first_day is None:
        return None
    end = as_of + timedelta(days=1)
    length = min(config.window_days, (end - first_day).days // config.min_days_per_window)
    test = Window(end - timedelta(days=max(1, length)), end)
    return Cut(Window(test.start - timedelta(days=max(1, length)), test.start), test)


@dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """The listens before a cut, and the pairs after it.

    Attributes:
        before: the listens that a model may see.
        end: first day that `before` lacks.
        available_mask: tracks that were available before `end`, shape (n_tracks,) bool; lists hold
            no other track.
        relevant: held-out pairs, none of them in `before`, of available tracks.
        hidden_pairs: every held-out pair after the cut, also those of a later holdout; a model may
            see nothing that leaks one.
    """

    before: Listens
    end: date
    available_mask: Tensor
    relevant: Pairs
    hidden_pairs: Pairs

    @property
    def n_users(self) -> int:
        """Listeners with at least one relevant pair."""
        return len(self.relevant.users.unique())

    def restrict_to_pairs_of(self, other: Holdout, n_tracks: int) -> Holdout:
        """The same, with only those relevant pairs that `other` has too."""
        keys = self.relevant.users * n_tracks + self.relevant.tracks
        others = other.relevant.users * n_tracks + other.relevant.tracks
        return replace(self, relevant=self.relevant.where(torch.isin(keys, others)))

    def halves(self, generator: torch.Generator) -> tuple[Holdout, Holdout]:
        """The relevant pairs of half of the listeners, drawn at random, and those of the others."""
        users = self.relevant.users.unique()
        first = users[torch.randperm(len(users), generator=generator)[: len(users) // 2]]
        in_first = torch.isin(self.relevant.users, first)
        return (
            replace(self, relevant=self.relevant.where(in_first)),
            replace(self, relevant=self.relevant.where(~in_first)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Split(Generic[Part]):
    """Train before `validation`, select by what it holds out; evaluate.py opens the test.

    Attributes:
        rule: "time" or "random".
    """

    rule: str
    validation: Part
    sealed_test: Part = field(repr=False)


def restrict_to_pairs_of(
    split: Split[Holdout], other: Split[Holdout], n_tracks: int
) -> Split[Holdout]:
    """The same to train on, with only those relevant pairs that `other` has too."""
    return replace(
        split,
        validation=split.validation.restrict_to_pairs_of(other.validation, n_tracks),
        sealed_test=split.sealed_test.restrict_to_pairs_of(other.sealed_test, n_tracks),
    )


def map_parts(
    split: Split[Part], validation: Callable[[Part], Other], test: Callable[[Part], Other]
) -> Split[Other]:
    """The same split with what another task holds out; the test stays sealed."""
    return Split(split.rule, validation(split.validation), test(split.sealed_test))


def least_of_parts(split: Split[Part], count: Callable[[Part], int]) -> int:
    """The smaller count of both parts, which tells whether they are large enough; no more."""
    return min(count(split.validation), count(split.sealed_test))


@dataclass(frozen=True, slots=True)
class Unsplit:
    """The dataset is too small to hold anything out; `reason` says by which rule and value."""

    reason: str


def choose_split(
    listens: Listens,
    as_of: date,
    available_from: Tensor,
    cut: Cut | None,
    config: SplitSettings,
    generator: torch.Generator,
) -> Split[Holdout] | Unsplit:
    """Split by time where times suffice, else at random within a listener's counts, else not.

    Args:
        listens: all that are known.
        as_of: the last day of them.
        available_from: day number of each track, shape (n_tracks,); see Dataset.
        cut: of the night; None where nothing has a time.
        config: sizes.
        generator: of a random split.
    """
    reasons: list[str] = []
    has_counts = not bool(listens.is_dated.all())
    for rule in ("time", "random") if has_counts else ("time",):
        if rule == "random":
            split = random_split(listens, as_of, len(available_from), config, generator)
        elif cut is None or not bool(listens.is_dated.any()):
            reasons.append("core_daily_listens: no row, so nothing can be split by time")
            continue
        else:
            split = time_split(listens, available_from, cut)
        held_out = min(split.validation.n_users, split.sealed_test.n_users)
        if len(split.validation.before) and held_out >= config.min_held_out_users:
            return split
        reasons.append(
            f"{rule} split: {len(split.validation.before)} rows to train on, {held_out} listeners "
            f"with something held out (rule: some rows, {config.min_held_out_users} listeners)"
        )
    return Unsplit("; ".join(reasons))


def time_split(listens: Listens, available_from: Tensor, cut: Cut) -> Split[Holdout]:
    """Cut at the same two days for all listeners."""
    return _split(
        "time",
        _holdout(listens, cut.validation, available_from),
        _holdout(listens, cut.test, available_from),
    )


def random_split(
    listens: Listens, as_of: date, n_tracks: int, config: SplitSettings, generator: torch.Generator
) -> Split[Holdout]:
    """Divide each listener's undated pairs at random; dated rows go to train.

    With n pairs, int(n x held_out_tenths / 10) go to the test and as many to validation.
    """
    end = as_of + timedelta(days=1)
    part = _random_parts(listens, config.held_out_tenths, generator)
    known, to_test = listens.where(part == _TRAIN), listens.where(part != _TEST)
    return _split(
        "random",
        _random_holdout(known, listens.where(part == _VALIDATION), end, n_tracks),
        _random_holdout(to_test, listens.where(part == _TEST), end, n_tracks),
    )


_TRAIN, _VALIDATION, _TEST = range(3)


def _split(rule: str, validation: Holdout, test: Holdout) -> Split[Holdout]:
    """Validation hides the test's pairs as well."""
    hidden_pairs = Pairs(
        torch.cat([validation.hidden_pairs.users, test.hidden_pairs.users]),
        torch.cat([validation.hidden_pairs.tracks, test.hidden_pairs.tracks]),
        torch.cat([validation.hidden_pairs.weight, test.hidden_pairs.weight]),
    )
    return Split(rule, replace(validation, hidden_pairs=hidden_pairs), test)


def _holdout(listens: Listens, window: Window, available_from: Tensor) -> Holdout:
    """Listens before the window, and the new pairs inside it of tracks available by then."""
    n_tracks = len(available_from)
    available_mask = available_from < day_number(window.start)
    before = listens.before(window.start)
    before = before.where(available_mask[before.tracks])
    inside = listens.within(window.start, window.end).pairs(window.end, n_tracks)
    new = exclude_pairs(inside, before.pairs(window.start, n_tracks), n_tracks)
    return Holdout(before, window.start, available_mask, new.where(available_mask[new.tracks]), new)


def _random_holdout(before: Listens, held_out: Listens, end: date, n_tracks: int) -> Holdout:
    """Held-out counts of pairs that have no other row."""
    relevant = exclude_pairs(held_out.pairs(end, n_tracks), before.pairs(end, n_tracks), n_tracks)
    return Holdout(before, end, torch.ones(n_tracks, dtype=torch.bool), relevant, relevant)


def _random_parts(listens: Listens, tenths: int, generator: torch.Generator) -> Tensor:
    """_TRAIN, _VALIDATION or _TEST for each row, shape (n,)."""
    undated = torch.nonzero(~listens.is_dated).squeeze(1)
    shuffled = undated[torch.randperm(len(undated), generator=generator)]
    shuffled = shuffled[torch.argsort(listens.users[shuffled], stable=True)]
    _users, size = torch.unique_consecutive(listens.users[shuffled], return_counts=True)
    starts = torch.cumsum(size, 0) - size
    index = torch.arange(len(shuffled)) - starts.repeat_interleave(size)
    held_out = (size * tenths // 10).repeat_interleave(size)
    part = torch.full((len(listens),), _TRAIN)
    part[shuffled[index < 2 * held_out]] = _VALIDATION
    part[shuffled[index < held_out]] = _TEST
    return part
