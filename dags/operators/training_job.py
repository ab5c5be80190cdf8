"""The training of a night as a task: in the task's own process, or in several by torchrun."""

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

if TYPE_CHECKING:
    from feature_store.settings import Night

TRAIN = "training.train:train"
APPLICATION = "training.train"


class TrainingFailed(RuntimeError):
    """A process of a training that torchrun started has failed; the message is its error's."""


class TrainingJob(BaseOperator):
    """Trains the champion for the run's night, or finds a young model.

    `training.family` and `training.challengers` say who competes, `training.launcher` how it runs.
    The settings are read when the task runs, as for Spark jobs.
    """

    _launched: subprocess.Popen[bytes] | None = None

    def execute(self, context: Any) -> None:
        """Train for the night that the context's run belongs to."""
        from dags.operators.tasks import night_of

        night, retrain = night_of(context), context["params"]["retrain"]
        if night.settings.training.launcher == "torchrun":
            self._launch(night, retrain)
        else:
            pkgutil.resolve_name(TRAIN)(night, retrain=retrain)

    def on_kill(self) -> None:
        """End torchrun with its task, which ends the processes that it started."""
        if self._launched is not None:
            self._launched.terminate()

    def _launch(self, night: Night, retrain: str) -> None:
        """Run torchrun to its end.

        Raises:
            TrainingFailed: a process failed; with the message of the first one that did.
        """
        with TemporaryDirectory() as folder:
            failure = Path(folder) / "failure.json"
            self._launched = subprocess.Popen(
                _command(night, retrain),
                # torchrun leaves there what its first failing process raised.
                env=os.environ | {"TORCHELASTIC_ERROR_FILE": str(failure)},
            )
            status = self._launched.wait()
            if status:
                raise TrainingFailed(_message(failure, status, night))


def _command(night: Night, retrain: str) -> list[str]:
    """The processes find the settings as this one did: in variables and in evensong.toml."""
    n_processes = str(night.settings.training.n_processes)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", n_processes]
    arguments = ["--retrain", retrain, "--run-id", night.run_id]
    as_of = ["--as-of", night.as_of.isoformat()]
    return [sys.executable, *torchrun, "-m", APPLICATION, *as_of, *arguments]


def _message(failure: Path, status: int, night: Night) -> str:
    """What the first failing process raised; one that was killed could not say."""
    if failure.exists():
        return str(json.loads(failure.read_text())["message"]["message"])
    return (
        f"torchrun: ended with status {status}, and none of the "
        f"{night.settings.training.n_processes} processes (training.n_processes) said why: one was "
        "killed, for want of memory perhaps; see the task's log, lower training.n_processes"
    )
