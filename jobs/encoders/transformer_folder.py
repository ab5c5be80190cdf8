"""Models of transformers in a local folder: the entry `transformers:<folder>` of each modality.

The folder is what `save_pretrained` writes, or a downloaded model. Nothing is fetched from a hub,
and no code of the folder is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.identity import encoder_identity

PREFIX = "transformers:"
LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""Of every part that is loaded from a folder."""

_CONFIG = ("config.json",)
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_HASHED = (*_WEIGHTS, "*.json", "*.txt", "*.model", "*.jinja", "*/config.json")
_RIGHT_FOLDER = "give one that transformers has saved, and that is there on every machine of Spark"
_LFS_POINTER = b"version https://git-lfs."
# A pooler without weights is not read; the other two take no part in inference.
_MAY_LACK_WEIGHTS = re.compile(r"pooler|masked_spec_embed|position_ids")


class ModelFolderError(ValueError):
    """The folder that a setting names holds no model that can be used."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model for inference.

    Attributes:
        has_pooler: whether a pooler, if it has one, has weights in the folder.
    """

    model: Any
    has_pooler: bool


def model_folder(encoder_id: str, *needed: Sequence[str]) -> Path:
    """The folder of `transformers:<folder>`.

    Args:
        encoder_id: as the setting has it.
        needed: for each part of this modality, patterns of which one file must be there.

    Raises:
        ModelFolderError: the path is relative, names no folder, or a part is missing. Who catches
            it adds the setting (`Modality` in registry.py).
    """
    folder = Path(encoder_id.removeprefix(PREFIX))
    if not folder.is_absolute():
        raise ModelFolderError(
            f"the relative path '{folder}' cannot be used, because Airflow and Spark run in other "
            "folders; give a path that begins with /"
        )
    try:
        if not folder.is_dir():
            what = "is no folder" if folder.exists() else "does not exist"
            raise ModelFolderError(f"{folder} {what} on this machine; {_RIGHT_FOLDER}")
        _check_files(folder, (_CONFIG, _WEIGHTS, *needed))
    except OSError as error:
        raise ModelFolderError(
            f"{error.filename or folder} cannot be read: {error.strerror}; let the user of Spark "
            "read the folder and all that is in it"
        ) from error
    return folder


def _check_files(folder: Path, parts: Sequence[Sequence[str]]) -> None:
    """Refuse a folder that lacks a part, or holds what Git keeps in place of a file."""
    lacking = [" or ".join(patterns) for patterns in parts if not _files(folder, patterns)]
    if lacking:
        raise ModelFolderError(
            f"the folder {folder} has no {', no '.join(lacking)}; {_RIGHT_FOLDER}"
        )
    for file in _files(folder, _HASHED):
        with file.open("rb") as opened:
            if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise ModelFolderError(
                    f"{file} is a pointer of Git LFS and not the file; run git lfs pull there, or "
                    "copy the file itself"
                )


def _files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of a folder that fit one of the patterns, in order."""
    return sorted({file for pattern in patterns for file in folder.glob(pattern)})


def folder_identity(
    encoder_id: str, folder: Path, preprocessing: Mapping[str, object]
) -> EncoderIdentity:
    """The identity of a model in a folder, over its JSON, vocabulary, template and weights files.

    Args:
        encoder_id: of a path only the folder's name is kept: two machines may keep it elsewhere.
        folder: the model's.
        preprocessing: constants and revisions of our code.
    """
    name = f"{PREFIX}{folder.name}" if encoder_id.startswith(PREFIX) else encoder_id
    return encoder_identity(name, _files(folder, _HASHED), preprocessing)


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Say of any error in the block which folder cannot be used.

    Raises:
        ModelFolderError: instead of the error; transformers raises many types.
    """
    try:
        yield
    except ModelFolderError:
        raise
    except Exception as error:
        raise ModelFolderError(
            f"encoder in {folder}: it cannot be used: {type(error).__name__}: {error}; it must be "
            "a model of this modality that transformers loads without code of the folder's own"
        ) from error


