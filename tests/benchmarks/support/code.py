"""Which code a kept result belongs to."""

from __future__ import annotations

from pathlib import Path

from feature_store.lake.storage import sha256_of
from feature_store.settings import Settings

SOURCES = Path(__file__).parents[3]
PACKAGES = ("dags", "feature_store", "jobs", "training")


def code_sha256(packages: tuple[str, ...] = PACKAGES) -> str:
    """Hash of every Python file and recipe of these packages."""
    files = sorted(
        file
        for folder in packages
        for kind in ("*.py", "*.toml")
        for file in (SOURCES / folder).rglob(kind)
    )
    return sha256_of("".join(sha256_of(file.read_bytes()) for file in files).encode())


def tables_sha256(settings: Settings) -> str:
    """Hash of the code that makes tables of landing files, and of the settings that it goes by."""
    rules = settings.graph.model_dump_json() + settings.encoders.model_dump_json()
    return sha256_of((code_sha256(("jobs", "feature_store")) + rules).encode())
