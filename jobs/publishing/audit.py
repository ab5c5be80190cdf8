"""The audit of a night before it is published: all metrics that the gates evaluate, in order.

Row rules are absolute. Population rules have thresholds in `Settings.gates`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.lake import spark_io
from feature_store.publishing.gates import GateMetric
from feature_store.publishing.snapshot import Pin, Snapshot
from feature_store.settings import Night
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_FEEDBACK,
    CORE_LISTEN_COUNTS,
    CORE_TRACKS,
    CORE_USERS,
)
from feature_store.tables.features import FEAT_TRACK_MOOD
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import (
    REC_CHANGES,
    REC_MOOD,
    REC_SIMILAR_TRACKS,
    REC_TOPK,
)
from feature_store.tables.scores import SCORE_MOOD
from jobs.publishing.compared_run import check_compared_run
from jobs.publishing.coverage import coverage_metrics
from jobs.publishing.feed_rules import feed_metrics
from jobs.publishing.graph_rules import graph_metrics
from jobs.publishing.mood_rules import mood_cell_ratio
from jobs.publishing.population_rules import churn, list_metrics, tier_shift
from jobs.publishing.possible_lists import possible_lengths
from jobs.publishing.row_rules import erased_people, row_metrics, row_violations
from jobs.publishing.table_rules import columns_lost, days_without_arrivals, row_count_ratios
from jobs.recommendations.steps.filters import eligible_users, recently_listened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

    from feature_store.contract import Table


def audit_metrics(
    spark: SparkSession, night: Night, pins: Sequence[Pin], baseline: Snapshot | None
) -> list[GateMetric]:
    """Every metric of the night that a gate evaluates.

    Args:
        spark: the session that reads the tables.
        night: the run to audit.
        pins: its staged rec_ tables.
        baseline: what readers saw before the night's day; None when they saw nothing.

    Raises:
        CurrentMoved: rec_changes compares with other lists than the baseline's.
    """
    lake = night.settings.lake
    lists = _staged(spark, night, REC_TOPK, pins)
    similar = _staged(spark, night, REC_SIMILAR_TRACKS, pins)
    of_moods = _staged(spark, night, REC_MOOD, pins)
    tracks = spark_io.read(spark, lake, CORE_TRACKS, as_of=night.as_of)
    users = spark_io.read(spark, lake, CORE_USERS, as_of=night.as_of)
    feedback = spark_io.read_history(spark, lake, CORE_FEEDBACK, until=night.as_of)
    changes = _staged(spark, night, REC_CHANGES, pins)
    published = _published_lists(spark, baseline)
    check_compared_run(changes, lists, published, baseline)
    return [
        *row_metrics(row_violations(lists, similar, of_moods, tracks, users, feedback, night)),
        erased_people("erased_people_topk", REC_TOPK, lists, night),
        erased_people("erased_people_mood", REC_MOOD, of_moods, night),
        *_list_metrics(spark, night, lists, eligible_users(users), tracks, feedback),
        tier_shift(lists, published, night),
        *coverage_metrics(spark, tracks, night),
        *graph_metrics(spark, night, baseline),
        churn(changes, lists, night),
        days_without_arrivals(night),
        *feed_metrics(spark, night),
        mood_cell_ratio(_moods(spark, night), tracks, of_moods, night),
        *row_count_ratios(pins, baseline, night, _without_candidates(spark, night)),
        columns_lost(pins, baseline, lake),
    ]


def _list_metrics(
    spark: SparkSession,
    night: Night,
    lists: DataFrame,
    eligible: DataFrame,
    tracks: DataFrame,
    feedback: DataFrame,
) -> list[GateMetric]:
    lake, as_of = night.settings.lake, night.as_of
    listened = spark_io.read(spark, lake, GRAPH_USER_LISTENED_TRACK, as_of=as_of)
    recent = recently_listened(
        spark_io.read_history(spark, lake, CORE_DAILY_LISTENS, until=as_of),
        spark_io.read(spark, lake, CORE_LISTEN_COUNTS, as_of=as_of),
        night,
    )
    possible = possible_lengths(eligible, tracks, listened, feedback, recent, night.settings.lists)
    return list_metrics(lists, possible, listened, tracks, night)


def _moods(spark: SparkSession, night: Night) -> DataFrame:
    return spark_io.read(spark, night.settings.lake, FEAT_TRACK_MOOD, as_of=night.as_of)


def _without_candidates(spark: SparkSession, night: Night) -> frozenset[str]:
    """rec_mood, when its training task is off or has no model: nothing else can fill its lists."""
    candidates = spark_io.read(spark, night.settings.lake, SCORE_MOOD, as_of=night.as_of)
    return frozenset({REC_MOOD.name}) if candidates.isEmpty() else frozenset()


def _staged(spark: SparkSession, night: Night, table: Table, pins: Sequence[Pin]) -> DataFrame:
    [version] = [pin.table_version for pin in pins if pin.table_name == table.name]
    return spark_io.read(spark, night.settings.lake, table, as_of=night.as_of, version=version)


def _published_lists(spark: SparkSession, baseline: Snapshot | None) -> DataFrame | None:
    """The lists that readers saw before the night's day."""
    if baseline is None:
        return None
    version = baseline.version_of(REC_TOPK)
    return spark_io.read(spark, baseline.lake, REC_TOPK, as_of=baseline.as_of, version=version)
