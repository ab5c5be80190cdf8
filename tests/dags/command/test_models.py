"""`evensong models`, `promote` and `demote`: printed text, recorded rows, and errors."""

from __future__ import annotations

from functools import partial

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.publishing.publish import append_event, contract_version
from feature_store.publishing.snapshot import Event
from feature_store.tables.runs import RUN_PROMOTIONS
from tests.feature_store.runs.model_rows import (
    ahead,
    evaluated,
    march,
    model,
    noon,
    write_evaluation,
    write_models,
)
from tests.support.command import run_command

ANN = ("--reason", "too many covers", "--actor", "ann")
NONE_IS_PROMOTED = (
    "no model of ranking is promoted: the night of {day} trains one, or ends with NoModelError if "
    "its inputs give a demoted model again (--retrain always does not help then); promote a model "
    "(evensong promote VERSION), or set another family in training.families"
)


@pytest.fixture
def evensong(settings, monkeypatch, capsys):
    """The command in this process; returns exit status, output and errors, white space collapsed."""
    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    return partial(run_command, monkeypatch, capsys)


@pytest.fixture
def trained(settings):
    """Task ranking: mm_gnn of 1 March is champion, light_gcn of 2 March was ahead but not for new listeners."""
    write_models(
        settings.lake,
        model("aaaa1111", promoted=1),
        model("bbbb2222", family="light_gcn", role="candidate", trained=2),
        model("cccc3333", family="ease", role="component", trained=2),
        model("", task="next_track", family="sasrec", role="none", no_data_reason="no sessions yet"),
    )  # fmt: skip
    losing = ahead(-0.02, -0.03, -0.01, "new") | ahead(-0.2, -0.3, 0.1, "no_follows")
    write_evaluation(
        settings.lake,
        [
            *evaluated("bbbb2222", ahead(0.0301, 0.0102, 0.0503) | losing, day=2, family="light_gcn"),
            *evaluated("bbbb2222", {"ndcg_at_10": 0.2304, "mrr": 0.5}, day=2, family="light_gcn", split="test"),
            *evaluated("aaaa1111", {"ndcg_at_10": 0.2105, "mrr": 0.4}, day=2, split="test"),
        ],
    )  # fmt: skip
    return settings.lake


def write_event(lake, day):
    """A staged run of a day of March."""
    event = Event(
        event_number=0,
        replaces_event=None,
        action="stage_only",
        run_id=f"run-{day}",
        as_of=march(day),
        actor="test",
        reason=None,
        tables=(),
        gates=(),
        inputs=(),
        model_versions=(),
        code_version="1",
        contract_version=contract_version(),
        recorded_at_utc=noon(day),
    )
    append_event(lake, event)


def lines_with(text, *words):
    """Lines that have all the words, white space collapsed."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if all(word in line for word in words)]


def test_models_are_listed_by_task_with_the_champion_first(evensong, trained):
    """The challenger's test compared nDCG@10, so this is the metric shown; mrr is not."""
    status, text, _ = evensong("models", "--as-of", "2026-03-05")

    assert status == 0
    assert lines_with(text, " on 2026-03-05") == [
        "next_track on 2026-03-05", "ranking on 2026-03-05",
    ]  # fmt: skip
    assert lines_with(text, "aaaa1111") == [
        "champion aaaa1111 mm_gnn champion 2026-03-01 2026-03-01 2026-03-01 training ndcg_at_10 0.2105"
    ]  # fmt: skip
    assert lines_with(text, "bbbb2222") == [
        "bbbb2222 light_gcn candidate 2026-03-02 2026-03-02 ndcg_at_10 0.2304 +0.0301 (+0.0102 to +0.0503) worse for: new"
    ]  # fmt: skip
    assert lines_with(text, "cccc3333") == ["cccc3333 ease component 2026-03-02 2026-03-02"]
    assert text.index("aaaa1111") < text.index("bbbb2222")
    assert "mrr" not in text


def test_a_task_without_data_gives_its_reason(evensong, trained):
    _, text, _ = evensong("models", "--as-of", "2026-03-05", "--task", "next_track")

    assert lines_with(text, "sasrec") == [
        "sasrec none 2026-03-01 2026-03-01 no data: no sessions yet"
    ]
    assert "ranking" not in text


def test_data_that_came_later_ends_the_reason(evensong, trained):
    write_models(trained, model("eeee", task="next_track", family="sasrec", trained=3, promoted=3))

    _, text, _ = evensong("models", "--as-of", "2026-03-03")

    assert lines_with(text, "eeee")[0].startswith("champion eeee")
    assert "no sessions yet" not in text


