"""Which code a kept result belongs to."""

from __future__ import annotations

from pathlib import Path

from feature_store.storage import sha256_of

SOURCES = Path(__file__).parents[2]
PACKAGES = ("dags", "feature_store", "jobs", "training")


def code_sha256(packages: tuple[str, ...] = PACKAGES) -> str:
    """Hash of every Python file of these packages."""
    files = sorted(file for folder in packages for file in (SOURCES / folder).rglob("*.py"))
    return sha256_of("".join(sha256_of(file.read_bytes()) for file in files).encode())
