"""Airflow operator of a training: in the task's own process or in several through torchrun."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dags.operators.run_context import night_of

if TYPE_CHECKING:
    from feature_store.settings import Night

TRAIN = "training.train:train"
APPLICATION = "training.train"


class TrainingFailed(RuntimeError):
    """A process that torchrun started has failed; the message is that of its exception."""


class TrainingJob(BaseOperator):
    """Trains the champion for the run's Night or finds a young model.

    The settings `training.family` and `training.challengers` choose the competing families, and
    `training.launcher` chooses the process. TrainingJob reads them when the task runs.
    """

    _torchrun: subprocess.Popen[bytes] | None = None

    def execute(self, context: Any) -> None:
        """Train for the Night of the context's run."""
        night, retrain = night_of(context), context["params"]["retrain"]
        if night.settings.training.launcher == "torchrun":
            self._run_torchrun(night, retrain)
        else:
            pkgutil.resolve_name(TRAIN)(night, retrain=retrain)

    def on_kill(self) -> None:
        """Stop torchrun of a killed task; torchrun stops the processes that it started."""
        if self._torchrun is not None:
            self._torchrun.terminate()

    def _run_torchrun(self, night: Night, retrain: str) -> None:
        """Run torchrun to its end.

        Raises:
            TrainingFailed: a process failed; carries the message of the first one that failed.
        """
        with TemporaryDirectory() as folder:
            failure = Path(folder) / "failure.json"
            self._torchrun = subprocess.Popen(
                _command(night, retrain),
                # torchrun writes the exception of its first failing process to this file.
                env=os.environ | {"TORCHELASTIC_ERROR_FILE": str(failure)},
            )
            status = self._torchrun.wait()
            if status:
                raise TrainingFailed(_failure_message(failure, status, night))


def _command(night: Night, retrain: str) -> list[str]:
    """Command of torchrun, whose processes load settings from the variables and evensong.toml."""
    n_processes = str(night.settings.training.n_processes)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n_processes]
    arguments = ["--retrain", retrain, "--run-id", night.run_id]
    as_of = ["--as-of", night.as_of.isoformat()]
    return [sys.executable, *torchrun, "-m", APPLICATION, *as_of, *arguments]


def _failure_message(failure: Path, status: int, night: Night) -> str:
    """Message of the first failing process; a killed process leaves no message file."""
    if failure.exists():
        return str(json.loads(failure.read_text())["message"]["message"])
    return (
        f"torchrun: ended with status {status}, and none of the "
        f"{night.settings.training.n_processes} processes (training.n_processes) left an error: "
        "one was killed, perhaps out of memory; see the task's log, lower training.n_processes"
    )
