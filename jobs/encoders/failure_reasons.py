"""Why content has no features: a closed list of reasons, and the exception that carries one."""

from enum import StrEnum


class Reason(StrEnum):
    """What `failure_reason` says in feat_audio, feat_lyrics, feat_cover and feat_tags."""

    MISSING_FILE = "missing_file"  # the catalogue names a file that the lake does not hold
    CHANGED_FILE = "changed_file"  # the file's bytes are no longer those of the content hash
    EMPTY = "empty"  # no byte, no sample
    UNREADABLE = "unreadable"  # the decoder gave up
    TOO_SHORT = "too_short"  # audio under `audio_file.MIN_S`
    TOO_LARGE = "too_large"  # a picture of more pixels than any cover has
    NOT_FINITE = "not_finite"  # samples that are no numbers
    NO_WORDS = "no_words"  # lyrics or a tag without a letter
    MISSING_TEXT = "missing_text"  # the catalogue names lyrics that raw_lyrics does not hold


class UnusableContent(ValueError):
    """Content that can have no features. The night goes on; the row says why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
