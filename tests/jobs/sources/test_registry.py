"""The registry finds sources by name and reads the options file of a sample world."""

from datetime import date

import pytest

from feature_store.lake.storage import FolderStorage
from jobs.sources.emobank import EmobankError
from jobs.sources.hetrec import HetrecError
from jobs.sources.music_folder import MusicFolderError
from jobs.sources.registry import SOURCES, SourceError, find_source, sample_world_from_toml
from jobs.sources.sample_world.options import SampleWorld, SampleWorldError

ARRIVAL = date(2026, 3, 1)


@pytest.fixture
def options_file(tmp_path):
    return tmp_path / "world.toml"


def test_a_world_ends_on_the_given_day(options_file):
    """Three days up to 1 March begin on 27 February."""
    options_file.write_text("n_days = 3\nn_users_at_start = 7\nhas_faults = false\n")
    world = sample_world_from_toml(options_file, ARRIVAL)

    assert (world.first_day, world.last_day) == (date(2026, 2, 27), ARRIVAL)
    assert (world.n_days, world.n_users_at_start, world.has_faults) == (3, 7, False)


def test_a_first_day_in_the_file_overrides_the_last_day(options_file):
    options_file.write_text("n_days = 3\nfirst_day = 2026-01-01\n")
    assert sample_world_from_toml(options_file, ARRIVAL).last_day == date(2026, 1, 3)


def test_an_empty_file_gives_the_default_world(options_file):
    options_file.write_text("")
    first_day = date(2026, 1, 16)  # 45 days up to 1 March 2026
    assert sample_world_from_toml(options_file, ARRIVAL) == SampleWorld(first_day=first_day)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_user = 9", "option 'n_user' must be one of .*n_users_at_start"),
        ("n_days = 'many'", "n_days: .*valid integer.* not 'many'"),
        ("n_days = 0", "n_days = 0; must be at least 1"),
        ("n_days = = 3", "world.toml: must be TOML in UTF-8"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options_file, text, message):
    options_file.write_text(text)
    with pytest.raises(SampleWorldError, match=message):
        sample_world_from_toml(options_file, ARRIVAL)


def test_a_missing_file_is_refused(options_file):
    with pytest.raises(SampleWorldError, match="must be a TOML file of options"):
        sample_world_from_toml(options_file, ARRIVAL)


def test_the_sample_world_is_found_by_name_and_landed(options_file, tmp_path):
    options_file.write_text(
        "n_days = 3\nn_users_at_start = 7\nn_artists = 8\nn_tracks_at_start = 2\n"
        "clip_s = 0.5\ncover_px = 16\n"
    )
    result = find_source("sample-world")(options_file, FolderStorage(tmp_path), ARRIVAL)
    assert result.counts["audio"] == 6  # two at the start, two on each day after the first


@pytest.mark.parametrize("name", ["music-folder", "hetrec", "emobank"])
def test_every_source_takes_the_same_arguments(name, tmp_path):
    """An empty folder reaches the source, which refuses it with its own error."""
    with pytest.raises((MusicFolderError, HetrecError, EmobankError), match=str(tmp_path)):
        SOURCES[name](tmp_path, FolderStorage(tmp_path / "lake"), ARRIVAL)


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(
        SourceError, match="'spotty'; there are sample-world, music-folder, hetrec, emobank"
    ):
        find_source("spotty")
