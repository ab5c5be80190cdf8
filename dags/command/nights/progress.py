"""Progress of a night in the terminal: a line for each finished task, and a progress bar."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Self

from airflow.listeners import hookimpl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from dags.policy.error_hints import with_hint
from feature_store.error_messages import reason_of
from feature_store.terminal import as_shown


@dataclass
class NightProgress:
    """An Airflow listener that prints the progress of a night; `console` may be quiet."""

    console: Console
    failure: str | None = None
    _done: int = 0
    _started_at_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Create the progress bar."""
        self._bar = Progress(
            SpinnerColumn(style="magenta"),
            BarColumn(bar_width=28, complete_style="magenta", finished_style="green"),
            MofNCompleteColumn(),
            TextColumn("[bold]{task.description}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._line = self._bar.add_task("starting Airflow", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, n_tasks: int) -> None:
        """Set the number of tasks of the night."""
        self._bar.update(self._line, total=n_tasks)

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002  Airflow's signature
        """Show the running task."""
        self._started_at_s[task_instance.task_id] = time.monotonic()
        self._bar.update(self._line, description=task_instance.task_id)
        if not self.console.is_terminal:  # a log file has no progress bar
            self._bar.console.print(f"  · {task_instance.task_id}", highlight=False)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002  Airflow's signature
        """Count the task and print its name and seconds."""
        elapsed_s = time.monotonic() - self._started_at_s[task_instance.task_id]
        self._done += 1
        self._bar.update(self._line, completed=self._done)
        self._bar.console.print(
            f"  [green]✓[/] {task_instance.task_id:<28} [dim]{elapsed_s:6.1f} s[/]", highlight=False
        )

    @hookimpl
    def on_task_instance_failed(
        self,
        previous_state: Any,  # noqa: ARG002  Airflow's signature
        task_instance: Any,
        error: BaseException | str | None,
    ) -> None:
        """Print the task and its reason at once; keep the first one, which ends the night."""
        reason = reason_of(error if error is not None else "ended without a message", with_hint)
        failure = f"{task_instance.task_id}: {reason}"
        self.failure = self.failure or failure
        line = Text.assemble(("  ✗ ", "red"), as_shown(failure))
        self._bar.console.print(line, soft_wrap=True)
