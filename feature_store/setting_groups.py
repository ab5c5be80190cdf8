"""Groups of settings, for Spark, landing, lists, and so on.

`Settings` holds one of each. A group's field is the variable EVENSONG_<GROUP>__<FIELD>.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from feature_store.track_text import TEXT_FIELDS, TextField

_FROZEN = ConfigDict(frozen=True, extra="forbid")
MIN_WINDOW_S = 3.0  # of audio: one input of MusiCNN, and two beats of 40 a minute


class SparkSettings(BaseModel):
    """Options of the SparkSession and of the Java that runs it."""

    model_config = _FROZEN

    master: str = "local[2]"
    submit: bool = Field(
        default=False,
        description="Run each job through spark-submit, not in the task's own process.",
    )
    driver_host: str = Field(
        "",
        description="Address where executors reach the driver; a local master needs none.",
    )
    driver_memory: str = "3g"
    shuffle_partitions: int = Field(2, ge=1, description="At least the number of cores.")
    quick_start: bool = Field(
        default=True,
        description="Skip code generation: faster for nights of minutes on one machine, slower "
        "on a cluster.",
    )
    preload: tuple[str, ...] = Field(
        ("pandas", "torch", "transformers.models.bert.modeling_bert"),
        description="Modules that the Python daemon imports once, before it forks workers.",
    )
    gateway: str = Field(
        "",
        description="File with the address of the Java that `evensong up` shares among its tasks; "
        "empty: each process starts its own.",
    )
    packages_from: str = Field(
        "", description="Maven repository for the jars; empty for Maven Central."
    )


class LandingSettings(BaseModel):
    """What the raw stage takes from the landing zone."""

    model_config = _FROZEN

    earliest_date: date = Field(
        date(1990, 1, 1),
        ge=date(1970, 1, 1),
        description="Listens, feedback, impressions and follows of earlier days are rejected: "
        "most have seconds and milliseconds mistaken for each other.",
    )
    max_late_days: int = Field(
        365,
        ge=1,
        description="Listens and impressions that arrive more days after they happened are "
        "rejected, because a night reads the log back to its oldest new one. In the first so many "
        "days of a source history of any age is taken.",
    )
    settle_s: int = Field(
        0,
        ge=0,
        description="A landing file in a folder that is younger and has no end (Parquet's last "
        "bytes; audio and covers have none) waits for the next night: somebody may still be "
        "writing it.",
    )


class ListSettings(BaseModel):
    """Length and filters of the published lists."""

    model_config = _FROZEN

    length: int = Field(20, ge=1, le=1000, description="Tracks in a listener's list.")
    similar_length: int = Field(
        10, ge=1, le=1000, description="Tracks in a list of similar tracks."
    )
    similar_exact_tracks: int = Field(
        100_000,
        ge=0,
        description="Similar tracks are found by comparing all pairs while so many tracks are "
        "compared with as many, and through an index when there are more pairs.",
    )
    max_per_artist: int = Field(2, ge=1, description="Tracks of one artist in one list.")
    exclude_listened_days: int = Field(
        30,
        ge=0,
        description="Lists exclude tracks heard in the last so many days; 0 excludes none.",
    )
    personal_min_listens: int = Field(
        20,
        ge=1,
        description="Listens from which on a listener's list is personal, not warm.",
    )
    candidates: int = Field(
        200, ge=1, description="Scored tracks kept per listener, before filters."
    )


class MoodSettings(BaseModel):
    """Lists for moods: the plane of valence and arousal is cut into 5 x 5 cells."""

    model_config = _FROZEN

    context_days: int = Field(
        90,
        ge=0,
        description="Listens of the last so many days tell in which mood a listener played a "
        "track; 0 writes none to feat_listen_mood.",
    )
    listeners: Literal["active", "all"] = Field(
        "active",
        description="Who gets lists for moods: listeners with a listen in the last "
        "mood.active_days, or all.",
    )
    active_days: int = Field(
        30, ge=1, description="Days after the last listen in which a listener is active."
    )
    candidates_per_cell: int = Field(
        40, ge=1, description="Scored tracks kept per listener and cell, before filters."
    )
    list_length: int = Field(
        10, ge=1, le=1000, description="Tracks in a listener's list for a cell."
    )


class GraphSettings(BaseModel):
    """Which edges the graph has; the graph_ tables and training apply the same rules.

    Listen counts without times have no day, so no window excludes them.
    """

    model_config = _FROZEN

    listened_window_days: int | None = Field(
        None,
        ge=1,
        description="Only listens of the last so many days make an edge; all when it is not set.",
    )
    min_listen_count: int = Field(
        1, ge=1, description="Listens in the window that an edge of a listener and a track needs."
    )
    organic_only: bool = Field(
        default=False,
        description="Only listens that the listener chose; excluding those that a recommendation "
        "started prevents a feedback loop.",
    )
    min_tagger_count: int = Field(
        1,
        ge=1,
        description="Listeners who must give a track the same tag before it becomes an edge; "
        "feat_track_tags and feat_track_texts exclude rarer tags too.",
    )


class GateSettings(BaseModel):
    """Thresholds of the population rules; row rules are absolute and have no threshold."""

    model_config = _FROZEN

    min_full_list_ratio: float = Field(
        0.999, ge=0, le=1, description="Share of listeners whose list is as long as it can be."
    )
    max_popular_tier_ratio: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Share of rows for people with listens that rest on popularity alone.",
    )
    max_tier_shift_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of rows that moved to another tier since the current run.",
    )
    max_churn_ratio: float = Field(
        0.95, ge=0, le=1, description="Share of rows that entered since the compared run."
    )
    min_catalogue_coverage_ratio: float = Field(
        0.01, ge=0, le=1, description="Share of tracks that appear in any list."
    )
    min_mood_cell_ratio: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of the tracks with an emotion in each row and column of the plane's "
        "cells; judged from 100 such tracks on, when there are lists for moods.",
    )
    min_modality_coverage_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of tracks with content of a modality whose features could be computed.",
    )
    max_isolated_user_ratio: float = Field(
        0.9, ge=0, le=1, description="Share of the graph's listeners without any edge."
    )
    max_degree_shift_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Kolmogorov-Smirnov distance of tracks per listener from the current run's.",
    )
    max_days_without_arrivals: int = Field(
        3,
        ge=0,
        description="Days since anything arrived, and since a source that sends on most days sent.",
    )
    min_weekday_row_ratio: float = Field(
        0.2,
        ge=0,
        description="Rows of a source on the day / its median on this weekday of four weeks.",
    )
    max_reject_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of a source's rows of the day that were rejected, or of its files that "
        "could not be read.",
    )
    max_row_drop_ratio: float = Field(
        0.5, ge=0, le=1, description="Share of rows lost since the current run."
    )


class SplitSettings(BaseModel):
    """Sizes of what is held out of a training; one cut a night for every task."""

    model_config = _FROZEN

    window_days: int = Field(
        7, ge=1, description="Days of the validation window, and of the test window."
    )
    min_days_per_window: int = Field(
        5, ge=1, description="The listens must span so many windows, or the windows shrink."
    )
    held_out_tenths: int = Field(
        1, ge=1, le=4, description="Of a listener's counts without times, for validation and test."
    )
    min_held_out_users: int = Field(
        5, ge=2, description="With fewer listeners to evaluate on, nothing is held out."
    )


class TrainingSettings(BaseModel):
    """Which tasks to train, by which model families, when, and on what hardware."""

    model_config = _FROZEN

    tasks: tuple[str, ...] = Field(
        ("ranking",), description="Training tasks of a night, by name in training's registry."
    )
    families: dict[str, str] = Field(
        {}, description="By task: the family that it begins with, instead of the task's default."
    )
    challengers: dict[str, tuple[str, ...]] = Field(
        {}, description="By task: families that replace it when a training shows them to be better."
    )
    challenger_seeds: int = Field(
        3, ge=1, description="Fits of each family in a champion-challenger test, each with a seed."
    )
    max_model_age_days: int = Field(
        7, ge=0, description="A night retrains an older model, unless its inputs are unchanged."
    )
    max_model_age_days_of: dict[str, int] = Field(
        {}, description="By task: another age than max_model_age_days."
    )
    split: SplitSettings = SplitSettings()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    n_threads: int = Field(2, ge=1, description="CPU threads of each process.")
    launcher: Literal["in_process", "torchrun"] = Field(
        "in_process",
        description="Train in the task's own process, or in several that share each batch.",
    )
    n_processes: int = Field(
        1, ge=1, description="Processes that torchrun starts on this machine; one for each GPU."
    )

    def max_age_days(self, task: str) -> int:
        """Days after which a night retrains the task's model."""
        return self.max_model_age_days_of.get(task, self.max_model_age_days)

    @model_validator(mode="after")
    def _check_launcher(self) -> TrainingSettings:
        if self.n_processes > 1 and self.launcher != "torchrun":
            raise ValueError(f"n_processes = {self.n_processes} needs launcher = torchrun")
        return self


