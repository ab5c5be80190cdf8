"""Writes a benchmark's section of README.md: results stand there because a run put them there, and only so."""

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
from rich.table import Table as Printed

from training.evaluation.significance import Difference

FILE_WIDTH = 190  # signs, where rich would squeeze a dozen columns into eighty
README = Path(__file__).parents[1] / "README.md"


@dataclass(frozen=True, slots=True)
class Section:
    """What a benchmark found.

    Attributes:
        title: heading, which also finds the section again.
        command: what was run.
        day: when.
        seeds: over how many the figures are means; None where nothing is drawn more than once.
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
        """Heading, circumstances and table."""
        circumstances = [f"`{self.command}`", self.day.isoformat(), machine_size()]
        if self.seeds is not None:
            circumstances.append(f"{self.seeds} seeds, mean ± sd")
        lines = [
            f"## {self.title}",
            "",
            " · ".join(circumstances),
            "",
            "| " + " | ".join(self.header) + " |",
            "|" + "---|" * len(self.header),
            *("| " + " | ".join(row) + " |" for row in self.rows),
        ]
        return "\n".join(lines) + "\n"


def spread(values: Sequence[float], decimals: int = 4) -> str:
    """Mean and standard deviation; the mean alone of one value, a dash for none."""
    if not values:
        return "–"
    deviation = f" ± {statistics.stdev(values):.{decimals}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{decimals}f}{deviation}"


def interval(difference: Difference) -> str:
    """A mean difference and both ends of its interval."""
    return f"{difference.mean:.4f} [{difference.low:.4f}, {difference.high:.4f}]"


def with_ends(name: str, difference: Difference) -> dict[str, float]:
    """The same for a benchmark's last line: `name`, `name_low` and `name_high`."""
    return {name: difference.mean, f"{name}_low": difference.low, f"{name}_high": difference.high}


def show(section: Section, *, record: bool) -> None:
    """Print the section as a table, and keep it in README.md when asked."""
    printed = Printed(*section.header, title=section.title)
    for row in section.rows:
        printed.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    console.print(printed)
    if record:
        record_section(section)


def record_section(section: Section, readme: Path = README) -> None:
    """Replace the section of that title, or add it at the end."""
    text = readme.read_text(encoding="utf-8")
    old = re.compile(rf"^## {re.escape(section.title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    kept = old.sub("", text).rstrip("\n")
    readme.write_text(f"{kept}\n\n{section.markdown}", encoding="utf-8")


def refuse_quick_record(*, quick: bool, record: bool) -> None:
    """Keep what was measured on less out of the section that names the whole.

    Raises:
        typer.BadParameter: both were asked for.
    """
    if quick and record:
        raise typer.BadParameter("figures of --quick are not recorded; leave out one of the two")


def machine_size() -> str:
    """Cores and memory of this machine."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores, {gib:.0f} GiB"