def test_without_a_test_every_metric_is_shown(evensong, settings):
    write_models(settings.lake, model("aaaa1111", promoted=1))
    values = {"ndcg_at_10": 0.2, "mrr": 0.4}
    write_evaluation(settings.lake, evaluated("aaaa1111", values, split="test"))

    _, text, _ = evensong("models", "--as-of", "2026-03-01")

    assert "mrr 0.4000" in text
    assert "ndcg_at_10 0.2000" in text


def test_baselines_and_losing_challengers_are_shown_with_their_test_metric(evensong, settings):
    """Below the models, of the newest evaluation alone, and only for their own task."""
    write_models(
        settings.lake,
        model("aaaa1111", promoted=1),
        model("eeee5555", task="next_track", family="sasrec", promoted=1),
    )
    test = partial(evaluated, split="test", day=2)
    write_evaluation(
        settings.lake,
        evaluated("ffff0000", {"ndcg_at_10": 0.05}, split="test", family="popularity"),
    )
    write_evaluation(
        settings.lake,
        [
            *test("aaaa1111", {"ndcg_at_10": 0.2105, "mrr": 0.4}),
            *test("ffff6666", {"ndcg_at_10": 0.0654, "mrr": 0.1}, family="popularity"),
            *test("dddd4444", {"ndcg_at_10": 0.1903, "mrr": 0.3}, family="ease"),
            *evaluated("dddd4444", ahead(-0.02, -0.03, -0.01), day=2, family="ease"),
        ],
    )  # fmt: skip

    _, text, _ = evensong("models", "--as-of", "2026-03-05")

    of_next_track, _, of_ranking = text.partition("ranking on 2026-03-05")
    assert lines_with(of_ranking, "not stored") == [
        "dddd4444 ease challenger ndcg_at_10 0.1903 -0.0200 (-0.0300 to -0.0100) not stored",
        "ffff6666 popularity baseline ndcg_at_10 0.0654 not stored",
    ]
    assert of_ranking.index("aaaa1111") < of_ranking.index("dddd4444")
    assert "eeee5555" in of_next_track
    assert "not stored" not in of_next_track
    assert "0.0500" not in text


def test_models_of_a_past_date_are_what_its_night_knows(evensong, trained):
    """On 1 March neither the models of 2 March nor a later demotion are known."""
    evensong("demote", "aaaa1111", *ANN, "--as-of", "2026-03-02")

    _, before, _ = evensong("models", "--as-of", "2026-03-01")
    _, after, _ = evensong("models", "--as-of", "2026-03-02")

    assert lines_with(before, "aaaa1111")[0].startswith("champion ")
    assert "bbbb2222" not in before
    assert lines_with(after, "aaaa1111")[0].startswith("aaaa1111 ")
    assert "demoted from 2026-03-02 on by ann: too many covers" in after
    assert "bbbb2222" in after


def test_metrics_are_those_of_the_newest_evaluation_that_the_date_knows(evensong, settings):
    """Evaluated on days 1, 2 and 4; the night of 3 March knows the first two."""
    write_models(settings.lake, model("aaaa1111", promoted=1))
    for day in (1, 2, 4):
        values = {"ndcg_at_10": day / 10}
        write_evaluation(settings.lake, evaluated("aaaa1111", values, day=day, split="test"))

    _, text, _ = evensong("models", "--as-of", "2026-03-03")

    assert lines_with(text, "aaaa1111")[0].endswith(" training ndcg_at_10 0.2000")


@pytest.mark.parametrize(("day", "is_old"), [("09", False), ("10", True)])
def test_a_model_checked_more_than_7_days_before_may_be_trained_again(
    evensong, trained, day, is_old
):
    """Checked on 2 March: 7 days before the 9th, 8 before the 10th."""
    _, text, _ = evensong("promote", "cccc", *ANN, "--as-of", f"2026-03-{day}")

    that_night = text.splitlines()[1]
    assert f"the night of 2026-03-{day} uses ease cccc3333 for ranking" in that_night
    assert ("else trains ease again" in that_night) == is_old


