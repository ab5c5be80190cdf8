"""feat_semantics: a language model's answers about new tracks, and those that it failed to give.

The model is asked for 58 attributes by artist, title and year (jobs/prompts). The key is the hash
of this description, so each description is asked about once, however many tracks share it. A
refusal and an answer that breaks the prompt's rules are rows with the failure reason; every row
keeps the answer's text. Without a model (`encoders.semantics`) there is nothing to ask.
"""

from __future__ import annotations

from functools import partial

import structlog
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_SEMANTICS
from jobs.decoding.failure_reasons import ContentFailure
from jobs.encoders import registry
from jobs.features.steps.incremental_encoding import Features, encode, not_yet_encoded
from jobs.features.steps.track_description import description_hash, track_description
from jobs.inputs import AsOf, WholeTable
from jobs.prompts import track_attributes

INPUTS = (AsOf(CORE_TRACKS), WholeTable(FEAT_SEMANTICS))
OUTPUT = FEAT_SEMANTICS

LOG = structlog.get_logger()


def build(tracks: DataFrame, answered: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the descriptions of `tracks` that `answered` lacks; none without a model."""
    return encode_new(new_content(tracks, answered, night=night), night=night)


def new_content(tracks: DataFrame, answered: DataFrame, *, night: Night) -> DataFrame:
    """The descriptions of `tracks` that `answered` lacks; none without a model."""
    identity = registry.semantics_identity(night.settings.encoders)
    described = tracks.groupBy(description_hash().alias("content_hash")).agg(
        F.min(track_description()).alias("source")
    )
    if identity is None:
        # Logged here, against the rule for build: only the job knows why it has no row.
        LOG.info("no language model is set: attributes come from probes alone", table=OUTPUT.name)
        return described.limit(0)
    return not_yet_encoded(described, answered, identity)


def encode_new(new: DataFrame, *, night: Night) -> DataFrame:
    """The answers about new descriptions."""
    encoders = night.settings.encoders
    identity = registry.semantics_identity(encoders)
    if identity is None:
        return new.sparkSession.createDataFrame([], OUTPUT.spark_schema())
    featurise = partial(_semantic_features, encoders, identity)
    return encode(new, OUTPUT, identity, featurise, night=night)


def _semantic_features(
    encoders: EncoderSettings, identity: EncoderIdentity, _content_hash: str, description: str
) -> Features:
    """The feature columns of one description; a rejected answer keeps its text."""
    model = registry.answer_model(encoders, identity)
    answer = model.answer(track_attributes.prompt_of(description))
    try:
        attributes = track_attributes.parse_answer(answer)
    except ContentFailure as rejected:
        return {
            "answer_text": answer,
            "failure_reason": str(rejected.reason),
            "failure_detail": rejected.detail,
        }
    return {"answer_text": answer, **attributes}
