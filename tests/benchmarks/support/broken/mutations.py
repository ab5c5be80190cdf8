"""Mutations of files, as disks, networks and careless programs make them; all drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytearray, bytes, np.random.Generator], None]
"""Changes the first bytes in place; the second ones are those of another file."""

HEADER_BYTES = 128
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x01")
MAX_MUTATIONS = 3


def mutate(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The content after one to three mutations; `other` is what is spliced in."""
    mutated = bytearray(content)
    for _ in range(rng.integers(1, MAX_MUTATIONS + 1)):
        if mutated:
            MUTATIONS[rng.integers(len(MUTATIONS))](mutated, other, rng)
    return bytes(mutated)


def _flip_bits(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    for at in rng.integers(len(content), size=rng.integers(1, 64)):
        content[at] ^= 1 << int(rng.integers(8))


def _truncate(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def _edit_header(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    """Random bytes among the first ones, where formats keep sizes, depths and counts."""
    for at in rng.integers(min(len(content), HEADER_BYTES), size=rng.integers(1, 8)):
        content[at] = rng.integers(256)


def _write_extreme(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    """A number of 32 bits in the header becomes one at the end of its range."""
    at = int(rng.integers(min(len(content), HEADER_BYTES)))
    content[at : at + 4] = EXTREMES[rng.integers(len(EXTREMES))]


def _zero_run(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    """Zeros where a disk lost a block."""
    start, end = sorted(rng.integers(len(content) + 1, size=2).tolist())
    content[start:end] = bytes(end - start)


def _repeat(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    start, end = sorted(rng.integers(len(content) + 1, size=2).tolist())
    content[start:start] = content[start:end]


def _cut_out(content: bytearray, _: bytes, rng: np.random.Generator) -> None:
    start, end = sorted(rng.integers(len(content) + 1, size=2).tolist())
    del content[start:end]


def _splice(content: bytearray, other: bytes, rng: np.random.Generator) -> None:
    """The end of another file behind the start of this one."""
    content[int(rng.integers(len(content))) :] = other[int(rng.integers(len(other) + 1)) :]


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _truncate,
    _edit_header,
    _write_extreme,
    _zero_run,
    _repeat,
    _cut_out,
    _splice,
)
