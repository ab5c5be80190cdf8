"""Coverage section: how many tracks have usable audio, lyrics, covers and tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.lake.encoder_rows import IDENTITY_COLUMNS, arrow_rows, identity_of
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TAGS,
    FEAT_TRACK_TAGS,
)
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG

if TYPE_CHECKING:
    from feature_store.contract import Table
    from jobs.report.lake import RunView

_NO_READABLE_TAG = "no_readable_tag"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Available tracks by the state of one modality.

    Attributes:
        failures: (failure reason, tracks), most tracks first.
        not_encoded: tracks with content for which the encoder has no row yet.
    """

    modality: str
    encoder_id: str
    n_tracks: int
    usable: int
    failures: tuple[tuple[str, int], ...]
    not_encoded: int

    @property
    def failed(self) -> int:
        """Tracks whose content is unusable."""
        return sum(n_tracks for _, n_tracks in self.failures)

    @property
    def missing(self) -> int:
        """Tracks without content of this modality."""
        return self.n_tracks - self.usable - self.failed - self.not_encoded


def read_coverage(view: RunView) -> tuple[Coverage, ...]:
    """Coverage of audio, lyrics, cover and tags; empty when no track is available."""
    tracks = view.rows(
        CORE_TRACKS, ["track_id", "is_available", "audio_hash", "lyrics_hash", "cover_hash"]
    ).filter("is_available")
    modalities = (("audio", FEAT_AUDIO), ("lyrics", FEAT_LYRICS), ("cover", FEAT_COVER))
    if tracks.is_empty():
        return ()
    return (
        *(_coverage(view, tracks, *modality) for modality in modalities),
        _tags_coverage(view, tracks),
    )


def read_features(view: RunView, table: Table, columns: list[str]) -> pl.DataFrame:
    """Rows of the encoder that the night reads from a feature table, one for each content hash."""
    features = view.rows(table, ["content_hash", *IDENTITY_COLUMNS, *columns])
    identity = identity_of(view.rows(FEAT_ENCODERS).to_arrow(), table)
    return pl.DataFrame(arrow_rows(features.to_arrow(), identity))


def _encoder_id(view: RunView, table: Table) -> str:
    """The encoder whose rows the run read from a feature table; "" without such content."""
    identity = identity_of(view.rows(FEAT_ENCODERS).to_arrow(), table)
    return identity.encoder_id if identity else ""


def _coverage(view: RunView, tracks: pl.DataFrame, modality: str, table: Table) -> Coverage:
    features = read_features(view, table, ["failure_reason"])
    with_content = tracks.filter(pl.col(f"{modality}_hash").is_not_null())
    joined = with_content.join(
        features, how="left", left_on=f"{modality}_hash", right_on="content_hash"
    )
    encoded = joined.filter(pl.col("encoder_id").is_not_null())
    failed = encoded.filter(pl.col("failure_reason").is_not_null())
    failures = (
        failed.group_by("failure_reason")
        .len()
        .sort(["len", "failure_reason"], descending=[True, False])
    )
    return Coverage(
        modality=modality,
        encoder_id=_encoder_id(view, table),
        n_tracks=tracks.height,
        usable=encoded.height - failed.height,
        failures=tuple(failures.iter_rows()),
        not_encoded=with_content.height - encoded.height,
    )


def _tags_coverage(view: RunView, tracks: pl.DataFrame) -> Coverage:
    """Tags become a vector of the track; a tagged track without a vector counts as failed."""
    tagged = tracks.join(view.rows(GRAPH_TRACK_HAS_TAG, ["track_id"]), on="track_id", how="semi")
    usable = tagged.join(view.rows(FEAT_TRACK_TAGS, ["track_id"]), on="track_id", how="semi")
    failed = tagged.height - usable.height
    return Coverage(
        modality="tags",
        encoder_id=_encoder_id(view, FEAT_TAGS),
        n_tracks=tracks.height,
        usable=usable.height,
        failures=((_NO_READABLE_TAG, failed),) if failed else (),
        not_encoded=0,
    )
