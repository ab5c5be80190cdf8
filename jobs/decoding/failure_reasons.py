"""Failure reasons: why content has no features, and the exceptions that say so."""

from enum import StrEnum


class FailureReason(StrEnum):
    """Values of `failure_reason` in the feat_ tables of content (feature_store/tables/features.py).

    Each is a property of the bytes, so it is final for this content, encoder and preprocessing; the
    limits that content may run into are part of the preprocessing (jobs/encoders/identity.py).
    """

    EMPTY = "empty"  # no byte, no sample
    UNREADABLE = "unreadable"  # the decoder failed
    TOO_SHORT = "too_short"  # audio under `audio_file.MIN_S`
    TOO_LARGE = "too_large"  # above a bound on bytes, samples, pixels or characters, or on memory
    TOO_SLOW = "too_slow"  # decoding took more CPU time than its process may take
    CRASHED = "crashed"  # the decoder's process died of it, twice
    OUT_OF_RANGE = "out_of_range"  # a sample rate, samples or channels that no recording has
    NOT_FINITE = "not_finite"  # samples, pixels or features that are NaN or infinite
    SILENT = "silent"  # no sound in what is decoded of the audio
    NOT_UTF8 = "not_utf8"  # a text with NUL characters or half a character: another encoding
    NO_WORDS = "no_words"  # lyrics or a tag without a letter
    REFUSED = "refused"  # a language model does not know the track, or will not answer
    BAD_ANSWER = "bad_answer"  # a language model's answer breaks the rules of its prompt


class ContentFailure(ValueError):
    """Content that cannot have features; its row gets the failure reason and the night goes on."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ContentMissing(LookupError):
    """Content that the lake does not hold now; it gets no row, so a later night encodes it."""


def check_size(byte_count: int, max_bytes: int) -> None:
    """Refuse content that is larger than what is decoded.

    Raises:
        ContentFailure: it has more than `max_bytes`.
    """
    if byte_count > max_bytes:
        raise ContentFailure(
            FailureReason.TOO_LARGE, f"{byte_count} bytes, at most {max_bytes} are decoded"
        )
