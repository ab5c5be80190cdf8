"""Prints a benchmark's table and writes it to the benchmark's section of README.md."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table as PrintedTable

from training.evaluation.significance import Difference

FILE_WIDTH = 190  # characters; rich would fit a dozen columns into eighty
README = Path(__file__).parents[1] / "README.md"


@dataclass(frozen=True, slots=True)
class Section:
    """A benchmark's results as a section of README.md.

    Attributes:
        title: heading; identifies the section.
        command: the command that ran.
        day: date of the run.
        seeds: number of seeds that the figures are means of; None for a single run.
        header: column names.
        rows: cells.
    """

    title: str
    command: str
    day: date
    seeds: int | None
    header: list[str]
    rows: list[list[str]]

    @property
    def markdown(self) -> str:
        """Heading, command, date, machine and table."""
        run_details = [f"`{self.command}`", self.day.isoformat(), machine_size()]
        if self.seeds is not None:
            run_details.append(f"{self.seeds} seeds, mean ± sd")
        lines = [
            f"## {self.title}",
            "",
            " · ".join(run_details),
            "",
            "| " + " | ".join(self.header) + " |",
            "|" + "---|" * len(self.header),
            *("| " + " | ".join(row) + " |" for row in self.rows),
        ]
        return "\n".join(lines) + "\n"


def mean_and_sd(values: Sequence[float], decimals: int = 4) -> str:
    """Mean and standard deviation; only the mean of one value, a dash for no value."""
    if not values:
        return "–"
    deviation = f" ± {statistics.stdev(values):.{decimals}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{decimals}f}{deviation}"


def format_interval(difference: Difference) -> str:
    """A mean difference with both ends of its confidence interval."""
    return f"{difference.mean:.4f} [{difference.low:.4f}, {difference.high:.4f}]"


def interval_figures(name: str, difference: Difference) -> dict[str, float]:
    """A mean difference as JSON figures: `name`, `name_low` and `name_high`."""
    return {name: difference.mean, f"{name}_low": difference.low, f"{name}_high": difference.high}


def print_section(section: Section, *, record: bool) -> None:
    """Print the section as a table; with `record` write it to README.md, too."""
    table = PrintedTable(*section.header, title=section.title)
    for row in section.rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    console.print(table)
    if record:
        record_section(section)


def record_section(section: Section, readme: Path = README) -> None:
    """Replace the section of this title, or append it."""
    text = readme.read_text(encoding="utf-8")
    old = re.compile(rf"^## {re.escape(section.title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    other_sections = old.sub("", text).rstrip("\n")
    readme.write_text(f"{other_sections}\n\n{section.markdown}", encoding="utf-8")


def refuse_quick_record(*, quick: bool, record: bool) -> None:
    """Refuse to record the figures of a quick run.

    Raises:
        typer.BadParameter: both options are set.
    """
    if quick and record:
        raise typer.BadParameter("figures of --quick are not recorded; leave out one of the two")


def machine_size() -> str:
    """Cores and memory of this machine."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores, {gib:.0f} GiB"
