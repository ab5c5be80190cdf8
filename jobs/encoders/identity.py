"""Computes an encoder's identity: its id, a hash of its weights, a hash of its preprocessing.

Limits that make a content fail, such as the memory of its decoder, belong to the preprocessing.
The identity is part of the key of every feature row, so changed weights or changed preprocessing
add rows and leave the old ones as they are. A change of preprocessing code that no constant shows
must raise the `revision` in that module's `preprocessing()` or `identity()`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.lake.storage import sha256_of


def encoder_identity(
    encoder_id: str, weights: Iterable[Path], preprocessing: Mapping[str, object]
) -> EncoderIdentity:
    """The identity of an encoder.

    Args:
        encoder_id: name and version.
        weights: every file that decides the output, such as parameters and vocabulary.
        preprocessing: constants and revision numbers, as JSON can hold them. Its keys and values
            are hashed: renaming a key re-encodes all content.
    """
    described = json.dumps(preprocessing, sort_keys=True, separators=(",", ":"))
    return EncoderIdentity(encoder_id, _sha256_of_files(weights), sha256_of(described.encode()))


def with_descriptors(
    encoder: EncoderIdentity, descriptors: Mapping[str, object]
) -> EncoderIdentity:
    """The identity of rows that hold an embedding and descriptors of the same content.

    Args:
        encoder: the encoder's.
        descriptors: constants, revision numbers and library versions of the descriptors; hashed
            with the encoder's preprocessing, so that changed descriptors make new rows.
    """
    described = json.dumps(descriptors, sort_keys=True, separators=(",", ":"))
    both = f"{encoder.preprocessing_id}\n{described}"
    return replace(encoder, preprocessing_id=sha256_of(both.encode()))


def _sha256_of_files(files: Iterable[Path]) -> str:
    """One hash over the hashes of the files, so that moving a byte between files changes it."""
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return sha256_of("\n".join(digests).encode())
