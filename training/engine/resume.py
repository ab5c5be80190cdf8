"""What a fit that was killed goes on from: its state after the last whole epoch, in one file.

The files lie below EVENSONG_STATE, in a folder of the family and the model's version, which stands
for data, recipe, code and seed: only the same training finds them. They hold rows of people's
embeddings, so an erasure deletes them all and ends the fits that are under way, and a training
deletes its own when its model is there.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from feature_store.lake.storage import FolderStorage
from feature_store.privacy.suppression import ErasedMeanwhile

_FITS = "fits"
_VALUES = "values"


class ProgressError(ValueError):
    """A fit's state cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class FitState:
    """Where a fit stands.

    Attributes:
        tensors: by name.
        values: everything else; JSON can hold it.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keeping:
    """How the fits of a training keep their states.

    Attributes:
        folder: where.
        refuse_old_people: raises once somebody was erased after the training had read its inputs.
    """

    folder: Path
    refuse_old_people: Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """Where a fit keeps its state, and what its batches are drawn by besides torch's generator."""

    file: Path
    generator: torch.Generator
    refuse_old_people: Callable[[], None]

    def write(self, state: FitState) -> None:
        """Replace the file, whole or not at all.

        Raises:
            ErasedMeanwhile: somebody was erased since the training began; nothing is kept.
        """
        tensors = {name: value.detach().cpu().contiguous() for name, value in state.tensors.items()}
        content = save(tensors, {_VALUES: json.dumps(state.values)})
        try:
            self.refuse_old_people()
            FolderStorage(self.file.parent).write(self.file.name, content)
            # And once more: an erasure that this does not see yet deletes what it finds here.
            self.refuse_old_people()
        except ErasedMeanwhile:
            self.file.unlink(missing_ok=True)
            raise
        except OSError:
            # The lake cannot say whether somebody was erased, or the folder is gone because of it:
            # nothing is kept in doubt.
            self.file.unlink(missing_ok=True)
            self.refuse_old_people()
            raise

    def read(self) -> FitState | None:
        """What was written last; None when the fit begins.

        Raises:
            ProgressError: the file is damaged.
        """
        if not self.file.exists():
            return None
        try:
            with safe_open(self.file, framework="pt") as stored:
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no mapping
                return FitState(tensors, json.loads(stored.metadata()[_VALUES]))
        except (SafetensorError, KeyError, ValueError) as error:
            raise ProgressError(
                f"fit state {self.file}: cannot be read ({error}); delete the file, and the fit "
                "begins anew"
            ) from error


def folder_of(state: Path, family: str, version: str) -> Path:
    """Where the fits of one training keep their states."""
    return state / _FITS / family / version


def begin(folder: Path) -> None:
    """Delete what other trainings of the family left: their data, recipe or code is past."""
    others = folder.parent.iterdir() if folder.parent.is_dir() else ()
    for other in others:
        if other != folder:
            forget(other)


def forget(folder: Path) -> None:
    """Delete the states of a training; there may be none.

    They are moved aside first: a fit that is writing there meanwhile makes a folder of its own.
    """
    aside = folder.with_name(f"{folder.name}-forgotten-{secrets.token_hex(4)}")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside)


def forget_all(state: Path) -> int:
    """Delete the states of all trainings; returns how many there were."""
    states = list(state.glob(f"{_FITS}*/*/*/*"))
    for tree in list(state.glob(f"{_FITS}*")):  # also what a killed erasure had moved aside
        forget(tree)
    return len(states)


def nested(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `<prefix>/<name>`."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def inside(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those that `nested` put under the prefix, by their own names."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)
    }
