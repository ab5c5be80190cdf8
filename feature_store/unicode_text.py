"""Text that need not be UTF-8: Python keeps other bytes of a command line as lone surrogates."""

from __future__ import annotations


def as_utf8(text: str) -> str:
    r"""Text that can be written and compared: bytes that are no UTF-8 as \x…, the rest as it is."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def is_utf8(text: str) -> bool:
    """Whether all of it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
