"""Image models of transformers (ViT, CLIP, SigLIP, DINOv2): an image becomes one vector.

It is the model's own vector of an image; of a model that has none, the mean over its patches.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.image import image_file
from jobs.encoders.transformer_folder import (
    LOCAL,
    folder_identity,
    load_model,
    loading,
    one_vector,
)

PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


class TransformerImage:
    """The loaded model and its image processor.

    Raises:
        ModelFolderError: the folder holds no model of images.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoImageProcessor

        with loading(folder):
            self._loaded = load_model(folder)
            self._processor = AutoImageProcessor.from_pretrained(folder, **LOCAL)
            # Now an error belongs to the model; later it would belong to a cover.
            self._encode(Image.new("RGB", (64, 64)))

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embedding of one image in RGB, (height, width, 3), shape (dim,)."""
        return self._encode(Image.fromarray(pixels))

    def _encode(self, image: Image.Image) -> NDArray[np.float32]:
        import torch

        model = self._loaded.model
        inputs = self._processor(images=image, return_tensors="pt")
        with torch.inference_mode():
            if hasattr(model, "get_image_features"):
                return one_vector(model.get_image_features(**inputs))
            found = model(**inputs)
        if self._loaded.has_pooler and getattr(found, "pooler_output", None) is not None:
            return one_vector(found)
        patches = found.last_hidden_state[0]  # (n_patches, dim)
        mean: NDArray[np.float32] = patches.mean(dim=0).numpy()
        return mean


def image_identity(encoder_id: str, folder: Path) -> EncoderIdentity:
    """The identity of an image model."""
    return folder_identity(encoder_id, folder, preprocessing())


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the model's identity."""
    return {
        "revision": 1,
        "image_file": image_file.preprocessing(),
        # Its processors scale and crop; with torchvision they do so in another way.
        "transformers": version("transformers"),
        "has_torchvision": find_spec("torchvision") is not None,
    }
