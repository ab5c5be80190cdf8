"""Every night: from what arrived to published recommendation tables.

**Reads** the landing folders up to the run's as_of (the date of its data interval's start).

**Writes** the raw_, core_, feat_, graph_, score_, rec_ and run_ tables; the last task is the only
one that readers notice.

**When late:** readers keep yesterday's whole set. Nothing has to be done before 06:00 UTC; a
run that is not published by then raises the alert "late".

**When red:** the message names table, rule, value and next step. A failed gate leaves a `blocked`
event in published_runs and is not retried. Everything else was retried twice. What to do about each
rule: infra/runbook.md.

**To re-run:** clear the failed task. Every task replaces its own slice and gives the same rows for
the same as_of.

**To backfill:** Trigger → Backfill, From the first day 00:00, To the last day 23:59 (a day's run
begins at 02:00: with 00:00 the last day is left out). Tick "Override parameters on existing runs"
whenever you change a parameter: without it the page sends none (Airflow 3.3). With `publish = auto`
a date older than what readers see is only staged; `make_current` makes the last date of the range
current all the same. `retrain = never` keeps the model that was promoted by then.
"""

from __future__ import annotations

from airflow.sdk import Param, TaskGroup, dag
from airflow.sdk.bases.operator import chain

from dags.operators.tasks import (
    announcing_task,
    landing_task,
    publishing_task,
    report_task,
    scoring_task,
    spark_job,
    training_task,
)
from dags.policy.alerts import PUBLISHED_BY_SIX
from dags.policy.defaults import DEFAULTS, FIRST_DAY, NIGHTLY
from dags.policy.roles import RUNNER, may_act

RAW_TABLES = (
    "raw_tracks",
    "raw_users",
    "raw_listens",
    "raw_listen_counts",
    "raw_follows",
    "raw_tags",
    "raw_feedback",
    "raw_impressions",
    "raw_lyrics",
    "raw_audio",
    "raw_covers",
)
CORE_TABLES = (
    "core_listen_counts",
    "core_follows",
    "core_feedback",
    "core_users",
)


@dag(
    dag_id="evensong_nightly",
    schedule=NIGHTLY,
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    doc_md=__doc__,
    description="From what arrived to published recommendation tables.",
    access_control=may_act(RUNNER),
    deadline=PUBLISHED_BY_SIX,
    tags=["evensong", "nightly"],
    params={
        "publish": Param(
            "auto",
            enum=["auto", "stage_only", "make_current"],
            values_display={
                "auto": "auto: publish, unless readers have a newer day",
                "stage_only": "stage_only: write everything, publish nothing",
                "make_current": "make_current: publish, even if readers go back in time",
            },
            title="Publish",
            description="What readers see when the run has ended well.",
        ),
        "retrain": Param(
            "auto",
            enum=["auto", "always", "never"],
            values_display={
                "auto": "auto: train when no model promoted by that day is young enough",
                "always": "always: train a new model",
                "never": "never: keep the newest model promoted by that day",
            },
            title="Retrain",
            description="Which model scores. A backfill never uses a later day's model.",
        ),
    },
)
def evensong_nightly() -> None:
    """Wire the night."""
    landing = landing_task()
    with TaskGroup("ingest", prefix_group_id=False):
        raw = [spark_job(name) for name in RAW_TABLES]
        rejects = spark_job("raw_rejects")
        chain(landing, raw, rejects)
    with TaskGroup("core", prefix_group_id=False):
        tracks, tags = spark_job("core_tracks"), spark_job("core_tags")
        core = [tags, *(spark_job(name) for name in CORE_TABLES)]
        heard = [spark_job("core_listens"), spark_job("core_impressions")]
        daily = spark_job("core_daily_listens")
        chain(raw, tracks, heard, daily)
        chain(tracks, core)
    with TaskGroup("features", prefix_group_id=False):
        content = [spark_job(name) for name in ("feat_audio", "feat_lyrics", "feat_cover")]
        emotion = spark_job("feat_track_emotion")
        chain(tracks, content, emotion)
        track_tags = spark_job("feat_track_tags")
        chain(tags, spark_job("feat_tags"), track_tags)
    with TaskGroup("graph", prefix_group_id=False):
        nodes = spark_job("graph_nodes")
        edges = [
            spark_job(name)
            for name in (
                "graph_user_listened_track",
                "graph_user_liked_track",
                "graph_user_follows_user",
                "graph_track_by_artist",
                "graph_track_on_album",
                "graph_track_has_tag",
            )
        ]
        chain([*core, daily], nodes, edges)
    with TaskGroup("training", prefix_group_id=False):
        model = training_task("mm_gnn")
        scores = scoring_task("score_candidates")
        chain([*edges, emotion, track_tags], model, scores)
    with TaskGroup("recommendations", prefix_group_id=False):
        topk, similar = spark_job("rec_topk"), spark_job("rec_similar_tracks")
        changes, quality = spark_job("rec_changes"), spark_job("run_quality")
        chain(scores, topk, changes)
        chain(scores, [similar, quality])
    with TaskGroup("publish", prefix_group_id=False):
        published = publishing_task()
        chain([changes, similar, quality, rejects], published, report_task())
        announcing_task(published)


evensong_nightly()
