"""What is learned from, what chooses, and what is only measured: one split rule for every family.

Listens with times are cut once, for everybody, by the calendar: train < validation window < test
window, the last one ending with the night. A track that came after the cut is neither listed nor to
be found there, and a listen of it waits: on the night of the cut nobody had it. Counts without
times are divided at random within each person, 8:1:1. Held out is what a person had not listened to
before the cut: repeating a favourite is no recommendation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import torch
from torch import Tensor

from training.data.interactions import EPOCH, Listens, Pairs, day_number, unheard


class NeedsTimesError(ValueError):
    """Something that needs times was asked of counts that have none."""


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """Sizes of the held-out parts."""

    window_days: int = 7  # length of the validation window, and of the test window
    min_days_per_window: int = (
        5  # the listens must span so many times a window, or the window shrinks
    )
    held_out_tenths: int = 1  # of a person's undated counts, for validation and again for test
    min_held_out_users: int = 5  # fewer people measure nothing


@dataclass(frozen=True, slots=True)
class Window:
    """Days [start, end)."""

    start: date
    end: date

    def __post_init__(self) -> None:
        """Refuse an end before the start; an empty window is a window."""
        if self.end < self.start:
            raise ValueError(f"window [{self.start}, {self.end}) ends before it starts")


@dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """What was known, and what came after.

    Attributes:
        before: the listens that a model may see.
        end: first day that `before` lacks.
        had_come: tracks that were there before `end`, shape (n_tracks,) bool; no list has another.
        after: pairs to be found, none of them in `before`, of tracks that had come.
        concealed: every pair that came after, also what is held out for later; nothing that gives
            one away may be seen either.
    """

    before: Listens
    end: date
    had_come: Tensor
    after: Pairs
    concealed: Pairs

    @property
    def n_users(self) -> int:
        """People with at least one pair to be found."""
        return len(self.after.users.unique())

    def asking_for(self, other: Holdout, n_tracks: int) -> Holdout:
        """The same, with those pairs alone to be found that `other` asks for too."""
        keys = self.after.users * n_tracks + self.after.tracks
        asked = other.after.users * n_tracks + other.after.tracks
        return replace(self, after=self.after.where(torch.isin(keys, asked)))


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Learn from `validation.before`, choose by `validation.after`; evaluate.py opens the test.

    Attributes:
        rule: "time" or "random".
    """

    rule: str
    validation: Holdout
    sealed_test: Holdout = field(repr=False)

    def asking_for(self, other: Split, n_tracks: int) -> Split:
        """The same to learn from; to be found are those pairs alone that `other` asks for too."""
        return replace(
            self,
            validation=self.validation.asking_for(other.validation, n_tracks),
            sealed_test=self.sealed_test.asking_for(other.sealed_test, n_tracks),
        )


@dataclass(frozen=True, slots=True)
class Unsplit:
    """The world is too small to hold anything out; `reason` says by which rule and value."""

    reason: str


def choose_split(
    listens: Listens, as_of: date, came_day: Tensor, config: SplitConfig, generator: torch.Generator
) -> Split | Unsplit:
    """By time where times reach, else at random within a person's counts, else not at all.

    Args:
        listens: all that are known.
        as_of: the last day of them.
        came_day: of each track, shape (n_tracks,); see World.
        config: sizes.
        generator: of a random split.
    """
    reasons: list[str] = []
    has_counts = not bool(listens.is_dated.all())
    for rule in ("time", "random") if has_counts else ("time",):
        try:
            split = (
                time_split(listens, as_of, came_day, config)
                if rule == "time"
                else random_split(listens, as_of, len(came_day), config, generator)
            )
        except NeedsTimesError as error:
            reasons.append(str(error))
            continue
        held_out = min(split.validation.n_users, split.sealed_test.n_users)
        if len(split.validation.before) and held_out >= config.min_held_out_users:
            return split
        reasons.append(
            f"{rule} split: {len(split.validation.before)} rows to learn from, {held_out} people "
            f"with something held out (rule: some rows, {config.min_held_out_users} people)"
        )
    return Unsplit("; ".join(reasons))


def time_split(listens: Listens, as_of: date, came_day: Tensor, config: SplitConfig) -> Split:
    """Cut at two days for everybody; both windows shrink together when the listens span few days.

    A window is at most a `min_days_per_window`-th of the days from the first listen to `as_of`, and
    at least one day.

    Raises:
        NeedsTimesError: no row has a time.
    """
    if not bool(listens.is_dated.any()):
        raise NeedsTimesError("core_daily_listens: no row, so nothing can be split by time")
    end = as_of + timedelta(days=1)
    first = EPOCH + timedelta(days=int(listens.day[listens.is_dated].min()))
    length = min(config.window_days, (end - first).days // config.min_days_per_window)
    test = Window(end - timedelta(days=max(1, length)), end)
    validation = Window(test.start - timedelta(days=max(1, length)), test.start)
    return _split(
        "time", _holdout(listens, validation, came_day), _holdout(listens, test, came_day)
    )


def random_split(
    listens: Listens, as_of: date, n_tracks: int, config: SplitConfig, generator: torch.Generator
) -> Split:
    """Divide each person's undated pairs at random; dated rows are learned from.

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


def _split(rule: str, validation: Holdout, test: Holdout) -> Split:
    """The validation conceals the test's pairs as well."""
    concealed = Pairs(
        torch.cat([validation.concealed.users, test.concealed.users]),
        torch.cat([validation.concealed.tracks, test.concealed.tracks]),
        torch.cat([validation.concealed.weight, test.concealed.weight]),
    )
    return Split(rule, replace(validation, concealed=concealed), test)


def _holdout(listens: Listens, window: Window, came_day: Tensor) -> Holdout:
    """What was known at the window's start, and the new pairs inside it of tracks known by then."""
    n_tracks = len(came_day)
    had_come = came_day < day_number(window.start)
    before = listens.before(window.start)
    before = before.where(had_come[before.tracks])
    inside = listens.within(window.start, window.end).pairs(window.end, n_tracks)
    news = unheard(inside, before.pairs(window.start, n_tracks), n_tracks)
    return Holdout(before, window.start, had_come, news.where(had_come[news.tracks]), news)


def _random_holdout(before: Listens, held_out: Listens, end: date, n_tracks: int) -> Holdout:
    """Held-out counts that no other row of the same pair gives away."""
    after = unheard(held_out.pairs(end, n_tracks), before.pairs(end, n_tracks), n_tracks)
    return Holdout(before, end, torch.ones(n_tracks, dtype=torch.bool), after, after)


def _random_parts(listens: Listens, tenths: int, generator: torch.Generator) -> Tensor:
    """_TRAIN, _VALIDATION or _TEST for each row, shape (n,)."""
    undated = torch.nonzero(~listens.is_dated).squeeze(1)
    shuffled = undated[torch.randperm(len(undated), generator=generator)]
    shuffled = shuffled[torch.argsort(listens.users[shuffled], stable=True)]
    _users, size = torch.unique_consecutive(listens.users[shuffled], return_counts=True)
    starts = torch.cumsum(size, 0) - size
    place = torch.arange(len(shuffled)) - starts.repeat_interleave(size)
    held_out = (size * tenths // 10).repeat_interleave(size)
    part = torch.full((len(listens),), _TRAIN)
    part[shuffled[place < 2 * held_out]] = _VALIDATION
    part[shuffled[place < held_out]] = _TEST
    return part
