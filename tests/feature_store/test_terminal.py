"""How commands end: one message for a person, a traceback when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from feature_store.terminal import run_command


class LakeLost(RuntimeError):
    """An error of a command."""


def broken():
    raise LakeLost("rec_topk: [gone], restore it")


def test_an_error_is_one_message_with_its_hint(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evensong"])

    with pytest.raises(SystemExit) as stopped:
        run_command(broken, with_hint=lambda message: message + "; see the runbook")

    assert stopped.value.code == 1
    assert (
        capsys.readouterr().err == "error LakeLost: rec_topk: [gone], restore it; see the runbook\n"
    )


def test_an_error_shows_no_secret_of_the_environment(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evensong"])
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "geheim-7")

    def broken_store():
        raise LakeLost("refused: Bearer geheim-7")

    with pytest.raises(SystemExit):
        run_command(broken_store)

    assert capsys.readouterr().err == "error LakeLost: refused: Bearer ***\n"


def test_the_stack_of_an_error_in_java_is_left_out(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evensong"])

    def broken_java():
        raise LakeLost("the job failed\n\tat org.apache.spark.A$.b(A.scala:1)\n\t... 23 more")

    with pytest.raises(SystemExit):
        run_command(broken_java)

    assert capsys.readouterr().err == "error LakeLost: the job failed\n"


def test_the_traceback_stays_when_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evensong", "--debug"])

    with pytest.raises(LakeLost):
        run_command(broken)

    assert sys.argv == ["evensong"]


def test_a_command_that_succeeds_returns(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evensong"])

    run_command(lambda: print("done"))

    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("training.train", "rankin"), "error UnknownTaskError: training task 'rankin' is unknown"),
        (("training.predict", "ranking", "--family", "bprr"), "error UnknownFamilyError: task ranking has no family"),
        (("jobs.run", "rec_topq"), "error ContractError: no job writes 'rec_topq'"),
    ],
)  # fmt: skip
def test_modules_that_people_run_by_hand_print_no_traceback(command, message, tmp_path):
    """Each in a process of its own, in an empty lake; --debug, which Airflow's tasks give, is taken too."""
    module, *arguments = command
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--as-of", "2026-03-01"],
        env=os.environ
        | {"EVENSONG_LAKE": str(tmp_path / "lake"), "EVENSONG_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
