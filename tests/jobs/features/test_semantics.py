"""feat_semantics: each description asked about once; refusals and bad answers keep their text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from feature_store.lake.storage import sha256_of
from feature_store.setting_groups import EncoderSettings
from feature_store.tables.attributes import ATTRIBUTE_NAMES
from feature_store.tables.features import FEAT_SEMANTICS
from jobs.encoders import registry
from jobs.features import semantics
from tests.jobs.encoders.tiny_models import END, save_gpt2
from tests.jobs.features.worlds import frame, tracks
from tests.support.log_capture import captured_log

KNOWN = '{"artist":"Ann","title":"Known","year":1999}'
HIDDEN = '{"artist":"Ann","title":"Hidden"}'
WRONG = '{"artist":"Ann","title":"Wrong"}'
RATED = json.dumps(dict.fromkeys(ATTRIBUTE_NAMES, 1), separators=(",", ":"))
SAYS = {
    KNOWN: RATED, HIDDEN: '{"unknown":true}', WRONG: '{"rating":5}',
    RATED: END, '{"unknown":true}': END, '{"rating":5}': END,
}  # fmt: skip


@pytest.fixture
def asking(night, tmp_path):
    """The night, with a model that knows one description, refuses one, and has one wrong."""
    encoders = EncoderSettings(semantics=f"transformers:{save_gpt2(tmp_path / 'model', SAYS)}")
    return replace(night, settings=night.settings.model_copy(update={"encoders": encoders}))


@pytest.fixture
def catalogue(spark, night):
    """Two tracks of one description, a year of release apart from those without."""
    known = {"artist_name": "Ann", "title": "Known"}
    return tracks(
        spark,
        night,
        {**known, "released_date": date(1999, 1, 31)},
        {**known, "released_date": date(1999, 12, 1)},
        {"artist_name": "Ann", "title": "Hidden"},
        {"artist_name": "Ann", "title": "Wrong"},
    )


def test_each_description_is_asked_about_once(spark, asking, catalogue):
    """Four tracks have three descriptions; the second night has nothing to ask, not even again."""
    nothing = frame(spark, FEAT_SEMANTICS, [])

    rows = semantics.build(catalogue, nothing, night=asking).collect()

    found = {row.content_hash: row for row in rows}
    assert len(rows) == len(found) == 3
    known = found[sha256_of(KNOWN.encode())]
    assert (known.failure_reason, known.failure_detail, known.answer_text) == (None, None, RATED)
    assert [known[name] for name in ATTRIBUTE_NAMES] == pytest.approx([0.2] * 58)
    assert known.encoder_id == "transformers:model"

    answered = spark.createDataFrame(rows, FEAT_SEMANTICS.spark_schema())
    assert semantics.build(catalogue, answered, night=asking).collect() == []


def test_a_rejected_answer_is_a_row_with_its_text_and_reason(spark, asking, catalogue):
    nothing = frame(spark, FEAT_SEMANTICS, [])

    rows = semantics.build(catalogue, nothing, night=asking).collect()

    found = {row.content_hash: row for row in rows}
    hidden, wrong = found[sha256_of(HIDDEN.encode())], found[sha256_of(WRONG.encode())]
    assert (hidden.failure_reason, hidden.answer_text) == ("refused", '{"unknown":true}')
    assert (wrong.failure_reason, wrong.answer_text) == ("bad_answer", '{"rating":5}')
    assert wrong.failure_detail == "missing: vocals_register (58 of 58)"
    assert {row[name] for row in (hidden, wrong) for name in ATTRIBUTE_NAMES} == {None}


def test_another_prompt_or_model_asks_again(spark, asking, catalogue, tmp_path):
    """Rows of the first model stay; those of the second have its identity."""
    nothing = frame(spark, FEAT_SEMANTICS, [])
    first = semantics.build(catalogue, nothing, night=asking).collect()
    answered = spark.createDataFrame(first, FEAT_SEMANTICS.spark_schema())
    other = EncoderSettings(
        semantics=f"transformers:{save_gpt2(tmp_path / 'other', n_positions=2100)}"
    )
    night = replace(asking, settings=asking.settings.model_copy(update={"encoders": other}))

    rows = semantics.build(catalogue, answered, night=night).collect()

    identity = registry.semantics_identity(other)
    assert {row.weights_sha256 for row in rows} == {identity.weights_sha256}
    assert {row.failure_reason for row in rows} == {"refused"}  # its random words begin no object
    assert len(rows) == 3


def test_without_a_model_nothing_is_asked_and_the_log_says_so(spark, night, catalogue, monkeypatch):
    nothing = frame(spark, FEAT_SEMANTICS, [])

    logged = captured_log(monkeypatch, "jobs.features.semantics.LOG")

    built = semantics.build(catalogue, nothing, night=night)

    assert built.collect() == []
    assert built.columns == FEAT_SEMANTICS.column_names
    assert [entry["event"] for entry in logged] == [
        "no language model is set: attributes come from probes alone"
    ]


def test_a_listeners_words_are_no_part_of_the_description():
    """The prompt reads the catalogue alone, and no table about listeners."""
    assert {declared.table.name for declared in semantics.INPUTS} == {
        "core_tracks", "feat_semantics",
    }  # fmt: skip
