from __future__ import annotations

import pytest

from tests.training import lake as sample
from training import train


def test_mlflow_holds_parameters_curves_metrics_and_files(night, monkeypatch):
    """The row names a run; it has the recipe, a loss per epoch, test metrics and the checkpoint."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    sample.fill(night.settings.lake, night.as_of)

    row = train.train(night, "ranking")

    client = mlflow.MlflowClient()
    run = client.get_run(row.mlflow_run_id)
    epochs = client.get_metric_history(row.mlflow_run_id, "final.ranking.collaborative")
    assert run.data.params["model.dim"] == "64"
    assert run.data.tags["training_task"] == "ranking"
    assert "test.recall_at_10" in run.data.metrics
    assert [point.step for point in epochs] == list(range(1, len(epochs) + 1))
    assert {file.path for file in client.list_artifacts(row.mlflow_run_id)} == {
        "parameters.safetensors", "model.json", "history.json",
    }  # fmt: skip
