"""Promotion of models: what a day may know, in which order decisions count, and every refusal."""

from __future__ import annotations

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.runs.promotions import (
    Promoted,
    PromotionRefused,
    decide,
    newest_decisions,
    read_if_exists,
    standing,
)
from feature_store.tables.runs import RUN_MODELS, RUN_PROMOTIONS
from tests.feature_store.runs.model_rows import (
    ahead,
    decision,
    evaluated,
    march,
    model,
    noon,
    write_evaluation,
    write_models,
)


@pytest.fixture
def trained(lake):
    """The champion of 1 March, a challenger of 2 March that nobody promoted, and a task without data."""
    write_models(
        lake,
        model("aaaa1111", promoted=1),
        model("aaaa2222", family="light_gcn", role="candidate", trained=2),
        model("ffff0000", task="next_track", family="sasrec", role="none", no_data_reason="no sessions"),
    )  # fmt: skip
    write_evaluation(
        lake, evaluated("aaaa2222", ahead(0.02, 0.01, 0.03), day=2, family="light_gcn")
    )
    return lake


def ann(lake, version, what="promote", as_of=5, *, now=None, **options):
    """Ann decides on that day of March at noon."""
    settled = {"as_of": march(as_of), "now": now or noon(as_of), "actor": "ann", "reason": "better"}
    return decide(lake, version, what, **(settled | options))


def promoted_versions(lake, day, task="ranking"):
    promoted = standing(
        read_table(lake, RUN_MODELS).to_pylist(), read_if_exists(lake, RUN_PROMOTIONS), march(day)
    )
    return [each.model_version for each in promoted.get(task, [])]


def versions(models, decisions, day):
    return [each.model_version for each in standing(models, decisions, march(day)).get("ranking", [])]  # fmt: skip


def test_a_promotion_is_recorded_with_actor_reason_and_time(trained):
    recorded = ann(trained, "aaaa2222", now=noon(4))

    assert (recorded.training_task, recorded.family, recorded.as_of) == (
        "ranking", "light_gcn", march(5),
    )  # fmt: skip
    assert read_table(trained, RUN_PROMOTIONS).to_pylist() == [
        {
            "training_task": "ranking",
            "family": "light_gcn",
            "model_version": "aaaa2222",
            "decision": "promote",
            "decision_as_of_date": march(5),
            "actor": "ann",
            "reason": "better",
            "recorded_at_utc": noon(4),
        }
    ]


def test_a_night_of_4_march_does_not_know_a_decision_for_5_march(trained):
    """Ann decides on 3 March already; what counts is the decision's own date."""
    ann(trained, "aaaa2222", now=noon(3))
    ann(trained, "aaaa1111", "demote", as_of=6, now=noon(3))

    assert promoted_versions(trained, 4) == ["aaaa1111"]
    assert promoted_versions(trained, 5) == ["aaaa2222", "aaaa1111"]
    assert promoted_versions(trained, 6) == ["aaaa2222"]


def test_a_demoted_model_can_be_promoted_again(trained):
    ann(trained, "aaaa1111", "demote", as_of=3)
    ann(trained, "aaaa1111", "promote", as_of=5)

    assert [promoted_versions(trained, day) for day in (2, 3, 4, 5)] == [
        ["aaaa1111"], [], [], ["aaaa1111"],
    ]  # fmt: skip


def test_the_champion_is_promoted_last_whoever_promoted_it():
    """By date; on one date by the time of the decision. Trainings decide at noon here."""
    models = [
        model("a", promoted=1),
        model("b", trained=2, promoted=3),
        model("c", trained=2, role="candidate"),
    ]

    assert versions(models, [], 3) == ["b", "a"]
    by_date = [decision("c", "promote", 2, recorded=noon(9))]
    assert versions(models, by_date, 3) == ["b", "c", "a"]
    later_that_day = [decision("a", "promote", 3, recorded=noon(3, hour=13))]
    assert versions(models, later_that_day, 3) == ["a", "b"]
    earlier_that_day = [decision("a", "promote", 3, recorded=noon(2, hour=9))]
    assert versions(models, earlier_that_day, 3) == ["b", "a"]


