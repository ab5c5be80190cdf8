import re
from dataclasses import replace
from datetime import date

from feature_store.lake.storage import open_storage
from feature_store.publishing.contract_suites import (
    contract_rules,
    store_validations,
    validate_contract,
)
from feature_store.tables.recommendations import REC_TOPK
from jobs.report.collect import collect
from jobs.report.report import render_report, write_report
from tests.jobs.report import sample_lake, sample_run
from tests.jobs.report.sample_lake import AT_NIGHT, HOSTILE_TITLE
from tests.jobs.report.sample_media import png_picture


def test_the_page_is_written_to_the_lake_and_loads_nothing(sample_night):
    """The file is reports/<as_of>/<run_id>.html and holds no address that a browser would fetch."""
    path = write_report(sample_night, now=AT_NIGHT)

    page = open_storage(sample_night.settings.lake).read(path).decode()
    assert path == "reports/2026-03-01/test-run.html"
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert not re.search(r"url\((?!data:)", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page


def test_every_section_is_on_the_page(content):
    page = render_report(content, now=AT_NIGHT)

    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections == [
        "lists", "moods", "similar", "changes", "quality", "training", "catalogue", "coverage", "graph",
        "ingest", "gates", "stages", "trends",
    ]  # fmt: skip
    assert "Published: readers see these lists; all 2 gates passed." in page
    assert "written 2\u00a0March 2026, 02:10\u00a0UTC" in page


def test_a_title_with_markup_is_escaped(content):
    page = render_report(content, now=AT_NIGHT)

    assert HOSTILE_TITLE not in page
    assert "&lt;script&gt;alert(&#39;song&#39;)&lt;/script&gt;" in page


def test_only_sample_listeners_are_named_on_the_page(night):
    """Dora is in a rejected row and in a gate's example, and has no list."""
    sample_run.write_all(night, action="blocked")

    page = render_report(collect(night), now=AT_NIGHT)

    assert "dora" not in page
    assert "‹listener› follows ‹listener›" in page
    assert "‹listener› has 2 tracks" in page


def test_a_model_that_was_reused_has_no_curves(night):
    sample_run.write_model(night, trained_by="an-earlier-run")

    content = collect(night)

    assert content.quality.models[0].fits == ()
    assert "This run reused the model and trained nothing." in render_report(content, now=AT_NIGHT)


def test_a_blocked_run_states_what_readers_see(night):
    """The failed gate comes first and is marked; nothing was published before."""
    sample_run.write_all(night, action="blocked")

    content = collect(night)

    assert content.header.run_status == "Blocked by 1 gate. Readers have no lists yet."
    assert [gate.status for gate in content.gates] == ["blocked", "passed"]
    assert not content.header.is_current


def test_a_contract_shows_its_rules_and_which_are_broken(night):
    sample_run.write_event(night, {}, action="blocked", is_failed=True)
    counts = dict.fromkeys([rule.name for rule in contract_rules(REC_TOPK)], 0)
    validation = validate_contract(REC_TOPK, counts | {"null title": 2}, repeated=0)
    storage = open_storage(night.settings.lake)
    store_validations(storage, night.as_of, night.run_id, [validation])

    [contract] = collect(night).contracts
    page = render_report(collect(night), now=AT_NIGHT)

    assert (contract.suite, contract.failed) == ("rec_topk", ("null title",))
    assert contract.n_passed == contract.n_expectations - 1 == len(counts) - 1
    assert "broken: null title" in page
    assert "rank &gt;= 1 AND rank &lt;= 1000" in page


def test_a_failed_gate_of_a_published_run_shows_as_waived(night):
    """A failed gate blocks a run unless a person waives it, so a published run has a waiver."""
    sample_run.write_event(night, {}, action="publish", is_failed=True)

    content = collect(night)

    assert [gate.status for gate in content.gates] == ["waived", "passed"]
    assert content.header.run_status == "Published: readers see these lists; 1 gate waived."


def test_a_staged_run_names_the_day_that_readers_see(night):
    """The run of 1 March is current; a staged run of 20 February does not replace it."""
    sample_run.write_event(night, {}, action="publish")
    older = replace(night, as_of=date(2026, 2, 20), run_id="older")
    sample_run.write_event(older, {}, action="stage_only", number=2)

    header = collect(older).header

    assert header.run_status == (
        "Staged and audited, but not published. Readers see the lists of 1\u00a0March 2026."
    )
    assert (header.is_current, header.readers_run_id) == (False, "test-run")


def test_the_caption_of_the_covers_counts_the_covers_that_are_shown(night):
    """Of two distinct covers one cannot be decoded: the page shows one of two."""
    storage = open_storage(night.settings.lake)
    storage.write("landing/covers/2026-03-01/good.png", png_picture(30, 20))
    storage.write("landing/covers/2026-03-01/bad.png", b"no picture at all")
    sample_lake.append_rows(
        night,
        "core_tracks",
        *(
            {"track_id": name, "title": "T", "artist_id": "x", "artist_name": "X", "artist_match_key": "x",
             "title_match_key": "t", "is_available": True, "known_from_date": sample_lake.AS_OF,
             "cover_hash": name, "cover_uri": f"landing/covers/2026-03-01/{name}.png"}
            for name in ("good", "bad")
        ),
    )  # fmt: skip

    assert "1 of 2 covers." in render_report(collect(night), now=AT_NIGHT)


def test_the_page_of_an_empty_lake_states_what_is_missing(night):
    page = render_report(collect(night), now=AT_NIGHT)

    for sentence in (
        "Not published yet. Readers have no lists yet.",
        "This day has no lists.",
        "No track has similar tracks:",
        "Nothing to compare:",
        "No offline metrics for this day",
        "No hit rate yet",
        "No model was used on this day",
        "The catalogue is empty",
        "This day has no graph.",
        "The raw tables have no rows",
        "No row was rejected.",
        "No gate was evaluated",
        "No task of this run is recorded.",
    ):
        assert sentence in page


def test_a_catalogue_without_times_or_content_shows_counts(night):
    """Listens have counts and no times, and no track has a cover or audio."""
    sample_lake.append_rows(
        night,
        "core_tracks",
        {"track_id": "a", "title": "T", "artist_id": "x", "artist_name": "X", "artist_match_key": "x",
         "title_match_key": "t", "is_available": True, "known_from_date": sample_lake.AS_OF},
    )  # fmt: skip
    sample_lake.append_rows(
        night,
        "core_listen_counts",
        {
            "user_id": "ada",
            "track_id": "a",
            "listen_count": 1234,
            "known_from_date": sample_lake.AS_OF,
        },
    )
    sample_lake.write_lists(night)

    page = render_report(collect(night), now=AT_NIGHT)

    assert "Most listened to" in page
    assert "1,234 times" in page
    assert "No track has a cover." in page
    assert "No audio was decoded" in page
