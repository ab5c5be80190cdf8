"""What `evensong doctor` says of an encoder's weights."""

from __future__ import annotations

import pytest

from dags.command.doctor import run_checks
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Settings


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


def test_the_weights_of_openl3_are_looked_for_when_the_settings_name_it(checks, tmp_path):
    file = tmp_path / "openl3.h5"
    chosen = {"audio": "openl3-env-mel256-512", "openl3_weights": str(file)}

    missing = checks(**chosen)["OpenL3"]
    file.write_bytes(b"weights")
    there = checks(**chosen)["OpenL3"]

    assert not missing.is_passed
    assert missing.found == (
        f"settings: encoders.openl3_weights = '{file}': there is no such file on this machine"
    )
    assert missing.next_step.startswith("set EVENSONG_ENCODERS__OPENL3_WEIGHTS to the .h5")
    assert (there.is_passed, there.found) == (True, str(file))


def test_openl3_without_a_file_is_a_failed_check(checks):
    check = checks(audio="openl3-music-mel256-6144")["OpenL3"]

    assert not check.is_passed
    assert "encoders.audio = 'openl3-music-mel256-6144' needs a file" in check.found


def test_another_encoder_is_not_asked_for_weights_of_openl3(checks):
    found = checks(audio="musicnn-mtt-v1")

    assert "lake" in found
    assert "OpenL3" not in found
