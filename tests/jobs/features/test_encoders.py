"""feat_encoders: one row per feature table whose content the catalogue has."""

from __future__ import annotations

from dataclasses import asdict, replace

from feature_store.setting_groups import EncoderSettings
from feature_store.tables.core import CORE_TAGS
from jobs.encoders import registry
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.features import encoders
from tests.jobs.encoders.tiny_models import save_gpt2
from tests.jobs.features.worlds import frame, tracks


def tag(night, name):
    return {
        "tag_event_id": name, "track_id": "t0", "tag": name, "user_id": "ann",
        "known_from_date": night.as_of,
    }  # fmt: skip


def test_each_kind_of_content_names_the_encoder_of_the_settings(spark, night):
    """Two tracks have audio, one a cover, none lyrics; listeners gave two tags."""
    catalogue = tracks(
        spark, night, {"audio_hash": "a"}, {"audio_hash": "b", "cover_hash": "c"}, {}
    )
    tags = frame(spark, CORE_TAGS, [tag(night, "rock"), tag(night, "slow")])

    rows = encoders.build(catalogue, tags, night=night).collect()

    chosen = night.settings.encoders
    named = {
        row.feature_table: (row.encoder_id, row.weights_sha256, row.preprocessing_id)
        for row in rows
    }
    assert len(rows) == len(named)
    assert named == {
        "feat_audio": tuple(asdict(registry.audio_identity(chosen)).values()),
        "feat_mel": tuple(asdict(htcl_mel.identity()).values()),
        "feat_cover": tuple(asdict(registry.cover_identity(chosen)).values()),
        "feat_tags": tuple(asdict(registry.tags_identity(chosen)).values()),
    }
    assert {row.as_of_date for row in rows} == {night.as_of}


def test_a_language_model_is_named_when_the_settings_have_one(spark, night, tmp_path):
    """Every track can be described, so one track is enough; without a model there is no row."""
    chosen = EncoderSettings(semantics=f"transformers:{save_gpt2(tmp_path / 'model')}")
    asking = replace(night, settings=night.settings.model_copy(update={"encoders": chosen}))
    catalogue, untagged = tracks(spark, night, {}), frame(spark, CORE_TAGS, [])

    [row] = encoders.build(catalogue, untagged, night=asking).collect()

    assert (row.feature_table, row.encoder_id) == ("feat_semantics", "transformers:model")
    assert encoders.build(catalogue, untagged, night=night).collect() == []
