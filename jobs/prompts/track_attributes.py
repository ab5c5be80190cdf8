"""Asks a language model for the 58 attributes of a track, and checks its answer.

The prompt is `track_attributes_<version>.txt`. A change of its text is a new file and a new
VERSION, so that the answers of both stay apart and can be compared.

An answer counts when it holds one JSON object with a rating from 0 to 5, or null, for each
attribute and for nothing else; the same object twice is one. Text around it is passed over, with
its braces and objects that name no attribute, and so are thoughts from `<think>` to `</think>`. An
answer in which no object is begun is a refusal. Nothing is mended: an answer that breaks a rule is
rejected as a whole, with the rule and the value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
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
UNKNOWN = "unknown"
"""Key of {"unknown": true}, which the prompt asks for when the model does not know the track."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        name: {"type": ["number", "null"], "minimum": 0, "maximum": MAX_RATING}
        for name in ATTRIBUTE_NAMES
    },
    "required": list(ATTRIBUTE_NAMES),
    "additionalProperties": False,
}

# Of a model whose template of chats begins the thoughts, the answer has their end alone.
_THOUGHTS = re.compile(r"\A(?:(?!<think>).)*</think>|<think>.*?</think>", re.DOTALL)
_BEGIN_OF_THOUGHTS = "<think>"
_QUOTE_OR_END = re.compile(r"\{\s*([\"']|\Z)")
_ATTRIBUTE = re.compile(rf"\b({'|'.join(ATTRIBUTE_NAMES)})\b")
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
        "revision": 2,  # raise it when code of this module accepts or rejects other answers
        "version": VERSION,
        "prompt": sha256_of(prompt_of("").encode()),
        "schema": SCHEMA,
    }


def parse_answer(text: str) -> dict[str, float | None]:
    """Value of each attribute, 0..1: rating / 5; None where the model does not know it.

    Raises:
        ContentFailure: `refused` when the model says that it does not know the track, rates no
            attribute, or begins no object; `bad_answer` when the answer breaks another rule.
    """
    answer = _answer_in(_without_thoughts(text))
    if answer.keys() == {UNKNOWN}:
        _raise_unknown(answer[UNKNOWN])
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


def _without_thoughts(text: str) -> str:
    """What a model says beside its thoughts."""
    said = _THOUGHTS.sub("", text)
    if _BEGIN_OF_THOUGHTS in said:
        _reject(f"cut off in its thoughts: {_start_of(said)}")
    return said


def _answer_in(said: str) -> dict[str, Any]:
    """The one object that names an attribute, or says `unknown`; else the first one of any kind."""
    answers: dict[str, dict[str, Any]] = {}
    others: list[dict[str, Any]] = []
    broken = ""
    for found in _objects_in(said):
        if isinstance(found, _Broken):
            broken = broken or found.rule
        elif found.keys() & {*ATTRIBUTE_NAMES, UNKNOWN}:
            answers[json.dumps(found, sort_keys=True)] = found
        else:
            others.append(found)
    if len(answers) > 1:
        _reject("more than one JSON object")
    if answers or (others and not broken):
        return next(iter([*answers.values(), *others]))
    if broken:
        _reject(broken)
    raise ContentFailure(FailureReason.REFUSED, f"no JSON object: {_start_of(said)}")


@dataclass(frozen=True, slots=True)
class _Broken:
    """An object that is begun and is no JSON.

    Attributes:
        rule: that it breaks.
    """

    rule: str


def _objects_in(said: str) -> Iterator[dict[str, Any] | _Broken]:
    """Each object that a text holds or begins, in order; other braces begin none.

    Raises:
        ContentFailure: an object that names an attribute is no JSON, or one is nested too deeply.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    start = said.find("{")
    while start >= 0:
        end = start + 1
        try:
            found, end = decoder.raw_decode(said, start)
            yield found
        except RecursionError:
            _reject("no JSON: nested too deeply")
        except ValueError as error:
            rule = str(error) if isinstance(error, _RuleBroken) else f"no JSON: {error}"
            if _ATTRIBUTE.search(said[start:].partition("}")[0]):
                _reject(rule)
            if _QUOTE_OR_END.match(said, start):
                yield _Broken(rule)
        start = said.find("{", end)


class _RuleBroken(ValueError):
    """Python reads what JSON does not know, or does not allow."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; JSON itself would keep the last of two values."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _RuleBroken(f"named twice: {_start_of(', '.join(twice))}")
    return dict(pairs)


def _no_number(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise _RuleBroken(f"{constant} is no number of JSON")


def _raise_unknown(value: Any) -> NoReturn:
    """Refuse for {"unknown": true}; to Python, 1 equals true."""
    if value is True:
        raise ContentFailure(FailureReason.REFUSED, "the model does not know the track")
    _reject(f"{UNKNOWN}: {_start_of(json.dumps(value))} is not true")


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
