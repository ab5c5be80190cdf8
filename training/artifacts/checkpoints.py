"""A trained model as files: parameters as safetensors, everything else as JSON. No pickles.

A model lives on: a later night has people and tracks that it has not met. Rows of parameters are
    therefore found again by id; a node without a row gets zeros, which is no input of its own, so
    that its neighbours alone speak for it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import cast

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from feature_store.lake.storage import Storage, sha256_of
from training.data.content import ModalityShape, fit_to_shapes, shapes_of
from training.data.dataset import Evidence
from training.data.nodes import IdList
from training.engine.loop import Fit
from training.models.registry import FAMILIES, ModelConfig, Recommender

PARAMETERS = "parameters.safetensors"
MODEL = "model.json"
HISTORY = "history.json"


class CheckpointError(ValueError):
    """A checkpoint is not what its row says, or does not fit its family."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A model taken apart.

    Attributes:
        parameters: tensors by name.
        ids: ids of the nodes that the parameters have rows for, by kind.
        shapes: modalities that the model learned from.
        tables: parameters with one row per node, and the kind of node.
    """

    family: str
    parameters: dict[str, Tensor]
    ids: dict[str, IdList]
    shapes: dict[str, ModalityShape]
    tables: dict[str, str]


def taken_apart(family: str, model: Recommender, evidence: Evidence) -> Saved:
    """Parameters on the CPU with the ids of their rows."""
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in cast("nn.Module", model).state_dict().items()
    }
    kinds = sorted(set(model.node_tables.values()))
    return Saved(
        family=family,
        parameters=state,
        ids={kind: evidence.graph.nodes.of_kind(kind) for kind in kinds},
        shapes=shapes_of(evidence.content),
        tables=dict(model.node_tables),
    )


def put_together(
    saved: Saved, config: ModelConfig, evidence: Evidence, device: torch.device
) -> Recommender:
    """The model again, over what is known on another day.

    Raises:
        CheckpointError: the parameters are not those of the family.
        EncoderChangedError: the tracks' vectors come from another encoder.
    """
    fitted = Evidence(evidence.graph, fit_to_shapes(evidence.content, saved.shapes))
    model = FAMILIES[saved.family].model(config, fitted)
    tables = model.node_tables
    module = cast("nn.Module", model)
    expected = set(module.state_dict())
    if expected != set(saved.parameters):
        raise CheckpointError(
            f"checkpoint of {saved.family}: parameters differ by "
            f"{sorted(expected ^ set(saved.parameters))}; train anew (--retrain always)"
        )
    nodes = evidence.graph.nodes
    module.load_state_dict(
        {
            name: _by_id(value, saved.ids[tables[name]], nodes.of_kind(tables[name]))
            if name in tables
            else value
            for name, value in saved.parameters.items()
        }
    )
    return cast("Recommender", module.to(device))


def write(storage: Storage, folder: str, saved: Saved, fits: dict[str, Fit], recipe: str) -> str:
    """Write a checkpoint and return its hash.

    Equal models give equal bytes, so what a killed run left is simply overwritten.

    Args:
        storage: the lake.
        folder: where, relative to the lake.
        saved: the model.
        fits: how each fit went, by what it was for; becomes history.json.
        recipe: the whole configuration, as JSON.
    """
    described = {
        "family": saved.family,
        "recipe": json.loads(recipe),
        "shapes": {name: asdict(shape) for name, shape in saved.shapes.items()},
        "ids": {kind: nodes.ids.tolist() for kind, nodes in saved.ids.items()},
        "tables": saved.tables,
    }
    history = {purpose: asdict(fit) for purpose, fit in fits.items()}
    return _write_files(storage, folder, saved.parameters, described, json.dumps(history))


def read(storage: Storage, folder: str, sha256: str) -> Saved:
    """Read a checkpoint.

    Raises:
        CheckpointError: the files are not those that `sha256` was taken of.
    """
    files = _files_in(storage, folder)
    if _hash_of(files) != sha256:
        raise CheckpointError(
            f"checkpoint {folder}: its hash is {_hash_of(files)}, run_models says {sha256}; "
            "train anew (--retrain always)"
        )
    described = json.loads(files[MODEL])
    return Saved(
        family=described["family"],
        parameters=load(files[PARAMETERS]),
        ids={kind: IdList.of(kind, ids) for kind, ids in described["ids"].items()},
        shapes={name: ModalityShape(**shape) for name, shape in described["shapes"].items()},
        tables=described["tables"],
    )


def drop_node(storage: Storage, folder: str, kind: str, node_id: str) -> str | None:
    """Take a node's rows and id out of a checkpoint; returns its new hash, None when not there.

    Whatever else was learned stays: a row is all that a model keeps of one node alone.
    """
    described = json.loads(storage.read(f"{folder}/{MODEL}"))
    known = described["ids"].get(kind, [])
    if node_id not in known:
        return None
    place = known.index(node_id)
    described["ids"][kind] = known[:place] + known[place + 1 :]
    described["erased_count"] = described.get("erased_count", 0) + 1
    parameters = load(storage.read(f"{folder}/{PARAMETERS}"))
    for name in (name for name, of_kind in described["tables"].items() if of_kind == kind):
        rows = parameters[name]
        if len(rows) == len(known) - 1:
            continue  # an erasure was killed after it had written this file
        parameters[name] = torch.cat([rows[:place], rows[place + 1 :]])
    history = storage.read(f"{folder}/{HISTORY}").decode()
    return _write_files(storage, folder, parameters, described, history)


def hash_after_erasure(storage: Storage, folder: str, sha256: str) -> str:
    """The hash of a checkpoint that an erasure wrote; `sha256` of one that none has touched."""
    files = _files_in(storage, folder)
    return _hash_of(files) if "erased_count" in json.loads(files[MODEL]) else sha256


def _by_id(rows: Tensor, known: IdList, wanted: IdList) -> Tensor:
    """Rows in the order of `wanted`, shape (wanted, dim); zeros for ids without one."""
    placed = torch.zeros(len(wanted), *rows.shape[1:], dtype=rows.dtype)
    theirs, mine = known.shared_with(wanted)
    placed[mine] = rows[theirs]
    return placed


def _files_in(storage: Storage, folder: str) -> dict[str, bytes]:
    return {name: storage.read(f"{folder}/{name}") for name in (PARAMETERS, MODEL, HISTORY)}


def _write_files(
    storage: Storage,
    folder: str,
    parameters: dict[str, Tensor],
    described: dict[str, object],
    history: str,
) -> str:
    """Write a checkpoint's files in an order that never changes; returns their hash."""
    files = {
        PARAMETERS: save(parameters),
        MODEL: json.dumps(described, sort_keys=True).encode(),
        HISTORY: json.dumps(json.loads(history), sort_keys=True).encode(),
    }
    for name, content in files.items():
        storage.write(f"{folder}/{name}", content)
    return _hash_of(files)


def _hash_of(files: dict[str, bytes]) -> str:
    """One hash over the files' hashes, in order of name."""
    return sha256_of("".join(sha256_of(files[name]) for name in sorted(files)).encode())
