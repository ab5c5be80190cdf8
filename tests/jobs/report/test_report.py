import re
from dataclasses import replace
from datetime import date

import pytest

from feature_store.lake.storage import open_storage
from feature_store.settings import Night, load_settings
from jobs.report.collect import Contents, collect
from jobs.report.report import rendered, write_report
from tests.jobs.report import drawn_lake
from tests.jobs.report.drawn_lake import AT_NIGHT, HOSTILE_TITLE


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """One lake for the tests that only read it; those that add to a lake draw their own."""
    root = tmp_path_factory.mktemp("drawn")
    settings = load_settings(lake=str(root / "lake"), state=root / "state")
    night = Night(as_of=drawn_lake.AS_OF, run_id="test-run", settings=settings)
    drawn_lake.draw_all(night)
    return night


@pytest.fixture(scope="module")
def contents(drawn: Night) -> Contents:
    return collect(drawn)


def test_the_page_lies_in_the_lake_and_loads_nothing(drawn):
    """reports/<as_of>/<run_id>.html, with no address that a browser would fetch."""
    path = write_report(drawn, now=AT_NIGHT)

    page = open_storage(drawn.settings.lake).read(path).decode()
    assert path == "reports/2026-03-01/test-run.html"
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert not re.search(r"url\((?!data:)", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page


def test_every_section_is_on_the_page(contents):
    page = rendered(contents, now=AT_NIGHT)

    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections == [
        "lists", "similar", "changes", "quality", "training", "catalogue", "coverage", "graph",
        "intake", "gates", "stages", "trends",
    ]  # fmt: skip
    assert "Readers have this night’s lists; all 2 gates passed." in page
    assert "written 2\u00a0March 2026, 02:10\u00a0UTC" in page


def test_a_hostile_title_is_shown_and_not_run(contents):
    page = rendered(contents, now=AT_NIGHT)

    assert HOSTILE_TITLE not in page
    assert "&lt;script&gt;alert(&#39;song&#39;)&lt;/script&gt;" in page


def test_ids_of_people_who_are_no_samples_stay_off_the_page(night):
    """Dora is in a rejected row and in a gate's example, and has no list."""
    drawn_lake.draw_all(night, action="blocked")

    page = rendered(collect(night), now=AT_NIGHT)

    assert "dora" not in page
    assert "‹listener› follows ‹listener›" in page
    assert "‹listener› has 2 tracks" in page


def test_what_came_in_counts_up_to_the_day_and_no_further(contents):
    """Four of five listens arrived by 1 March; the run wrote two; two rejects are of the day."""
    [listens] = contents.intake.arrivals
    follows, older = contents.intake.rejects

    assert (listens.table_name, listens.run_rows, listens.all_rows) == ("raw_listens", 2, 4)
    assert (follows.reason, follows.day_rows, follows.all_rows) == ("self_follow", 2, 2)
    assert (older.reason, older.day_rows, older.all_rows) == ("missing_value", 0, 1)
    assert [example.source_row for example in follows.examples] == [7, 8]


def test_a_task_that_ran_twice_counts_with_its_newest_try(contents):
    """4.0 s and 6 rows, not 50 s and 99; the stages come in the night's order."""
    ingest, recommendations = contents.stages

    assert (ingest.name, ingest.elapsed_s) == ("ingest", 1.5)
    assert (recommendations.elapsed_s, recommendations.row_count) == (4.0, 6)
    assert contents.elapsed_s == 5.5


def test_coverage_tells_broken_from_not_yet_encoded_and_absent(contents):
    """Of four available tracks: a is usable, b broken, c heard by another encoder only, d silent."""
    audio, lyrics, cover, tags = contents.coverage

    assert (audio.tracks, audio.usable, audio.broken, audio.waiting, audio.absent) == (
        4, 1, (("undecodable_audio", 1),), 1, 1,
    )  # fmt: skip
    assert (lyrics.usable, lyrics.absent) == (0, 4)
    assert (cover.usable, cover.waiting, cover.absent) == (0, 1, 3)
    # a's tag became a vector, b's holds no letter; the withdrawn x does not count.
    assert (tags.usable, tags.broken, tags.absent) == (1, (("no_readable_tag", 1),), 2)


def test_the_catalogue_counts_available_tracks(contents):
    catalogue = contents.catalogue

    assert (catalogue.tracks, catalogue.withdrawn, catalogue.artists) == (4, 1, 2)
    assert [track.track_id for track in catalogue.wall] == ["a"]
    assert [(found.name, found.median) for found in catalogue.distributions] == [
        ("Tempo", 120.0),
        ("Loudness", -12.0),
    ]


def test_the_graph_counts_nodes_edges_and_people_with_ties(contents):
    graph = contents.graph

    assert [count.rows for count in graph.nodes] == [3, 2, 1, 0, 1]
    assert [count.rows for count in graph.edges] == [3, 2, 1, 0, 1, 3]
    assert (graph.people, len(graph.picture.edges)) == (2, 1)
    # Ada heard two tracks, Ben one: median 1.5. Both tracks have listeners: a one, b two.
    assert [(degrees.most, degrees.median) for degrees in graph.degrees[:2]] == [(2, 1.5), (2, 1.5)]
    # In order of id: ada, whose list is mostly personal, then cy.
    assert [node.tier for node in graph.picture.nodes] == ["personal", "social"]


def test_lists_show_one_listener_of_each_tier_with_what_they_heard_last(contents):
    lists = contents.lists
    ada, cy, ben = lists.listeners

    assert (lists.people, lists.entries, lists.tracks) == (3, 6, 3)
    assert lists.by_tier == (("personal", 2), ("warm", 0), ("social", 1), ("popular", 3))
    assert [(x.user_id, x.tier) for x in (ada, cy, ben)] == [
        ("ada", "personal"), ("cy", "social"), ("ben", "popular"),
    ]  # fmt: skip
    assert (ada.listens, ada.tracks_heard, cy.follows) == (4, 2, 1)
    # b at 21 o'clock is newer than a at 9, and a comes once though it was heard twice.
    assert [recent.track.track_id for recent in ada.recent] == ["b", "a"]
    assert cy.recent == ()
    assert [entry.rank for entry in ada.entries] == [1, 2, 3]


def test_similar_tracks_include_one_that_nobody_has_heard(contents):
    heard, unheard = contents.similar.shown

    assert (heard.track.track_id, heard.listeners) == ("b", 2)
    assert (unheard.track.track_id, unheard.listeners) == ("d", 0)
    assert unheard.neighbours[0].modalities == ("audio", "cover")


def test_changes_rank_tracks_by_lists_gained_less_lists_lost(contents):
    """Track c entered two lists: +2; a entered two and left one: +1; d left one: −1; b moved."""
    changes = contents.changes

    assert changes.counts == (("entered", 4), ("left", 2), ("moved", 1))
    assert [(move.track.track_id, move.net) for move in changes.gained] == [("c", 2), ("a", 1)]
    assert [(move.track.track_id, move.net) for move in changes.lost] == [("d", -1)]


def test_metrics_stand_beside_popularity(contents):
    """.3 against .2 is 1.5 times; popularity comes last."""
    [table] = contents.quality.tables
    [rate] = contents.quality.next_day
    page = rendered(contents, now=AT_NIGHT)

    assert [row.subject for row in table.subjects] == ["mm_gnn", "popularity"]
    assert table.reference.values == (0.2,)
    assert "1.50× popularity" in page
    assert (rate.metric, rate.value, rate.history) == ("hit_rate", 0.25, None)


def test_training_curves_come_from_the_checkpoint_of_this_run(contents):
    [model] = contents.quality.models
    [fit] = model.fits

    assert (fit.purpose, fit.n_epochs, fit.best_epoch) == ("selection", 3, 2)
    assert fit.losses.lines[0].last == pytest.approx(4 / 3)
    assert fit.validation.lines[0].last == 0.29


def test_a_model_that_was_reused_has_no_curves(night):
    drawn_lake.draw_model(night, trained_by="an-earlier-run")

    contents = collect(night)

    assert contents.quality.models[0].fits == ()
    assert "This night reused it and trained nothing." in rendered(contents, now=AT_NIGHT)


def test_a_blocked_run_says_what_readers_keep(night):
    """The broken rule comes first and is marked; nothing was published before."""
    drawn_lake.draw_all(night, action="blocked")

    contents = collect(night)

    assert contents.header.verdict == "Blocked by 1 gate. Readers have no lists yet."
    assert [gate.verdict for gate in contents.gates] == ["blocked", "passed"]
    assert not contents.header.is_current


def test_a_rule_that_was_let_through_shows_as_waived(night):
    """Broken and published all the same: a person waived it, and the page says so."""
    drawn_lake.draw_event(night, {}, action="publish", is_broken=True)

    contents = collect(night)

    assert [gate.verdict for gate in contents.gates] == ["waived", "passed"]
    assert contents.header.verdict == "Readers have this night’s lists; 1 gate waived."


def test_a_staged_run_names_the_day_that_readers_keep(night):
    """The run of 1 March is current; one of 20 February is staged and does not take readers back."""
    drawn_lake.draw_event(night, {}, action="publish")
    older = replace(night, as_of=date(2026, 2, 20), run_id="older")
    drawn_lake.draw_event(older, {}, action="stage_only", number=2)

    header = collect(older).header

    assert header.verdict == (
        "Staged and audited, not published. Readers keep the lists of 1\u00a0March 2026."
    )
    assert (header.is_current, header.readers_run_id) == (False, "test-run")


def test_lists_are_read_at_the_version_that_the_event_pins(night):
    """A later write into the slice, which no event pins, does not change the page."""
    drawn_lake.draw_all(night)
    drawn_lake.draw_lists(replace(night, run_id="later"))

    assert collect(night).lists.entries == 6


def test_the_skyline_counts_the_listens_of_the_day_only(contents):
    """Three of the four listens began on 1 March."""
    assert contents.header.day_listens == 3


def test_an_unreadable_file_is_named_in_its_place(contents):
    """Track a has cover and excerpt; b's recording cannot be decoded, and c shares its file."""
    media = contents.media

    assert set(media.covers.keys) == {"a"}
    assert set(media.excerpts.keys) == {"a"}
    assert media.excerpts.unusable["b"] == "landing/audio/2026-03-01/b.flac"


def test_an_empty_lake_gives_a_page_that_says_so(night):
    page = rendered(collect(night), now=AT_NIGHT)

    for sentence in (
        "Not published yet. Readers have no lists yet.",
        "No lists were written for this day.",
        "No track has similar tracks yet",
        "Nothing to compare with",
        "No offline metrics for this day",
        "No hit rate yet",
        "No model had a part",
        "The catalogue is empty",
        "No graph was built",
        "Nothing has arrived",
        "Nothing was rejected.",
        "No gate has been measured",
        "No task of this run has been recorded.",
    ):
        assert sentence in page


def test_a_catalogue_without_times_or_content_shows_counts(night):
    """Counts without times: the page says how often, and that no track has a cover or could be heard."""
    drawn_lake.write(
        night,
        "core_tracks",
        {"track_id": "a", "title": "T", "artist_id": "x", "artist_name": "X", "artist_match_key": "x",
         "title_match_key": "t", "is_available": True, "known_from_date": drawn_lake.AS_OF},
    )  # fmt: skip
    drawn_lake.write(
        night,
        "core_listen_counts",
        {
            "user_id": "ada",
            "track_id": "a",
            "listen_count": 1234,
            "known_from_date": drawn_lake.AS_OF,
        },
    )
    drawn_lake.draw_lists(night)

    page = rendered(collect(night), now=AT_NIGHT)

    assert "Most listened to" in page
    assert "1,234 times" in page
    assert "No track has a cover." in page
    assert "No recording could be heard" in page
