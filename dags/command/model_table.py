"""Tables of models for the terminal: one for each training task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dags.command.printed_text import print_line, shown
from feature_store.runs.challenger_tests import Difference, is_test_result, newest_test
from feature_store.runs.promotions import (
    Promoted,
    identity_of,
    newest_decisions,
    read_if_exists,
    standing,
)
from feature_store.tables.runs import RUN_MODELS, RUN_PROMOTIONS
from feature_store.tables.scores import SCORE_EVALUATION

Row = Mapping[str, Any]

_WIDTH = 200  # eleven columns; a terminal can scroll a wide line


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows that the night of a day knows, and decisions about later nights.

    Attributes:
        models: newest row of each model, in the order of their checks.
        promoted: as `standing` returns it.
        decisions: the person's decision that counts, by (task, family, version).
        recorded: all decisions, those for later nights too, the last one first.
    """

    models: list[Row]
    promoted: dict[str, list[Promoted]]
    decisions: dict[tuple[str, str, str], Row]
    recorded: list[Row]
    evaluation: list[Row]

    def of_task(self, task: str) -> list[Row]:
        """Newest rows of the task's models, in the order of their checks."""
        return [row for row in self.models if row["training_task"] == task]


def print_models(lake: str, as_of: date, task: str | None, console: Console) -> None:
    """Print the models that the night of `as_of` knows; in an empty lake, what to run.

    Raises:
        LookupError: no row of run_models is of that task.
    """
    known = _read(lake, as_of)
    if not known.models:
        print_line(
            f"{RUN_MODELS.name}: no model was trained by {as_of}; run "
            "`evensong night --as-of DATE`, or `evensong demo` for a sample world",
            console,
        )
        return
    tasks = sorted({row["training_task"] for row in known.models})
    if task is not None and task not in tasks:
        raise LookupError(
            f"{RUN_MODELS.name}: no training task is called {task!r} by {as_of}; "
            f"there are: {', '.join(tasks)}"
        )
    console.width = max(console.width, _WIDTH)
    for name in tasks if task is None else [task]:
        console.print(_task_table(name, known, as_of))
        if any(row["training_task"] == name for row in known.recorded):
            console.print()
            console.print(_decision_table(name, known, as_of))


def _read(lake: str, as_of: date) -> _Known:
    rows = read_if_exists(lake, RUN_MODELS)
    ordered = sorted((row for row in rows if row["checked_as_of_date"] <= as_of), key=_by_check)
    decisions = read_if_exists(lake, RUN_PROMOTIONS)
    evaluation = read_if_exists(lake, SCORE_EVALUATION)
    newest = {identity_of(row): row for row in ordered}
    return _Known(
        sorted(newest.values(), key=_by_check),
        standing(rows, decisions, as_of),
        newest_decisions(decisions, as_of),
        sorted(decisions, key=lambda row: row["recorded_at_utc"], reverse=True),
        [row for row in evaluation if row["as_of_date"] <= as_of],
    )


def _task_table(task: str, known: _Known, as_of: date) -> RichTable:
    headings = (
        "", "version", "family", "trained as", "trained", "checked", "promoted", "by", "test",
        "ahead of champion", "note",
    )  # fmt: skip
    table = RichTable(*headings, title=shown(f"{task} on {as_of}"), title_justify="left", box=None)
    of_task = known.of_task(task)
    promoted = {each.model_version: each for each in known.promoted.get(task, [])}
    metric = _chosen_metric(of_task, known)
    for row in _champion_first(of_task, list(promoted)):
        cells = _model_cells(row, promoted.get(row["model_version"]), known, metric)
        is_champion = row["model_version"] == next(iter(promoted), None)
        table.add_row(Text("champion" if is_champion else "", "green"), *map(_cell, cells))
    for cells in _compared_cells(of_task, known, metric):
        table.add_row("", *map(_cell, cells))
    newest = of_task[-1]
    if newest["model_role"] == "none":
        days = [str(newest[name]) for name in ("trained_as_of_date", "checked_as_of_date")]
        reason = _cell(f"no data: {newest['no_data_reason']}")
        table.add_row("", "", newest["family"], "none", *days, "", "", "", "", reason)
    return table


def _decision_table(task: str, known: _Known, as_of: date) -> RichTable:
    """What people decided about a task's models, and whether it counts on the date."""
    headings = (
        "decided, UTC", "by", "decision", "from night", "version", "family", "state", "reason",
    )  # fmt: skip
    table = RichTable(
        *headings, title=shown(f"decisions about {task}"), title_justify="left", box=None
    )
    for row in known.recorded:
        if row["training_task"] != task:
            continue
        if row["decision_as_of_date"] > as_of:
            state = "not yet"
        else:
            state = "counts" if known.decisions[identity_of(row)] == row else "replaced"
        cells = (
            f"{row['recorded_at_utc']:%Y-%m-%d %H:%M}", row["actor"], row["decision"],
            str(row["decision_as_of_date"]), row["model_version"], row["family"], state,
            row["reason"],
        )  # fmt: skip
        table.add_row(*map(_cell, cells))
    return table


