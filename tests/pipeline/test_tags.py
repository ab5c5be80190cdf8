"""Spark and training compute the same mean tag embedding of each track."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.features import FEAT_TRACK_TAGS
from feature_store.tables.graph import GRAPH_NODES
from jobs.run import run_job
from tests.training import lake as sample
from training.data.reading import read_dataset

TAG_EVENTS = [
    ("t00", "sad songs", "u01"),
    ("t00", "sad songs", "u02"),
    ("t00", "bossa nova", None),
    ("t00", "1980", "u01"),
    ("t03", "metal", "u01"),
    ("t15", "metal", "u02"),
    ("t15", "bossa nova", "u02"),
    ("t05", "1980", "u03"),
]


def test_training_and_the_feature_table_have_the_same_tag_embeddings(spark, night):
    """Three tracks, one of them withdrawn; tags have one or two taggers, and 1980 has no letter."""
    lake = night.settings.lake
    sample.fill(lake, night.as_of)
    _write_tags(lake, night.as_of)
    for table in ("graph_track_has_tag", "feat_encoders", "feat_tags", "feat_track_tags"):
        run_job(table, night, spark)

    dataset = read_dataset(lake, night.as_of, night.settings.graph)
    tags = dataset.full_view().content["tags"]
    written = read_table(lake, FEAT_TRACK_TAGS, as_of=night.as_of)

    assert written["track_id"].to_pylist() == ["t00", "t03", "t15"]
    assert dataset.nodes.tracks.ids[tags.has.numpy()].tolist() == ["t00", "t03", "t15"]
    expected = np.stack(written["mean_tag_embedding"].to_numpy())
    assert expected.shape == (3, 384)
    np.testing.assert_allclose(tags.embedding[tags.has].numpy(), expected, atol=1e-5, rtol=0)


def _write_tags(lake, as_of):
    events = [
        {"tag_event_id": f"e{n}", "track_id": track, "tag": tag, "user_id": user, "known_from_date": as_of}
        for n, (track, tag, user) in enumerate(TAG_EVENTS)
    ]  # fmt: skip
    append(lake, CORE_TAGS, pa.Table.from_pylist(events, schema=CORE_TAGS.arrow_schema))
    nodes = read_table(lake, GRAPH_NODES, as_of=as_of).to_pylist()
    nodes += [
        {"as_of_date": as_of, "node_kind": "tag", "node_id": tag, "node_index": number}
        for number, tag in enumerate(sorted({tag for _, tag, _ in TAG_EVENTS}), start=1)
    ]
    write_slice(
        lake, GRAPH_NODES, pa.Table.from_pylist(nodes, schema=GRAPH_NODES.arrow_schema), as_of=as_of
    )
