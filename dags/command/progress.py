"""What a person sees while a night runs.

One line a stage as it ends, and a moving line for the task in hand.
"""

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


@dataclass
class NightProgress:
    """An Airflow listener that draws; `console` may be quiet."""

    console: Console
    failure: str | None = None
    _done: int = 0
    _started_at_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the moving line."""
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
        """Say how many tasks there will be."""
        self._bar.update(self._line, total=n_tasks)

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002  Airflow's signature
        """Show the task in hand."""
        self._started_at_s[task_instance.task_id] = time.monotonic()
        self._bar.update(self._line, description=task_instance.task_id)
        if not self.console.is_terminal:  # a log file has no moving line
            self._bar.console.print(f"  · {task_instance.task_id}", highlight=False)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ARG002  Airflow's signature
        """Count it; name it when it took its time."""
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
        """Keep the first failure: what comes after it is its consequence."""
        self.failure = self.failure or f"{task_instance.task_id}: {error}"
        self._bar.console.print(f"  [red]✗ {task_instance.task_id}[/]", highlight=False)
