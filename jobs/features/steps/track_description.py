"""How a track is described to a language model: artist, title and year, as JSON.

Listeners' tags are left out: they are listeners' data, and each new one would be a new question.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def track_description() -> Column:
    """The description of a row of core_tracks: {"artist":…,"title":…,"year":…}.

    The year of release is left out where it is unknown. JSON escapes quotes and line ends, so that
    a title stays one value whatever it holds.
    """
    return F.to_json(
        F.struct(
            F.col("artist_name").alias("artist"),
            F.col("title"),
            F.year("released_date").alias("year"),
        )
    )


def description_hash() -> Column:
    """The content_hash of the description in feat_semantics."""
    return F.sha2(track_description(), 256)
