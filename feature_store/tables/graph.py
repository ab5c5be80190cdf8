"""graph_: nodes and edges of the social graph, one complete slice per as_of."""

from feature_store.contract import OneOf, Table, Time, Within
from feature_store.tables import columns as c

NODE_KINDS = ("user", "track", "artist", "tag", "album")

RECENCY_HALF_LIFE_DAYS = 60
"""A listen that old counts half. Undated counts are not decayed."""

GRAPH_NODES = Table(
    name="graph_nodes",
    meaning="Everything that edges may connect. An index never changes once given, but for the "
    "gap that an erased person leaves: later slices close it.",
    columns=(c.AS_OF_DATE, c.NODE_KIND, c.NODE_ID, c.NODE_INDEX),
    key=("as_of_date", "node_kind", "node_id"),
    time=Time.AS_OF,
    gates=(OneOf("node_kind", NODE_KINDS), Within("node_index", 1, 2**53)),
)

GRAPH_USER_LISTENED_TRACK = Table(
    name="graph_user_listened_track",
    meaning="Who listened to what. edge_weight = ln(1 + listen_count) x mean completion "
    f"x 0.5 ^ (days since the last listen / {RECENCY_HALF_LIFE_DAYS}); counts without times have "
    "completion 1, no decay. Windows and least counts of all edges: settings `graph.…`.",
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
    gates=(Within("listen_count", 1, 2**53), Within("edge_weight", 0, 100)),
)

GRAPH_USER_LIKED_TRACK = Table(
    name="graph_user_liked_track",
    meaning="Who likes what: the last press of like and unlike on that track was like.",
    columns=(c.AS_OF_DATE, c.USER_ID, c.TRACK_ID, c.LIKED_DATE),
    key=("as_of_date", "user_id", "track_id"),
    time=Time.AS_OF,
)

GRAPH_USER_FOLLOWS_USER = Table(
    name="graph_user_follows_user",
    meaning="Who follows whom on that day.",
    columns=(c.AS_OF_DATE, c.USER_ID, c.FOLLOWED_USER_ID, c.FOLLOWED_FROM_DATE),
    key=("as_of_date", "user_id", "followed_user_id"),
    time=Time.AS_OF,
)

GRAPH_TRACK_BY_ARTIST = Table(
    name="graph_track_by_artist",
    meaning="Whose track it is.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.ARTIST_ID),
    key=("as_of_date", "track_id", "artist_id"),
    time=Time.AS_OF,
)

GRAPH_TRACK_ON_ALBUM = Table(
    name="graph_track_on_album",
    meaning="Which album a track is on; one that is on none has no row.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.ALBUM_ID),
    key=("as_of_date", "track_id", "album_id"),
    time=Time.AS_OF,
)

GRAPH_TRACK_HAS_TAG = Table(
    name="graph_track_has_tag",
    meaning="Which tags a track has, and how many gave them.",
    columns=(c.AS_OF_DATE, c.TRACK_ID, c.TAG, c.TAGGER_COUNT),
    key=("as_of_date", "track_id", "tag"),
    time=Time.AS_OF,
    gates=(Within("tagger_count", 1, 2**53),),
)

EDGE_TABLES = (
    GRAPH_USER_LISTENED_TRACK,
    GRAPH_USER_LIKED_TRACK,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_ON_ALBUM,
    GRAPH_TRACK_HAS_TAG,
)

KIND_OF_END = {
    "user_id": "user",
    "followed_user_id": "user",
    "track_id": "track",
    "artist_id": "artist",
    "tag": "tag",
    "album_id": "album",
}
"""Which kind of node a column of an edge's key names."""

TABLES = (GRAPH_NODES, *EDGE_TABLES)