def test_decisions_are_listed_with_those_for_later_nights(evensong, trained):
    """The last one first; on 4 March ann's demotion counts, which bob takes back for the 6th."""
    evensong("demote", "aaaa1111", *ANN, "--as-of", "2026-03-02")
    evensong("demote", "aaaa1111", "--reason", "again", "--actor", "bob", "--as-of", "2026-03-01")
    evensong(
        "promote", "aaaa1111", "--reason", "repaired", "--actor", "bob", "--as-of", "2026-03-06"
    )

    _, on_the_4th, _ = evensong("models", "--as-of", "2026-03-04")
    _, on_the_6th, _ = evensong("models", "--as-of", "2026-03-06")

    def decided(text):
        *_, table = text.partition("decisions about ranking")
        return [line.partition(":")[2][3:] for line in lines_with(table, "aaaa1111")]

    assert decided(on_the_4th) == [
        "bob promote 2026-03-06 aaaa1111 mm_gnn not yet repaired",
        "bob demote 2026-03-01 aaaa1111 mm_gnn replaced again",
        "ann demote 2026-03-02 aaaa1111 mm_gnn counts too many covers",
    ]
    assert decided(on_the_6th)[0] == "bob promote 2026-03-06 aaaa1111 mm_gnn counts repaired"
    status, of_another_task, _ = evensong("models", "--task", "next_track", "--as-of", "2026-03-06")
    assert status == 0
    assert "next_track on 2026-03-06" in of_another_task
    assert "decisions" in on_the_6th
    assert "decisions" not in of_another_task


def test_a_promotion_that_a_later_night_s_demotion_ends_says_so(evensong, trained):
    evensong("promote", "cccc", *ANN, "--as-of", "2026-03-03")
    evensong("demote", "cccc", *ANN, "--as-of", "2026-03-06")

    _, text, _ = evensong("promote", "cccc", "--reason", "better", "--as-of", "2026-03-04")

    assert text.splitlines()[:2] == [
        "✓ ease cccc3333 is promoted for ranking from the night of 2026-03-04 on",
        "  until the night of 2026-03-06, from which ann has demoted it: too many covers",
    ]


def test_a_later_demotion_that_was_taken_back_does_not_end_a_promotion(evensong, trained):
    evensong("promote", "cccc", *ANN, "--as-of", "2026-03-03")
    evensong("demote", "cccc", *ANN, "--as-of", "2026-03-06")
    evensong("promote", "cccc", *ANN, "--as-of", "2026-03-06")

    _, text, _ = evensong("promote", "cccc", "--reason", "better", "--as-of", "2026-03-04")

    assert text.startswith("✓ ease cccc3333 is promoted")
    assert "until the night" not in text


def test_a_promotion_that_stands_is_not_recorded_again(evensong, trained):
    """Unless another model was promoted meanwhile: then it says who is champion."""
    for version in ("cccc", "aaaa"):
        assert evensong("promote", version, *ANN, "--as-of", "2026-03-03")[0] == 0

    status, _, errors = evensong("promote", "aaaa", "--reason", "sure", "--as-of", "2026-03-03")

    assert status == 1
    assert (
        "mm_gnn aaaa1111 is promoted from 2026-03-03 on already, by ann (too many covers)" in errors
    )
    assert evensong("promote", "cccc", *ANN, "--as-of", "2026-03-03")[0] == 0
    assert read_table(trained, RUN_PROMOTIONS).num_rows == 3


def test_a_reason_with_square_brackets_prints_as_typed(evensong, trained):
    evensong("demote", "aaaa1111", "--reason", "[red] covers", "--as-of", "2026-03-02")

    assert "[red] covers" in evensong("models", "--as-of", "2026-03-02")[1]


def test_an_empty_lake_says_what_to_run(evensong):
    status, text, _ = evensong("models", "--as-of", "2026-03-01")

    assert status == 0
    assert text == (
        "run_models: no model was trained by 2026-03-01; run `evensong night --as-of DATE`, or "
        "`evensong demo` for a sample world\n"
    )


def test_an_unknown_task_names_the_known_ones(evensong, trained):
    status, _, errors = evensong("models", "--task", "mood", "--as-of", "2026-03-05")

    assert status == 1
    assert (
        "run_models: no training task is called 'mood' by 2026-03-05; there are: next_track, ranking"
        in errors
    )


def test_a_promotion_prints_what_that_night_and_today_s_do(evensong, trained):
    """Today is months after March, so the model that was checked on 2 March is trained again."""
    status, text, _ = evensong(
        "promote", "bbbb", *ANN, "--as-of", "2026-03-05", "--despite-segments"
    )

    promoted, accepted, that_night, today = text.splitlines()
    assert status == 0
    assert (
        promoted == "✓ light_gcn bbbb2222 is promoted for ranking from the night of 2026-03-05 on"
    )
    assert accepted == "  accepted: worse for new: ndcg_at_10 -0.0200 (-0.0300 to -0.0100)"
    assert that_night == "  the night of 2026-03-05 uses light_gcn bbbb2222 for ranking"
    assert "uses light_gcn bbbb2222 for ranking if its inputs are unchanged, and else" in today
    assert "checked on 2026-03-02, more than 7 days before (training.max_model_age_days)" in today
    [row] = read_table(trained, RUN_PROMOTIONS).to_pylist()
    assert (row["model_version"], row["decision"], row["actor"], row["reason"]) == (
        "bbbb2222", "promote", "ann", "too many covers",
    )  # fmt: skip
    [listed, _] = lines_with(evensong("models", "--as-of", "2026-03-05")[1], "bbbb2222")
    assert listed.startswith(
        "champion bbbb2222 light_gcn candidate 2026-03-02 2026-03-02 2026-03-05 ann "
    )


