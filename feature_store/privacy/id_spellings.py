"""How a person's id stands in a text: its spellings, its borders, and which numbers are an id.

An id may hold any characters (`spotify:user:ann`, `O'Neil`, `a,b`) or be digits alone. Each way of
writing a text escapes some of them. A number is an id only where its surroundings say so.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

_LONGEST_ID = 16  # words and signs; `ann.lee@mail.example.org` has 9

_WORD_OR_SIGN = re.compile(r"[\w-]+|[^\S\r\n]+|[^\w\s-]")
_FILE_NAME_PART = re.compile(r"[^\W_]+|[\W_]")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f\ufffd]+")  # control characters, and bytes that are no UTF-8

_NO_TEXT_OR_QUOTE = re.compile(r"[\x00-\x1f\x7f\ufffd\"]+")
_LARGE = 200_000  # characters; larger ones are unreadable files, and no messages
_MOST_SIGNS = 3  # in a row: `a://b`

_DISTINCTIVE_DIGITS = 6  # shorter numbers stand in every log
_SEEN_BEFORE = 200
_PERSON_WORDS = r"\w*(?:user|listener|person|people|follower|member|account)\w*"
_KEY = re.compile(r"([A-Za-z_][\w.-]*)\\*[\"']?\s*(?:=>|[:=])\s*(?:[\[(][^\])]*)?\\*[\"']?$")
_PERSON_BEFORE = re.compile(rf"(?i)(?<![A-Za-z]){_PERSON_WORDS}[\s/#_.-]+\\*[\"'`]?$")
_HEADING_BEFORE = re.compile(r"<h\d[^<>]*>\s*$")
_QUOTES = "\"'`"


def spellings(user_id: str) -> tuple[str, ...]:
    """The id as plain text and as JSON, HTML, URLs, Python and scripts in HTML write it."""
    as_json = {json.dumps(user_id)[1:-1], json.dumps(user_id, ensure_ascii=False)[1:-1]}
    escaped = html.escape(user_id)
    in_urls = {quote(user_id), quote(user_id, safe=""), quote_plus(user_id)}
    found = {
        user_id,
        repr(user_id)[1:-1],
        *as_json,
        *(json.dumps(text)[1:-1] for text in as_json),  # JSON that is a string of JSON
        *(_in_script(text) for text in as_json),
        html.escape(user_id, quote=False),
        escaped,
        escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),  # Jinja writes these
        *in_urls,
        *(re.sub("%..", lambda hexed: hexed[0].lower(), text) for text in in_urls),
    }
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


def text_pattern(user_id: str) -> re.Pattern[str]:
    """Every spelling as a whole word: `rock-2` does not match in `rock-20`."""
    either = "|".join(map(re.escape, spellings(user_id)))
    return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")


def file_name_pattern(user_id: str) -> re.Pattern[str]:
    """Every spelling between letters and digits of others: `ada` matches in `listens_of_ada-2`."""
    either = "|".join(map(re.escape, spellings(user_id)))
    return re.compile(rf"(?<![^\W_])(?:{either})(?![^\W_])")


def is_an_id(text: str, start: int, end: int, *, with_bare_numbers: bool = True) -> bool:
    """Whether `text[start:end]` is an id where it stands; a number often counts something else.

    A number is an id after a key or a word about people (`user_id=7`, `listener 7`, `users/7`), as
    a heading, and in quotes without a key. A bare number of six digits is one wherever no other key
    stands before it. A part of a time, a date, a decimal or a long number is none.
    """
    if not text[start:end].isdigit():
        return True
    before, after = text[max(0, start - _SEEN_BEFORE) : start], text[end : end + 8]
    if re.search(r"\d[.:]$", before) or re.match(r"[.:]\d|,\d{3}(?!\d)", after):
        return False
    if key := _KEY.search(before):
        return re.fullmatch(_PERSON_WORDS, key[1], re.IGNORECASE) is not None
    if _PERSON_BEFORE.search(before) or _HEADING_BEFORE.search(before):
        return True
    is_quoted = before[-1:] in tuple(_QUOTES) and after.lstrip("\\")[:1] == before[-1:]
    return is_quoted or (with_bare_numbers and end - start >= _DISTINCTIVE_DIGITS)


def possible_ids(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and content of every part of a text that could be somebody's id.

    A part begins and ends at a border of a word, has at most 16 words and signs, and never four
    signs in a row. Bytes that are no text end a part; in a large text, quotes do too.
    """
    position = 0
    end_of_part = _NO_TEXT if len(text) < _LARGE else _NO_TEXT_OR_QUOTE
    for line in end_of_part.split(text):
        offset = text.index(line, position)
        position = offset + len(line)
        yield from _parts(_WORD_OR_SIGN, line, offset)


def possible_ids_of_file_name(name: str) -> Iterator[tuple[int, int, str]]:
    """As `possible_ids`, of a file's name, where - and _ separate words; percent signs decoded."""
    for start, end, part in _parts(_FILE_NAME_PART, name, 0):
        yield start, end, part
        if "%" in part:
            yield start, end, unquote(part)


def decoded(text: str) -> tuple[str, ...]:
    """The text, and as it reads after decoding JSON, HTML and URLs; a large one as it is."""
    if len(text) >= _LARGE:
        return (text,)
    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    unescaped = re.sub(r"\\([\"\\/'])", r"\1", unescaped)
    return tuple(dict.fromkeys((text, unescaped, html.unescape(text), unquote(text))))


def _parts(pattern: re.Pattern[str], text: str, offset: int) -> Iterator[tuple[int, int, str]]:
    """Parts of consecutive words and signs, the longest of each start first."""
    found = [match.span() for match in pattern.finditer(text)]
    is_word = [text[start].isalnum() or end - start > 1 for start, end in found]
    for first, (start, _) in enumerate(found):
        if text[start].isspace():
            continue
        n_signs, ends, has_word = 0, [], False
        for number in range(first, min(first + _LONGEST_ID, len(found))):
            n_signs = 0 if is_word[number] else n_signs + 1
            has_word = has_word or is_word[number]
            end = found[number][1]
            if n_signs > _MOST_SIGNS:
                break
            if has_word and not text[end - 1].isspace():
                ends.append(end)
        for end in reversed(ends):
            yield offset + start, offset + end, text[start:end]


def _in_script(text: str) -> str:
    """JSON as Jinja's tojson writes it into a page."""
    for sign in "<>&'":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
