"""One frozen `Settings`, from EVENSONG_* variables and evensong.toml; an unknown key is an error.

`EVENSONG_LAKE` and `EVENSONG_STATE` say where everything lives. Nested settings use two
underscores: `EVENSONG_LISTS__LENGTH=30`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_PREFIX = "EVENSONG_"


class SettingsError(ValueError):
    """A setting is unknown or has a value that it cannot have."""


class Spark(BaseModel):
    """How Spark sessions are made."""

    model_config = _FROZEN

    master: str = "local[2]"
    submit: bool = Field(
        default=False,
        description="Each job through spark-submit to the master, not in the task's own process.",
    )
    driver_host: str = Field(
        "",
        description="Where executors elsewhere reach the driver; a local master needs none.",
    )
    driver_memory: str = "3g"
    shuffle_partitions: int = Field(2, ge=1, description="As many as there are cores, or more.")
    quick_start: bool = Field(
        default=True,
        description="Compile less: right for nights of minutes on one machine, wrong for a "
        "cluster.",
    )
    preload: tuple[str, ...] = Field(
        ("pandas", "torch"),
        description="Modules that the Python daemon imports once, before it forks workers.",
    )
    gateway: str = Field(
        "",
        description="File of a Java that `evensong up` keeps for its tasks; empty: each process "
        "starts its own.",
    )
    packages_from: str = Field(
        "", description="Maven repository for the jars; empty for Maven Central."
    )


class Lists(BaseModel):
    """What the published lists look like."""

    model_config = _FROZEN

    length: int = Field(20, ge=1, le=1000, description="Tracks in a person's list.")
    similar_length: int = Field(
        10, ge=1, le=1000, description="Tracks in a list of similar tracks."
    )
    max_per_artist: int = Field(2, ge=1, description="Tracks of one artist in one list.")
    exclude_heard_days: int = Field(
        30,
        ge=0,
        description="Tracks heard in the last so many days are left out; 0 lets all of them in.",
    )
    personal_min_listens: int = Field(
        20, ge=1, description="Listens from which on a list is personal, not warm."
    )
    candidates: int = Field(200, ge=1, description="Scored tracks kept per person, before filters.")


class GraphSettings(BaseModel):
    """Which edges the graph has; training and the tables keep the same rules.

    Counts without times have no day: no window leaves them out.
    """

    model_config = _FROZEN

    listened_window_days: int | None = Field(
        None,
        ge=1,
        description="Only listens of the last so many days make an edge; all when it is not set.",
    )
    min_listen_count: int = Field(
        1, ge=1, description="Listens in the window that an edge of a person and a track needs."
    )
    organic_only: bool = Field(
        default=False,
        description="Only listens that the person chose: what a recommendation started teaches "
        "nothing, so that our own lists do not feed themselves.",
    )
    min_tagger_count: int = Field(
        1,
        ge=1,
        description="Taggers that an edge of a track and a tag needs; tags below it have no part "
        "in feat_track_tags either.",
    )


class Gates(BaseModel):
    """Thresholds of the population rules. The row rules have none: they are absolute."""

    model_config = _FROZEN

    min_full_list_ratio: float = Field(
        0.999, ge=0, le=1, description="People whose list has every rank filled."
    )
    max_popular_tier_ratio: float = Field(
        0.6, ge=0, le=1, description="Rows that rest on popularity alone."
    )
    max_tier_shift_ratio: float = Field(
        0.5, ge=0, le=1, description="Rows whose tier changed, against what readers have now."
    )
    max_churn_ratio: float = Field(
        0.95, ge=0, le=1, description="Rows that entered since the compared run."
    )
    min_catalogue_coverage_ratio: float = Field(
        0.01, ge=0, le=1, description="Tracks that appear in any list."
    )
    min_modality_coverage_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Tracks with content of a kind whose features could be computed.",
    )
    max_isolated_user_ratio: float = Field(
        0.9, ge=0, le=1, description="People of the graph without any edge."
    )
    max_degree_shift_ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="How far tracks per listener moved, against the run that readers have now.",
    )
    max_days_without_arrivals: int = Field(3, ge=0, description="Days since anything arrived.")
    max_row_drop_ratio: float = Field(
        0.5, ge=0, le=1, description="Loss of rows against the current run."
    )


class Training(BaseModel):
    """When to train and what."""

    model_config = _FROZEN

    family: str = Field("mm_gnn", description="Makes the lists until another one is promoted.")
    challengers: tuple[str, ...] = Field(
        (), description="Families that may replace it, when a training shows them to be better."
    )
    max_model_age_days: int = Field(7, ge=0, description="An older model is trained anew.")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    n_threads: int = Field(2, ge=1, description="Of each process, on CPUs.")
    launcher: Literal["in_process", "torchrun"] = Field(
        "in_process", description="In the task's own process, or in several that share each batch."
    )
    n_processes: int = Field(
        1, ge=1, description="That torchrun starts on this machine; one for each GPU."
    )

    @model_validator(mode="after")
    def _several_are_launched(self) -> Training:
        if self.n_processes > 1 and self.launcher != "torchrun":
            raise ValueError(f"n_processes = {self.n_processes} needs launcher = torchrun")
        return self


class Encoders(BaseModel):
    """Which encoder makes the features of each kind of content: names in jobs' encoder registry.

    Whoever reads feat_audio, feat_lyrics, feat_cover or feat_tags takes the rows of the encoder
    named here.
    """

    model_config = _FROZEN

    audio: str = Field("musicnn-mtt-v1", description="encoder_id of feat_audio.")
    lyrics: str = Field("minilm-l6-v2", description="encoder_id of feat_lyrics and feat_tags.")
    cover: str = Field("efficientnet-lite0-v1", description="encoder_id of feat_cover.")
    max_audio_s: float = Field(
        60.0, gt=0, description="Only so much of each recording is listened to, from its middle."
    )


class Maintenance(BaseModel):
    """What maintenance keeps. Files that the current run pins stay at any age."""

    model_config = _FROZEN

    restorable_days: int = Field(
        30, ge=1, description="Runs published or staged so recently can be made current again."
    )
    slice_days: int = Field(
        400, ge=1, description="Older as_of slices of graph_, score_ and rec_ tables are dropped."
    )
    raw_days: int | None = Field(
        None,
        ge=1,
        description="Older rows about people in raw_ tables are dropped; none are when it is not "
        "set. A backfill of such a day takes them from landing again, while that has them.",
    )
    landing_days: int | None = Field(
        None, ge=1, description="Older landing files are deleted; none are when it is not set."
    )
    max_files: int = Field(
        200, ge=2, description="A table of more files has its small ones packed into large ones."
    )


class Privacy(BaseModel):
    """How people are erased."""

    model_config = _FROZEN

    reader_grace_s: float = Field(
        60.0,
        ge=0,
        description="An erasure lets readers finish so long before it removes the old files.",
    )


class Settings(BaseSettings):
    """Everything that may differ between two installations."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        toml_file="evensong.toml",
        frozen=True,
        extra="forbid",
    )

    lake: str = Field(
        ".evensong/lake", description="Folder or s3:// address of landing, tables, models, reports."
    )
    state: Path = Field(
        Path(".evensong/state"), description="Local folder of databases and caches."
    )
    seed: int = 20260301
    lineage_url: str = Field(
        "", description="OpenLineage server; empty: events are appended to a file in the state."
    )
    notifier: str = Field(
        "dags.policy.alerts:to_log",
        description="Function (alert, text) that tells whoever is on call, as module:name.",
    )
    late_track_days: int = Field(
        30, ge=0, description="How long a listen waits for its track to be announced."
    )
    shown_hours: int = Field(
        24,
        ge=0,
        description="A listen so soon after its track was shown is not counted as organic.",
    )
    privacy_key: SecretStr | None = Field(
        None,
        description="Key of the suppression list; without it the file privacy.key in the state.",
    )
    spark: Spark = Spark()
    lists: Lists = Lists()
    graph: GraphSettings = GraphSettings()
    gates: Gates = Gates()
    training: Training = Training()
    encoders: Encoders = Encoders()
    maintenance: Maintenance = Maintenance()
    privacy: Privacy = Privacy()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments beat variables, variables beat the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@dataclass(frozen=True, slots=True)
