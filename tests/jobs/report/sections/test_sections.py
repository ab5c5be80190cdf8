"""Content of the sections, counted by hand in the sample lake."""

from dataclasses import replace

import pytest

from jobs.report.collect import collect
from jobs.report.report import render_report
from tests.jobs.report import sample_lake, sample_run
from tests.jobs.report.sample_lake import AT_NIGHT


def test_the_ingest_section_counts_rows_up_to_the_day(content):
    """Four of five listens arrived by 1 March, of which the run wrote two; two rejects are of the day."""
    [listens] = content.ingest.raw_tables
    follows, older = content.ingest.rejects

    assert (listens.table_name, listens.run_rows, listens.total_rows) == ("raw_listens", 2, 4)
    assert (follows.reason, follows.day_rows, follows.total_rows) == ("self_follow", 2, 2)
    assert (older.reason, older.day_rows, older.total_rows) == ("missing_value", 0, 1)
    assert [example.source_row for example in follows.examples] == [7, 8]


def test_the_newest_try_of_a_task_counts(content):
    """4.0 s and 6 rows, not 50 s and 99; the stages come in the night's order."""
    ingest, recommendations = content.stages

    assert (ingest.name, ingest.elapsed_s) == ("ingest", 1.5)
    assert (recommendations.elapsed_s, recommendations.row_count) == (4.0, 6)
    assert content.elapsed_s == 5.5


def test_coverage_separates_failed_not_encoded_and_missing(content):
    """Of four available tracks a is usable, b failed, c has another encoder's row only, d no audio."""
    audio, lyrics, cover, tags = content.coverage
    assert [part.encoder_id for part in (audio, lyrics)] == ["encoder-of-the-run", ""]

    assert (audio.n_tracks, audio.usable, audio.failures, audio.not_encoded, audio.missing) == (
        4, 1, (("unreadable", 1),), 1, 1,
    )  # fmt: skip
    assert (lyrics.usable, lyrics.missing) == (0, 4)
    assert (cover.usable, cover.not_encoded, cover.missing) == (0, 1, 3)
    # The tag of a has a vector, the tag of b holds no letter; the withdrawn x does not count.
    assert (tags.usable, tags.failures, tags.missing) == (1, (("no_readable_tag", 1),), 2)


def test_the_catalogue_counts_available_tracks(content):
    catalogue = content.catalogue

    assert (catalogue.n_tracks, catalogue.n_withdrawn, catalogue.n_artists) == (4, 1, 2)
    assert [track.track_id for track in catalogue.cover_wall] == ["a"]
    assert [(found.name, found.median) for found in catalogue.distributions] == [
        ("Tempo", 120.0),
        ("Loudness", -12.0),
    ]


def test_the_graph_counts_nodes_edges_and_connected_users(content):
    graph = content.graph

    assert [count.rows for count in graph.nodes] == [3, 2, 1, 0, 1]
    assert [count.rows for count in graph.edges] == [3, 2, 1, 0, 1, 3]
    assert (graph.n_connected_users, len(graph.follow_network.edges)) == (2, 1)
    # Ada listened to two tracks, Ben to one: median 1.5. Track a has one listener, b has two.
    assert [(degrees.maximum, degrees.median) for degrees in graph.degrees[:2]] == [
        (2, 1.5),
        (2, 1.5),
    ]
    # In order of id: ada, whose list is mostly personal, then cy.
    assert [node.tier for node in graph.follow_network.nodes] == ["personal", "social"]


def test_lists_show_a_listener_of_each_tier_with_the_last_listens(content):
    lists = content.lists
    ada, cy, ben = lists.sample_users

    assert (lists.n_users, lists.n_entries, lists.n_tracks) == (3, 6, 3)
    assert lists.by_tier == (("personal", 2), ("warm", 0), ("social", 1), ("popular", 3))
    assert [(x.user_id, x.tier) for x in (ada, cy, ben)] == [
        ("ada", "personal"), ("cy", "social"), ("ben", "popular"),
    ]  # fmt: skip
    assert (ada.n_listens, ada.n_listened_tracks, cy.n_follows) == (4, 2, 1)
    # b at 21:00 is newer than a at 09:00, and a appears once although it has two listens.
    assert [recent.track.track_id for recent in ada.recent] == ["b", "a"]
    assert cy.recent == ()
    assert [entry.rank for entry in ada.entries] == [1, 2, 3]


def test_similar_tracks_include_a_track_without_listens(content):
    popular, without_listens = content.similar.samples

    assert (popular.track.track_id, popular.n_users) == ("b", 2)
    assert (without_listens.track.track_id, without_listens.n_users) == ("d", 0)
    assert without_listens.neighbours[0].modalities == ("audio", "cover")


def test_changes_rank_tracks_by_lists_gained_less_lists_lost(content):
    """Track c entered two lists: +2; a entered two and left one: +1; d left one: −1; b moved."""
    changes = content.changes

    assert changes.counts == (("entered", 4), ("left", 2), ("moved", 1))
    assert [(move.track.track_id, move.net) for move in changes.gained] == [("c", 2), ("a", 1)]
    assert [(move.track.track_id, move.net) for move in changes.lost] == [("d", -1)]


def test_metrics_are_compared_with_the_weakest_of_the_others(content):
    """.3 against .2 is 1.5 times; the run's model comes first, whatever its task."""
    [table] = content.quality.tables
    [rate] = content.quality.next_day
    page = render_report(content, now=AT_NIGHT)

    assert [row.subject for row in table.subjects] == ["mm_gnn", "popularity"]
    assert table.baseline.values == (0.2,)
    assert "1.50× popularity" in page
    assert (rate.metric, rate.value, rate.history) == ("hit_rate", 0.25, None)


def test_training_curves_come_from_the_checkpoint_of_this_run(content):
    [model] = content.quality.models
    [fit] = model.fits

    assert (fit.purpose, fit.n_epochs, fit.best_epoch) == ("selection", 3, 2)
    assert fit.losses.lines[0].last == pytest.approx(4 / 3)
    assert fit.validation.lines[0].last == 0.29


def test_lists_are_read_at_the_version_that_the_event_pins(night):
    """A later write into the same slice is not pinned by the event and does not change the page."""
    sample_run.write_all(night)
    sample_lake.write_lists(replace(night, run_id="later"))

    assert collect(night).lists.n_entries == 6


def test_the_header_counts_the_listens_of_the_day_only(content):
    """Three of the four listens started on 1 March."""
    assert content.header.day_listens == 3


def test_a_file_that_cannot_be_decoded_is_named(content):
    """Track a has cover and excerpt; the audio of b cannot be decoded, and c shares its file."""
    media = content.media

    assert set(media.covers.keys) == {"a"}
    assert set(media.excerpts.keys) == {"a"}
    assert media.excerpts.unusable_paths["b"] == "landing/audio/2026-03-01/b.flac"