class EncoderSettings(BaseModel):
    """Which encoder embeds each modality: an id in the encoder registry of jobs.

    A night records the identity of each of these encoders in feat_encoders, and readers of feature
    tables keep only the rows of that identity (see lake/encoder_rows.py).
    """

    model_config = _FROZEN

    audio: str = Field(
        "musicnn-mtt-v1",
        description="encoder_id of feat_audio: musicnn-mtt-v1, openl3-music-mel256-512, "
        "openl3-music-mel256-6144, openl3-env-mel256-512, openl3-env-mel256-6144, or "
        "transformers:FOLDER, a model of transformers in a local folder.",
    )
    openl3_weights: str = Field(
        "",
        description="File with the weights of an OpenL3 encoder (openl3_audio_mel256_music.h5 or "
        "openl3_audio_mel256_env.h5, unpacked), at the same path on every machine of Spark; needed "
        "when encoders.audio begins with openl3-.",
    )
    lyrics: str = Field(
        "minilm-l6-v2",
        description="encoder_id of feat_lyrics and feat_tags: minilm-l6-v2 or transformers:FOLDER.",
    )
    cover: str = Field(
        "efficientnet-lite0-v1",
        description="encoder_id of feat_cover: efficientnet-lite0-v1 or transformers:FOLDER.",
    )
    semantics: str = Field(
        "",
        description="encoder_id of feat_semantics: transformers:FOLDER is a causal language model "
        "in a local folder, which each of Spark's workers loads; empty: no model is asked.",
    )
    max_audio_s: float = Field(
        60.0,
        ge=MIN_WINDOW_S,
        le=240,
        description="Seconds of each recording that the audio encoder reads.",
    )
    audio_windows: int = Field(
        4,
        ge=1,
        description="Windows that these seconds are cut in, spread over the recording; a window "
        "has at least 3 s.",
    )
    audio_mel: bool = Field(
        default=True,
        description="Write feat_mel, 320 kB a recording: the input of HTCL's audio tower.",
    )
    text_fields: tuple[TextField, ...] = Field(
        TEXT_FIELDS,
        min_length=1,
        description="Parts of a track's text in feat_track_texts, which always stand in this "
        "order: title, artist, tags, language, lyrics.",
    )
    contents_per_commit: int = Field(
        2_000,
        ge=1,
        description="New recordings, texts or pictures that a task encodes before it writes them: "
        "what a task that is stopped has to do again.",
    )

    @model_validator(mode="after")
    def _check_windows(self) -> EncoderSettings:
        window_s = self.max_audio_s / self.audio_windows
        if window_s < MIN_WINDOW_S:
            raise ValueError(
                f"audio_windows = {self.audio_windows} cuts max_audio_s = {self.max_audio_s:g} "
                f"into windows of {window_s:.3g} s, at least {MIN_WINDOW_S:g} s are needed for a "
                f"slow beat; set at most {int(self.max_audio_s // MIN_WINDOW_S)}"
            )
        return self

    @property
    def needs_openl3_weights(self) -> bool:
        """Whether the audio encoder is one of OpenL3."""
        return self.audio.startswith("openl3-")

    def openl3_weights_fault(self) -> str:
        """What is wrong with `openl3_weights` on this machine; "" when nothing is.

        An encoder that is not of OpenL3 needs no weights of it.
        """
        if not self.needs_openl3_weights:
            return ""
        named = f"settings: encoders.openl3_weights = {self.openl3_weights!r}"
        next_step = (
            "set EVENSONG_ENCODERS__OPENL3_WEIGHTS to the .h5 that OpenL3's authors publish "
            "(branch models of github.com/marl/openl3), unpacked"
        )
        if not self.openl3_weights:
            return f"{named}: encoders.audio = {self.audio!r} needs a file; {next_step}"
        if not Path(self.openl3_weights).is_absolute():
            return (
                f"{named}: the path must begin with /, because Airflow and Spark run in other "
                f"folders; {next_step}"
            )
        if not Path(self.openl3_weights).is_file():
            return f"{named}: there is no such file on this machine; {next_step}"
        return ""


