"""Which track an argument means: an id, the only track of a title, or a message that helps."""

from __future__ import annotations

import pytest

from jobs.search.catalogue import (
    AmbiguousTitleError,
    TrackWithdrawnError,
    UnknownTrackError,
    open_catalogue,
)
from tests.jobs.report.sample_lake import AS_OF, append_rows

TITLES = {
    "t1": ("Night Bus", True),
    "t2": ("Low Tide", True),
    "t3": ("low  tide", True),
    "t4": ("Only Once", False),
    "t5": ("Night Train", True),
    "Low Moon": ("Sun", True),
    "t7": ("Low Moon", True),
}


@pytest.fixture
def catalogue(night):
    append_rows(
        night,
        "core_tracks",
        *(
            {
                "track_id": name,
                "title": title,
                "artist_id": "a",
                "artist_name": "Ines",
                "artist_match_key": "ines",
                "title_match_key": "t",
                "is_available": is_available,
                "known_from_date": AS_OF,
            }
            for name, (title, is_available) in TITLES.items()
        ),
    )
    return open_catalogue(night)


def test_an_id_is_found_before_a_title(catalogue):
    assert catalogue.find_track("t1").title == "Night Bus"
    assert catalogue.find_track("Low Moon").title == "Sun"


def test_a_title_of_one_track_is_found_in_any_case(catalogue):
    assert catalogue.find_track(" night   BUS ").track_id == "t1"


def test_a_title_of_several_tracks_lists_them(catalogue):
    with pytest.raises(AmbiguousTitleError) as caught:
        catalogue.find_track("Low Tide")

    message = str(caught.value)
    assert "2 tracks are called 'Low Tide'" in message
    assert "t2 (Low Tide · Ines), t3 (low  tide · Ines)" in message


def test_a_withdrawn_track_is_no_query_and_never_found(catalogue):
    with pytest.raises(TrackWithdrawnError, match="t4 is not available as of 2026-03-01"):
        catalogue.find_track("t4")
    with pytest.raises(UnknownTrackError, match="nothing is close to it"):
        catalogue.find_track("Only Once")
    assert "t4" not in catalogue.available_ids
    assert len(catalogue.available_ids) == 6


def test_an_unknown_text_names_close_ids_and_titles(catalogue):
    """Two letters are swapped; `night` is part of two titles."""
    with pytest.raises(UnknownTrackError, match=r"close to it: t1 \(Night Bus · Ines\)"):
        catalogue.find_track("Nigth Bus")
    with pytest.raises(UnknownTrackError) as caught:
        catalogue.find_track("night")
    assert "t1 (Night Bus" in str(caught.value)
    assert "t5 (Night Train" in str(caught.value)


def test_the_list_elsewhere_is_named_only_where_it_is_one_of_centred_cosines(night, catalogue):
    row = {
        "as_of_date": AS_OF,
        "run_id": "r",
        "rank": 1,
        "title": "Low Tide",
        "artist_id": "a",
        "artist_name": "Ines",
        "artist_match_key": "ines",
        "title_match_key": "t",
        "similar_track_id": "t2",
        "score": 0.5,
    }
    append_rows(
        night,
        "rec_similar_tracks",
        row | {"track_id": "t1", "modalities": ["audio", "tags"]},
        row | {"track_id": "t5", "modalities": ["trained"]},
    )

    assert "rec_similar_tracks lists 1 tracks for t1, by centred cosines" in catalogue.elsewhere(
        "t1"
    )
    assert catalogue.elsewhere("t5") == ""
    assert catalogue.elsewhere("t7") == ""


def test_a_lake_without_a_catalogue_has_no_track(night):
    with pytest.raises(UnknownTrackError, match="core_tracks: no available track as of 2026-03-01"):
        open_catalogue(night).find_track("t1")
