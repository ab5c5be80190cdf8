"""The layers of the lake: the first part of a table's name, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of tables.

    Attributes:
        heading: for TABLES.md.
        stage: part of the night that writes the layer, as run_metrics names it.
        jobs_folder: folder of its jobs below jobs/; empty where no Spark job writes the layer.
    """

    heading: str
    stage: str
    jobs_folder: str


LAYERS: dict[str, Layer] = {
    "raw": Layer("As received", "ingest", "raw"),
    "core": Layer("Typed and keyed", "core", "core"),
    "feat": Layer("Features of content", "features", "features"),
    "graph": Layer("The social graph", "graph", "graph"),
    "score": Layer("Outputs of models", "training", ""),
    "rec": Layer("Published", "recommendations", "recommendations"),
    "run": Layer("About the runs", "recommendations", "recommendations"),
    "published": Layer("About publication", "publish", ""),
}
"""In the order of a night."""

STAGES: tuple[str, ...] = tuple(dict.fromkeys(layer.stage for layer in LAYERS.values()))
"""Stages in the order of a night."""
