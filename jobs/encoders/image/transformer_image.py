"""Image models of transformers (ViT, SigLIP, DINOv2): an image becomes one vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.image import image_file
from jobs.encoders.transformer_folder import folder_identity, load_model


class TransformerImage:
    """The loaded model and its image processor."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoImageProcessor

        self._model = load_model(folder)
        self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)

    def encode(self, content: bytes) -> NDArray[np.float32]:
        """Embedding of one image file, shape (dim,).

        Raises:
            ContentFailure: the bytes are no readable image.
        """
        import torch

        inputs = self._processor(images=image_file.open_image(content), return_tensors="pt")
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                found = self._model.get_image_features(**inputs)
            else:
                found = self._model(**inputs)
        if isinstance(found, torch.Tensor):
            vector = found[0]
        elif (pooled := getattr(found, "pooler_output", None)) is not None:
            vector = pooled[0].flatten()
        else:
            vector = found.last_hidden_state[0].mean(dim=0)  # (n_patches, dim) -> (dim,)
        return np.asarray(vector.numpy(), dtype=np.float32)


def image_identity(encoder_id: str, folder: Path) -> EncoderIdentity:
    """The identity of an image model."""
    steps = {"revision": 1, "image_file": image_file.preprocessing()}
    return folder_identity(encoder_id, folder, steps)
