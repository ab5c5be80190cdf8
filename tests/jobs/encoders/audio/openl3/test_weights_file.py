"""The .h5 files that the reader of OpenL3's weights takes, and those that it refuses."""

from __future__ import annotations

import re
import shutil

import h5py
import numpy as np
import pytest

from jobs.encoders.audio.openl3.weights_file import WeightsFileError, layer_shapes, read_layers
from tests.jobs.encoders.openl3_file import add_layer, write_openl3


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_openl3(tmp_path_factory.mktemp("openl3") / "openl3_audio_mel256_music.h5")


@pytest.fixture
def file(weights, tmp_path):
    """A copy to change, whose name says nothing."""
    return shutil.copy(weights, tmp_path / "weights.h5")


def set_names(opened, names):
    del opened.attrs["layer_names"]
    opened.attrs["layer_names"] = np.array(names, "S")


def total(layers):
    return [float(array.sum(dtype=np.float64)) for layer in layers for array in layer.values()]


def test_the_network_has_the_published_number_of_parameters(weights):
    """Keras counts 4,689,860 in the mel256 network behind the spectrogram."""
    layers = read_layers(weights, "music")

    assert sum(array.size for layer in layers for array in layer.values()) == 4_689_860
    assert [list(layer) for layer in layers[:2]] == [
        ["gamma", "beta", "moving_mean", "moving_variance"],
        ["kernel", "bias"],
    ]
    assert layers[-1]["kernel"].shape == (3, 3, 512, 512)


def test_the_order_in_the_file_counts_and_not_the_names(weights, file):
    """A process that built another model before counts on: batch_normalization_9 is the first."""
    with h5py.File(file, "r+") as opened:
        names = [name.decode() for name in opened.attrs["layer_names"]]
        for number in range(1, 9):
            opened.move(f"batch_normalization_{number}", f"batch_normalization_{20 - number}")
        moved = [
            re.sub(
                r"^(batch_normalization_)(\d)$", lambda match: f"{match[1]}{20 - int(match[2])}", n
            )
            for n in names
        ]
        set_names(opened, moved)

    assert total(read_layers(file, "music")) == total(read_layers(weights, "music"))


def test_names_as_text_are_read_like_names_as_bytes(weights, file):
    """Keras writes bytes until 2.10, text since."""
    with h5py.File(file, "r+") as opened:
        names = [name.decode() for name in opened.attrs["layer_names"]]
        del opened.attrs["layer_names"]
        opened.attrs["layer_names"] = names

    assert total(read_layers(file, "music")) == total(read_layers(weights, "music"))


def test_a_whole_saved_model_is_read_like_its_weights(weights, tmp_path):
    """`save` writes the same groups under model_weights."""
    whole = tmp_path / "whole.h5"
    with h5py.File(weights) as source, h5py.File(whole, "w") as target:
        root = target.create_group("model_weights")
        for name in source:
            source.copy(name, root)
        root.attrs["layer_names"] = source.attrs["layer_names"]

    assert total(read_layers(whole, "music")) == total(read_layers(weights, "music"))


def with_front_end(file, n_mels):
    """The constants of kapre's layer, as files for openl3 before 0.4 hold them."""
    with h5py.File(file, "r+") as opened:
        names = [name.decode() for name in opened.attrs["layer_names"]]
        arrays = {"real_kernels": np.zeros((2048, 1, 1, 1)), "Variable": np.zeros((1025, n_mels))}
        front_end = add_layer(opened, "melspectrogram_1", arrays)
        set_names(opened, [names[0], front_end, *names[1:]])
    return file


def test_the_front_end_of_an_older_file_is_left_out(weights, file):
    found = read_layers(with_front_end(file, 256), "music")

    assert total(found) == total(read_layers(weights, "music"))


def test_a_front_end_of_another_spectrogram_is_refused(file):
    with pytest.raises(WeightsFileError, match=r"melspectrogram_1 has arrays .*none \(1025, 256\)"):
        read_layers(with_front_end(file, 128), "music")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("openl3_audio_mel256_env.h5", "mel256 and env"),
        ("openl3_audio_mel128_music-v0_4_0.h5", "mel128 and music"),
        ("openl3_audio_linear_music.h5", "linear and music"),
    ],
)
def test_the_published_name_of_another_network_is_refused(weights, tmp_path, name, says):
    """All six networks have one topology, so their arrays fit."""
    other = shutil.copy(weights, tmp_path / name)

    with pytest.raises(
        WeightsFileError, match=f"its name says {says}; give openl3_audio_mel256_mus"
    ):
        read_layers(other, "music")


def break_attribute(opened):
    del opened.attrs["layer_names"]


def break_order(opened):
    names = list(opened.attrs["layer_names"])
    names[1:3] = names[2:0:-1]
    set_names(opened, names)


def drop_layer(opened):
    set_names(opened, [name for name in opened.attrs["layer_names"] if name != b"conv2d_4"])


def drop_group(opened):
    del opened["conv2d_4"]


