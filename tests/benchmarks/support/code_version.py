"""Hashes of the code that a cached result depends on."""

from __future__ import annotations

from pathlib import Path

from feature_store.lake.storage import sha256_of
from feature_store.settings import Settings

REPOSITORY_ROOT = Path(__file__).parents[3]
PACKAGES = ("dags", "feature_store", "jobs", "training")


def code_sha256(packages: tuple[str, ...] = PACKAGES) -> str:
    """Hash of every Python file and recipe of these packages."""
    files = sorted(
        file
        for folder in packages
        for kind in ("*.py", "*.toml")
        for file in (REPOSITORY_ROOT / folder).rglob(kind)
    )
    return sha256_of("".join(sha256_of(file.read_bytes()) for file in files).encode())


def tables_sha256(settings: Settings) -> str:
    """Hash of the code and the settings that turn landing files into tables."""
    table_settings = settings.graph.model_dump_json() + settings.encoders.model_dump_json()
    return sha256_of((code_sha256(("jobs", "feature_store")) + table_settings).encode())
