"""Names as keys for matching by name: lower case, no accents, letters and digits only."""

from __future__ import annotations

import unicodedata

from pyspark.sql import Column
from pyspark.sql import functions as F

_ACCENTS = range(0x0300, 0x0370)
"""Combining accents of Latin, Greek and Cyrillic. Vowel and voicing signs of other scripts lie
elsewhere and stay: without them か and が would be one."""


def match_key(name: str) -> str:
    """`Beyoncé – "Halo"` and `BEYONCE Halo` are both `beyoncehalo`.

    A name without letter or digit (`!!!`) keeps its signs, so that it still matches only itself.
    """
    plain = "".join(
        sign
        for sign in unicodedata.normalize("NFKD", name.lower())
        if ord(sign) not in _ACCENTS and not sign.isspace()
    )
    spoken = "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LNM")
    return unicodedata.normalize("NFC", spoken or plain)


def match_key_column(name: str) -> Column:
    """The match key of a column; Spark has no Unicode decomposition of its own."""
    return F.udf(match_key, "string", useArrow=False)(F.col(name))