def drop_bias(opened):
    del opened["conv2d_4/conv2d_4/bias:0"]


def change_shape(opened):
    del opened["conv2d_4/conv2d_4/bias:0"]
    opened["conv2d_4/conv2d_4/bias:0"] = np.zeros(64, np.float32)


def put_nan(opened):
    opened["conv2d_4/conv2d_4/bias:0"][5] = np.nan


def put_negative_variance(opened):
    opened["batch_normalization_2/batch_normalization_2/moving_variance:0"][3] = -1


def put(path, value):
    """A change that puts another value where an array or a group is."""

    def change(opened):
        del opened[path]
        opened[path] = value

    return change


def put_attribute(path, attribute, value):
    def change(opened):
        opened[path].attrs[attribute] = value

    return change


def put_shapes_that_no_memory_holds(opened):
    del opened["conv2d_4/conv2d_4/bias:0"]
    opened.create_dataset("conv2d_4/conv2d_4/bias:0", (2**60,), np.float32, chunks=(1024,))


KERNEL = "conv2d_4/conv2d_4/kernel:0"
BIAS = "conv2d_4/conv2d_4/bias:0"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(BIAS, "text"), "layer 8, conv2d_4, has {'kernel': (3, 3, 128, 128), 'bias': ()}, not"),
        (put(BIAS, np.array([b"text"] * 128)), "conv2d_4/bias holds |S4, not floating-point numb"),
        (put(BIAS, ["text"] * 128), "conv2d_4/bias holds object, not floating-point numbers; give"),
        (put(BIAS, h5py.Empty("f4")), "'bias': None}, not"),
        (put(BIAS, np.arange(128)), "conv2d_4/bias holds int64, not floating-point numbers"),
        (put("conv2d_4", [1.0, 2.0]), "/ has conv2d_4 as no group; give openl3"),
        (put_attribute("/", "layer_names", 5), "/ has layer_names = 5, not a list of names; give"),
        (put_attribute("/", "layer_names", "conv2d_1"), "/ has layer_names = conv2d_1, not a list"),
        (put_attribute("/", "layer_names", [1, 2]), "/ has layer_names = [1 2], not a list"),
        (put_attribute("/", "layer_names", h5py.Empty("f4")), "/ has layer_names = Empty(dtype="),
        (put_attribute("/", "layer_names", np.array([b"\xff"])), "cannot be read as HDF5: 'utf-8'"),
        (
            put_attribute("conv2d_4", "weight_names", 5),
            "/conv2d_4 has weight_names = 5, not a list",
        ),
        (
            put_attribute("conv2d_4", "weight_names", ["conv2d_4"]),
            "/conv2d_4 has conv2d_4 as no array",
        ),
        (put_shapes_that_no_memory_holds, "'bias': (1152921504606846976,)}, not"),
        (
            put(KERNEL, np.zeros((3, 3, 128, 128), np.float32)),
            "conv2d_4/kernel holds only zeros; copy",
        ),
        (break_attribute, "/ has no attribute layer_names, so Keras did not write it; give openl3"),
        (
            break_order,
            "layer 1, conv2d_1, has {'kernel': (3, 3, 1, 64), 'bias': (64,)}, not {'gamma'",
        ),
        (
            drop_layer,
            "15 layers have weights, 16 needed; give openl3_audio_mel256_<music or env>.h5",
        ),
        (drop_group, "/ names conv2d_4 and lacks it; copy the file again"),
        (drop_bias, "/conv2d_4 names conv2d_4/bias:0 and lacks it; copy the file again"),
        (change_shape, "layer 8, conv2d_4, has {'kernel': (3, 3, 128, 128), 'bias': (64,)}, not"),
        (put_nan, "conv2d_4/bias holds numbers that no weight is"),
        (
            put_negative_variance,
            "batch_normalization_2/moving_variance holds numbers that no weight",
        ),
    ],
)
def test_another_file_is_refused_with_what_it_holds(file, change, says):
    with h5py.File(file, "r+") as opened:
        change(opened)

    with pytest.raises(WeightsFileError) as refused:
        read_layers(file, "music")

    assert f"settings: encoders.openl3_weights = '{file}': " in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize("content", [b"\x1f\x8b still packed", b""], ids=["gzip", "empty"])
def test_a_file_that_is_no_hdf5_is_refused(tmp_path, content):
    (tmp_path / "weights.h5").write_bytes(content)

    with pytest.raises(
        WeightsFileError, match=r"cannot be read as HDF5: .*; unpack the .h5.gz, or"
    ):
        read_layers(tmp_path / "weights.h5", "music")


def test_a_file_cut_short_is_refused(file):
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)

    with pytest.raises(WeightsFileError, match=r"cannot be read as HDF5: .*truncated"):
        read_layers(file, "music")


def test_the_shapes_are_those_of_eight_norms_and_eight_convolutions():
    shapes = layer_shapes()

    assert len(shapes) == 16
    assert shapes[2] == dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (64,))
    assert shapes[13] == {"kernel": (3, 3, 256, 512), "bias": (512,)}
