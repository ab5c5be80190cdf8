"""The checkpoint reader, on bundles built by hand from the description of the format."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from jobs.encoders.audio.musicnn.encoder import _checkpoint_files
from jobs.encoders.audio.musicnn.tf_checkpoint import CheckpointError, open_checkpoint

# BundleEntryProto by hand: field 1 (dtype) = 1, field 2 (shape) = {dim {size}}..., field 4 (offset), 5 (size).
BIAS = bytes(
    [0x08, 1, 0x12, 4, 0x12, 2, 0x08, 2, 0x28, 8]
)  # shape (2,), offset left out: 0, 8 bytes
KERNEL = bytes(
    [0x08, 1, 0x12, 8, 0x12, 2, 0x08, 1, 0x12, 2, 0x08, 3, 0x20, 8, 0x28, 12]
)  # (1, 3) from 8
NUMBERS = np.array([1.5, -2.0, 3.0, 4.0, 5.0], dtype="<f4").tobytes()


def block(*entries: tuple[int, bytes, bytes]) -> bytes:
    """Entries (length of the prefix shared with the key before, rest of key, value) and a trailer."""
    body = b"".join(
        bytes([n_shared, len(rest), len(value)]) + rest + value for n_shared, rest, value in entries
    )
    return body + struct.pack("<II", 0, 1) + b"\x00" + b"\x00" * 4


def table(bias: bytes = BIAS) -> bytes:
    """Header entry, dense/bias and dense/kernel, whose key repeats only what follows "dense/"."""
    data = block((0, b"", b"\x08\x01"), (0, b"dense/bias", bias), (6, b"kernel", KERNEL))
    index = block((0, b"e", bytes([0, len(data) - 5])))
    handles = bytes([0, 0, len(data), len(index) - 5])
    return data + index + handles.ljust(40, b"\x00") + struct.pack("<Q", 0xDB4775248B80FB57)


@pytest.fixture
def written(tmp_path):
    def write(index: bytes, shard: bytes = NUMBERS):
        (tmp_path / "x.index").write_bytes(index)
        (tmp_path / "x.data").write_bytes(shard)
        return open_checkpoint(tmp_path / "x.index", tmp_path / "x.data")

    return write


def test_tensors_come_back_by_name_in_their_shape(written):
    checkpoint = written(table())
    assert set(checkpoint.entries) == {"dense/bias", "dense/kernel"}
    np.testing.assert_array_equal(checkpoint.tensor("dense/bias"), [1.5, -2.0])
    np.testing.assert_array_equal(checkpoint.tensor("dense/kernel"), [[3.0, 4.0, 5.0]])


def test_numbers_of_more_than_seven_bits_are_read(written):
    """300 floats are 1,200 bytes: both numbers need two bytes of seven bits each, the low ones first."""
    long = bytes([0x08, 1, 0x12, 5, 0x12, 3, 0x08, 0xAC, 0x02, 0x28, 0xB0, 0x09])
    checkpoint = written(table(long), np.arange(300, dtype="<f4").tobytes())
    assert checkpoint.tensor("dense/bias").shape == (300,)
    assert checkpoint.tensor("dense/bias")[299] == 299.0


def test_an_unknown_name_is_an_error(written):
    with pytest.raises(CheckpointError, match="no tensor is called 'dense/gamma'"):
        written(table()).tensor("dense/gamma")


def test_a_shard_that_is_too_short_is_an_error(written):
    with pytest.raises(
        CheckpointError, match=r"dense/kernel \(1, 3\) should lie in bytes 8 to 20 of 16"
    ):
        written(table(), NUMBERS[:16]).tensor("dense/kernel")


def test_a_file_that_is_no_table_is_an_error(written):
    with pytest.raises(CheckpointError, match="does not end like a LevelDB table"):
        written(table()[:-1] + b"\x00")


def test_an_integer_tensor_is_refused(written):
    """Data type 9 is int64."""
    with pytest.raises(CheckpointError, match="found data type 9 in shard 0"):
        written(table(bytes([0x08, 9]) + BIAS[2:]))


def test_a_compressed_block_is_refused(written):
    content = bytearray(table())
    content[content.index(KERNEL) + len(KERNEL) + 8] = 1  # after 2 x 4 bytes of restarts: snappy
    with pytest.raises(CheckpointError, match="compressed"):
        written(bytes(content))


def test_the_published_checkpoint_has_the_layers_of_the_paper():
    """Filters of 7 x 38 and 128 x 1, and 2 poolings of 753 channels into 200 units."""
    checkpoint = open_checkpoint(*_checkpoint_files())
    assert checkpoint.tensor("conv2d/kernel").shape == (7, 38, 1, 204)
    assert checkpoint.tensor("conv2d_2/kernel").shape == (128, 1, 1, 51)
    assert checkpoint.tensor("dense/kernel").shape == (2 * 753, 200)
    assert (checkpoint.tensor("batch_normalization_1/moving_variance") > 0).all()
