"""Sources by name, with options as people type them."""

from datetime import date

import pytest

from feature_store.storage import FolderStorage
from jobs.sources.landed import Landed
from jobs.sources.registry import SOURCES, SourceError, source_called, world_from
from jobs.sources.sample.world import SampleWorldError

ARRIVAL = date(2026, 3, 1)


@pytest.fixture
def options_file(tmp_path):
    file = tmp_path / "world.toml"
    file.write_text("n_days = 3\nn_users_at_start = 7\n")
    return file


def test_a_world_ends_on_the_arrival_date_and_typed_options_win(options_file):
    """Three days up to 1 March begin on 27 February."""
    world = world_from(options_file, ARRIVAL, {"n_users_at_start": "9", "has_faults": "false"})

    assert (world.first_day, world.last_day) == (date(2026, 2, 27), ARRIVAL)
    assert (world.n_days, world.n_users_at_start, world.has_faults) == (3, 9, False)


def test_a_first_day_that_is_given_stays(options_file):
    world = world_from(options_file, ARRIVAL, {"first_day": "2026-01-01"})
    assert world.last_day == date(2026, 1, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_user": "9"}, "option 'n_user' must be one of .*n_users_at_start"),
        ({"n_days": "many"}, "n_days: .*valid integer.* not 'many'"),
        ({"n_days": "0"}, "n_days = 0; must be at least 1"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options_file, options, message):
    with pytest.raises(SampleWorldError, match=message):
        world_from(options_file, ARRIVAL, options)


def test_a_file_that_is_no_toml_is_refused(tmp_path):
    with pytest.raises(SampleWorldError, match="must be a TOML file"):
        world_from(tmp_path / "absent.toml", ARRIVAL, {})
    (tmp_path / "wrong.toml").write_text("n_days = = 3")
    with pytest.raises(SampleWorldError, match=r"wrong.toml: must be TOML in UTF-8"):
        world_from(tmp_path / "wrong.toml", ARRIVAL, {})


def test_the_sample_world_is_landed_by_name(options_file, tmp_path):
    options = {"n_artists": "8", "n_tracks_at_start": "2", "clip_s": "0.5", "cover_px": "16"}
    landed = source_called("sample-world")(options_file, FolderStorage(tmp_path), ARRIVAL, options)
    assert landed.counts["audio"] == 6  # two at the start, two on each day after the first


@pytest.mark.parametrize("name", ["music-folder", "hetrec"])
def test_a_source_without_options_refuses_them(name, tmp_path):
    with pytest.raises(SourceError, match=f"{name}: takes no options; leave out depth"):
        SOURCES[name](tmp_path, FolderStorage(tmp_path), ARRIVAL, {"depth": "2"})


def test_an_unknown_source_is_refused_with_the_known_ones():
    with pytest.raises(SourceError, match="'spotty'; there are sample-world, music-folder, hetrec"):
        source_called("spotty")


def test_counts_add_up_by_source():
    total = Landed({"audio": 2, "tracks": 3}) + Landed({"tracks": 4, "tags": 1})
    assert total.counts == {"audio": 2, "tracks": 7, "tags": 1}
