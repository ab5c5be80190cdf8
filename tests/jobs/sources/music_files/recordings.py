"""Audio files for tests of the music folder, and what landed of them."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import mutagen
import numpy as np
import pyarrow.parquet as pq
import soundfile
from mutagen.id3 import ID3
from PIL import Image

from feature_store.lake.storage import FolderStorage
from jobs.sources.music_folder import write_music_folder

ARRIVAL = date(2026, 3, 1)
RATE_HZ = 8_000


def draw(file, seed=0):
    """Half a second of a tone that depends on the seed, so that files have different bytes."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    samples = np.sin(np.arange(4_000) * (0.2 + seed / 50)).astype(np.float32) / 2
    # By a file object: libsndfile takes no name that is not UTF-8.
    with file.open("wb") as opened:
        soundfile.write(opened, samples, RATE_HZ, format=_format(file))
    return file


def _format(file):
    kinds = {".mp3": "MP3", ".wav": "WAV", ".flac": "FLAC", ".aiff": "AIFF"}
    return kinds.get(file.suffix.lower(), "OGG")


def with_tags(file, **tags):
    """The file with Vorbis comments (FLAC, Ogg)."""
    opened = mutagen.File(file)
    opened.update(tags)
    opened.save()
    return file


def tagged(file, seed=0, **tags):
    return with_tags(draw(file, seed), **tags)


def with_frames(file, *frames):
    """The file with ID3 frames (MP3)."""
    tags = ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(file)
    return file


def image(colour="red", image_format="JPEG"):
    sink = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(sink, image_format)
    return sink.getvalue()


def ingest(folder, lake, day=ARRIVAL):
    return write_music_folder(folder, FolderStorage(lake), arrival_date=day)


def landed_rows(lake, source):
    """The rows of a source, of all days and files in path order."""
    return [
        row
        for file in sorted(lake.glob(f"landing/{source}/*/*.parquet"))
        for row in pq.read_table(file).to_pylist()
    ]


def landed_files(lake, source):
    """Bytes of the landed files by name."""
    return {
        unquote(file.name): file.read_bytes() for file in sorted(lake.glob(f"landing/{source}/*/*"))
    }


def tracks_by_title(lake):
    return {row["title"]: row for row in landed_rows(lake, "tracks")}
