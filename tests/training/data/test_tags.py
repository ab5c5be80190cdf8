"""What tracks are called: means by hand, and nothing of what a split holds out."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta

import pyarrow as pa
import pytest
import torch

from feature_store.lake.arrow_io import append
from feature_store.tables.features import FEAT_TAGS
from tests.training import lake as sample
from tests.training.worlds import edges, ids, listens_on, nodes_of, pairs_of, world_of
from training.data.content import TAGS, Vectors
from training.data.dataset import DatedEdges, World
from training.data.nodes import IdList
from training.data.tags import read_tag_vectors, tags_modality
from training.evaluation.splits import Holdout

AS_OF = date(2026, 3, 1)
ANN, BO, CATALOGUE = 0, 1, -1
ROCK, SLOW, LOUD, WORDLESS = range(4)
VECTORS = Vectors(
    "encoder",
    torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 3.0], [0.0, 0.0]]),
    torch.tensor([True, True, True, False]),
)

HELD_OUT = (ANN, 2)
EVENTS = [(ANN, 0, ROCK), (BO, 0, SLOW), (CATALOGUE, 2, SLOW), (BO, 2, SLOW), (BO, 1, LOUD)]


def world_with(events) -> World:
    """Two people, four tracks, and tags given by (person, track, tag); the catalogue gave some."""
    nodes = replace(
        nodes_of(["ann", "bo"], ids("t", 4)), tags=IdList.of("tag", ["a", "b", "c", "d"])
    )
    pairs = sorted({(track, tag) for _, track, tag in events})
    counts = [sum((track, tag) == pair for _, track, tag in events) for pair in pairs]
    listens = listens_on([(ANN, 0, AS_OF), (BO, 1, AS_OF)])
    undated = torch.zeros(len(events), dtype=torch.int64)
    given = DatedEdges(
        edges([(track, tag) for _, track, tag in events]),
        torch.tensor([user for user, _, _ in events]),
        undated,
        undated > 0,
    )
    return replace(
        world_of(nodes, listens, AS_OF),
        tagged=edges(pairs),
        tagger_count=torch.tensor(counts),
        tag_events=given,
        tag_vectors=VECTORS,
    )


def evidence_tensors(world: World) -> dict[str, torch.Tensor]:
    """Every tensor that a model sees while ann's listening to track 2 is held out."""
    held_out = pairs_of([HELD_OUT])
    holdout = Holdout(
        world.listens, AS_OF + timedelta(days=1), world.came_day == 0, held_out, held_out
    )
    evidence = world.known_before(holdout)
    tensors = {"tag edges from": evidence.graph.tagged.source}
    tensors["tag edges to"] = evidence.graph.tagged.target
    for name, modality in evidence.content.items():
        values = {field.name: getattr(modality, field.name) for field in fields(modality)}
        tensors |= {f"{name}.{key}": value for key, value in values.items() if key != "encoder"}
    return tensors


def test_each_tag_weighs_as_many_as_gave_it():
    """Track 0: rock by two, slow by one, wordless by five. Track 1: wordless alone. Track 2: loud."""
    tagged = edges([(0, ROCK), (0, SLOW), (0, WORDLESS), (1, WORDLESS), (2, LOUD)])

    found = tags_modality(VECTORS, tagged, torch.tensor([2, 1, 5, 1, 7]), n_tracks=4)

    assert found.encoder == "encoder"
    assert found.has.tolist() == [True, False, True, False]
    assert found.embedding[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.embedding[2].tolist() == [-1.0, 3.0]
    assert not found.has_emotion.any()


def test_what_a_person_called_a_held_out_track_reaches_nothing():
    """Whatever ann called it, or had she said nothing: bit-equal tensors, content and graph."""
    silent = evidence_tensors(world_with(EVENTS))

    for tag in (ROCK, SLOW, LOUD):
        told = evidence_tensors(world_with([*EVENTS, (*HELD_OUT, tag)]))

        assert told.keys() == silent.keys()
        assert [name for name in told if not torch.equal(told[name], silent[name])] == []


def test_what_another_person_called_it_counts():
    """Bo's loud beside the slow of bo and the catalogue: (2 x (0, 1) + (-1, 3)) / 3."""
    tensors = evidence_tensors(world_with([*EVENTS, (BO, 2, LOUD)]))

    assert tensors[f"{TAGS}.embedding"][2].tolist() == pytest.approx([-1 / 3, 5 / 3])


def test_the_night_s_own_evidence_has_every_tag():
    """Ann's rock on the held-out track: (2 x (0, 1) + (1, 0)) / 3."""
    content = world_with([*EVENTS, (*HELD_OUT, ROCK)]).everything().content

    assert list(content) == ["audio", "lyrics", "cover", TAGS]
    assert content[TAGS].embedding[2].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_other_vectors_make_another_world():
    """A model is told apart by what it learned from, the tags' vectors too."""
    world = world_with(EVENTS)
    other = replace(VECTORS, embedding=VECTORS.embedding.flip(0))
    renamed = replace(VECTORS, encoder="another")

    hashes = {replace(world, tag_vectors=each).sha256() for each in (VECTORS, other, renamed)}

    assert len(hashes) == 3
    assert world_with(EVENTS).sha256() in hashes


def test_vectors_come_from_one_encoder_in_the_order_of_the_tags(night):
    """The encoder of two tags is taken, that of one is not; a tag without a letter has no vector."""
    lake = night.settings.lake
    sample.fill(lake, night.as_of)
    rows = [
        _row("slow", "new", [3.0, 4.0]),
        _row("rock", "new", [1.0, 2.0]),
        _row("rock", "old", [9.0, 9.0, 9.0]),
        _row("1980", "new", None),
        _row("nobody gives it any more", "old", [9.0, 9.0, 9.0]),
    ]
    append(lake, FEAT_TAGS, pa.Table.from_pylist(rows, schema=FEAT_TAGS.arrow_schema))

    found = read_tag_vectors(lake, IdList.of("tag", ["slow", "rock", "1980", "unread"]))

    assert found.encoder == "new/w/p"
    assert found.has.tolist() == [False, True, True, False]  # 1980, rock, slow, unread
    assert found.embedding[found.has].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def _row(tag, encoder, vector):
    return {
        "content_hash": tag,
        "encoder_id": encoder,
        "weights_sha256": "w",
        "preprocessing_id": "p",
        "tag": tag,
        "tag_embedding": vector,
    }
