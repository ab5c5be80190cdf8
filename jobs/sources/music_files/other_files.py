"""What to say about files of a music folder whose endings are not those of audio that is taken."""

from __future__ import annotations

import re
from collections.abc import Collection

from jobs.encoders.audio.decoding.content_kind import audio_kind
from jobs.encoders.audio.decoding.id3_length import audio_start

LYRICS_ENDINGS = (".lrc", ".lyrics.txt")
UNSUPPORTED_ENDINGS = frozenset(
    {".aac", ".ac3", ".aifc", ".amr", ".ape", ".dff", ".dsf", ".m4b", ".m4p", ".mka", ".mp2"}
    | {".mpc", ".tak", ".tta", ".wma", ".wv", ".3gp", ".aa", ".aax", ".au", ".caf", ".m4r", ".mid"}
    | {".mp4", ".mpga", ".ra", ".rf64", ".shn", ".snd", ".spx", ".voc", ".w64", ".wave", ".webm"}
)

_UNREAD_LYRICS_ENDINGS = (".lrc.txt", ".elrc", ".srt", ".vtt", ".ttml", ".ass", ".sbv")
_UNFINISHED_ENDINGS = frozenset(
    {
        ".part",
        ".partial",
        ".crdownload",
        ".download",
        ".opdownload",
        ".tmp",
        ".temp",
        ".!qb",
        ".!ut",
    }
)
_LANGUAGE = re.compile(r"\.[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*$")


def owner_of_translation(key: str, recordings: Collection[str]) -> str | None:
    """The recording that lyrics with a language in their name belong to, as song.en.lrc to song.

    Args:
        key: `name_key` of a file.
        recordings: `name_key` of the recordings beside it, of their names and their stems.
    """
    owner = _owner(key, LYRICS_ENDINGS, recordings)
    has_language = key not in {f"{owner}{ending}" for ending in LYRICS_ENDINGS}
    return owner if has_language else None


def why_no_lyrics(key: str, recordings: Collection[str]) -> str | None:
    """Why a file of lyrics is not read; None for one that is, and for any other file.

    Args:
        key: as for `owner_of_translation`.
        recordings: as for `owner_of_translation`.
    """
    if _owner(key, _UNREAD_LYRICS_ENDINGS, recordings):
        return "holds lyrics in a format that is not read; convert it to .lrc or .lyrics.txt"
    if key.endswith(LYRICS_ENDINGS) and not _owner(key, LYRICS_ENDINGS, recordings):
        return "holds lyrics of no recording beside it; give it the name of its recording"
    return None


def why_no_audio(ending: str, head: bytes) -> str | None:
    """Why a file is not taken that holds audio by its ending or its content; None for any other.

    Args:
        ending: in lower case, with the dot.
        head: the first bytes of the file (`content_kind.HEAD_BYTES`).
    """
    if ending in UNSUPPORTED_ENDINGS:
        return "is of a kind that is not read; convert it to FLAC, MP3 or Opus"
    kind = audio_kind(head)
    if kind is None and not audio_start(head):
        return None
    name = kind.name if kind else "audio behind an ID3 tag"
    if ending in _UNFINISHED_ENDINGS:
        return f"is an unfinished download that holds {name}; finish it and ingest again"
    if kind and not (kind.ending and kind.is_decoded):
        return f"holds {name}, which is not read; convert it to FLAC, MP3 or Opus"
    ending_to_have = kind.ending if kind else ".mp3"
    return f"holds {name} under an ending that is not read; rename it to end in {ending_to_have}"


def _owner(key: str, endings: Collection[str], recordings: Collection[str]) -> str | None:
    for ending in endings:
        if key.endswith(ending):
            stem = key.removesuffix(ending)
            found = [name for name in (stem, _LANGUAGE.sub("", stem)) if name in recordings]
            return next(iter(found), None)
    return None
