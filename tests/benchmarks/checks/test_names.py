"""The benchmark of artist names: its truths, and its figures of given names."""

from __future__ import annotations

import pytest

from feature_store.artist_matching import match_artists
from feature_store.artist_names import artist_keys
from tests.benchmarks.names import (
    HETREC,
    KEY_HEADER,
    KEYS,
    VARIANT_HEADER,
    flat_figures,
    key_figures,
    key_rows,
    read_names,
    variant_figures,
    variant_rows,
)
from tests.benchmarks.support.artist_names.judged_groups import DIFFERENT, SAME, UNSURE
from tests.benchmarks.support.artist_names.variants import STRANGERS, VARIANTS

NAMES = ["Ark", "The Ark", "Arcade Fire", "The Arcade Fire", "Katy", "KATY", "Low"]
NEEDS_HETREC = pytest.mark.skipif(not HETREC.is_dir(), reason=f"the data set is not at {HETREC}")


def test_groups_of_a_key_are_counted_by_their_judgement():
    """Ark and The Ark are two bands, Arcade Fire is one; Katy was not judged. 2 + 2 + 2 names, 1 alone."""
    figures = key_figures(NAMES, KEYS["article"])

    assert (figures.distinct, len(figures.groups), figures.pairs) == (4, 3, 3)
    assert figures.judged == {"same": 1, "different": 1, "unsure": 0}
    assert figures.precision == 0.5
    assert key_figures(NAMES, KEYS["credit"]).precision is None


def test_a_variant_is_found_when_its_artist_is_among_those_found():
    variants = {"arcade fire": "Arcade Fire", "ark": "The Ark", "Katty": "Katy", "katy": "Katy"}
    matches = match_artists(NAMES, variants)

    figures = variant_figures(NAMES, matches, variants)

    # "ark" is found as Ark, which is not meant; Katty is unknown.
    assert (figures.number, figures.found, figures.wrong, figures.ambiguous) == (4, 2, 1, 0)
    assert figures.by_match_key == 2
    strangers = match_artists(NAMES, ["Lowe", "THE LOW"])
    keys = {"article": key_figures(NAMES, KEYS["article"])}
    flat = flat_figures(keys, {"case": figures}, strangers)
    assert flat["variant_recall"] == 0.5
    assert flat["match_precision"] == 0.5  # 2 right; Ark and The Low wrong
    assert [len(row) for row in key_rows(keys)] == [len(KEY_HEADER)]
    rows = variant_rows({"case": figures}, strangers)
    assert rows[1] == ["all", "4", "2", "1", "0", "2"]
    assert {len(row) for row in rows} == {len(VARIANT_HEADER)}


def test_enough_was_judged():
    assert len(SAME) + len(DIFFERENT) + len(UNSURE) >= 100
    assert sum(map(len, VARIANTS.values())) >= 80
    for group in (*SAME, *DIFFERENT, *UNSURE):
        assert len({artist_keys(name).article for name in group}) == 1, group


@NEEDS_HETREC
def test_every_group_of_hetrec_is_judged_and_most_are_one_artist():
    """Of 17,632 names; a rule that merges more has to be judged first."""
    names = read_names(HETREC)
    figures = {name: key_figures(names, key) for name, key in KEYS.items()}

    assert len(names) == 17_632
    for name in ("match_key", "credit", "article"):
        assert sum(figures[name].judged.values()) == len(figures[name].groups), name
    assert figures["credit"].precision >= figures["match_key"].precision >= 0.8
    assert figures["credit"].judged["same"] > figures["match_key"].judged["same"]


@NEEDS_HETREC
def test_variants_of_hetrec_s_artists_are_found_and_strangers_are_not():
    """All kinds but misspellings, which keys cannot mend, and half of what other scripts write."""
    names = read_names(HETREC)
    known = set(names)
    for kind, variants in VARIANTS.items():
        assert set(variants.values()) <= known, kind
        assert not set(variants) & known, kind
        figures = variant_figures(names, match_artists(names, variants), variants)
        least = {"spelling": 0.0, "script": 0.7}.get(kind, 0.94)
        assert figures.found >= least * figures.number, kind
        assert figures.wrong == 0, kind
    assert not set(STRANGERS) & known
    assert match_artists(names, STRANGERS).matches == ()
