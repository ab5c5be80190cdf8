"""Reads the weights of OpenL3's audio network from the .h5 file that Keras wrote.

In Keras' layout the attribute `layer_names` lists the layers in the order of the network, each
layer is a group, its attribute `weight_names` lists its arrays, and an array's name ends in what it
is: `conv2d_1/kernel:0`. As Keras does, this reader goes by the order of the layers that have
weights; their names count on through all models of the training process and mean nothing.
Source: openl3 0.3.1 and 0.4.2 (openl3/models.py; setup.py names the published files).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.audio.spectrograms import openl3_mel

if TYPE_CHECKING:
    import h5py

CHANNELS = (1, 64, 64, 128, 128, 256, 256, 512, 512)
"""Of the network's input and of the output of each convolution."""

Layer = Mapping[str, NDArray[np.float32]]
"""Arrays of one layer by name, such as kernel and bias."""

_Datasets: TypeAlias = "Mapping[str, h5py.Dataset]"
_NEVER_ALL_ZERO = frozenset({"kernel", "gamma", "moving_variance"})
"""Zeros in one of them leave nothing of the audio; a bias or a mean may be zero."""

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_PUBLISHED_NAME = re.compile(r"openl3_audio_(linear|mel128|mel256)_(music|env)")
# Files for openl3 before 0.4 also hold the constants of kapre's front end.
_FRONT_END = "spectrogram"


class WeightsFileError(ValueError):
    """The file that a setting names does not hold the weights of this network."""


def layer_shapes() -> list[dict[str, tuple[int, ...]]]:
    """Shapes of the arrays of each layer with weights: a norm before each of 8 convolutions."""
    shapes: list[dict[str, tuple[int, ...]]] = []
    for n_in, n_out in pairwise(CHANNELS):
        shapes.append(dict.fromkeys(_NORM, (n_in,)))
        shapes.append({"kernel": (3, 3, n_in, n_out), "bias": (n_out,)})
    return shapes


def read_layers(file: Path, content_type: str) -> list[Layer]:
    """The layers of the mel256 network, in order, with the shapes of `layer_shapes`.

    Args:
        file: openl3_audio_mel256_<content_type>.h5, or the same under another name.
        content_type: what the network was trained on, music or env.

    Raises:
        WeightsFileError: the file is no HDF5, or holds other layers, shapes or types, or numbers
            that are not finite or all zero, or its published name says that it is of another
            network.
    """
    import h5py

    _check_name(file, content_type)
    try:
        with h5py.File(file) as opened:
            layers = list(_weighted_layers(file, opened))
            _check_shapes(file, layers)
            read = [_read(file, name, datasets) for name, datasets in layers]
    except WeightsFileError:
        raise
    # h5py raises many types for a damaged file, such as a KeyError for an object's broken header.
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise _refused(
            file, f"cannot be read as HDF5: {error}", "unpack the .h5.gz, or copy it again"
        ) from error
    return read


def _check_name(file: Path, content_type: str) -> None:
    """The three spectrograms and both contents share one topology: only the name tells."""
    found = _PUBLISHED_NAME.search(file.name)
    if found and found.groups() != ("mel256", content_type):
        raise _refused(file, f"its name says {found[1]} and {found[2]}", _right_file(content_type))


def _weighted_layers(file: Path, opened: h5py.File) -> Iterator[tuple[str, _Datasets]]:
    """Name and arrays of each layer that has any, not read yet, without the front end."""
    # Where `save` puts what `save_weights` writes.
    root = _group(file, opened, "model_weights") if "model_weights" in opened else opened
    for name in _names(file, root, "layer_names"):
        group = _group(file, root, name)
        datasets = {
            weight.rsplit("/", 1)[-1].removesuffix(":0"): _dataset(file, group, weight)
            for weight in _names(file, group, "weight_names")
        }
        if _FRONT_END in name:
            _check_front_end(file, name, [dataset.shape for dataset in datasets.values()])
        elif datasets:
            yield name, datasets


