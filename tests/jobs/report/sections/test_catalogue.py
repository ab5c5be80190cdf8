"""Languages of the lyrics and colours of the covers, in a catalogue of their own."""

from __future__ import annotations

from dataclasses import replace

from jobs.report.lake import open_run
from jobs.report.report import render_report
from jobs.report.sections.catalogue import read_catalogue
from tests.jobs.report.sample_lake import AT_NIGHT, append_rows

IDENTITY = {"encoder_id": "e", "weights_sha256": "w", "preprocessing_id": "p"}
OTHER = {**IDENTITY, "preprocessing_id": "of an older night"}
RED, NEAR_BLACK = [53.24, 80.09, 67.2], [0.27, 0.0, 0.0]


def write(night, lyrics_hashes, cover_hashes):
    """Tracks with these contents, and an encoder's identity for both feature tables."""
    append_rows(
        night,
        "core_tracks",
        *(
            {
                "track_id": f"t{number}",
                "title": "Title",
                "artist_id": "a",
                "artist_name": "Artist",
                "artist_match_key": "artist",
                "title_match_key": "title",
                "is_available": True,
                "lyrics_hash": words,
                "cover_hash": cover,
                "cover_uri": cover,
                "known_from_date": night.as_of,
            }
            for number, (words, cover) in enumerate(zip(lyrics_hashes, cover_hashes, strict=True))
        ),
    )
    named = [{"as_of_date": night.as_of, "feature_table": f"feat_{name}", **IDENTITY}
             for name in ("lyrics", "cover")]  # fmt: skip
    append_rows(night, "feat_encoders", *named)


def test_tracks_are_counted_by_the_language_of_their_lyrics(night):
    """Two tracks share an English text; notes have none, and a text of another identity is not read."""
    write(night, ["en", "en", "de", "unsure", "notes", "older"], [None] * 6)
    append_rows(
        night,
        "feat_lyrics",
        {**IDENTITY, "content_hash": "en", "language": "en", "line_count": 3},
        {**IDENTITY, "content_hash": "de", "language": "de", "line_count": 3},
        {**IDENTITY, "content_hash": "unsure", "language": None, "line_count": 1},
        {**IDENTITY, "content_hash": "notes", "failure_reason": "no_words"},
        {**OTHER, "content_hash": "older", "language": "fr", "line_count": 3},
    )

    found = read_catalogue(open_run(night))

    assert found.languages == (("en", 2), ("de", 1), ("unknown", 1))
    assert found.colours == ()


def test_rare_languages_are_counted_together(night):
    """Ten languages: en has two tracks, of the nine with one the last two of the alphabet share a place."""
    rare = ["cs", "da", "de", "es", "fi", "fr", "it", "nl", "pl"]
    write(night, ["en", "en", *rare], [None] * 11)
    rows = [{**IDENTITY, "content_hash": language, "language": language, "line_count": 1}
            for language in ("en", *rare)]  # fmt: skip
    append_rows(night, "feat_lyrics", *rows)

    languages = read_catalogue(open_run(night)).languages

    assert languages == (("en", 2), *((language, 1) for language in rare[:7]), ("others", 2))


def test_each_cover_gives_its_first_colour_from_dark_to_light(night):
    """Three tracks have two covers; a broken cover has no colour."""
    write(night, [None] * 4, ["red", "red", "dark", "broken"])
    append_rows(
        night,
        "feat_cover",
        {**IDENTITY, "content_hash": "red", "palette_lab": [*RED, *NEAR_BLACK * 4]},
        {**IDENTITY, "content_hash": "dark", "palette_lab": NEAR_BLACK * 5},
        {**IDENTITY, "content_hash": "broken", "failure_reason": "unreadable"},
    )

    assert read_catalogue(open_run(night)).colours == ("#010101", "#ff0000")


def test_the_page_names_the_languages_and_shows_the_colours(content):
    """Without either, as in the sample lake, it says nothing of them."""
    catalogue = replace(
        content.catalogue, languages=(("en", 2), ("de", 1)), colours=("#010101", "#ff0000")
    )

    page = render_report(replace(content, catalogue=catalogue), now=AT_NIGHT)
    without = render_report(content, now=AT_NIGHT)

    assert "Languages of the lyrics: en <b>2</b>, de <b>1</b>." in page
    assert "background: #ff0000" in page
    assert "most frequent colour of 2 covers" in page
    assert "Languages of the lyrics" not in without
    assert "most frequent colour" not in without
