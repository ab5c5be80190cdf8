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


def atom(name, content):
    return (8 + len(content)).to_bytes(4) + name + content


def value(content, kind=1):
    """A value of a tag: kind 1 is text, 13 a JPEG."""
    return atom(b"data", kind.to_bytes(4) + bytes(4) + content)


def mp4(seconds=3, **tags):
    """The boxes of an MP4 file that describe a track, by default of 3 s, without sound (ISO 14496-12)."""
    header = atom(
        b"mdhd", bytes(12) + (44_100).to_bytes(4) + (seconds * 44_100).to_bytes(4) + bytes(4)
    )
    handler = atom(b"hdlr", bytes(8) + b"soun" + bytes(13))
    entry = atom(b"Opus", bytes(28) + atom(b"free", b""))
    samples = atom(b"minf", atom(b"stbl", atom(b"stsd", bytes(7) + b"\x01" + entry)))
    track = atom(b"trak", atom(b"mdia", header + handler + samples))
    items = b"".join(atom(name.encode("latin-1"), values) for name, values in tags.items())
    meta = atom(b"meta", bytes(4) + atom(b"hdlr", bytes(25)) + atom(b"ilst", items))
    return atom(b"ftyp", b"M4A mp42isom") + atom(b"moov", track + atom(b"udta", meta))
