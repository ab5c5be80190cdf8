"""Checkpoints: a model's tensors as safetensors, everything else as JSON. No pickles.

A folder holds the model that scores. Its subfolder before_cut/ holds the model that was fitted
before the night's cut: evaluations of other models that learn from this one read that copy, so that
its parameters know nothing of what they hold out. (Its number of epochs, and the weights of an
ensemble, were chosen on validation.)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load, save

from feature_store.lake.storage import sha256_of
from training.artifacts.model_state import CheckpointError, ModelState
from training.data.nodes import IdList

if TYPE_CHECKING:
    from torch import Tensor

    from feature_store.lake.storage import Storage
    from training.engine.loop import FitHistory

PARAMETERS = "parameters.safetensors"
MODEL = "model.json"
HISTORY = "history.json"
BEFORE_CUT = "before_cut"

_DROPPING = "dropping_rows"
"""Rows that are being removed: an entry of model.json that only a killed erasure leaves."""


def write(
    storage: Storage,
    folder: str,
    state: ModelState,
    fits: Mapping[str, FitHistory],
    recipe: str,
) -> str:
    """Write a checkpoint and return its hash.

    Equal models give equal bytes, so what a killed run left is simply overwritten.

    Args:
        storage: the lake.
        folder: where, relative to the lake.
        state: of the model.
        fits: history of each fit, by its purpose; becomes history.json.
        recipe: the whole configuration, as JSON.
    """
    metadata = {
        "family": state.family,
        "recipe": json.loads(recipe),
        "calibrated": list(state.calibrated),
        "ids": {kind: nodes.ids.tolist() for kind, nodes in state.ids.items()},
        "rows_of": dict(state.rows_of),
        "features": dict(state.features),
        "backbones": dict(state.backbones),
        "details": dict(state.details),
    }
    history = {purpose: asdict(fit) for purpose, fit in fits.items()}
    return _write_files(storage, folder, state.parameters, metadata, json.dumps(history))


def read(storage: Storage, folder: str, sha256: str) -> ModelState:
    """Read a checkpoint.

    Raises:
        CheckpointError: the files are not those that `sha256` was taken of.
    """
    files = _files_in(storage, folder)
    if _hash_of(files) != sha256:
        raise CheckpointError(
            f"checkpoint {folder}: its hash is {_hash_of(files)}, run_models says {sha256}; "
            "train again (--retrain always)"
        )
    metadata = json.loads(files[MODEL])
    return ModelState(
        family=metadata["family"],
        parameters=load(files[PARAMETERS]),
        calibrated=tuple(metadata["calibrated"]),
        ids={kind: IdList.of(kind, ids) for kind, ids in metadata["ids"].items()},
        rows_of=metadata["rows_of"],
        features=metadata["features"],
        backbones=metadata["backbones"],
        details=metadata["details"],
        recipe=metadata["recipe"],
    )


def drop_ids(storage: Storage, folder: str, kind: str, dropped: Collection[str]) -> set[str]:
    """Remove ids and their rows from a checkpoint; returns those that were there.

    All other parameters stay: a row belongs to one id. The checkpoint first notes which rows go, so
    that whoever comes after a kill, whatever ids it drops, ends this removal and not another one.
    """
    metadata = json.loads(storage.read(f"{folder}/{MODEL}"))
    known = metadata["ids"].get(kind, [])
    is_resumed = _DROPPING in metadata
    rows = metadata.get(_DROPPING) or [row for row, each in enumerate(known) if each in dropped]
    if not rows:
        return set()
    parameters = load(storage.read(f"{folder}/{PARAMETERS}"))
    has_history = storage.exists(f"{folder}/{HISTORY}")  # a training was killed before it wrote it
    history = storage.read(f"{folder}/{HISTORY}").decode() if has_history else "{}"
    metadata[_DROPPING] = rows
    storage.write(f"{folder}/{MODEL}", json.dumps(metadata, sort_keys=True).encode())
    gone = {known[row] for row in rows}
    kept = torch.tensor(
        [row for row in range(len(known)) if row not in set(rows)], dtype=torch.long
    )
    for name in (name for name, of_kind in metadata["rows_of"].items() if of_kind == kind):
        if len(parameters[name]) != len(kept):  # unless it was killed after it wrote this file
            parameters[name] = parameters[name][kept]
    metadata["ids"][kind] = [each for each in known if each not in gone]
    metadata["erased_count"] = metadata.get("erased_count", 0) + len(rows)
    del metadata[_DROPPING]
    _write_files(storage, folder, parameters, metadata, history)
    others = drop_ids(storage, folder, kind, dropped) if is_resumed else set()
    return (gone & set(dropped)) | others


def hash_after_erasure(storage: Storage, folder: str, sha256: str) -> str:
    """The hash of a checkpoint that an erasure rewrote; otherwise `sha256`, unchanged."""
    files = _files_in(storage, folder)
    return _hash_of(files) if "erased_count" in json.loads(files[MODEL]) else sha256


def _files_in(storage: Storage, folder: str) -> dict[str, bytes]:
    return {name: storage.read(f"{folder}/{name}") for name in (PARAMETERS, MODEL, HISTORY)}


def _write_files(
    storage: Storage,
    folder: str,
    parameters: dict[str, Tensor],
    metadata: dict[str, object],
    history: str,
) -> str:
    """Write a checkpoint's files in an order that never changes; returns their hash."""
    files = {
        PARAMETERS: save(parameters),
        MODEL: json.dumps(metadata, sort_keys=True).encode(),
        HISTORY: json.dumps(json.loads(history), sort_keys=True).encode(),
    }
    for name, content in files.items():
        storage.write(f"{folder}/{name}", content)
    return _hash_of(files)


def _hash_of(files: dict[str, bytes]) -> str:
    """One hash over the files' hashes, in order of name."""
    return sha256_of("".join(sha256_of(files[name]) for name in sorted(files)).encode())
