"""Models of transformers in a local folder: the entry `transformers:<folder>` of each modality.

The folder is what `save_pretrained` writes, or a downloaded model. Nothing is fetched from a hub,
and no code of the folder is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.identity import encoder_identity

PREFIX = "transformers:"

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


class ModelFolderError(ValueError):
    """The folder that a setting names holds no model that transformers can load."""


def model_folder(encoder_id: str) -> Path:
    """The folder of `transformers:<folder>`.

    Raises:
        ModelFolderError: it lacks config.json or weights.
    """
    folder = Path(encoder_id.removeprefix(PREFIX)).expanduser()
    lacks = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any(file for pattern in _WEIGHTS for file in folder.glob(pattern)):
        lacks.append("*.safetensors")
    if lacks:
        raise ModelFolderError(
            f"settings: encoders name {encoder_id!r}; the folder {folder} has no "
            f"{' and no '.join(lacks)}; give one that transformers has saved, and that is there on "
            "every machine of Spark"
        )
    return folder


def folder_identity(
    encoder_id: str, folder: Path, preprocessing: Mapping[str, object]
) -> EncoderIdentity:
    """The identity of a model in a folder, over every JSON, vocabulary and weights file in it.

    Args:
        encoder_id: of a path only the folder's name is kept: two machines may keep it elsewhere.
        folder: the model's.
        preprocessing: constants and revisions of our code.
    """
    patterns = (*_WEIGHTS, "*.json", "*.txt", "*.model", "*/config.json")
    files = {file for pattern in patterns for file in folder.glob(pattern)}
    name = f"{PREFIX}{folder.name}" if encoder_id.startswith(PREFIX) else encoder_id
    return encoder_identity(name, sorted(files), preprocessing)


def load_model(folder: Path) -> Any:
    """The model without a head, in float32, for inference.

    Raises:
        ModelFolderError: transformers cannot load it.
    """
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise ModelFolderError(
            f"encoder in {folder}: transformers cannot load it: {error}; it needs a model that "
            "AutoModel knows, without code of its own"
        ) from error
    return model.eval().requires_grad_(requires_grad=False)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON file's object; empty when there is no such file."""
    if not file.is_file():
        return {}
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
