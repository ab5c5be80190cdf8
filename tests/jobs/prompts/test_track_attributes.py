"""The prompt names every attribute; an answer counts whole or is rejected with its reason."""

from __future__ import annotations

import json
import re

import pytest

from feature_store.tables.attributes import ATTRIBUTE_NAMES, ATTRIBUTES
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.prompts import track_attributes
from jobs.prompts.track_attributes import parse_answer, prompt_of

RATED = dict.fromkeys(ATTRIBUTE_NAMES, 0) | {"rhythm_tempo": 5, "instruments_piano": 2.5}
ANSWER = json.dumps(RATED)
PIANO = '"instruments_piano": 2.5'


def rejected(text):
    """Reason and detail of the failure that an answer raises."""
    with pytest.raises(ContentFailure) as raised:
        parse_answer(text)
    return raised.value.reason, raised.value.detail


def test_a_rating_is_divided_by_five():
    values = parse_answer(ANSWER)

    assert (values["rhythm_tempo"], values["instruments_piano"]) == (1.0, 0.5)
    assert list(values) == list(ATTRIBUTE_NAMES)
    assert sum(values.values()) == 1.5


def test_an_attribute_that_the_model_does_not_know_is_null():
    values = parse_answer(ANSWER.replace(PIANO, '"instruments_piano": null'))

    assert (values["instruments_piano"], values["rhythm_tempo"]) == (None, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{ANSWER}\n```",
        f"```\n{ANSWER}\n```\nI hope this helps!",
        f"Sure, here it is:\n{ANSWER}",
        f'<think>A waltz {{perhaps}}? Then {{"rhythm_tempo": 2}}.</think>\n{ANSWER}',
        json.dumps(RATED, indent=4),
        f"{ANSWER} hope {{this}} helps",
        f"Of {{title}} I would say:\n{ANSWER}",
        f'{{"note": "I know it well"}}\n{ANSWER}',
        f"{ANSWER}\n{ANSWER}",
        f'{ANSWER}\n<think>Or {{"rhythm_tempo": 2}}?</think>',
        f'A waltz, {{"rhythm_tempo": 2}}?</think>{ANSWER}',
    ],
)  # fmt: skip
def test_text_around_the_one_object_is_passed_over(text):
    assert parse_answer(text) == parse_answer(ANSWER)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{", "no JSON: "),
        ('{"', "no JSON: "),
        ('Here it is:\n{\n  "vocals_regi', "no JSON: "),
        (f'{{"attributes": {ANSWER}', "no JSON: "),
        (f"{{ratings: {ANSWER[1:]}", "no JSON: "),
        ('<think>A waltz? Then {"rhythm_tempo": 2', "cut off in its thoughts: '<think>A waltz?"),
        (f"{ANSWER[:400]}\nOnce more:\n{ANSWER}", "no JSON: "),
        ('{"unknown": 1}', "unknown: '1' is not true"),
        ('{"unknown": false}', "unknown: 'false' is not true"),
        (f'{{"unknown": true}}\n{ANSWER}', "more than one JSON object"),
        ('{"Tempo": 3}', "missing: vocals_register (58 of 58)"),
        (ANSWER[:400], "no JSON: "),
        (ANSWER.replace('"', "'"), "no JSON: "),
        ('{"a": ' * 5000, "no JSON: "),
        (f"{ANSWER}\n{ANSWER.replace('2.5', '3')}", "more than one JSON object"),
        ("{}", "missing: vocals_register (58 of 58)"),
        (ANSWER.replace(f", {PIANO}", ""), "missing: instruments_piano (1 of 58)"),
        (ANSWER.replace(PIANO, '"instruments_grand_piano": 2'), "missing: instruments_piano (1 of 58)"),
        (ANSWER.replace(PIANO, f'{PIANO}, "mood": 2'), "no attribute: 'mood'"),
        (ANSWER.replace("2.5", "5.5"), "instruments_piano: '5.5 is greater than the maximum of 5'"),
        (ANSWER.replace("2.5", "-1"), "instruments_piano: '-1 is less than the minimum of 0'"),
        (ANSWER.replace("2.5", "1e999"), "instruments_piano: 'inf is greater than the maximum of 5'"),
        (ANSWER.replace("2.5", "9" * 5000), "no JSON: "),
        (ANSWER.replace("2.5", '"2.5"'), "instruments_piano: \"'2.5' is not of type 'number', 'null'\""),
        (ANSWER.replace("2.5", "true"), "instruments_piano: \"True is not of type 'number', 'null'\""),
        (ANSWER.replace("2.5", "[2]"), "instruments_piano: \"[2] is not of type 'number', 'null'\""),
        (ANSWER.replace("2.5", "NaN"), "NaN is no number of JSON"),
        (ANSWER.replace("2.5", "-Infinity"), "-Infinity is no number of JSON"),
        (ANSWER.replace(PIANO, f"{PIANO}, {PIANO}"), "named twice: 'instruments_piano'"),
    ],
)  # fmt: skip
def test_an_answer_that_breaks_a_rule_is_rejected_whole(text, detail):
    """Nothing is mended: a model that gives one wrong number may have misread the others, too."""
    reason, found = rejected(text)

    assert reason is FailureReason.BAD_ANSWER
    assert found.startswith(detail)


@pytest.mark.parametrize(
    "text",
    [
        '{"unknown": true}',
        '```json\n{"unknown": true}\n```',
        "I'm sorry, but I cannot rate this recording.",
        "I do not know this track.",
        "I don’t have any information about it.",
        "I am not able to rate this recording.",
        "Leider kenne ich das Stück nicht.",
        "I'm sorry, I know nothing of {title} by {artist}.",
        "<think>Who is that?</think>No idea.",
        "4, 3, 5",
        "[]",
        "",
        json.dumps(dict.fromkeys(ATTRIBUTE_NAMES)),
    ],
)  # fmt: skip
def test_a_model_that_does_not_know_the_track_refuses(text):
    reason, _ = rejected(text)

    assert reason is FailureReason.REFUSED


def test_a_long_answer_is_shortened_in_the_detail():
    """The table keeps the whole answer; the detail shows its first 80 characters."""
    _, detail = rejected("la " * 1000)

    assert detail == f"no JSON object: {('la ' * 1000)[:80]!r}"


def test_the_prompt_asks_for_each_attribute_once_and_ends_with_the_track():
    description = '{"artist":"$attributes","title":"{\\n}"}'

    prompt = prompt_of(description)

    before, _, after = prompt.partition("Two anchors")
    asked = [line.partition(":")[0] for line in before.split("\n") if re.match(r"\w+_\w+: ", line)]
    assert tuple(asked) == ATTRIBUTE_NAMES
    assert all(attribute.meaning in before for attribute in ATTRIBUTES)
    assert after.endswith(f"\nTrack: {description}")


def test_the_prompts_anchors_keep_its_own_rules():
    """A model copies the form of the examples; the values are those that their description says."""
    anchors = re.findall(r"^\{.*?\}", prompt_of("{}"), re.DOTALL | re.MULTILINE)

    lullaby, techno = (parse_answer(anchor) for anchor in anchors)
    assert (lullaby["rhythm_triple_meter"], techno["rhythm_triple_meter"]) == (1, 0)
    assert (lullaby["harmony_major_key"], techno["harmony_major_key"]) == (1, 0)
    assert (lullaby["focus_lead_vocal"], techno["focus_lead_vocal"]) == (1, 0)
    assert (lullaby["instruments_synthesizer"], techno["instruments_synthesizer"]) == (0, 1)
    assert lullaby["rhythm_tempo"] < 0.5 < techno["rhythm_tempo"]


def test_another_prompt_is_another_preprocessing(monkeypatch):
    """So no answer to the one stands for an answer to the other."""
    before = track_attributes.preprocessing()
    monkeypatch.setattr(track_attributes, "_template", lambda: "$attributes $track")

    assert track_attributes.preprocessing()["prompt"] != before["prompt"]