def test_a_promoted_model_says_since_when_and_by_whom():
    models = [model("a", promoted=1), model("b", family="ease", role="component", trained=2)]

    found = standing(
        models, [decision("b", "promote", 4, family="ease", recorded=noon(3))], march(9)
    )

    assert found == {
        "ranking": [
            Promoted("ranking", "ease", "b", march(4), noon(3), "ann"),
            Promoted("ranking", "mm_gnn", "a", march(1), noon(1), "training"),
        ]
    }  # fmt: skip


def test_the_decision_of_the_latest_date_counts_and_on_one_date_the_last_recorded():
    models = [model("a", promoted=1)]
    demoted = decision("a", "demote", 5, recorded=noon(5))

    assert versions(models, [decision("a", "promote", 6, recorded=noon(4)), demoted], 6) == ["a"]
    assert versions(models, [decision("a", "promote", 4, recorded=noon(6)), demoted], 6) == []
    assert versions(models, [decision("a", "promote", 5, recorded=noon(6)), demoted], 6) == ["a"]
    assert versions(models, [decision("a", "promote", 5, recorded=noon(4)), demoted], 6) == []


def test_a_person_s_demotion_outlives_a_later_training_of_the_same_version():
    """The training of 8 March repeats the row, as its inputs are the same, and promotes it again."""
    models = [model("a", promoted=1), model("a", checked=8, promoted=8)]

    assert versions(models, [decision("a", "demote", 5)], 9) == []
    assert versions(models, [], 9) == ["a"]


def test_a_repeated_row_does_not_promote_the_model_again():
    """`a` was checked on 8 March, after a person had promoted `b`; the promotion is still of day 1."""
    models = [model("a", promoted=1), model("b", role="candidate"), model("a", checked=8, promoted=1)]  # fmt: skip
    same_day = [decision("b", "promote", 1, recorded=noon(2))]

    assert versions(models, same_day, 9) == ["b", "a"]


def test_a_day_before_the_training_does_not_know_the_model():
    assert versions([model("a", trained=3, promoted=3)], [], 2) == []
    assert versions([model("a", trained=3, promoted=3)], [], 3) == ["a"]
    assert versions([model("a", trained=3, promoted=1)], [], 2) == []


def test_tasks_have_their_own_champions():
    models = [model("a", promoted=1), model("s", task="next_track", family="sasrec", promoted=2)]

    found = standing(models, [decision("a", "demote", 3)], march(4))

    assert {task: [each.model_version for each in of] for task, of in found.items()} == {
        "next_track": ["s"]
    }


def test_of_several_decisions_the_one_that_counts_on_a_day_is_found():
    rows = [decision("a", "demote", 5), decision("a", "promote", 4), decision("a", "promote", 6)]

    counting = {day: newest_decisions(rows, march(day)) for day in (3, 4, 5, 6)}

    found = {day: [row["decision"] for row in by.values()] for day, by in counting.items()}
    assert found == {3: [], 4: ["promote"], 5: ["demote"], 6: ["promote"]}


def test_four_characters_name_a_version_and_an_exact_version_wins(lake):
    """`abcd` begins `abcd12` too, and is itself a version."""
    write_models(lake, model("abcd"), model("abcd12"), model("ef"), model("beef77"))

    assert ann(lake, "abcd").model_version == "abcd"
    assert ann(lake, "abcd1").model_version == "abcd12"
    assert ann(lake, "ef").model_version == "ef"
    assert ann(lake, "beef").model_version == "beef77"


def test_the_only_model_can_be_demoted(trained):
    ann(trained, "aaaa1111", "demote")

    assert promoted_versions(trained, 5) == []