class Night:
    """One run: the day it covers, its id, and the settings it runs under.

    Passed down; nobody asks the clock.
    """

    as_of: date
    run_id: str
    settings: Settings


def load_settings(**overrides: object) -> Settings:
    """Read the settings, `overrides` first.

    Raises:
        SettingsError: a key is unknown or a value impossible; names each with the next step.
    """
    _refuse_unknown_variables()
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks what mypy cannot see here
    except ValidationError as error:
        found = "; ".join(_broken(item) for item in error.errors())
        raise SettingsError(
            f"settings: {found}; correct evensong.toml or the EVENSONG_ variable"
        ) from error
    if "://" not in settings.lake:
        settings = settings.model_copy(update={"lake": str(Path(settings.lake).resolve())})
    return settings.model_copy(update={"state": settings.state.resolve()})


def _broken(item: ErrorDetails) -> str:
    """One setting that is wrong. Its value is left out where it may be a secret.

    A key that is no setting may be a misspelt name of one that is secret.
    """
    name = ".".join(str(part) for part in item["loc"])
    is_told = item["type"] != "extra_forbidden" and "key" not in name
    return f"{name} = {item.get('input')!r}: {item['msg']}" if is_told else f"{name}: {item['msg']}"


def _refuse_unknown_variables() -> None:
    """pydantic-settings passes over variables that match no field.

    A misspelt one would silently do nothing.
    """
    known = {name.upper() for name in Settings.model_fields}
    for variable in os.environ:
        if (
            variable.startswith(_PREFIX)
            and variable.removeprefix(_PREFIX).split("__")[0] not in known
        ):
            raise SettingsError(
                f"settings: the variable {variable} names no setting; known: "
                f"{', '.join(sorted(_PREFIX + name for name in known))}"
            )
