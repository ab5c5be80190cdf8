"""Descriptors of a cover: palette, brightness, saturation, edges, dominant hue.

They are measured on a copy whose long side has at most LONG_SIDE_PIXELS, so that edges mean the
same in a scan of 3,000 pixels and in a thumbnail, and so that noise of a few pixels is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from jobs.encoders.image.colour_space import lab_of
from jobs.encoders.image.palette import palette_of

LONG_SIDE_PIXELS = 256
EDGE_LIGHTNESS = 10.0  # an edge is at least as steep as a step of a tenth of L*'s range
GREY_BELOW = 0.05  # saturation; two photographs have .18 and .76, and 0 as grey JPEGs
HUE_BINS = 36
HUE_REACH_DEG = 30.0  # hues that count as the dominant one, on either side of the fullest bin
_DECIMALS = 4  # powers and sums may differ in their last bits between processors
_HUE_DECIMALS = 1


@dataclass(frozen=True, slots=True)
class CoverDescriptors:
    """Descriptors of one picture.

    Attributes:
        palette_lab: five colours in CIE Lab (D65), the most frequent first, shape (15,).
        palette_weights: share of the pixels of each, shape (5,); they sum to 1, and a picture with
            fewer colours repeats its first one with weight 0.
        brightness: mean L* / 100, in [0, 1].
        saturation: mean HSV saturation, each pixel weighted by its HSV value, in [0, 1].
        edge_density_ratio: share of pixels on an edge, in [0, 1].
        dominant_hue_deg: HSV hue in [0, 360), red 0 and green 120; None for a grey picture.
    """

    palette_lab: NDArray[np.float32]
    palette_weights: NDArray[np.float32]
    brightness: float
    saturation: float
    edge_density_ratio: float
    dominant_hue_deg: float | None


def measure(pixels: NDArray[np.uint8]) -> CoverDescriptors:
    """Descriptors of a picture in sRGB, shape (height, width, 3)."""
    small = _reduced(pixels)
    lightness = lab_of(small)[..., 0]
    palette = palette_of(small.reshape(-1, 3))
    saturation = _saturation(small)
    return CoverDescriptors(
        palette_lab=palette.lab.ravel().astype(np.float32),
        palette_weights=palette.weights.astype(np.float32),
        brightness=round(float(lightness.mean()) / 100, _DECIMALS),
        saturation=round(saturation, _DECIMALS),
        edge_density_ratio=float(np.mean(_steepness(lightness) >= EDGE_LIGHTNESS)),
        dominant_hue_deg=None if saturation < GREY_BELOW else _dominant_hue_deg(small),
    )


def preprocessing() -> dict[str, object]:
    """Preprocessing of the descriptors, for the identity of the rows."""
    return {
        "revision": 1,  # raise it when code here, in palette.py or colour_space.py changes one
        "pillow": PIL.__version__,
        "long_side_pixels": LONG_SIDE_PIXELS,
        "edge_lightness": EDGE_LIGHTNESS,
        "hue": [GREY_BELOW, HUE_BINS, HUE_REACH_DEG],
    }


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with at most LONG_SIDE_PIXELS, each the mean of what it covers."""
    height, width = pixels.shape[:2]
    scale = LONG_SIDE_PIXELS / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _saturation(rgb: NDArray[np.uint8]) -> float:
    """Sum of the HSV chroma over the sum of the HSV values: the noise of black counts little."""
    values = rgb.max(axis=-1).sum(dtype=np.int64)
    return float(_chroma(rgb).sum() / max(values, 1))


def _chroma(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Greatest less least channel, which is HSV saturation times value, shape (height, width)."""
    chroma: NDArray[np.int64] = rgb.max(axis=-1).astype(np.int64) - rgb.min(axis=-1)
    return chroma


def _steepness(lightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sobel gradient of each pixel, scaled so that it is the height of a step between two areas.

    A row or column is repeated beyond each border. Sobel and Feldman 1968, "A 3x3 isotropic
    gradient operator for image processing".
    """
    padded = np.pad(lightness, 1, mode="edge")
    rises = padded[:, 2:] - padded[:, :-2]  # (height + 2, width)
    falls = padded[2:] - padded[:-2]  # (height, width + 2)
    across = rises[:-2] + 2 * rises[1:-1] + rises[2:]
    down = falls[:, :-2] + 2 * falls[:, 1:-1] + falls[:, 2:]
    steepness: NDArray[np.float64] = np.hypot(across, down) / 4
    return steepness


def _dominant_hue_deg(rgb: NDArray[np.uint8]) -> float:
    """Circular mean of the hues about the fullest bin, each pixel weighted by its chroma.

    A mean over all hues would be one that the picture may not have: violet for red and blue.
    """
    chroma, hue_deg = _chroma(rgb).ravel(), _hue_deg(rgb).ravel()
    bins = (hue_deg * HUE_BINS / 360).astype(np.int64) % HUE_BINS
    filled = np.bincount(bins, chroma, minlength=HUE_BINS)
    centre_deg = (int(np.argmax(filled)) + 0.5) * 360 / HUE_BINS
    offset_deg = (hue_deg - centre_deg + 180) % 360 - 180
    is_near = np.abs(offset_deg) <= HUE_REACH_DEG
    angle = np.radians(hue_deg[is_near])
    summed = (chroma[is_near] * np.exp(1j * angle)).sum()
    return round(float(np.degrees(np.angle(summed))) % 360, _HUE_DECIMALS) % 360


def _hue_deg(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """HSV hue in [0, 360), 0 where the channels are equal, shape (height, width)."""
    red, green, blue = np.moveaxis(rgb.astype(np.int64), -1, 0)
    greatest, chroma = rgb.max(axis=-1), np.maximum(_chroma(rgb), 1)
    sextant: NDArray[np.float64] = np.select(
        [greatest == red, greatest == green],
        [(green - blue) / chroma % 6, (blue - red) / chroma + 2],
        default=(red - green) / chroma + 4,
    )
    return 60.0 * sextant
