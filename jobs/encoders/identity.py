"""What identifies an encoder's output: its name, its weights, and everything done before it.

The three are part of the key of every feature row, so a changed weight or a changed step of the
preprocessing makes new rows and never passes old ones off as its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from feature_store.lake.storage import sha256_of


@dataclass(frozen=True, slots=True)
class Identity:
    """The key columns that an encoder gives to each of its rows."""

    encoder_id: str
    weights_sha256: str
    preprocessing_id: str


def identity_of(
    encoder_id: str, weights: Iterable[Path], preprocessing: Mapping[str, object]
) -> Identity:
    """The identity of an encoder that reads `weights` and prepares content as `preprocessing` says.

    Args:
        encoder_id: name and version.
        weights: every file that decides the output, such as parameters and vocabulary.
        preprocessing: constants and revision numbers, as JSON can hold them.
    """
    described = json.dumps(preprocessing, sort_keys=True, separators=(",", ":"))
    return Identity(encoder_id, _sha256_of_files(weights), sha256_of(described.encode()))


def _sha256_of_files(files: Iterable[Path]) -> str:
    """One hash over the files' own hashes, in the order given: where one ends matters."""
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return sha256_of("\n".join(digests).encode())
