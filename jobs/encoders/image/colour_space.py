"""Converts sRGB to CIE Lab (D65, 2 degree observer) and back.

sRGB is that of IEC 61966-2-1, Lab that of CIE 15; the matrix has the digits of
http://www.brucelindbloom.com/index.html?Eqn_RGB_XYZ_Matrix.html. An ICC profile in a file is not
applied: a picture without one is sRGB, and browsers show covers so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)  # D65: the XYZ of (1, 1, 1), so that white has a = b = 0
_LINEAR_BELOW = 6 / 29
_LINEAR_UNTIL = 0.04045  # of the 0..1 of a channel


def lab_of(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Lab of sRGB colours, shape (..., 3): L* in [0, 100], a* and b* within about 110 of 0.

    Args:
        rgb: red, green and blue, shape (..., 3).
    """
    # einsum adds up in one order, where a matrix product may use threads.
    values = np.einsum("...c,xc->...x", _LINEAR[rgb], _TO_XYZ / _WHITE[:, None])
    cube = _LINEAR_BELOW**3
    roots = np.where(values > cube, np.cbrt(values), values / (3 * _LINEAR_BELOW**2) + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def rgb_of(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The sRGB of Lab colours, shape (..., 3); colours that sRGB lacks are clipped."""
    lightness, a, b = np.moveaxis(np.asarray(lab, dtype=np.float64), -1, 0)
    y = (lightness + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    linear_part = 3 * _LINEAR_BELOW**2 * (roots - 4 / 29)
    values = np.where(roots > _LINEAR_BELOW, roots**3, linear_part) * _WHITE
    linear = np.clip(np.einsum("...x,cx->...c", values, np.linalg.inv(_TO_XYZ)), 0, 1)
    is_linear, curve = linear <= _LINEAR_UNTIL / 12.92, 1.055 * linear ** (1 / 2.4) - 0.055
    rgb: NDArray[np.uint8] = np.round(255 * np.where(is_linear, 12.92 * linear, curve)).astype("u1")
    return rgb


def _linear_values() -> NDArray[np.float64]:
    """Linear intensity of each of the 256 values of a channel."""
    encoded = np.arange(256) / 255
    return np.where(encoded <= _LINEAR_UNTIL, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


_LINEAR = _linear_values()