def test_a_promotion_on_the_day_of_the_training_is_allowed(trained):
    ann(trained, "aaaa2222", as_of=2)

    assert promoted_versions(trained, 2) == ["aaaa2222", "aaaa1111"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bbbb",), r"run_models: no model version is or begins with 'bbbb'; see `evensong models`"),
        (("1111",), r"run_models: no model version is or begins with '1111'"),
        (("aaa",), r"run_models: 'aaa' is too short .*at least 4 characters"),
        (("aaaa",), r"run_models: 2 versions begin with 'aaaa': aaaa1111 \(mm_gnn\), aaaa2222 \(light_gcn\); give more"),
        (("ffff",), r"run_models: 'ffff' is no model: task next_track had no data \(no sessions\); land"),
        (("aaaa2222", "promote", 1), r"run_promotions: light_gcn aaaa2222 was trained on data up to 2026-03-02, .*2026-03-01 must not know it; give --as-of 2026-03-02"),
        (("aaaa1111", "demote", 1, {"reason": " "}), r"run_promotions: the reason is empty, and every demote needs one; give --reason"),
        (("aaaa2222", "demote"), r"run_promotions: light_gcn aaaa2222 is not promoted on 2026-03-05, .*for ranking on that date: mm_gnn aaaa1111; see `evensong models --as-of 2026-03-05`"),
    ],
)  # fmt: skip
def test_a_refusal_names_table_rule_value_and_next_step_and_records_nothing(
    trained, arguments, message
):
    *plain, options = (*arguments, {}) if not isinstance(arguments[-1], dict) else arguments

    with pytest.raises(PromotionRefused, match=message):
        ann(trained, *plain, **options)

    assert not exists(trained, RUN_PROMOTIONS)


def test_a_lake_without_models_says_what_to_run(lake):
    with pytest.raises(
        PromotionRefused, match="run_models: no model is there yet; run `evensong night"
    ):
        ann(lake, "aaaa1111")  # fmt: skip


def test_a_demotion_obeys_its_date_too(trained):
    """Promoted from 5 March on, the model is not promoted on the 4th."""
    ann(trained, "aaaa2222")

    with pytest.raises(PromotionRefused, match="not promoted on 2026-03-04"):
        ann(trained, "aaaa2222", "demote", as_of=4)
    ann(trained, "aaaa2222", "demote", as_of=5, now=noon(6))

    assert promoted_versions(trained, 5) == ["aaaa1111"]


def test_a_model_that_is_worse_for_a_segment_is_promoted_only_knowingly(trained):
    """Ahead over all listeners, behind for new ones; listeners without follows are undecided."""
    losing = ahead(-0.02, -0.03, -0.01, "new")
    values = ahead(0.03, 0.01, 0.05) | losing | ahead(-0.01, -0.03, 0.01, "no_follows")
    write_evaluation(trained, evaluated("aaaa2222", values, day=2, family="light_gcn"))

    with pytest.raises(
        PromotionRefused,
        match=r"score_evaluation of 2026-03-02: light_gcn aaaa2222 is worse .* for new: ndcg_at_10 "
        r"-0\.0200 \(-0\.0300 to -0\.0100\) \(rule: .*below 0\); .*--despite-segments",
    ):
        ann(trained, "aaaa2222")
    assert promoted_versions(trained, 5) == ["aaaa1111"]

    recorded = ann(trained, "aaaa2222", accept_losing_segments=True)

    assert [one.segment for one in recorded.losing_segments] == ["new"]
    assert promoted_versions(trained, 5) == ["aaaa2222", "aaaa1111"]


def test_the_newest_evaluation_decides_about_losing_segments(trained):
    for day, high in ((2, -0.01), (3, 0.01)):
        values = ahead(0.1, 0.0, 0.2) | ahead(-0.02, -0.03, high, "new")
        write_evaluation(trained, evaluated("aaaa2222", values, day=day, family="light_gcn"))

    assert ann(trained, "aaaa2222").losing_segments == ()


def test_a_candidate_whose_test_is_gone_is_promoted_only_knowingly(trained):
    """Another training of its day has replaced the rows; who was compared by nobody may lose anywhere."""
    write_evaluation(trained, evaluated("aaaa1111", {"ndcg_at_10": 0.2}, day=2))

    with pytest.raises(
        PromotionRefused,
        match=r"no champion-challenger test of light_gcn aaaa2222 is there.*--family light_gcn",
    ):
        ann(trained, "aaaa2222")

    assert ann(trained, "aaaa2222", accept_losing_segments=True).losing_segments == ()
    assert promoted_versions(trained, 5) == ["aaaa2222", "aaaa1111"]


def test_a_demotion_does_not_ask_about_segments(trained):
    values = ahead(0.03, 0.01, 0.05) | ahead(-0.02, -0.03, -0.01, "new")
    write_evaluation(trained, evaluated("aaaa1111", values))

    ann(trained, "aaaa1111", "demote")

    assert promoted_versions(trained, 5) == []