def load_model(folder: Path) -> LoadedModel:
    """The model without a head, in float32, for inference; of encoder and decoder the encoder.

    Raises:
        ModelFolderError: a part of the model has no weights in the folder.
    """
    import torch
    from transformers import AutoModel

    model, lacking = _with_all_weights(AutoModel, folder, torch.float32)
    has_pooler = not any("pooler" in name for name in lacking)
    if getattr(model.config, "is_encoder_decoder", False):
        model = model.get_encoder()
    return LoadedModel(model.eval().requires_grad_(requires_grad=False), has_pooler)


def load_causal_model(folder: Path) -> Any:
    """The model with its language head, for inference, in the precision of its folder.

    Raises:
        ModelFolderError: a part of the model has no weights in the folder.
    """
    from transformers import AutoModelForCausalLM

    model, _ = _with_all_weights(AutoModelForCausalLM, folder, "auto")
    return model.eval().requires_grad_(requires_grad=False)


def _with_all_weights(auto_class: Any, folder: Path, dtype: Any) -> tuple[Any, list[str]]:
    """The model that a class of transformers loads, and the parameters that it may lack."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, report = auto_class.from_pretrained(
        folder, dtype=dtype, output_loading_info=True, **LOCAL
    )
    lacking = sorted(report["missing_keys"])
    # transformers would draw them at random, in each worker anew.
    if needed := [name for name in lacking if not _MAY_LACK_WEIGHTS.search(name)]:
        raise ModelFolderError(
            f"encoder in {folder}: {len(needed)} of its parameters have no weights, first "
            f"{needed[0]}; save the model again, by save_pretrained of its base model"
        )
    return model, lacking


def one_vector(found: Any) -> NDArray[np.float32]:
    """The vector of one input from `get_text_features` and its like, shape (dim,)."""
    # Newer versions of transformers wrap the projected vector as the pooled output.
    vectors = getattr(found, "pooler_output", found)
    vector: NDArray[np.float32] = vectors[0].flatten().numpy()
    return vector


def read_object(file: Path) -> dict[str, Any]:
    """The object of a JSON file; an empty one when there is no such file.

    Raises:
        ModelFolderError: the file cannot be read, or holds something else.
    """
    found = _read_json(file, {})
    if not isinstance(found, dict):
        raise _wrong(file, f"holds {_shown(found)}, not a JSON object")
    return found


def read_objects(file: Path) -> list[dict[str, Any]]:
    """The list of objects of a JSON file; an empty one when there is no such file.

    Raises:
        ModelFolderError: the file cannot be read, or holds something else.
    """
    found = _read_json(file, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise _wrong(file, f"holds {_shown(found)}, not a list of JSON objects")
    return found


def inner_object(file: Path, config: dict[str, Any], key: str) -> dict[str, Any]:
    """The object at a key of a configuration, or the configuration when it has no such key.

    Args:
        file: that `config` was read from, for the message.
        config: of the file.
        key: such as text_config.

    Raises:
        ModelFolderError: the key has something else.
    """
    found = config.get(key, config)
    if not isinstance(found, dict):
        raise _wrong(file, f"has {key} = {_shown(found)}, not a JSON object")
    return found


def positive_number(file: Path, config: dict[str, Any], key: str) -> int | None:
    """The positive integer at a key of a configuration; None when it has none.

    Args:
        file: that `config` was read from, for the message.
        config: of the file, or an object inside.
        key: such as sampling_rate.

    Raises:
        ModelFolderError: the key has something else.
    """
    found = config.get(key)
    if found is None or (type(found) is int and found > 0):  # to Python, true is an integer
        return found
    raise _wrong(file, f"has {key} = {_shown(found)}, not a positive integer")


def _read_json(file: Path, absent: Any) -> Any:
    """What a JSON file holds; `absent` when there is no such file."""
    if not file.is_file():
        return absent
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _wrong(file, f"is no JSON in UTF-8: {error}") from error
    except OSError as error:
        raise _wrong(file, f"cannot be read: {error.strerror}") from error


def _shown(found: Any) -> str:
    """The start of a value, as JSON writes it."""
    return json.dumps(found)[:80]


def _wrong(file: Path, what: str) -> ModelFolderError:
    return ModelFolderError(f"{file} {what}; copy the file again from where the model comes from")
