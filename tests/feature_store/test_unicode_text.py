"""Text of the command line that is no UTF-8."""

from __future__ import annotations

import pytest

from feature_store.unicode_text import as_utf8, is_utf8


@pytest.mark.parametrize(
    ("text", "shown", "is_whole"),
    [
        ("", "", True),
        ("Café ☀ 日本", "Café ☀ 日本", True),
        ("caf\udcff.flac", r"caf\xff.flac", False),
        ("\udce9t\udce9", r"\xe9t\xe9", False),
    ],
)
def test_other_bytes_are_escaped_and_told(text, shown, is_whole):
    assert (as_utf8(text), is_utf8(text)) == (shown, is_whole)
