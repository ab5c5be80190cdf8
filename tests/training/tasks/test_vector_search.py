"""Search in stored vectors: cosines by hand, one model version, and what may be found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from feature_store.lake.arrow_io import append, write_slice
from feature_store.tables.features import FEAT_HTCL_AUDIO, FEAT_HTCL_TEXT, FEAT_TRACK_HTCL
from training.tasks.vector_search import (
    EmptySentenceError,
    Match,
    NoVectorsError,
    checked_sentence,
    open_vectors,
)

IDS = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Stored:
    """What one track has; None where it has none."""

    track: list[float]
    audio: list[float] | None = None
    text: list[float] | None = None
    kind: str = "fused"


TRACKS = {
    "a": Stored([1, 0], audio=[1, 0], text=[0, 1]),
    "b": Stored([3, 4], audio=[0, 2], text=[1, 0]),
    "c": Stored([-1, 0], text=[3, 4], kind="text"),
    "d": Stored([0.8, 0.6], audio=[4, 3], text=[0, 1]),
}


@dataclass
class StoredNight:
    """Writes vectors of a version for a night."""

    night: object

    def write(self, tracks=TRACKS, version="v1"):
        self.write_contents(tracks, version)
        return self.write_tracks(tracks, version)

    def write_contents(self, tracks, version):
        lake, of_version = self.night.settings.lake, {"family": "htcl", "model_version": version}
        for table, key, vector, part in (
            (FEAT_HTCL_AUDIO, "content_hash", "audio_vector", "audio"),
            (FEAT_HTCL_TEXT, "text_sha256", "text_vector", "text"),
        ):
            rows = [
                {key: f"{part}-{name}", vector: getattr(one, part), **of_version}
                for name, one in tracks.items()
                if getattr(one, part) is not None
            ]
            append(lake, table, pa.Table.from_pylist(rows, table.arrow_schema))

    def write_tracks(self, tracks, version):
        lake, day = self.night.settings.lake, self.night.as_of
        rows = [
            {
                "as_of_date": day,
                "track_id": name,
                "audio_hash": f"audio-{name}" if one.audio else None,
                "text_sha256": f"text-{name}" if one.text else None,
                "vector_kind": one.kind,
                "track_vector": one.track,
                "run_id": "r",
                "family": "htcl",
                "model_version": version,
            }
            for name, one in tracks.items()
        ]
        frame = pa.Table.from_pylist(rows, FEAT_TRACK_HTCL.arrow_schema)
        write_slice(lake, FEAT_TRACK_HTCL, frame, as_of=day)
        return open_vectors(lake, day)


@pytest.fixture
def world(night):
    return StoredNight(night)


def test_a_track_is_compared_by_the_vectors_that_count_and_never_with_itself(world):
    """Of a = (1, 0): d = (.8, .6) has cosine .8, b = (3, 4) has .6, c = (-1, 0) has -1."""
    found = world.write().nearest_to_track("a", among=IDS, n_matches=9)

    assert found == [Match("d", 0.8, "fused"), Match("b", 0.6, "fused"), Match("c", -1.0, "text")]


def test_a_sentence_is_compared_with_recordings_and_with_texts_of_tracks_without_one(world):
    """(2, 0): audio of a (1, 0) 1, of d (4, 3) .8, of b (0, 2) 0: mean .6, d above it, b below. The only text is at its mean."""
    query = np.array([2, 0], np.float32)

    found = world.write().nearest_to_sentence(query, among=IDS, n_matches=9)

    assert found == [
        Match("a", 1.0, "audio"),
        Match("d", 0.8, "audio"),
        Match("c", 0.6, "text"),
        Match("b", 0.0, "audio"),
    ]


def test_a_recording_is_compared_with_recordings_alone(world):
    """As above without c, which has a text and is counted as left out."""
    vectors, query = world.write(), np.array([2, 0], np.float32)

    found = vectors.nearest_to_recording(query, among=IDS, n_matches=9)

    assert found == [Match("a", 1.0, "audio"), Match("d", 0.8, "audio"), Match("b", 0.0, "audio")]
    assert vectors.n_without_recording(IDS) == 1
    assert vectors.n_without_recording(["a", "no vector at all"]) == 1
    assert vectors.n_without_recording([]) == 0


def test_texts_that_are_nearer_than_any_recording_do_not_come_first_for_that(world):
    """Texts have cosines 1, .8 and .8, recordings .6, 0 and 0: each kind has one that stands out alike.

    Standard scores: of three values of which one stands out it has 2 / sqrt(2), the others -1 / sqrt(2).
    """
    tracks = {
        "s": Stored([1, 0], audio=[3, 4]),
        "t": Stored([1, 0], audio=[0, 1]),
        "u": Stored([1, 0], audio=[0, 1]),
        "x": Stored([1, 0], text=[1, 0]),
        "y": Stored([1, 0], text=[4, 3]),
        "z": Stored([1, 0], text=[4, 3]),
    }

    found = world.write(tracks).nearest_to_sentence(
        np.array([1, 0], np.float32), among=tracks, n_matches=6
    )

    assert [(one.track_id, one.cosine) for one in found] == [
        ("s", 0.6), ("x", 1.0), ("t", 0.0), ("u", 0.0), ("y", 0.8), ("z", 0.8),
    ]  # fmt: skip


def test_only_some_tracks_may_be_found_and_only_so_many(world):
    vectors, query = world.write(), np.array([1, 0], np.float32)

    assert [one.track_id for one in vectors.nearest_to_track("a", among="abc", n_matches=1)] == [
        "b"
    ]
    assert [
        one.track_id for one in vectors.nearest_to_sentence(query, among="bd", n_matches=1)
    ] == ["d"]
    assert vectors.nearest_to_track("a", among=["a"], n_matches=5) == []
    assert vectors.nearest_to_sentence(query, among=[], n_matches=5) == []


def test_vectors_of_another_version_are_not_compared(world):
    """Versions before and after have the query's very vector for each track; the night's slice is of v1."""
    same = {name: Stored([1, 0], audio=[1, 0], text=[1, 0]) for name in IDS}
    for version, tracks in (("v0", same), ("v1", TRACKS), ("v2", same)):
        world.write_contents(tracks, version)

    vectors = world.write_tracks(TRACKS, "v1")

    assert vectors.model_version == "v1"
    query = np.array([1, 0], np.float32)
    for found in (
        vectors.nearest_to_recording(query, among="ab", n_matches=2),
        vectors.nearest_to_sentence(query, among="ab", n_matches=2),
    ):
        assert [(one.track_id, one.cosine) for one in found] == [("a", 1.0), ("b", 0.0)]


def test_copies_come_by_id(world):
    copies = {name: Stored([0.3, 0.7], audio=[0.3, 0.7]) for name in ("q", "c", "a", "b")}

    found = world.write(copies).nearest_to_track("q", among=copies, n_matches=2)

    assert [one.track_id for one in found] == ["a", "b"]


def test_a_track_without_a_vector_is_named(world):
    vectors = world.write()

    with pytest.raises(NoVectorsError, match="feat_track_htcl: z has no vector as of 2026-03-01"):
        vectors.nearest_to_track("z", among=IDS, n_matches=1)
    assert vectors.kind_of("c") == "text"


def test_without_htcl_the_message_says_how_to_switch_it_on_and_where_else_to_look(night):
    with pytest.raises(NoVectorsError) as caught:
        open_vectors(night.settings.lake, night.as_of, lambda: "; look elsewhere")

    message = str(caught.value)
    assert 'training.tasks = ["audio_text", "ranking"]' in message
    assert 'training.families = {"audio_text": "htcl"}' in message
    assert message.endswith("; look elsewhere")


def test_a_day_without_vectors_names_the_days_that_have_some(world):
    world.write()

    with pytest.raises(NoVectorsError, match=r"as of 2026-02-28; .* 2026-03-01 \(--as-of\)"):
        open_vectors(world.night.settings.lake, world.night.as_of.replace(month=2, day=28))


@pytest.mark.parametrize("sentence", ["", "  \n", "?! …"])
def test_a_sentence_without_a_word_is_refused(sentence):
    with pytest.raises(EmptySentenceError, match="has no word"):
        checked_sentence(sentence)


def test_a_sentence_in_another_script_has_words():
    assert checked_sentence(" 悲しい \n ピアノ ") == "悲しい ピアノ"