def _names(file: Path, group: h5py.Group, attribute: str) -> list[str]:
    """A list of names that Keras keeps as an attribute, as bytes or as text."""
    if attribute not in group.attrs:
        lacking = f"{group.name} has no attribute {attribute}, so Keras did not write it"
        raise _refused(file, lacking, _right_file())
    found: Any = group.attrs[attribute]
    is_list = isinstance(found, np.ndarray) and found.ndim == 1
    if not is_list or not all(isinstance(name, bytes | str) for name in found):
        other = f"{group.name} has {attribute} = {found!s:.80}, not a list of names"
        raise _refused(file, other, _right_file())
    return [name.decode() if isinstance(name, bytes) else str(name) for name in found]


def _group(file: Path, parent: h5py.Group, name: str) -> h5py.Group:
    import h5py

    found = _member(file, parent, name)
    if not isinstance(found, h5py.Group):
        raise _refused(file, f"{parent.name} has {name} as no group", _right_file())
    return found


def _dataset(file: Path, parent: h5py.Group, name: str) -> h5py.Dataset:
    import h5py

    found = _member(file, parent, name)
    if not isinstance(found, h5py.Dataset):
        raise _refused(file, f"{parent.name} has {name} as no array", _right_file())
    return found


def _member(file: Path, parent: h5py.Group, name: str) -> Any:
    if name not in parent:
        raise _refused(file, f"{parent.name} names {name} and lacks it", "copy the file again")
    return parent[name]


def _check_front_end(file: Path, name: str, shapes: list[tuple[int, ...]]) -> None:
    """Its filterbank shows for which spectrogram the network was trained."""
    filterbank = (openl3_mel.N_BINS, openl3_mel.N_MELS)
    if filterbank not in shapes:
        raise _refused(file, f"{name} has arrays {shapes} and none {filterbank}", _right_file())


def _check_shapes(file: Path, layers: list[tuple[str, _Datasets]]) -> None:
    """Before an array is read: a file may claim one that no memory holds."""
    expected = layer_shapes()
    if len(layers) != len(expected):
        raise _refused(
            file, f"{len(layers)} layers have weights, {len(expected)} needed", _right_file()
        )
    for number, ((name, datasets), shapes) in enumerate(zip(layers, expected, strict=True), 1):
        found = {part: dataset.shape for part, dataset in datasets.items()}
        if found != shapes:
            what = f"layer {number}, {name}, has {found}, not {shapes}"
            raise _refused(file, what, _right_file())


def _read(file: Path, name: str, datasets: _Datasets) -> Layer:
    """The arrays of a layer, all of numbers that a trained weight can be."""
    layer = {}
    for part, dataset in datasets.items():
        if dataset.dtype.kind != "f":
            what = f"{name}/{part} holds {dataset.dtype}, not floating-point numbers"
            raise _refused(file, what, _right_file())
        layer[part] = np.asarray(dataset, np.float32)
        _check_numbers(file, f"{name}/{part}", part, layer[part])
    return layer


def _check_numbers(file: Path, name: str, part: str, array: NDArray[np.float32]) -> None:
    lowest = 0 if part == "moving_variance" else -np.inf
    if not (np.isfinite(array) & (array >= lowest)).all():
        raise _refused(file, f"{name} holds numbers that no weight is", "copy the file again")
    if part in _NEVER_ALL_ZERO and not array.any():
        raise _refused(file, f"{name} holds only zeros", "copy the file again")


def _right_file(content_type: str = "<music or env>") -> str:
    return f"give openl3_audio_mel256_{content_type}.h5 as OpenL3's authors publish it"


def _refused(file: Path, found: str, next_step: str) -> WeightsFileError:
    return WeightsFileError(f"settings: encoders.openl3_weights = '{file}': {found}; {next_step}")
