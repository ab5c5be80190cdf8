from __future__ import annotations

import ast
from datetime import date, timedelta
from pathlib import Path

import pytest
import torch

import training
from feature_store.setting_groups import SplitSettings
from tests.training.datasets import cut_of, listens_on
from training.data.interactions import counts_of, day_number, joined
from training.evaluation.splits import (
    Split,
    Unsplit,
    Window,
    choose_split,
    random_split,
    time_split,
)

LEAP_DAY = date(2028, 2, 29)
N_TRACKS = 50


def found(pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.users.tolist(), pairs.tracks.tolist(), strict=True))


def available_on(days: dict[int, date] | None = None) -> torch.Tensor:
    """Days on which tracks became available; unknown of the others."""
    found = torch.zeros(N_TRACKS, dtype=torch.int64)
    for track, day in (days or {}).items():
        found[track] = day_number(day)
    return found


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_windows_end_with_the_night_and_cross_a_leap_day():
    """Two windows of 2 days up to 1 March 2028: [27, 29) February and [29 February, 2 March)."""
    config = SplitSettings(window_days=2)
    first = date(2028, 2, 1)
    listens = listens_on(
        [
            (0, 0, first),
            (0, 1, date(2028, 2, 26)),
            (0, 2, date(2028, 2, 27)),
            (0, 3, date(2028, 2, 28)),
            (0, 4, LEAP_DAY),
            (0, 5, date(2028, 3, 1)),
            (0, 6, date(2028, 3, 2)),
        ]
    )

    split = time_split(listens, available_on(), cut_of(listens, date(2028, 3, 1), config))

    assert set(split.validation.before.tracks.tolist()) == {0, 1}
    assert found(split.validation.relevant) == {(0, 2), (0, 3)}
    assert set(split.sealed_test.before.tracks.tolist()) == {0, 1, 2, 3}
    assert found(split.sealed_test.relevant) == {(0, 4), (0, 5)}


def test_a_track_available_after_the_cut_is_neither_listed_nor_relevant():
    """Cuts on the 9th and 10th: t3 came on the 9th, t4 on the 10th. Both stay hidden from training.

    Listener 2 heard t4 on the 1st, before it was available: that listen is left out, and is not relevant at the test either.
    """
    first, ninth, tenth = date(2026, 1, 1), date(2026, 1, 9), date(2026, 1, 10)
    listens = listens_on(
        [
            *[(0, 1, first), (2, 4, first), (0, 2, ninth), (0, 3, ninth)],
            *[(1, track, tenth) for track in (2, 3, 4)],
        ]
    )

    cut = cut_of(listens, tenth, SplitSettings(window_days=1))
    split = time_split(listens, available_on({3: ninth, 4: tenth}), cut)

    assert found(split.validation.relevant) == {(0, 2)}
    assert found(split.sealed_test.relevant) == {(1, 2), (1, 3)}
    assert split.validation.available_mask[:5].tolist() == [True, True, True, False, False]
    assert split.sealed_test.available_mask[:5].tolist() == [True, True, True, True, False]
    assert found(split.validation.before) == {(0, 1)}
    assert found(split.sealed_test.before) == {(0, 1), (0, 2), (0, 3)}
    later = {(1, 2), (1, 3), (1, 4)}
    assert found(split.sealed_test.hidden_pairs) == later
    assert found(split.validation.hidden_pairs) == {(0, 2), (0, 3)} | later


def test_a_favourite_heard_again_is_not_held_out():
    """Track 1 was heard before the cut and again inside the window; only track 2 is to be found."""
    config = SplitSettings(window_days=1)
    listens = listens_on(
        [(0, 1, date(2026, 1, 1)), (0, 1, date(2026, 1, 10)), (0, 2, date(2026, 1, 10))]
    )

    split = time_split(listens, available_on(), cut_of(listens, date(2026, 1, 10), config))

    assert found(split.sealed_test.relevant) == {(0, 2)}


def test_windows_shrink_when_the_listens_span_few_days():
    """11 days, a fifth of them is 2: the test is the last 2 days, not 7."""
    start = date(2026, 1, 1)
    listens = listens_on([(0, day, start + timedelta(days=day)) for day in range(11)])

    split = time_split(listens, available_on(), cut_of(listens, date(2026, 1, 11), SplitSettings()))

    assert found(split.sealed_test.relevant) == {(0, 9), (0, 10)}
    assert found(split.validation.relevant) == {(0, 7), (0, 8)}


