"""Where the real recordings lie, which are no part of the project."""

from __future__ import annotations

from pathlib import Path

RECORDINGS = Path(__file__).resolve().parents[5] / "shared" / "data" / "librosa-cc-audio"
