"""Tag embeddings of tracks: means by hand, without the tags of held-out pairs."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta

import pyarrow as pa
import pytest
import torch

from feature_store.lake.arrow_io import append
from feature_store.tables.features import FEAT_TAGS
from tests.training import lake as sample
from tests.training.datasets import dataset_of, edges, ids, listens_on, nodes_of, pairs_of
from training.data.content import TAGS, Vectors
from training.data.dataset import Dataset, DatedEdges
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


def dataset_with(events) -> Dataset:
    """Two listeners, four tracks, and tags given by (listener, track, tag); the catalogue gave some."""
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
        dataset_of(nodes, listens, AS_OF),
        tagged=edges(pairs),
        tagger_count=torch.tensor(counts),
        tag_events=given,
        tag_vectors=VECTORS,
    )


def view_tensors(dataset: Dataset) -> dict[str, torch.Tensor]:
    """Every tensor that a model sees while ann's listening to track 2 is held out."""
    held_out = pairs_of([HELD_OUT])
    holdout = Holdout(
        dataset.listens, AS_OF + timedelta(days=1), dataset.available_from == 0, held_out, held_out
    )
    view = dataset.train_view(holdout)
    tensors = {"tag edges from": view.graph.tagged.source}
    tensors["tag edges to"] = view.graph.tagged.target
    for name, modality in view.content.items():
        values = {field.name: getattr(modality, field.name) for field in fields(modality)}
        tensors |= {f"{name}.{key}": value for key, value in values.items() if key != "encoder"}
    return tensors


def test_each_tag_weighs_as_much_as_its_taggers():
    """Track 0: rock by two, slow by one, wordless by five. Track 1: wordless alone. Track 2: loud."""
    tagged = edges([(0, ROCK), (0, SLOW), (0, WORDLESS), (1, WORDLESS), (2, LOUD)])

    found = tags_modality(VECTORS, tagged, torch.tensor([2, 1, 5, 1, 7]), n_tracks=4)

    assert found.encoder == "encoder"
    assert found.has.tolist() == [True, False, True, False]
    assert found.embedding[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.embedding[2].tolist() == [-1.0, 3.0]
    assert not found.has_emotion.any()


def test_a_tag_of_a_held_out_pair_changes_no_tensor():
    """With any tag of ann or none: bit-equal tensors, content and graph."""
    without_tag = view_tensors(dataset_with(EVENTS))

    for tag in (ROCK, SLOW, LOUD):
        with_tag = view_tensors(dataset_with([*EVENTS, (*HELD_OUT, tag)]))

        assert with_tag.keys() == without_tag.keys()
        assert [
            name for name in with_tag if not torch.equal(with_tag[name], without_tag[name])
        ] == []


def test_a_tag_of_another_listener_counts():
    """Bo's loud and the slow of bo and the catalogue: (2 x (0, 1) + (-1, 3)) / 3."""
    tensors = view_tensors(dataset_with([*EVENTS, (BO, 2, LOUD)]))

    assert tensors[f"{TAGS}.embedding"][2].tolist() == pytest.approx([-1 / 3, 5 / 3])


def test_the_full_view_has_every_tag():
    """Ann's rock on the held-out track: (2 x (0, 1) + (1, 0)) / 3."""
    content = dataset_with([*EVENTS, (*HELD_OUT, ROCK)]).full_view().content

    assert list(content) == ["audio", "lyrics", "cover", TAGS]
    assert content[TAGS].embedding[2].tolist() == pytest.approx([1 / 3, 2 / 3])


def test_other_tag_vectors_have_another_data_hash():
    """The data hash covers the tag vectors."""
    dataset = dataset_with(EVENTS)
    other = replace(VECTORS, embedding=VECTORS.embedding.flip(0))
    renamed = replace(VECTORS, encoder="another")

    hashes = {replace(dataset, tag_vectors=each).sha256() for each in (VECTORS, other, renamed)}

    assert len(hashes) == 3
    assert dataset_with(EVENTS).sha256() in hashes


def test_vectors_come_from_one_encoder_in_the_order_of_the_tags(night):
    """feat_encoders names the encoder `new`, so rows of `old` do not count; 1980 has no vector."""
    lake = night.settings.lake
    sample.fill(lake, night.as_of)
    sample.name_encoders(lake, night.as_of, {FEAT_TAGS: "new"})
    rows = [
        _row("slow", "new", [3.0, 4.0]),
        _row("rock", "new", [1.0, 2.0]),
        _row("rock", "old", [9.0, 9.0, 9.0]),
        _row("1980", "new", None),
        _row("slow", "old", [9.0, 9.0, 9.0]),
        _row("unread", "old", [9.0, 9.0, 9.0]),
    ]
    append(lake, FEAT_TAGS, pa.Table.from_pylist(rows, schema=FEAT_TAGS.arrow_schema))

    found = read_tag_vectors(
        lake, night.as_of, IdList.of("tag", ["slow", "rock", "1980", "unread"])
    )

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
