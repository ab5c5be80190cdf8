"""The ending of an audio file, by its content: people give files endings of other kinds."""

from __future__ import annotations

from jobs.encoders.audio.decoding.content_kind import audio_kind

_OGG_ENDINGS = (".ogg", ".oga", ".opus")


def ending_by_content(content: bytes, ending: str) -> str:
    """The file ending, such as ".flac", that fits the content; `ending` when it tells nothing.

    Args:
        content: the whole file.
        ending: its ending in lower case, with the dot.
    """
    kind = audio_kind(content)
    if kind is None or kind.ending is None:
        return ending
    return ending if kind.ending == ".ogg" and ending in _OGG_ENDINGS else kind.ending
