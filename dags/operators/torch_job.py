"""Airflow operators of training: in the task's own process or in several through torchrun."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk import BaseOperator

from dags.operators.run_context import night_of

if TYPE_CHECKING:
    from feature_store.settings import Night

LOG = structlog.get_logger()


class TrainingFailed(RuntimeError):
    """A process that torchrun started has failed; the message is that of its exception."""


class TorchJob(BaseOperator):
    """Runs a function of training for the run's Night.

    `training.launcher` chooses the process, and `training.tasks` whether there is anything to do.
    TorchJob reads both when the task runs.

    Args:
        training_task: what is learned, a name in training's registry.
        function: dotted name; takes the night and the training task.
        params_read: parameters of the run that the function takes by the same name.
        when_off: dotted name of the function that runs when `training.tasks` lacks the task;
            empty: nothing runs.
    """

    _torchrun: subprocess.Popen[bytes] | None = None

    def __init__(
        self,
        *,
        training_task: str,
        function: str,
        params_read: tuple[str, ...] = (),
        when_off: str = "",
        **of_airflow: Any,
    ) -> None:
        super().__init__(**of_airflow)
        self.training_task = training_task
        self.function = function
        self.params_read = params_read
        self.when_off = when_off

    def execute(self, context: Any) -> None:
        """Run the function for the Night of the context's run."""
        night = night_of(context)
        options = {name: context["params"][name] for name in self.params_read}
        if self.training_task not in night.settings.training.tasks:
            LOG.info("off", training_task=self.training_task, setting="training.tasks")
            if self.when_off:
                pkgutil.resolve_name(self.when_off)(night, self.training_task)
        elif night.settings.training.launcher == "torchrun":
            self._run_torchrun(night, options)
        else:
            pkgutil.resolve_name(self.function)(night, self.training_task, **options)

    def on_kill(self) -> None:
        """Stop torchrun of a killed task; torchrun stops the processes that it started."""
        if self._torchrun is not None:
            self._torchrun.terminate()

    def _run_torchrun(self, night: Night, options: dict[str, str]) -> None:
        """Run torchrun to its end.

        Raises:
            TrainingFailed: a process failed; carries the message of the first one that failed.
        """
        with TemporaryDirectory() as folder:
            failure = Path(folder) / "failure.json"
            self._torchrun = subprocess.Popen(
                self._command(night, options),
                # torchrun writes the exception of its first failing process to this file.
                env=os.environ | {"TORCHELASTIC_ERROR_FILE": str(failure)},
            )
            status = self._torchrun.wait()
            if status:
                raise TrainingFailed(_failure_message(failure, status, night))

    def _command(self, night: Night, options: dict[str, str]) -> list[str]:
        """Command of torchrun, whose processes load settings from the variables and files."""
        from feature_store.terminal import DEBUG

        module, _, _ = self.function.partition(":")
        n_processes = str(night.settings.training.n_processes)
        return [
            sys.executable, "-m", "torch.distributed.run", "--standalone",
            "--nproc-per-node", n_processes, "-m", module, self.training_task,
            "--as-of", night.as_of.isoformat(), "--run-id", night.run_id,
            *(part for name, value in options.items() for part in (f"--{name}", value)),
            DEBUG,  # the task's log keeps the traceback
        ]  # fmt: skip


def _failure_message(failure: Path, status: int, night: Night) -> str:
    """Message of the first failing process; a killed process leaves no message file."""
    if failure.exists():
        return str(json.loads(failure.read_text())["message"]["message"])
    return (
        f"torchrun: ended with status {status}, and none of the "
        f"{night.settings.training.n_processes} processes (training.n_processes) left an error: "
        "one was killed, perhaps out of memory; see the task's log, lower training.n_processes"
    )