def test_counts_without_times_are_divided_within_each_listener():
    """20 counts: 2 to the test, 2 to validation, 16 to train, none twice; 9 counts: all to train."""
    counts = counts_of(
        torch.tensor([0] * 20 + [1] * 9),
        torch.tensor([*range(20), *range(9)]),
        torch.ones(29, dtype=torch.int64),
    )

    split = random_split(counts, date(2026, 3, 1), N_TRACKS, SplitSettings(), generator())

    validation, test = found(split.validation.relevant), found(split.sealed_test.relevant)
    assert len(validation) == len(test) == 2
    assert not validation & test
    assert {user for user, _ in validation | test} == {0}
    assert len(split.validation.before) == 25
    assert len(split.sealed_test.before) == 27


def test_another_seed_gives_another_split():
    counts = counts_of(torch.zeros(40, dtype=torch.int64), torch.arange(40), torch.ones(40).long())

    one, again, other = (
        random_split(counts, date(2026, 3, 1), N_TRACKS, SplitSettings(), generator(seed))
        for seed in (1, 1, 2)
    )

    assert found(one.sealed_test.relevant) == found(again.sealed_test.relevant)
    assert found(one.sealed_test.relevant) != found(other.sealed_test.relevant)


def test_validation_hides_what_the_test_holds_out():
    """The fit must not see a test pair either."""
    counts = counts_of(torch.zeros(40, dtype=torch.int64), torch.arange(40), torch.ones(40).long())

    split = random_split(counts, date(2026, 3, 1), N_TRACKS, SplitSettings(), generator())

    both = found(split.validation.relevant) | found(split.sealed_test.relevant)
    assert found(split.validation.hidden_pairs) == both


def test_counts_alone_are_not_split_by_time():
    """Without a time there is no cut; the reason names the table that lacks rows."""
    counts = counts_of(torch.tensor([0]), torch.tensor([0]), torch.tensor([3]))
    as_of = date(2026, 3, 1)

    found = choose_split(
        counts, as_of, available_on(), cut_of(counts, as_of), SplitSettings(), generator()
    )

    assert cut_of(counts, as_of) is None
    assert isinstance(found, Unsplit)
    assert "core_daily_listens: no row" in found.reason


def test_a_dataset_too_small_has_a_reason():
    """Four listeners hold something out where five are needed; no listen at all is no split either."""
    start = date(2026, 1, 1)
    days = [(user, day, start + timedelta(days=day)) for user in range(4) for day in range(11)]

    few, empty = (
        choose_split(
            listens,
            date(2026, 1, 11),
            available_on(),
            cut_of(listens, date(2026, 1, 11)),
            SplitSettings(),
            generator(),
        )
        for listens in (listens_on(days), listens_on([]))
    )

    assert isinstance(few, Unsplit)
    assert "4 listeners" in few.reason
    assert isinstance(empty, Unsplit)


def test_counts_are_split_at_random_when_times_do_not_reach():
    """One dated listen beside many counts: split by counts, the dated row goes to train."""
    users = torch.arange(6).repeat_interleave(10)
    counts = counts_of(users, torch.arange(10).repeat(6), torch.ones(60).long())
    listens = joined(listens_on([(0, 20, date(2026, 1, 1))]), counts)

    day = date(2026, 1, 1)
    split = choose_split(
        listens, day, available_on(), cut_of(listens, day), SplitSettings(), generator()
    )

    assert isinstance(split, Split)
    assert split.rule == "random"
    assert 20 in split.validation.before.tracks


def test_an_empty_window_is_a_window_and_a_backward_one_is_not():
    assert Window(LEAP_DAY, LEAP_DAY).start == LEAP_DAY
    with pytest.raises(ValueError, match="before it starts"):
        Window(LEAP_DAY, LEAP_DAY - timedelta(days=1))


def test_only_evaluate_opens_the_test():
    """`sealed_test` is read in training/evaluate.py, and where the split itself is made."""
    root = Path(training.__file__).parent
    readers = {
        file.relative_to(root).as_posix()
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "sealed_test"
    }

    assert readers == {"evaluate.py", "evaluation/splits.py"}
