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

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from feature_store.setting_groups import (
    EncoderSettings,
    GateSettings,
    GraphSettings,
    LandingSettings,
    ListSettings,
    MaintenanceSettings,
    MoodSettings,
    PrivacySettings,
    SparkSettings,
    TrainingSettings,
)
from feature_store.setting_variables import SettingsError, check_variables

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "EVENSONG_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_MIN_KEY_LENGTH = 32
_NOT_IN_FOLDERS = frozenset('%#?[]{}*|\\"`')
"""Spark, delta-rs and Arrow read these as escapes, patterns or parts of an address."""

_DEFAULT_FILE = Path("evensong.toml")
_SECRETS_OF_URL = re.compile(r"(?<=://)\S*(?=@)|(?<=\?)\S+")


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
    landing: LandingSettings = LandingSettings()
    lists: ListSettings = ListSettings()
    mood: MoodSettings = MoodSettings()
    graph: GraphSettings = GraphSettings()
    gates: GateSettings = GateSettings()
    training: TrainingSettings = TrainingSettings()
    encoders: EncoderSettings = EncoderSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    privacy: PrivacySettings = PrivacySettings()

    @field_validator("lake", "state", mode="before")
    @classmethod
    def _absolute(cls, value: object, info: ValidationInfo) -> object:
        """A folder becomes absolute, with ~ as the home folder; an s3:// address is unchanged."""
        if not isinstance(value, str | Path):
            return value
        address = str(value)
        if not address.strip():
            raise ValueError("is empty; write . for the current folder")
        if "://" not in address:
            folder = str(Path(address).expanduser().resolve())
            forbidden = sorted(set(folder) & _NOT_IN_FOLDERS)
            if forbidden and info.field_name == "lake":
                raise ValueError(f"is {folder}: no table can lie in a folder with {forbidden[0]}")
            return folder
        if info.field_name == "state":
            raise ValueError("is an address and must be a local folder; only the lake may be s3://")
        return address

    @field_validator("privacy_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_privacy_key(value.get_secret_value())
        return value

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
    check_variables(os.environ, EnvSettingsSource(Settings), [CONFIG_VARIABLE])
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks what mypy cannot see here
    except ValidationError as error:
        found = "; ".join(_describe(item) for item in error.errors())
        file = config_file() or _DEFAULT_FILE
        raise SettingsError(
            f"settings: {found}; correct {file} or the EVENSONG_ variable"
        ) from error


def config_file() -> Path | None:
    """The file that the settings are read from; None when there is none.

    Raises:
        SettingsError: EVENSONG_CONFIG names no file.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        file = Path(named).expanduser()
        if not file.is_file():
            raise SettingsError(
                f"settings: {CONFIG_VARIABLE} = {named!r} is no file; correct it, or unset it to "
                f"read {_DEFAULT_FILE} in the current folder"
            )
        return file.resolve()
    return _DEFAULT_FILE.resolve() if _DEFAULT_FILE.is_file() else None


def file_source(settings_cls: type[BaseSettings]) -> InitSettingsSource:
    """The source of the values in the file.

    Raises:
        SettingsError: the file is no TOML, or cannot be read.
    """
    file = config_file()
    try:
        # Some editors begin a file with a byte order mark, which TOML does not allow.
        values = tomllib.loads(file.read_text("utf-8-sig")) if file else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings: {file} is no TOML: {error}; correct the file") from error
    except OSError as error:
        raise SettingsError(f"settings: {file} cannot be read: {error.strerror}") from error
    return InitSettingsSource(settings_cls, values)


def check_privacy_key(key: str) -> None:
    """Refuse a key that could be guessed.

    Raises:
        ValueError: the key is too short.
    """
    if len(key) < _MIN_KEY_LENGTH:
        raise ValueError(
            f"the key has {len(key)} characters and needs {_MIN_KEY_LENGTH}; make one with "
            '`python -c "import secrets; print(secrets.token_hex(32))"`'
        )


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
