"""Every night: from landing files to published recommendation tables.

**Reads** the landing folders up to the run's as_of (the date of its data interval's start).

**Writes** the raw_, core_, feat_, graph_, score_, rec_ and run_ tables. Only the task
published_runs changes what readers see.

**When late:** readers keep all tables of yesterday. You need do nothing before 06:00 UTC; a run
that is not published by then raises the alert "late".

**When red:** the message names table, rule, value and next step. A failed gate leaves a `blocked`
event in published_runs. A failed gate, a publication by another run and an erasure meanwhile are
not retried; Airflow has retried every other failure twice. infra/runbook.md says what to do. A run
in which only feat_semantics or feat_track_semantics is red has published: publication waits for
neither of them.

**To re-run:** clear the failed task. Every task replaces its own slice and gives the same rows for
the same as_of.

**To backfill:** Trigger → Backfill, From the first day 00:00, To the last day 23:59 (a day's run
begins at 02:00: with 00:00 the backfill leaves the last day out). Tick "Override parameters on
existing runs" whenever you change a parameter: without the tick the page sends none (Airflow 3.3).
With `publish = auto` a run only stages a date older than the date that readers see; `make_current`
makes the last date of the range current in any case. `retrain = never` keeps the model that was
promoted by the run's date.
"""

from __future__ import annotations

from airflow.sdk import BaseOperator, Param, TaskGroup, dag
from airflow.sdk.bases.operator import chain

from dags.operators.nightly_tasks import (
    announcing_task,
    landing_task,
    predicting_task,
    publishing_task,
    report_task,
    spark_job,
    training_task,
)
from dags.policy.alerts import PUBLICATION_DEADLINE
from dags.policy.defaults import DEFAULT_ARGS, NIGHTLY, START_DATE
from dags.policy.roles import RUNNER, access_control_for

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
    "raw_emotion_texts",
    "raw_audio",
    "raw_covers",
)
CORE_TABLES = (
    "core_listen_counts",
    "core_follows",
    "core_feedback",
    "core_users",
)
EDGE_TABLES = (
    "graph_user_listened_track",
    "graph_user_liked_track",
    "graph_user_follows_user",
    "graph_track_by_artist",
    "graph_track_on_album",
    "graph_track_has_tag",
)


@dag(
    dag_id="evensong_nightly",
    schedule=NIGHTLY,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    description="From landing files to published recommendation tables.",
    access_control=access_control_for(RUNNER),
    deadline=PUBLICATION_DEADLINE,
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
            description="What readers see after a successful run.",
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
    """Wire the tasks of a night."""
    landing = landing_task()
    with TaskGroup("ingest", prefix_group_id=False):
        raw = [spark_job(name) for name in RAW_TABLES]
        rejects = spark_job("raw_rejects")
        chain(landing, raw, rejects)
    with TaskGroup("core", prefix_group_id=False):
        tracks, tags = spark_job("core_tracks"), spark_job("core_tags")
        core = [tags, *(spark_job(name) for name in CORE_TABLES)]
        events = [spark_job("core_listens"), spark_job("core_impressions")]
        daily = spark_job("core_daily_listens")
        chain(raw, tracks, events, daily)
        pairs = spark_job("core_track_pairs")
        chain(events, pairs)
        labelled_texts = spark_job("core_emotion_texts")
        chain(raw, labelled_texts)
        chain(tracks, core)
    with TaskGroup("features", prefix_group_id=False):
        encoders = spark_job("feat_encoders")
        content = [spark_job(name) for name in ("feat_audio", "feat_lyrics", "feat_cover")]
        emotion = spark_job("feat_track_emotion")
        chain(tracks, [encoders, *content], emotion)
        # Training, although it stands here: the emotion of tracks takes what its model has read.
        reader, read = (
            training_task("text_emotion"),
            predicting_task("feat_lyrics_emotion", "text_emotion"),
        )
        chain([encoders, content[1], labelled_texts, daily], reader, read, emotion)
        contexts = spark_job("feat_listen_mood")
        chain(emotion, spark_job("feat_mood_plane"), spark_job("feat_track_mood"), contexts)
        chain(events, contexts)
        answers = spark_job("feat_semantics")
        chain(tracks, answers)
        # Publication does not wait for a language model: no published table reads its answers.
        chain([encoders, content[0], answers], spark_job("feat_track_semantics"))
        track_tags = spark_job("feat_track_tags")
        chain(tags, [encoders, spark_job("feat_tags")], track_tags)
        texts = spark_job("feat_track_texts")
        chain([tags, encoders, content[1]], texts)
    with TaskGroup("graph", prefix_group_id=False):
        nodes = spark_job("graph_nodes")
        edges = [spark_job(name) for name in EDGE_TABLES]
        chain([*core, daily], nodes, edges)
    with TaskGroup("training", prefix_group_id=False):
        music, vectors = (
            training_task("audio_text"),
            predicting_task("feat_track_htcl", "audio_text"),
        )
        model = training_task("ranking")
        scores = predicting_task("score_candidates", "ranking")
        moods, scores_of_moods = training_task("mood"), predicting_task("score_mood", "mood")
        # One after the other: two trainings at once would share the memory of one GPU.
        learned_from = [*edges, emotion, contexts, track_tags, pairs, texts]
        chain(learned_from, music, vectors, model, scores, moods, scores_of_moods)
    publish([*write_lists(scores, scores_of_moods), rejects])


def write_lists(scores: BaseOperator, scores_of_moods: BaseOperator) -> list[BaseOperator]:
    """Wire the tasks between the models' scores and publication; gives the last ones."""
    with TaskGroup("recommendations", prefix_group_id=False):
        topk, similar = spark_job("rec_topk"), spark_job("rec_similar_tracks")
        changes, quality = spark_job("rec_changes"), spark_job("run_quality")
        lists_of_moods = spark_job("rec_mood")
        chain(scores, topk, changes)
        chain(scores, [similar, quality])
        chain(scores_of_moods, lists_of_moods)
    return [changes, similar, lists_of_moods, quality]


def publish(written: list[BaseOperator]) -> None:
    """Wire the tasks that switch readers to what the night has written, and report it."""
    with TaskGroup("publish", prefix_group_id=False):
        published = publishing_task()
        chain(written, published, report_task())
        announcing_task(published)


nightly_dag = evensong_nightly()