class MaintenanceSettings(BaseModel):
    """Retention and compaction; files that the current run pins stay at any age."""

    model_config = _FROZEN

    restorable_days: int = Field(
        30,
        ge=1,
        description="Runs published or staged in the last so many days can be made current again.",
    )
    slice_days: int = Field(
        400,
        ge=1,
        description="Maintenance deletes older as_of slices of all tables but run_ ones, and "
        "vectors of model versions that only such days need.",
    )
    raw_days: int | None = Field(
        None,
        ge=1,
        description="Maintenance deletes older rows about listeners in raw_ tables; none when "
        "it is not set. A backfill of such a day reads them from landing again, if still there.",
    )
    landing_days: int | None = Field(
        None,
        ge=1,
        description="Maintenance deletes older landing files with rows; none when it is not set. "
        "Audio files and covers stay at any age: another encoder reads them again.",
    )
    max_files: int = Field(
        200,
        ge=2,
        description="Maintenance compacts the small files of a table that has more files.",
    )


class PrivacySettings(BaseModel):
    """How an erasure removes a person."""

    model_config = _FROZEN

    reader_grace_s: float = Field(
        60.0,
        ge=0,
        description="Seconds that an erasure waits for readers before it removes the old files.",
    )
    pending_alert_hours: float = Field(
        24.0,
        ge=0,
        description="Hours after which a request that is not finished raises the alert "
        "erasure_pending.",
    )
