"""Asks a language model for the 58 attributes of a track, and checks its answer.

The prompt is `track_attributes_<version>.txt`. A change of its text is a new file and a new
VERSION, so that the answers of both stay apart and can be compared.

An answer counts when it holds exactly one JSON object with a rating from 0 to 5, or null, for each
attribute and for nothing else. Text around the object, such as a fence of Markdown or a greeting,
is passed over, and so are thoughts up to `</think>`. Nothing is mended: an answer that breaks a
rule is rejected as a whole, with the rule and the value.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from feature_store.lake.storage import sha256_of
from feature_store.tables.attributes import ATTRIBUTE_NAMES, ATTRIBUTES, MAX_RATING
from jobs.decoding.failure_reasons import ContentFailure, FailureReason

VERSION = 1
UNKNOWN = {"unknown": True}
"""What the prompt asks for when the model does not know the track."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        name: {"type": ["number", "null"], "minimum": 0, "maximum": MAX_RATING}
        for name in ATTRIBUTE_NAMES
    },
    "required": list(ATTRIBUTE_NAMES),
    "additionalProperties": False,
}

_END_OF_THOUGHTS = "</think>"
_REFUSAL = re.compile(
    r"\b(sorry|apologi[sz]e|unable to|(can|could|do|will|would)(not|n['’]t| not)|no information"
    r"|not (know|familiar)|unfamiliar)\b",
    re.IGNORECASE,
)
_SHOWN_CHARACTERS = 80


def prompt_of(description: str) -> str:
    """The prompt for one track.

    Args:
        description: the track as JSON (jobs/features/steps/track_description.py), in which quotes
            and line ends of a title are escaped.
    """
    named = "\n".join(f"{each.column_name}: {each.meaning}" for each in ATTRIBUTES)
    return Template(_template()).substitute(attributes=named, track=description)


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the model's identity."""
    return {
        "revision": 1,  # raise it when code of this module accepts or rejects other answers
        "version": VERSION,
        "prompt": sha256_of(prompt_of("").encode()),
        "schema": SCHEMA,
    }


def parse_answer(text: str) -> dict[str, float | None]:
    """Value of each attribute, 0..1: rating / 5; None where the model does not know it.

    Raises:
        ContentFailure: `refused` when the model says that it does not know the track, rates no
            attribute, or declines in words; `bad_answer` when the answer breaks another rule.
    """
    answer = _object_in(text)
    if answer == UNKNOWN:
        raise ContentFailure(FailureReason.REFUSED, "the model does not know the track")
    if faults := sorted(Draft202012Validator(SCHEMA).iter_errors(answer), key=_path_and_message):
        _reject(_described(faults[0]))
    if all(rating is None for rating in answer.values()):
        raise ContentFailure(FailureReason.REFUSED, "the model rates no attribute")
    return {
        name: None if answer[name] is None else answer[name] / MAX_RATING
        for name in ATTRIBUTE_NAMES
    }


@cache
def _template() -> str:
    """The text of the prompt's file."""
    file = Path(__file__).parent / f"track_attributes_{VERSION}.txt"
    return file.read_text(encoding="utf-8").strip()


def _object_in(text: str) -> Any:
    """The one JSON object in a text."""
    said = text.rpartition(_END_OF_THOUGHTS)[2]
    start = said.find("{")
    if start < 0:
        if _REFUSAL.search(said):
            raise ContentFailure(FailureReason.REFUSED, f"no JSON object: {_start_of(said)}")
        _reject(f"no JSON object: {_start_of(said)}")
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    try:
        found, end = decoder.raw_decode(said, start)
    except ContentFailure:
        raise
    except (ValueError, RecursionError) as error:
        _reject(f"no JSON: {error}")
    if "{" in said[end:]:
        _reject("more than one JSON object")
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; JSON itself would keep the last of two values."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        _reject(f"named twice: {_start_of(', '.join(twice))}")
    return dict(pairs)


def _no_number(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    _reject(f"{constant} is no number of JSON")


def _path_and_message(fault: ValidationError) -> tuple[str, str]:
    return fault.json_path, fault.message


def _described(fault: ValidationError) -> str:
    """A broken rule in a few words; a message about the whole object would repeat all of it."""
    match fault.validator:
        case "required":
            lacking = [name for name in ATTRIBUTE_NAMES if name not in fault.instance]
            return f"missing: {lacking[0]} ({len(lacking)} of {len(ATTRIBUTE_NAMES)})"
        case "additionalProperties":
            unknown = sorted(set(fault.instance) - set(ATTRIBUTE_NAMES))
            return f"no attribute: {_start_of(', '.join(unknown))}"
        case _:
            return f"{fault.json_path.removeprefix('$.')}: {_start_of(fault.message)}"


def _start_of(text: str) -> str:
    """What a reader of the table needs to see of a text."""
    return repr(text[:_SHOWN_CHARACTERS])


def _reject(rule: str) -> NoReturn:
    raise ContentFailure(FailureReason.BAD_ANSWER, rule)
