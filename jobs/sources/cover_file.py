"""The image file of a cover, as a source finds or draws it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoverFile:
    """Bytes of an image file, and its file extension without the dot."""

    extension: str
    content: bytes
