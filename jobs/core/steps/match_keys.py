"""Match keys of names: lower case, letters and digits only, without accents."""

from __future__ import annotations

import unicodedata

from pyspark.sql import Column
from pyspark.sql import functions as F

_ACCENTS = range(0x0300, 0x0370)
"""Combining accents of Latin, Greek and Cyrillic.

Vowel and voicing signs of other scripts lie elsewhere and stay: without them か would equal が.
"""


def match_key(name: str) -> str:
    """Normalise a name: `Beyoncé – "Halo"` and `BEYONCE Halo` both become `beyoncehalo`.

    A name without a letter or digit (`!!!`) keeps its signs, so that it matches only itself.
    """
    plain = "".join(
        sign
        for sign in unicodedata.normalize("NFKD", name.lower())
        if ord(sign) not in _ACCENTS and not sign.isspace()
    )
    letters_and_digits = "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LNM")
    return unicodedata.normalize("NFC", letters_and_digits or plain)


def match_key_column(name: str) -> Column:
    """The match key of a column, as a Python UDF: Spark has no Unicode decomposition."""
    return F.udf(match_key, "string", useArrow=False)(F.col(name))
