"""Checkpoints: a model's parameters as safetensors, everything else as JSON. No pickles.

A later night has listeners and tracks that the model was not trained on. Rows of parameters are
    therefore mapped by id; a node without a row gets zeros, so that only its neighbours decide its
    embedding.
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
from training.data.dataset import DataView
from training.data.nodes import IdList
from training.engine.loop import FitHistory
from training.models.protocols import Recommender
from training.models.registry import FAMILIES, ModelConfig

PARAMETERS = "parameters.safetensors"
MODEL = "model.json"
HISTORY = "history.json"


class CheckpointError(ValueError):
    """A checkpoint is not what its row says, or does not fit its family."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """Everything that a checkpoint stores of a model.

    Attributes:
        parameters: tensors by name.
        ids: ids of the nodes that the parameters have rows for, by kind.
        shapes: modalities that the model was trained on.
        node_tables: parameters with one row per node, and the kind of node.
    """

    family: str
    parameters: dict[str, Tensor]
    ids: dict[str, IdList]
    shapes: dict[str, ModalityShape]
    node_tables: dict[str, str]


def to_state(family: str, model: Recommender, view: DataView) -> ModelState:
    """The state of a model: parameters on the CPU, with the ids of their rows."""
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in cast("nn.Module", model).state_dict().items()
    }
    kinds = sorted(set(model.node_tables.values()))
    return ModelState(
        family=family,
        parameters=state,
        ids={kind: view.graph.nodes.of_kind(kind) for kind in kinds},
        shapes=shapes_of(view.content),
        node_tables=dict(model.node_tables),
    )


def from_state(
    state: ModelState, config: ModelConfig, view: DataView, device: torch.device
) -> Recommender:
    """A model with this state, built on the view of another day.

    Raises:
        CheckpointError: the parameters are not those of the family.
        EncoderChangedError: the tracks' vectors come from another encoder.
    """
    fitted = DataView(view.graph, fit_to_shapes(view.content, state.shapes))
    model = FAMILIES[state.family].model(config, fitted)
    node_tables = model.node_tables
    module = cast("nn.Module", model)
    expected = set(module.state_dict())
    if expected != set(state.parameters):
        raise CheckpointError(
            f"checkpoint of {state.family}: parameters differ by "
            f"{sorted(expected ^ set(state.parameters))}; train again (--retrain always)"
        )
    nodes = view.graph.nodes
    module.load_state_dict(
        {
            name: _rows_by_id(value, state.ids[node_tables[name]], nodes.of_kind(node_tables[name]))
            if name in node_tables
            else value
            for name, value in state.parameters.items()
        }
    )
    return cast("Recommender", module.to(device))


def write(
    storage: Storage, folder: str, state: ModelState, fits: dict[str, FitHistory], recipe: str
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
        "shapes": {name: asdict(shape) for name, shape in state.shapes.items()},
        "ids": {kind: nodes.ids.tolist() for kind, nodes in state.ids.items()},
        "tables": state.node_tables,
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
        ids={kind: IdList.of(kind, ids) for kind, ids in metadata["ids"].items()},
        shapes={name: ModalityShape(**shape) for name, shape in metadata["shapes"].items()},
        node_tables=metadata["tables"],
    )


def drop_node(storage: Storage, folder: str, kind: str, node_id: str) -> str | None:
    """Remove a node's rows and id from a checkpoint; returns its new hash, None when not there.

    All other parameters stay: only the rows belong to one node.
    """
    metadata = json.loads(storage.read(f"{folder}/{MODEL}"))
    known = metadata["ids"].get(kind, [])
    if node_id not in known:
        return None
    row = known.index(node_id)
    metadata["ids"][kind] = known[:row] + known[row + 1 :]
    metadata["erased_count"] = metadata.get("erased_count", 0) + 1
    parameters = load(storage.read(f"{folder}/{PARAMETERS}"))
    for name in (name for name, of_kind in metadata["tables"].items() if of_kind == kind):
        rows = parameters[name]
        if len(rows) == len(known) - 1:
            continue  # an erasure was killed after it had written this file
        parameters[name] = torch.cat([rows[:row], rows[row + 1 :]])
    history = storage.read(f"{folder}/{HISTORY}").decode()
    return _write_files(storage, folder, parameters, metadata, history)


def hash_after_erasure(storage: Storage, folder: str, sha256: str) -> str:
    """The hash of a checkpoint that an erasure rewrote; otherwise `sha256`, unchanged."""
    files = _files_in(storage, folder)
    return _hash_of(files) if "erased_count" in json.loads(files[MODEL]) else sha256


def _rows_by_id(rows: Tensor, known: IdList, ids: IdList) -> Tensor:
    """Rows in the order of `ids`, shape (len(ids), dim); zeros for ids without one."""
    ordered = torch.zeros(len(ids), *rows.shape[1:], dtype=rows.dtype)
    theirs, mine = known.intersection(ids)
    ordered[mine] = rows[theirs]
    return ordered


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
