"""emobank: EmoBank, sentences with ratings of valence and arousal (Buechel and Hahn, EACL 2017).

    emobank.csv   id, split, V, A, D, text             mean over the raters of both perspectives
    reader.csv    id, V, A, D, stdV, stdA, stdD, N      what a reader feels; may be missing
    writer.csv    id, V, A, D, stdV, stdA, stdD, N      what the writer feels; may be missing

Ratings of 1 to 5 land on the scale -1 to 1. Dominance (D) does not land: nothing reads it.
Ratings of a sentence whose text emobank.csv lacks (263 of reader.csv, 217 of writer.csv) do not
land either. A line that cannot be read is named and left out. The raw stage checks values: a
valence of 9 lands, and raw_rejects says why it does not count.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import structlog

from feature_store.lake.storage import Storage
from jobs.landing.writer import LandingWriter
from jobs.sources.emotion_text_rows import (
    EmotionTextRow,
    emotion_texts_table,
    sd_to_common_scale,
    to_common_scale,
)
from jobs.sources.ingest_result import FileRemark, IngestResult
from jobs.sources.landing_tally import result_of

SOURCE = "emotion_texts"

_MAIN_FILE = "emobank.csv"
_RATINGS = ("id", "V", "A")
_DOWNLOAD = "give the folder `corpus` of https://github.com/JULIELab/EmoBank"


class EmobankError(ValueError):
    """The folder is no EmoBank: a file or a column is missing, or no line can be read."""


class _DamagedLineError(ValueError):
    """What is wrong with one line."""


@dataclass(frozen=True, slots=True)
class _Label:
    """One line of a file; ratings are on the scale -1 to 1."""

    sentence_id: str
    valence: float
    arousal: float
    valence_sd: float | None
    arousal_sd: float | None
    rater_count: int | None
    split: str | None
    text: str


def write_emobank(folder: Path, storage: Storage, arrival_date: date) -> IngestResult:
    """Land the labelled sentences in `folder` as one file of one day.

    Raises:
        EmobankError: the folder is no EmoBank; names the file and what it lacks. Nothing lands.
    """
    combined = _read(folder / _MAIN_FILE, (*_RATINGS, "text"))
    main = {label.sentence_id: label for label in combined.labels}
    if not main:
        raise EmobankError(f"emobank: {folder / _MAIN_FILE}: no line can be read; {_DOWNLOAD}")
    rows = [_row(label, label, "combined") for label in combined.labels]
    not_taken = [*combined.damaged]
    for perspective in ("reader", "writer"):
        file = folder / f"{perspective}.csv"
        if file.exists():
            found = _read(file, _RATINGS)
            known = [label for label in found.labels if label.sentence_id in main]
            rows += [_row(label, main[label.sentence_id], perspective) for label in known]
            not_taken += [*found.damaged, *_without_text(file, len(found.labels) - len(known))]
    writer = LandingWriter(storage)
    writer.write_rows(SOURCE, arrival_date, emotion_texts_table(rows), part="emobank")
    result = result_of(writer, [SOURCE], not_taken=not_taken)
    structlog.get_logger().info("landed", source="emobank", **result.counts)
    return result


def _row(label: _Label, main: _Label, perspective: str) -> EmotionTextRow:
    """The landing row of a label; `main` is the sentence's line in emobank.csv."""
    return EmotionTextRow(
        text_id=f"emobank-{label.sentence_id}",
        perspective=perspective,
        emotion_text=main.text,
        valence=label.valence,
        arousal=label.arousal,
        valence_rating_sd=label.valence_sd,
        arousal_rating_sd=label.arousal_sd,
        rater_count=label.rater_count,
        source_split=main.split,
    )


def _without_text(file: Path, count: int) -> list[FileRemark]:
    reason = f"{count:,} ratings are of sentences whose text {_MAIN_FILE} lacks"
    return [FileRemark(file.name, reason)] if count else []


@dataclass(frozen=True, slots=True)
class _LabelFile:
    """The labels of a file, and the lines that cannot be read."""

    labels: Sequence[_Label]
    damaged: Sequence[FileRemark]


def _read(file: Path, needed: Sequence[str]) -> _LabelFile:
    labels, damaged = list[_Label](), list[FileRemark]()
    header, *lines = _file_lines(file)
    names = _header_names(file, header, needed)
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        try:
            labels.append(_label(_values(line, names)))
        except _DamagedLineError as error:
            damaged.append(FileRemark(f"{file.name}, line {number}", str(error)))
    return _LabelFile(labels, damaged)


def _file_lines(file: Path) -> list[bytes]:
    """Lines end at line feeds only: sentences hold other characters that split text."""
    if not file.is_file():
        raise EmobankError(f"emobank: {file}: file must exist; {_DOWNLOAD}")
    return file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")


def _header_names(file: Path, header: bytes, needed: Sequence[str]) -> list[str]:
    try:
        names = [name.strip() for name in _cells(header)]
    except _DamagedLineError as error:
        raise EmobankError(f"emobank: {file} line 1: {error}; {_DOWNLOAD}") from error
    if missing := [name for name in needed if name not in names]:
        raise EmobankError(
            f"emobank: {file} line 1: column {missing[0]} must be in the header, which has "
            f"{names[:10]}; {_DOWNLOAD}"
        )
    return names


def _values(line: bytes, names: Sequence[str]) -> dict[str, str]:
    values = _cells(line)
    if len(values) != len(names):
        raise _DamagedLineError(
            f"has {len(values)} values; must have {len(names)}, one for each column"
        )
    return dict(zip(names, values, strict=True))


def _cells(line: bytes) -> list[str]:
    """The values of one line.

    Each line is read by itself, because no sentence holds a line feed: a quote without its end
    would take all lines down to the next quote with it.
    """
    try:
        [cells] = csv.reader([line.removesuffix(b"\r").decode()], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise _DamagedLineError(f"must be CSV in UTF-8 ({error})") from error
    return cells


def _label(values: dict[str, str]) -> _Label:
    if not values["id"].strip():
        raise _DamagedLineError("id must not be empty")
    return _Label(
        sentence_id=values["id"].strip(),
        valence=to_common_scale(_number(values, "V")),
        arousal=to_common_scale(_number(values, "A")),
        valence_sd=_sd(values, "stdV"),
        arousal_sd=_sd(values, "stdA"),
        rater_count=_count(values, "N"),
        split=values.get("split", "").strip() or None,
        text=values.get("text", ""),
    )


def _number(values: dict[str, str], name: str) -> float:
    try:
        number = float(values[name])
    except ValueError as error:
        raise _DamagedLineError(f"{name} must be a number, not {values[name]!r}") from error
    if not math.isfinite(number):
        raise _DamagedLineError(f"{name} must be a number, not {values[name]!r}")
    return number


def _sd(values: dict[str, str], name: str) -> float | None:
    return sd_to_common_scale(_number(values, name)) if values.get(name, "").strip() else None


def _count(values: dict[str, str], name: str) -> int | None:
    text = values.get(name, "").strip()
    if text and not text.isdecimal():
        raise _DamagedLineError(f"{name} must be a whole number, not {text!r}")
    return int(text) if text else None
