"""Tags of tracks that the catalogue lacks."""

from __future__ import annotations

import pyarrow as pa

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.graph import GRAPH_NODES
from tests.training import lake as sample
from training.data.reading import read_dataset


def test_a_tag_of_an_unknown_track_is_no_edge(night):
    """core_tags holds three tags; the one on a track without a node has no edge, the other two do."""
    lake = night.settings.lake
    sample.fill(lake, night.as_of)
    nodes = read_table(lake, GRAPH_NODES, as_of=night.as_of).to_pylist()
    rock = {"as_of_date": night.as_of, "node_kind": "tag", "node_id": "rock", "node_index": 1}
    write_slice(
        lake,
        GRAPH_NODES,
        pa.Table.from_pylist([*nodes, rock], schema=GRAPH_NODES.arrow_schema),
        as_of=night.as_of,
    )
    events = [_tag("1", "t00", "u00"), _tag("2", "t01", None), _tag("3", "not-yet", "u00")]
    rows = [event | {"known_from_date": night.as_of} for event in events]
    append(lake, CORE_TAGS, pa.Table.from_pylist(rows, schema=CORE_TAGS.arrow_schema))

    dataset = read_dataset(lake, night.as_of, night.settings.graph)

    assert len(dataset.tag_events.edges.source) == 2


def _tag(event, track, user):
    return {"tag_event_id": event, "track_id": track, "tag": "rock", "user_id": user}
