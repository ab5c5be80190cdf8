"""Failure reasons: why content has no features, and the exception that carries one."""

from enum import StrEnum


class FailureReason(StrEnum):
    """Values of `failure_reason` in feat_audio, feat_lyrics, feat_cover and feat_tags."""

    MISSING_FILE = "missing_file"  # the catalogue names a file that the lake does not hold
    CHANGED_FILE = "changed_file"  # the file's bytes no longer match the content hash
    EMPTY = "empty"  # no byte, no sample
    UNREADABLE = "unreadable"  # the decoder failed
    TOO_SHORT = "too_short"  # audio under `audio_file.MIN_S`
    TOO_LARGE = "too_large"  # a cover above `image_file.MAX_PIXELS`
    NOT_FINITE = "not_finite"  # samples that are NaN or infinite
    NO_WORDS = "no_words"  # lyrics or a tag without a letter
    MISSING_TEXT = "missing_text"  # the catalogue names lyrics that raw_lyrics does not hold


class ContentFailure(ValueError):
    """Content that cannot have features; its row gets the failure reason and the night goes on."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
