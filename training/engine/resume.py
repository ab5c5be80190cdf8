"""Resume files: the state of a fit after its last whole epoch, from which a killed fit resumes.

The files lie below EVENSONG_STATE, in a folder named by task, family and the model's version, which
stands for data, recipe, code and seed: only the same training finds them. They hold rows of
listeners' embeddings, so an erasure deletes all of them and ends running fits. A training deletes
its own files when its model is written.
"""

from __future__ import annotations

import io
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from feature_store.lake.storage import FolderStorage
from feature_store.privacy.suppression import ErasedDuringRun

FitState = dict[str, Any]
"""The state of a stage between two epochs, as torch.save stores it."""

_FITS = "fits"


class ResumeError(ValueError):
    """The state of a fit cannot be read."""


@dataclass(frozen=True, slots=True)
class ResumePolicy:
    """Where the fits of a training write their states, and what forbids it.

    Attributes:
        folder: of the resume files.
        check_no_erasure: raises when a person was erased after the training had read its inputs.
    """

    folder: Path
    check_no_erasure: Callable[[], None]

    def file_of(self, purpose: str, stage: str) -> ResumeFile:
        """The file of one stage of one of the training's fits."""
        return ResumeFile(self.folder / f"{purpose}.{stage}.pt", self.check_no_erasure)


@dataclass(frozen=True, slots=True, eq=False)
class ResumeFile:
    """The file of one stage's state."""

    file: Path
    check_no_erasure: Callable[[], None]

    def write(self, state: FitState) -> None:
        """Replace the file, whole or not at all.

        Args:
            state: tensors, numbers, strings, and lists and dicts of them: what torch reads back
                without running code (`weights_only`).

        Raises:
            ErasedDuringRun: a person was erased since the training began; no file is left.
        """
        content = io.BytesIO()
        torch.save(state, content)
        try:
            self.check_no_erasure()
            FolderStorage(self.file.parent).write(self.file.name, content.getvalue())
            # And once more: an erasure that this check misses deletes the files that it finds.
            self.check_no_erasure()
        except ErasedDuringRun:
            self.file.unlink(missing_ok=True)
            raise
        except OSError:
            # The lake cannot be asked about erasures, or an erasure has removed the folder: in
            # doubt no file is left.
            self.file.unlink(missing_ok=True)
            self.check_no_erasure()
            raise

    def read(self) -> FitState | None:
        """The state that was written last; None when the fit begins.

        Raises:
            ResumeError: the file is damaged.
        """
        if not self.file.exists():
            return None
        try:
            state: FitState = torch.load(self.file, map_location="cpu", weights_only=True)
        except (RuntimeError, ValueError, EOFError, UnpicklingError) as error:
            raise ResumeError(
                f"fit state {self.file}: cannot be read ({type(error).__name__}: it is damaged or "
                "holds more than tensors and numbers); delete the file, and the fit starts again"
            ) from error
        return state


def resume_folder(state: Path, task: str, family: str, version: str) -> Path:
    """Folder of the resume files of one training."""
    return state / _FITS / task / family / version


def delete_stale(folder: Path) -> None:
    """Delete the resume files of the family's other trainings: their inputs have changed."""
    others = folder.parent.iterdir() if folder.parent.is_dir() else ()
    for other in others:
        if other != folder:
            delete(other)


def delete(folder: Path) -> None:
    """Delete the resume files of a training; there may be none.

    The folder is renamed first: a fit that is still writing there makes a new folder.
    """
    renamed = folder.with_name(f"{folder.name}-forgotten-{secrets.token_hex(4)}")
    try:
        folder.rename(renamed)
    except FileNotFoundError:
        return
    shutil.rmtree(renamed)


def delete_all(state: Path) -> int:
    """Delete the resume files of all trainings; returns how many there were."""
    states = list(state.glob(f"{_FITS}*/*/*/*/*"))
    for tree in list(state.glob(f"{_FITS}*")):  # also folders that a killed erasure had renamed
        delete(tree)
    return len(states)


@contextmanager
def delete_on_erasure(folders: Iterable[Path]) -> Iterator[None]:
    """Delete these resume files when a person is erased while the training runs."""
    try:
        yield
    except ErasedDuringRun:
        for folder in folders:
            delete(folder)
        raise
