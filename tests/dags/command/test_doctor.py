"""What `evensong doctor` says of the encoders, training tasks and families in the settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dags.command.doctor import run_checks
from feature_store.setting_groups import EncoderSettings, TrainingSettings
from feature_store.settings import Settings
from tests.jobs.encoders.openl3_file import write_openl3


@pytest.fixture
def checks(tmp_path):
    """Results by name, under these settings of encoders."""

    def run(training=None, **encoders):
        settings = Settings(
            lake=str(tmp_path / "lake"),
            state=str(tmp_path / "state"),
            encoders=EncoderSettings(**encoders),
            training=TrainingSettings(**training or {}),
        )
        return {check.name: check for check in run_checks(settings)}

    return run


def test_the_encoders_of_the_default_settings_pass(checks):
    found = checks()

    assert {name: found[name].found for name in found if name.startswith("encoders.")} == {
        "encoders.audio": "musicnn-mtt-v1",
        "encoders.lyrics": "minilm-l6-v2",
        "encoders.cover": "efficientnet-lite0-v1",
        "encoders.semantics": "no model is named",
    }
    assert all(found[name].is_passed for name in found if name.startswith("encoders."))


@pytest.mark.parametrize("modality", ["audio", "lyrics", "cover", "semantics"])
@pytest.mark.parametrize("named", ["nonsense", "transformers:/nowhere", "transformers:rel"])
def test_an_encoder_that_a_night_would_refuse_is_a_failed_check(checks, modality, named):
    check = checks(**{modality: named})[f"encoders.{modality}"]

    assert not check.is_passed
    assert check.found.startswith(f"settings: encoders.{modality} = {named!r}")
    assert check.next_step


def test_the_weights_of_openl3_are_read_when_the_settings_name_it(checks, tmp_path):
    """No id of OpenL3, no file, a file of text, and the right one."""
    file = tmp_path / "openl3.h5"
    chosen = {"audio": "openl3-env-mel256-512", "openl3_weights": str(file)}

    half_an_id = checks(audio="openl3-music")["encoders.audio"]
    missing = checks(**chosen)["encoders.audio"]
    file.write_text("weights")
    of_text = checks(**chosen)["encoders.audio"]
    there = checks(**chosen | {"openl3_weights": str(write_openl3(file))})["encoders.audio"]

    assert not half_an_id.is_passed
    assert "openl3-music-mel256-512" in half_an_id.next_step
    assert not missing.is_passed
    assert missing.found == (
        f"settings: encoders.openl3_weights = '{file}': there is no such file on this machine"
    )
    assert missing.next_step.startswith("set EVENSONG_ENCODERS__OPENL3_WEIGHTS to the .h5")
    assert (of_text.is_passed, of_text.next_step) == (False, "unpack the .h5.gz, or copy it again")
    assert (there.is_passed, there.found) == (True, "openl3-env-mel256-512")


def test_openl3_without_a_file_is_a_failed_check(checks):
    check = checks(audio="openl3-music-mel256-6144")["encoders.audio"]

    assert not check.is_passed
    assert "encoders.audio = 'openl3-music-mel256-6144' needs a file" in check.found


def test_a_fault_without_a_next_step_is_shown_once(checks, monkeypatch):
    """An error of the operating system ends in no advice of ours."""
    monkeypatch.setattr(
        "dags.command.doctor.resolve_name", lambda _name: lambda *_: "[Errno 5] Input/output error"
    )

    check = checks()["encoders.cover"]

    assert not check.is_passed
    assert check.found == "[Errno 5] Input/output error"
    assert check.next_step == "correct EVENSONG_ENCODERS__COVER"


def test_an_encoder_is_not_checked_where_its_packages_are_missing(checks, monkeypatch):
    """A server that runs no job needs no encoder; the check says what it lacks."""

    def lacking(_name):
        raise ModuleNotFoundError("No module named 'PIL'", name="PIL")

    monkeypatch.setattr("dags.command.doctor.resolve_name", lacking)
    check = checks(audio="nonsense")["encoders.audio"]

    assert check.is_passed
    assert check.found.startswith("nonsense, not checked: this needs the package PIL")


def test_torch_is_not_imported_for_the_checks():
    """Its import takes seconds."""
    program = (
        "import sys; from dags.command import doctor; from feature_store.settings import Settings;"
        "list(doctor._encoders(Settings())); print({'torch', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "set()\n"


def test_registered_tasks_and_families_pass(checks):
    found = checks(
        training={
            "tasks": ("audio_text", "ranking"),
            "families": {"ranking": "ease"},
            "challengers": {"audio_text": ("htcl",), "ranking": ("mm_gnn", "bpr")},
        }
    )

    assert {name: one.found for name, one in found.items() if name.startswith("training.")} == {
        "training.tasks": "audio_text, ranking",
        "training.families": "ranking: ease",
        "training.challengers": "audio_text: htcl, ranking: mm_gnn, ranking: bpr",
    }
    assert all(found[name].is_passed for name in found if name.startswith("training."))
    assert checks()["training.families"].found == "none is named"


@pytest.mark.parametrize(
    ("field", "named", "fault", "known"),
    [
        ("tasks", ("audio_txt", "ranking"), "training task 'audio_txt' is unknown", "text_emotion"),
        ("families", {"rankings": "ease"}, "training task 'rankings' is unknown", "ranking"),
        ("families", {"ranking": "eese"}, "task ranking has no family 'eese'", "ease"),
        ("challengers", {"audio_text": ("htlc",)}, "task audio_text has no family 'htlc'", "htcl"),
        ("challengers", {"audio": ()}, "training task 'audio' is unknown", "audio_text"),
    ],
)
def test_a_misspelt_task_or_family_is_a_failed_check(checks, field, named, fault, known):
    """The night would end with it only when it comes to train; the other fields pass."""
    found = checks(training={field: named})

    failed = [one for one in found.values() if not one.is_passed]
    assert [one.name for one in failed] == [f"training.{field}"]
    assert failed[0].found == f"settings: training.{field}: {fault}"
    assert failed[0].next_step.startswith(
        f"correct training.{field} (EVENSONG_TRAINING__{field.upper()}); registered: "
    )
    assert known in failed[0].next_step


def test_families_are_not_checked_where_torch_is_missing(checks, monkeypatch):
    def lacking(_name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("dags.command.doctor.resolve_name", lacking)
    check = checks(training={"tasks": ("audio_txt",)})["training.tasks"]

    assert check.is_passed
    assert check.found.startswith("audio_txt, not checked: this needs ")
