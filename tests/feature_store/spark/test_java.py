"""Which Java runs Spark."""

from __future__ import annotations

import subprocess

from feature_store.spark import java


def test_the_packaged_java_starts_with_the_argument_that_it_lacks(tmp_path, monkeypatch):
    """With no system Java that fits, Spark's own command line works on the packaged one."""
    monkeypatch.setattr(java, "SUPPORTED_VERSIONS", ())

    home = java.java_home(tmp_path)

    said = subprocess.run(
        [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "version" in said


def test_the_launcher_keeps_arguments_with_blanks_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "SUPPORTED_VERSIONS", ())
    home = java.java_home(tmp_path)

    said = subprocess.run(
        [home / "bin" / "java", "-Dsaid=two words", "-XshowSettings:properties", "-version"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr

    assert "said = two words" in said


def test_a_fitting_system_java_is_taken(tmp_path, monkeypatch):
    folder = tmp_path / "jdk" / "bin"
    folder.mkdir(parents=True)
    program = folder / "java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"21.0.4\" 2024-07-16' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    assert java.java_home(tmp_path / "state") == tmp_path / "jdk"


def test_an_old_system_java_is_passed_over(tmp_path, monkeypatch):
    folder = tmp_path / "jdk" / "bin"
    folder.mkdir(parents=True)
    program = folder / "java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    monkeypatch.setenv("PATH", "")

    assert java.java_home(tmp_path / "state") == tmp_path / "state" / "java"
