"""An .h5 of OpenL3's mel256 network with random weights, as Keras writes one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

CHANNELS = (1, 64, 64, 128, 128, 256, 256, 512, 512)


def write_openl3(file: Path, seed: int = 3) -> Path:
    """Write the 16 layers that have weights, and the two that stand around them in Keras.

    Drawn by `random` alone, so that another program can draw the same numbers.
    """
    draw = np.random.default_rng(seed).random
    with h5py.File(file, "w") as opened:
        names = ["input_1"]
        opened.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for number, n_in in enumerate(CHANNELS[:-1], 1):
            centre, spread = (-40, 400) if number == 1 else (0, 1)  # the first norm is of decibels
            arrays = {
                "gamma": 0.5 + draw(n_in),
                "beta": draw(n_in) - 0.5,
                "moving_mean": centre + draw(n_in) - 0.5,
                "moving_variance": spread * (0.5 + draw(n_in)),
            }
            names.append(add_layer(opened, f"batch_normalization_{number}", arrays))
            n_out = CHANNELS[number]
            limit = np.sqrt(6 / (9 * n_in))
            arrays = {
                "kernel": limit * (2 * draw((3, 3, n_in, n_out)) - 1),
                "bias": 0.2 * draw(n_out) - 0.1,
            }
            last = number == len(CHANNELS) - 1
            name = "audio_embedding_layer" if last else f"conv2d_{number}"
            names.append(add_layer(opened, name, arrays))
        opened.create_group("activation_1").attrs["weight_names"] = np.array([], "S1")
        opened.attrs["layer_names"] = np.array([*names, "activation_1"], "S")
    return file


def add_layer(opened: h5py.Group, name: str, arrays: dict[str, np.ndarray]) -> str:
    """Add a layer's group with its float32 arrays; its name."""
    group = opened.create_group(name)
    for part, array in arrays.items():
        group[f"{name}/{part}:0"] = array.astype(np.float32)
    group.attrs["weight_names"] = np.array([f"{name}/{part}:0" for part in arrays], "S")
    return name
