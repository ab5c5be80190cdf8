"""One frozen `Settings`, from EVENSONG_* variables and a TOML file; an unknown key is an error.

`EVENSONG_LAKE` and `EVENSONG_STATE` are the addresses of all data. Settings of a group have two
underscores: `EVENSONG_LISTS__LENGTH=30`. `EVENSONG_CONFIG` names the file; without it the file is
evensong.toml in the current folder, if there is one.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from feature_store.setting_groups import (
    EncoderSettings,
    GateSettings,
    GraphSettings,
    ListSettings,
    MaintenanceSettings,
    PrivacySettings,
    SparkSettings,
    TrainingSettings,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "EVENSONG_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_DEFAULT_FILE = Path("evensong.toml")
_SECRETS_OF_URL = re.compile(r"(?<=://)\S*(?=@)|(?<=\?)\S+")


class SettingsError(ValueError):
    """A setting is unknown or has an impossible value."""


class Settings(BaseSettings):
    """Everything that differs between two installations."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
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
        "dags.policy.alerts:log_alert",
        description="Function (alert, text) that notifies the person on call, as module:name.",
    )
    late_track_days: int = Field(
        30, ge=0, description="Days that a listen waits for the metadata of its track."
    )
    shown_hours: int = Field(
        24,
        ge=0,
        description="A listen within so many hours after its track was shown is not organic.",
    )
    privacy_key: SecretStr | None = Field(
        None,
        description="Key of the suppression list; unset: the file privacy.key in the state folder.",
    )
    spark: SparkSettings = SparkSettings()
    lists: ListSettings = ListSettings()
    graph: GraphSettings = GraphSettings()
    gates: GateSettings = GateSettings()
    training: TrainingSettings = TrainingSettings()
    encoders: EncoderSettings = EncoderSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    privacy: PrivacySettings = PrivacySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is the library's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments override variables, and variables override the file."""
        return init_settings, env_settings, file_source(settings_cls)


@dataclass(frozen=True, slots=True)
class Night:
    """One run: the day that it covers, its id and its settings.

    Callers pass it down, so no code reads the clock for the day.
    """

    as_of: date
    run_id: str
    settings: Settings


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` override variables and the file.

    Raises:
        SettingsError: a key is unknown or a value impossible, or the file cannot be read; names
            each with the next step.
    """
    _check_variable_names()
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks what mypy cannot see here
    except ValidationError as error:
        found = "; ".join(_describe(item) for item in error.errors())
        file = config_file() or _DEFAULT_FILE
        raise SettingsError(
            f"settings: {found}; correct {file} or the EVENSONG_ variable"
        ) from error
    if "://" not in settings.lake:
        settings = settings.model_copy(update={"lake": str(Path(settings.lake).resolve())})
    return settings.model_copy(update={"state": settings.state.resolve()})


def config_file() -> Path | None:
    """The file that the settings are read from; None when there is none.

    Raises:
        SettingsError: EVENSONG_CONFIG names no file.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise SettingsError(
                f"settings: {CONFIG_VARIABLE} = {named!r} is no file; correct it, or unset it to "
                f"read {_DEFAULT_FILE} in the current folder"
            )
        return Path(named).resolve()
    return _DEFAULT_FILE.resolve() if _DEFAULT_FILE.is_file() else None


def file_source(settings_cls: type[BaseSettings]) -> TomlConfigSettingsSource:
    """The source of the values in the file.

    Raises:
        SettingsError: the file is no TOML, or cannot be read.
    """
    file = config_file()
    try:
        return TomlConfigSettingsSource(settings_cls, toml_file=file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings: {file} is no TOML: {error}; correct the file") from error
    except OSError as error:
        raise SettingsError(f"settings: {file} cannot be read: {error.strerror}") from error


def without_password(text: str) -> str:
    """The text with user, password and query of each URL as ***."""
    return _SECRETS_OF_URL.sub("***", text) if "://" in text else text


def _describe(item: ErrorDetails) -> str:
    """Name and value of a wrong setting; the value is left out where it may be a secret.

    An unknown key may be the misspelt name of a secret.
    """
    name = ".".join(str(part) for part in item["loc"])
    is_shown = item["type"] != "extra_forbidden" and "key" not in name
    if is_shown:
        return without_password(f"{name} = {item.get('input')!r}: {item['msg']}")
    return f"{name}: {item['msg']}"


def _check_variable_names() -> None:
    """Refuse variables that match no field.

    pydantic-settings ignores them, so a misspelt variable would silently do nothing.
    """
    known = {name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE[len(PREFIX) :]}
    for variable in os.environ:
        if (
            variable.startswith(PREFIX)
            and variable.removeprefix(PREFIX).split("__")[0] not in known
        ):
            raise SettingsError(
                f"settings: the variable {variable} names no setting; known: "
                f"{', '.join(sorted(PREFIX + name for name in known))}"
            )
