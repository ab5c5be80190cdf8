"""Settings: their sources, and which values are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from feature_store.effective_settings import effective_settings
from feature_store.settings import Settings, SettingsError, config_file, load_settings


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

    with pytest.raises(SettingsError, match=r"lists.lenght: .*correct .*/evensong.toml or"):
        load_settings()


def test_the_error_names_an_impossible_value():
    with pytest.raises(SettingsError, match=r"lists\.length = 0"):
        load_settings(lists={"length": 0})


def test_several_processes_without_a_launcher_are_refused():
    with pytest.raises(SettingsError, match="n_processes = 2 needs launcher = torchrun"):
        load_settings(training={"n_processes": 2})


@pytest.mark.parametrize(
    ("max_audio_s", "audio_windows"), [(60, 21), (60, 1_000_000), (3, 2), (240, 81)]
)
def test_windows_that_are_too_short_for_a_beat_are_refused(max_audio_s, audio_windows):
    at_most = f"at least 3 s are needed for a slow beat; set at most {max_audio_s // 3}"
    with pytest.raises(SettingsError, match=at_most):
        load_settings(encoders={"max_audio_s": max_audio_s, "audio_windows": audio_windows})


@pytest.mark.parametrize(("max_audio_s", "audio_windows"), [(60, 20), (3, 1), (240, 80)])
def test_windows_of_three_seconds_are_taken(max_audio_s, audio_windows):
    chosen = {"max_audio_s": max_audio_s, "audio_windows": audio_windows}
    assert load_settings(encoders=chosen).encoders.audio_windows == audio_windows


@pytest.mark.parametrize("max_audio_s", [2.9, 240.1, 0])
def test_more_audio_than_a_decoder_holds_is_refused(max_audio_s):
    with pytest.raises(SettingsError, match=rf"max_audio_s = {max_audio_s}"):
        load_settings(encoders={"max_audio_s": max_audio_s, "audio_windows": 1})


def test_parts_of_a_text_that_no_track_has_are_refused(monkeypatch):
    with pytest.raises(SettingsError, match=r"encoders\.text_fields\.1 = 'mood'.*'title'"):
        load_settings(encoders={"text_fields": ["title", "mood"]})
    with pytest.raises(SettingsError, match=r"encoders\.text_fields = "):
        load_settings(encoders={"text_fields": []})
    monkeypatch.setenv("EVENSONG_ENCODERS__TEXT_FIELDS", '["lyrics", "title"]')

    assert load_settings().encoders.text_fields == ("lyrics", "title")


def test_settings_are_immutable():
    with pytest.raises(ValidationError):
        load_settings().seed = 3


def test_an_object_store_address_is_unchanged_and_a_folder_becomes_absolute():
    assert load_settings(lake="s3://bucket/lake").lake == "s3://bucket/lake"
    assert Path(load_settings(lake="here").lake).is_absolute()


def test_a_variable_names_the_file(monkeypatch, tmp_path):
    Path("evensong.toml").write_text("seed = 1\n")
    named = tmp_path / "elsewhere" / "night.toml"
    named.parent.mkdir()
    named.write_text("seed = 5\n")
    monkeypatch.setenv("EVENSONG_CONFIG", str(named))

    assert (load_settings().seed, config_file()) == (5, named)
    named.unlink()
    with pytest.raises(
        SettingsError, match=r"EVENSONG_CONFIG = '.*night.toml' is no file; correct"
    ):
        load_settings()


@pytest.mark.parametrize("content", [b"seed = ", b"lake = '\xff'"])
def test_a_file_that_is_no_toml_is_named(content):
    Path("evensong.toml").write_bytes(content)

    with pytest.raises(SettingsError, match=r"/evensong.toml is no TOML: .*; correct the file"):
        load_settings()


def test_a_file_may_begin_with_a_byte_order_mark():
    Path("evensong.toml").write_bytes(b"\xef\xbb\xbfseed = 4\n")

    assert load_settings().seed == 4


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"EVENSONG_TRAINING__SPLIT": '{"window_days": 3}', "EVENSONG_TRAINING__SPLIT__WINDOW_DAYS": "4"},
            "EVENSONG_TRAINING__SPLIT holds a whole group and EVENSONG_TRAINING__SPLIT__WINDOW_DAYS",
        ),
        ({"EVENSONG_SEED": "1", "evensong_seed": "2"}, "EVENSONG_SEED and evensong_seed are the same"),
        ({"EVENSONG_TRAINING__TASKS": "ranking"}, "EVENSONG_TRAINING__TASKS takes JSON, .*character 1"),
        ({"evensong_lists": "{"}, "evensong_lists takes JSON"),
        ({"EVENSONG_LAKE": " "}, "lake = ' ': .*is empty; write . for the current folder"),
        ({"EVENSONG_LAKE": "my%20lake"}, "no table can lie in a folder with %"),
        ({"EVENSONG_STATE": ""}, "state = '': .*is empty"),
        ({"EVENSONG_STATE": "s3://ann:pw@bucket/x"}, r"state = 's3://\*\*\*@bucket/x': .*local folder"),
    ],
)  # fmt: skip
def test_a_variable_that_would_be_ignored_or_misread_is_named(variables, message, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=message):
        load_settings()


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "night.toml").write_text("state = '~/state'\n")
    monkeypatch.setenv("EVENSONG_CONFIG", "~/night.toml")

    found = load_settings(lake="~/lake")

    assert (found.lake, found.state) == (str(tmp_path / "lake"), tmp_path / "state")


def test_every_setting_has_a_value_and_an_origin(monkeypatch):
    """A variable hides the file; of a mapping both may set keys; a group may be one variable."""
    Path("evensong.toml").write_text(
        "seed = 1\nlate_track_days = 3\n[training.families]\nranking = 'ease'\n"
    )
    monkeypatch.setenv("EVENSONG_SEED", "2")
    monkeypatch.setenv("EVENSONG_LISTS", '{"length": 7}')
    monkeypatch.setenv("EVENSONG_TRAINING__FAMILIES__MOOD", "lora")
    monkeypatch.setenv("EVENSONG_PRIVACY_KEY", f"s3cret{'x' * 32}")
    monkeypatch.setenv(
        "EVENSONG_LINEAGE_URL", "http://ann:s3@c/ret@marquez:5000/api?api_key=s3cret"
    )

    settings = {one.name: (one.value, one.origin) for one in effective_settings()}

    file = str(Path("evensong.toml").resolve())
    assert settings["seed"] == (2, "EVENSONG_SEED")
    assert settings["late_track_days"] == (3, file)
    assert settings["lists.length"] == (7, "EVENSONG_LISTS")
    assert settings["lists.candidates"][1] == "default"
    assert settings["training.families"] == (
        {"ranking": "ease", "mood": "lora"}, f"EVENSONG_TRAINING__FAMILIES__MOOD and {file}",
    )  # fmt: skip
    assert settings["privacy_key"] == ("(hidden)", "EVENSONG_PRIVACY_KEY")
    assert settings["lineage_url"] == (
        "http://***@marquez:5000/api?***", "EVENSONG_LINEAGE_URL",
    )  # fmt: skip
    assert settings.keys() == dict(_descriptions(Settings)).keys()


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
