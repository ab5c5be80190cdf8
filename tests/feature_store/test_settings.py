"""Settings: their sources, and which values are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from feature_store.settings import Settings, SettingsError, load_settings


def test_variables_override_the_file_and_arguments_override_both(monkeypatch):
    Path("evensong.toml").write_text('lake = "from-file"\nseed = 1\n[lists]\nlength = 7\n')
    monkeypatch.setenv("EVENSONG_SEED", "2")
    monkeypatch.setenv("EVENSONG_LISTS__MAX_PER_ARTIST", "3")

    found = load_settings(lake="from-argument")

    assert Path(found.lake).name == "from-argument"
    assert (found.seed, found.lists.length, found.lists.max_per_artist) == (2, 7, 3)


def test_a_misspelt_variable_is_an_error(monkeypatch):
    monkeypatch.setenv("EVENSONG_LAEK", "/somewhere")

    with pytest.raises(
        SettingsError, match=r"EVENSONG_LAEK names no setting; known: .*EVENSONG_LAKE"
    ):
        load_settings()


def test_an_unknown_key_in_the_file_is_an_error():
    Path("evensong.toml").write_text("[lists]\nlenght = 7\n")

    with pytest.raises(SettingsError, match=r"lists.lenght: .*correct evensong.toml"):
        load_settings()


def test_the_error_names_an_impossible_value():
    with pytest.raises(SettingsError, match=r"lists\.length = 0"):
        load_settings(lists={"length": 0})


def test_several_processes_without_a_launcher_are_refused():
    with pytest.raises(SettingsError, match="n_processes = 2 needs launcher = torchrun"):
        load_settings(training={"n_processes": 2})


def test_settings_are_immutable():
    with pytest.raises(ValidationError):
        load_settings().seed = 3


def test_an_object_store_address_is_unchanged_and_a_folder_becomes_absolute():
    assert load_settings(lake="s3://bucket/lake").lake == "s3://bucket/lake"
    assert Path(load_settings(lake="here").lake).is_absolute()


@pytest.mark.parametrize("name", ["local", "production"])
def test_the_shipped_settings_files_are_valid(name):
    """A key that was renamed in code must be renamed in infra/settings too."""
    shipped = Path(__file__).parents[2] / "infra" / "settings" / f"{name}.toml"
    Path("evensong.toml").write_text(shipped.read_text())

    found = load_settings()

    assert found.spark.quick_start == (name == "local")


def test_the_shipped_local_settings_are_the_defaults():
    """Of every setting, so each default is also one that its own bounds allow."""
    plain = load_settings()
    shipped = Path(__file__).parents[2] / "infra" / "settings" / "local.toml"
    Path("evensong.toml").write_text(shipped.read_text())

    assert load_settings() == plain


def test_the_shipped_local_settings_name_and_explain_every_setting():
    """A setting without a value stands there behind a #."""
    lines = (
        (Path(__file__).parents[2] / "infra" / "settings" / "local.toml").read_text().split("\n")
    )
    explained = " ".join(line.removeprefix("# ") for line in lines)
    named, section = set(), ""
    for line in lines:
        if header := re.fullmatch(r"\[(.+)\]", line):
            section = f"{header[1]}."
        elif setting := re.match(r"(?:# )?(\w+) =", line):
            named.add(section + setting[1])

    descriptions = dict(_descriptions(Settings))
    assert named == descriptions.keys()
    assert [text for text in descriptions.values() if text not in explained] == []


def _descriptions(group, prefix=""):
    """Dotted name and description of each setting; "" where the name says it all."""
    for name, field in group.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from _descriptions(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field.description or ""


@pytest.mark.parametrize("variable", ["EVENSONG_PRIVACY_KEY", "EVENSONG_PRIVACY__KEY"])
def test_the_error_does_not_show_a_possible_secret(variable, monkeypatch):
    """The second name is a misspelling, so its value may be the key."""
    monkeypatch.setenv(variable, "s3cret")
    monkeypatch.setenv("EVENSONG_LISTS__LENGTH", "0")

    with pytest.raises(SettingsError, match=r"lists\.length = '0'") as refused:
        load_settings()

    assert "s3cret" not in str(refused.value)