def test_a_promotion_of_a_past_date_says_when_a_later_one_counts_today(evensong, trained):
    """A training of 8 March promoted another model, which the nights since then use."""
    write_models(trained, model("dddd4444", trained=8, promoted=8))

    _, text, _ = evensong("promote", "cccc", *ANN, "--as-of", "2026-03-05")

    _, that_night, today = text.splitlines()
    assert "2026-03-05 uses ease cccc3333" in that_night
    assert "uses mm_gnn dddd4444" in today


def test_a_demotion_prints_the_model_that_follows(evensong, trained):
    evensong("promote", "cccc", *ANN, "--as-of", "2026-03-03")

    status, text, _ = evensong("demote", "cccc", *ANN, "--as-of", "2026-03-05")

    assert status == 0
    assert text.splitlines()[:2] == [
        "✓ ease cccc3333 is demoted for ranking from the night of 2026-03-05 on",
        "  the night of 2026-03-05 uses mm_gnn aaaa1111 for ranking",
    ]


def test_a_demotion_of_the_only_model_says_what_the_night_does_and_what_helps(evensong, trained):
    """Trained from unchanged inputs it would be the demoted model again, which the night refuses."""
    _, text, _ = evensong("demote", "aaaa1111", *ANN, "--as-of", "2026-03-05")

    assert f"  {NONE_IS_PROMOTED.format(day='2026-03-05')}\n" in text


@pytest.mark.parametrize(("as_of", "is_affected"), [("05", True), ("06", False), (None, False)])
def test_a_decision_from_after_the_newest_night_says_that_none_is_affected(
    evensong, trained, as_of, is_affected
):
    """The lake's nights are those of 4 and 5 March; without --as-of a decision counts from today."""
    for day in (5, 4):  # a backfill ran last
        write_event(trained, day)
    night = ("--as-of", f"2026-03-{as_of}") if as_of else ()

    status, text, _ = evensong("demote", "aaaa1111", *ANN, *night)

    assert status == 0
    assert (
        "  no night of the lake is affected yet: the newest is that of 2026-03-05; to decide for "
        "it too, give --as-of 2026-03-05 and run that night again\n" in text
    ) != is_affected
    assert ("no night of the lake" in text) != is_affected


def test_without_a_date_a_decision_holds_from_today_on(evensong, trained):
    status, text, _ = evensong("demote", "aaaa1111", "--reason", "covers")

    [row] = read_table(trained, RUN_PROMOTIONS).to_pylist()
    assert status == 0
    assert row["decision_as_of_date"] == row["recorded_at_utc"].date() > march(31)
    assert row["actor"] == "command line"
    assert len(text.splitlines()) == 2  # the decision, and what today's night does


def test_a_decision_for_a_coming_date_tells_of_that_night_only(evensong, trained):
    _, text, _ = evensong("demote", "aaaa1111", *ANN, "--as-of", "2999-01-01")

    assert text.splitlines()[1:] == [f"  {NONE_IS_PROMOTED.format(day='2999-01-01')}"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("promote", "bbbb"), 2, "--reason"),
        (("demote", "bbbb"), 2, "--reason"),
        (("promote", "bbbb", *ANN, "--as-of", "5 March"), 2, "--as-of"),
        (("promote", "bbbb", *ANN), 1, "error PromotionRefused: score_evaluation of 2026-03-02: light_gcn bbbb2222 is worse"),
        (("promote", "nope", *ANN), 1, "no model version is or begins with 'nope'"),
        (("demote", "bbbb", *ANN, "--as-of", "2026-03-05"), 1, "light_gcn bbbb2222 is not promoted on 2026-03-05"),
    ],
)  # fmt: skip
def test_a_refused_decision_names_the_next_step_and_records_nothing(
    evensong, trained, arguments, status, message
):
    found, _, errors = evensong(*arguments)

    assert found == status
    assert message in errors
    assert not exists(trained, RUN_PROMOTIONS)
