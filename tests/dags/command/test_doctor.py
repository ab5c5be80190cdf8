"""What `evensong doctor` says of the encoders in the settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dags.command.doctor import run_checks
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Settings
from tests.jobs.encoders.openl3_file import write_openl3


@pytest.fixture
def checks(tmp_path):
    """Results by name, under these settings of encoders."""

    def run(**encoders):
        settings = Settings(
            lake=str(tmp_path / "lake"),
            state=str(tmp_path / "state"),
            encoders=EncoderSettings(**encoders),
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
