"""The kind of an audio file by its content: people give files endings of other kinds."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.encoders.audio.decoding.id3_length import audio_start
from jobs.encoders.audio.decoding.mpeg_frames import begins_a_row

HEAD_BYTES = 2**14
"""First bytes that tell the kind: three frames of any format have fewer."""

_MARK_BYTES = 16
_IMAGE_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
_SYNC, _ADTS = 0xFF, 0xF0  # of the second byte all but version and checksum
_ADTS_FRAMES, _ADTS_HEADER_BYTES = 3, 7
_REPEATS, _LEAST_FRAME_BYTES, _MOST_FRAME_BYTES = 3, 24, 4096
_LEAST_SECOND_BYTE, _NO_BITRATE, _NO_SAMPLE_RATE = 0xE0, 15, 3
_MPEG_LAYERS_1_2 = (0x6, 0x4)  # of the second byte's bits 0x06


@dataclass(frozen=True, slots=True)
class AudioKind:
    """A format of audio files.

    Attributes:
        name: as people call it.
        ending: the file ending of a format that the music folder takes, otherwise None.
        is_decoded: whether libsndfile decodes it.
    """

    name: str
    ending: str | None = None
    is_decoded: bool = False


_FLAC = AudioKind("FLAC", ".flac", is_decoded=True)
_OGG = AudioKind("Ogg", ".ogg", is_decoded=True)
_WAV = AudioKind("WAV", ".wav", is_decoded=True)
_AIFF = AudioKind("AIFF", ".aiff", is_decoded=True)
_MP3 = AudioKind("MP3", ".mp3", is_decoded=True)
_MP4 = AudioKind("MP4 (AAC or ALAC)", ".m4a")
_ASF = bytes.fromhex("3026b2758e66cf11")
_W64 = b"riff" + bytes.fromhex("2e91cf11")
_MARKS = (
    (b"fLaC", _FLAC),
    (b"OggS", _OGG),
    (b"caff\0\1", AudioKind("CAF", is_decoded=True)),
    (b".snd\0\0", AudioKind("AU", is_decoded=True)),
    (_W64, AudioKind("Wave64", is_decoded=True)),
    (b"\x1a\x45\xdf\xa3", AudioKind("Matroska or WebM")),
    (_ASF, AudioKind("WMA")),
    (b"DSD \x1c\0\0\0", AudioKind("DSF")),
    (b"FRM8", AudioKind("DSDIFF")),
    (b"wvpk", AudioKind("WavPack")),
    (b"TTA1", AudioKind("True Audio")),
    (b"tBaK", AudioKind("TAK")),
    (b"MPCK", AudioKind("Musepack")),
    (b"MP+\7", AudioKind("Musepack")),
    (b"#!AMR", AudioKind("AMR")),
    (b".RMF", AudioKind("RealAudio")),
    (b".ra\xfd", AudioKind("RealAudio")),
    (b"ajkg", AudioKind("Shorten")),
    (b"ADIF", AudioKind("AAC")),
    (b"FLV\1", AudioKind("Flash video")),
    (b"\x7f\xfe\x80\x01", AudioKind("DTS")),
    (b"\xfe\x7f\x01\x80", AudioKind("DTS")),
)
_IN_CHUNKS = {
    **{(mark, b"WAVE"): _WAV for mark in (b"RIFF", b"RF64", b"BW64")},
    **{(b"FORM", kind): _AIFF for kind in (b"AIFF", b"AIFC")},
    (b"RIFF", b"AVI "): AudioKind("AVI"),
}
_MONKEY_VERSIONS = range(3_000, 4_100)


def audio_kind(content: bytes) -> AudioKind | None:
    """The format of a file, behind ID3 tags; None for an unknown one.

    Args:
        content: the file, or its first HEAD_BYTES.
    """
    start = audio_start(content)
    head = content[start : start + HEAD_BYTES]
    marked = next((kind for mark, kind in _MARKS if head.startswith(mark)), None)
    return marked or _IN_CHUNKS.get((head[:4], head[8:12])) or _by_structure(head)


def why_not_decoded(content: bytes) -> str | None:
    """What to say about a file of a format that is not decoded; None for any other file."""
    kind = audio_kind(content)
    if kind is None or kind.is_decoded:
        return None
    return f"{kind.name} is not decoded; convert the file to FLAC, MP3 or Opus"


def _by_structure(head: bytes) -> AudioKind | None:
    """The format of bytes without a mark that is certain alone."""
    if head[4:8] == b"ftyp" and head[8:12] not in _IMAGE_BRANDS:
        return _MP4
    if head.startswith(b"MAC ") and int.from_bytes(head[4:6], "little") in _MONKEY_VERSIONS:
        return AudioKind("Monkey's Audio")
    if begins_a_row(head, 0) or _is_mpeg_layer_1_or_2(head):
        return _MP3
    if _is_adts(head):
        return AudioKind("AAC")
    if head.startswith(b"\x0b\x77") and _repeats(head, head[:2]):
        return AudioKind("AC-3")
    return None


def _is_mpeg_layer_1_or_2(head: bytes) -> bool:
    """Whether frames follow each other (ISO/IEC 11172-3, 2.4.2.3); layer III has begins_a_row."""
    if len(head) < _MARK_BYTES or head[0] != _SYNC or head[1] < _LEAST_SECOND_BYTE:
        return False
    has_rates = 0 < head[2] >> 4 < _NO_BITRATE and head[2] >> 2 & 3 != _NO_SAMPLE_RATE
    return has_rates and head[1] & 0x6 in _MPEG_LAYERS_1_2 and _repeats(head, head[:2])


def _is_adts(head: bytes) -> bool:
    """Whether frames of AAC follow each other (ISO/IEC 13818-7, 6.2)."""
    at = 0
    for _ in range(_ADTS_FRAMES):
        header = head[at : at + _ADTS_HEADER_BYTES]
        if len(header) < _ADTS_HEADER_BYTES or header[0] != _SYNC or header[1] & 0xF6 != _ADTS:
            return False
        byte_count = int.from_bytes(header[3:6]) >> 5 & 0x1FFF
        if byte_count < _ADTS_HEADER_BYTES:
            return False
        at += byte_count
    return True


def _repeats(head: bytes, mark: bytes) -> bool:
    """Whether the mark stands at equal distances, but for a padding byte each."""
    at = head.find(mark, _LEAST_FRAME_BYTES, _MOST_FRAME_BYTES)
    while at > 0:
        parts = (head[at * n : at * n + n + len(mark)] for n in range(2, _REPEATS + 1))
        if all(mark in part for part in parts):
            return True
        at = head.find(mark, at + 1, _MOST_FRAME_BYTES)
    return False
