"""graph_: nodes and edges of the social graph, one complete slice per as_of."""

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.tables import columns as c

NODE_KINDS = ("user", "track", "artist", "tag", "album")

RECENCY_HALF_LIFE_DAYS = 60
"""A listen that old counts half. Undated counts are not decayed."""

GRAPH_NODES = Table(
    name="graph_nodes",
    meaning="Nodes that edges may connect. An index never changes once given, except that later "
    "slices close the gap of an erased person.",
    columns=(c.AS_OF_DATE, c.NODE_KIND, c.NODE_ID, c.NODE_INDEX),
    key=("as_of_date", "node_kind", "node_id"),
    time=Time.AS_OF,
    constraints=(OneOf("node_kind", NODE_KINDS), Within("node_index", 1, 2**53)),
)

GRAPH_USER_LISTENED_TRACK = Table(
    name="graph_user_listened_track",
    meaning="A listener and a track with listens. edge_weight = ln(1 + listen_count) x mean "
    f"completion x 0.5 ^ (days since the last listen / {RECENCY_HALF_LIFE_DAYS}); counts without "
    "times have completion 1, and no decay unless the pair also has listens. Windows and "
    "minimum counts of all edges: settings `graph.…`.",
    columns=(
        c.AS_OF_DATE,
        c.USER_ID,
        c.TRACK_ID,
        c.LISTEN_COUNT,
        c.COMPLETION_PERMILLE,
        c.LAST_LISTENED_DATE,
        c.EDGE_WEIGHT,
    ),
    key=("as_of_date", "user_id", "track_id"),
    time=Time.AS_OF,
    constraints=(Within("listen_count", 1, 2**53), Within("edge_weight", 0, 100)),
)

GRAPH_USER_LIKED_TRACK = Table(
    name="graph_user_liked_track",
    meaning="A listener and a track whose last like or unlike was a like.",
    columns=(c.AS_OF_DATE, c.USER_ID, c.TRACK_ID, c.LIKED_DATE),
    key=("as_of_date", "user_id", "track_id"),
    time=Time.AS_OF,
)

GRAPH_USER_FOLLOWS_USER = Table(
    name="graph_user_follows_user",
    meaning="A listener and a followed listener, as of the day.",
    columns=(c.AS_OF_DATE, c.USER_ID, c.FOLLOWED_USER_ID, c.FOLLOWED_FROM_DATE),
    key=("as_of_date", "user_id", "followed_user_id"),
    time=Time.AS_OF,
)

GRAPH_TRACK_BY_ARTIST = Table(
    name="graph_track_by_artist",
    meaning="A track and its artist.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.ARTIST_ID),
    key=("as_of_date", "track_id", "artist_id"),
    time=Time.AS_OF,
)

GRAPH_TRACK_ON_ALBUM = Table(
    name="graph_track_on_album",
    meaning="A track and its album; a track without an album has no row.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.ALBUM_ID),
    key=("as_of_date", "track_id", "album_id"),
    time=Time.AS_OF,
)

GRAPH_TRACK_HAS_TAG = Table(
    name="graph_track_has_tag",
    meaning="A track and a tag, with the number of taggers.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.TAG, c.TAGGER_COUNT),
    key=("as_of_date", "track_id", "tag"),
    time=Time.AS_OF,
    constraints=(Within("tagger_count", 1, 2**53),),
)

EDGE_TABLES = (
    GRAPH_USER_LISTENED_TRACK,
    GRAPH_USER_LIKED_TRACK,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_ON_ALBUM,
    GRAPH_TRACK_HAS_TAG,
)

NODE_KIND_OF_COLUMN = {
    "user_id": "user",
    "followed_user_id": "user",
    "track_id": "track",
    "artist_id": "artist",
    "tag": "tag",
    "album_id": "album",
}
"""Kind of node that a key column of an edge table names."""

TABLES = (GRAPH_NODES, *EDGE_TABLES)
