"""Airflow assets of the published tables, which the DAGs of other teams wait for."""

from __future__ import annotations

from airflow.sdk import Asset

PUBLISHED_ASSETS = [
    Asset(name, group="evensong")
    for name in ("rec_topk", "rec_similar_tracks", "rec_changes", "rec_mood")
]
"""Only tasks that change what readers see have these outlets; a staged or blocked run has none."""
