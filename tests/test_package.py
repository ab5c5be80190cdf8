"""What the package declares: every import by an extra, tested versions, types, licence."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from feature_store import extras
from feature_store.extras import EXTRA_OF_MODULE, missing_extra
from tests.feature_store.publishing.staging import MARCH_1, publish_run, staged_run

ROOT = Path(__file__).parents[1]
PACKAGES = ("dags", "feature_store", "jobs", "training")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DECLARED = PROJECT["project"]["optional-dependencies"]
CONSTRAINTS = ROOT / "infra" / "constraints.txt"
TYPES_ONLY = {"_typeshed"}


def names(requirements):
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def with_extras(extra):
    """Distributions that an extra installs, those of the extras that it names included."""
    found = set()
    for requirement in map(Requirement, DECLARED[extra]):
        if requirement.name == "evensong":
            found |= {name for inner in requirement.extras for name in with_extras(inner)}
        else:
            found.add(canonicalize_name(requirement.name))
    return found


def imported_modules(package):
    """Top-level modules of other projects that a package imports, anywhere in its files."""
    found = set()
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - set(PACKAGES) - TYPES_ONLY


def distributions_of(module):
    return {canonicalize_name(name) for name in packages_distributions().get(module, ())}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_a_dependency_or_in_the_extra_that_messages_name(package):
    always = names(PROJECT["project"]["dependencies"])
    imported = imported_modules(package)
    assert imported  # else nothing is compared

    for module in imported:
        if distributions_of(module) & always:
            assert module not in EXTRA_OF_MODULE, f"{module} is installed without an extra"
        else:
            extra = EXTRA_OF_MODULE.get(module)
            assert extra, f"{module}: name its extra in feature_store/extras.py"
            assert distributions_of(module) & with_extras(extra), f"{module} is not in {extra}"


def test_no_extra_is_named_for_a_module_that_nobody_imports():
    assert set(EXTRA_OF_MODULE) <= set().union(*map(imported_modules, PACKAGES))


def test_a_missing_package_names_its_extra():
    message = missing_extra(ModuleNotFoundError("No module named 'pyspark'", name="pyspark.sql"))

    assert message is not None
    assert "pyspark" in message
    assert "pip install 'evensong[spark]'" in message
    assert missing_extra(ModuleNotFoundError("no", name="feature_store.nothing")) is None
    assert missing_extra(ImportError("cannot import name")) is None


def test_a_night_names_all_packages_that_are_missing_before_it_begins(monkeypatch):
    real = extras.find_spec
    gone = {"pyspark", "mlflow", "dgl"}
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in gone else real(name))

    extras.require("airflow")
    with pytest.raises(
        extras.MissingExtra,
        match=r"^not installed: mlflow, pyspark; run: pip install 'evensong\[spark,train\]'$",
    ):
        extras.require("spark", "train", "airflow")


def test_reading_tables_needs_no_extra(settings):
    """`open_snapshot` and the commands that read load none of the extras' packages."""
    publish_run(staged_run(settings, MARCH_1, "r1"))
    script = (
        "import sys, feature_store, dags.command.cli; from feature_store import open_snapshot;"
        "print(open_snapshot().read('rec_topk').num_rows,"
        "*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    environment = os.environ | {"EVENSONG_LAKE": settings.lake, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    n_rows, *loaded = done.stdout.split()
    assert int(n_rows) == 1
    assert "pyarrow" in loaded
    # pandas is imported by libraries that find it installed; without it they go on.
    assert set(loaded) & set(EXTRA_OF_MODULE) <= {"pandas"}


def test_pyspark_and_its_client_are_of_one_version():
    """They hold the same files, and the newer ones would overwrite the others."""
    assert version("pyspark") == version("pyspark-client")


@pytest.mark.parametrize("extra", sorted(DECLARED))
def test_the_tested_versions_are_within_the_ranges(extra):
    for requirement in map(Requirement, DECLARED[extra]):
        if requirement.name != "evensong":
            assert requirement.specifier.contains(version(requirement.name)), requirement


def test_pins_and_constraints_are_the_versions_that_run_here():
    """Of the file for pip each line; write it again as its first lines say."""
    pins = [Requirement(text) for text in PROJECT["tool"]["uv"]["constraint-dependencies"]]
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line and line[0] != "#"]
    listed = [Requirement(line) for line in lines]
    assert len(listed) > 200
    for requirement in [*pins, *listed]:
        if requirement.marker is None or requirement.marker.evaluate():
            assert str(requirement.specifier) == f"=={version(requirement.name)}", requirement
    extras = set().union(*map(with_extras, DECLARED)) | names(PROJECT["project"]["dependencies"])
    assert extras <= {canonicalize_name(requirement.name) for requirement in listed}
    assert not re.search(r"https?://", CONSTRAINTS.read_text())


def test_the_package_is_typed_and_licensed():
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)
    assert PROJECT["project"]["license"] == "Apache-2.0"
    [file] = PROJECT["project"]["license-files"]
    assert "Apache License" in (ROOT / file).read_text()