def _cell(text: str) -> Text:
    """Text of people as it is; a note and the metrics have a line for each."""
    return shown(text, keep="\n")


def _champion_first(of_task: Sequence[Row], promoted: Sequence[str]) -> list[Row]:
    """Promoted models in the order of `promoted`, then the others, last checked first."""
    models = [row for row in reversed(of_task) if row["model_role"] != "none"]
    position = {version: number for number, version in enumerate(promoted)}
    return sorted(models, key=lambda row: position.get(row["model_version"], len(position)))


def _by_check(row: Row) -> tuple[date, datetime]:
    return row["checked_as_of_date"], row["recorded_at_utc"]


def _chosen_metric(models: Sequence[Row], known: _Known) -> str | None:
    """The metric that the task's champion-challenger tests compare; None before the first test."""
    task = models[-1]["training_task"]
    evaluated = [row for row in known.evaluation if row["training_task"] == task]  # losers too
    versions = dict.fromkeys(row["model_version"] for row in (*models, *evaluated))
    tested = [newest_test(known.evaluation, version) for version in versions]
    return next((differences[0].metric for differences in tested if differences), None)


def _model_cells(
    row: Row, promoted: Promoted | None, known: _Known, metric: str | None
) -> tuple[str, ...]:
    differences = newest_test(known.evaluation, row["model_version"])
    return (
        row["model_version"],
        row["family"],
        row["model_role"],
        str(row["trained_as_of_date"]),
        str(row["checked_as_of_date"]),
        str(promoted.promoted_as_of_date) if promoted else "",
        promoted.by if promoted else "",
        _test_metrics(row, known.evaluation, metric),
        next((_ahead(one) for one in differences if not one.segment), ""),
        _note(row, differences, known),
    )


def _compared_cells(
    models: Sequence[Row], known: _Known, metric: str | None
) -> list[tuple[str, ...]]:
    """Families that the newest evaluation compared with the models, without a row of run_models.

    A training stores its winner alone: of its baselines and losing challengers there are figures.
    """
    task, stored = models[-1]["training_task"], {row["model_version"] for row in models}
    tested = [
        each
        for each in known.evaluation
        if each["training_task"] == task and each["split"] == "test"
    ]
    newest = max((each["as_of_date"] for each in tested), default=None)
    compared = {
        each["model_version"]: each
        for each in sorted(tested, key=lambda each: each["subject"])
        if each["as_of_date"] == newest and each["model_version"] not in stored
    }
    cells: list[tuple[str, ...]] = []
    no_dates = ("",) * 4  # trained, checked, promoted, by
    for version, row in compared.items():
        differences = newest_test(known.evaluation, version)
        role = "challenger" if differences else "baseline"
        metrics = _test_metrics(row, known.evaluation, metric)
        ahead = next((_ahead(one) for one in differences if not one.segment), "")
        cells.append((version, row["subject"], role, *no_dates, metrics, ahead, "not stored"))
    return cells


def _test_metrics(row: Row, evaluation: Sequence[Row], metric: str | None) -> str:
    """The chosen metric on the newest test split; every metric while none is known as chosen."""
    tested = [
        each
        for each in evaluation
        if each["model_version"] == row["model_version"]
        and each["split"] == "test"
        and (each["metric"] == metric if metric else not is_test_result(each["metric"]))
    ]
    newest = max((each["as_of_date"] for each in tested), default=None)
    shown = sorted(
        (each["metric"], each["value"]) for each in tested if each["as_of_date"] == newest
    )
    return "\n".join(f"{name} {value:.4f}" for name, value in shown)


def _ahead(one: Difference) -> str:
    return f"{one.mean:+.4f} ({one.low:+.4f} to {one.high:+.4f})"


def _note(row: Row, differences: Sequence[Difference], known: _Known) -> str:
    """Losing segments and a demotion."""
    losing = ", ".join(one.segment for one in differences if one.is_losing_segment)
    notes = [f"worse for: {losing}"] if losing else []
    decided = known.decisions.get(identity_of(row))
    if decided is not None and decided["decision"] == "demote":
        since, actor, reason = (
            decided[name] for name in ("decision_as_of_date", "actor", "reason")
        )
        notes.append(f"demoted from {since} on by {actor}: {reason}")
    return "\n".join(notes)
