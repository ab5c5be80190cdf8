"""Secrets of the environment do not reach the logs of tasks."""

from __future__ import annotations

import pytest

from dags.policy.secret_masks import secrets_of


@pytest.mark.parametrize(
    ("variable", "value", "secrets"),
    [
        ("AWS_ENDPOINT_URL", "http://ann:geheim@store:9000", {"geheim"}),
        ("MLFLOW_TRACKING_URI", "postgresql://ann:ge%40heim@db/mlflow", {"ge%40heim", "ge@heim"}),
        ("EVENSONG_LINEAGE_URL", "https://lineage/api?key=geheim&team=", {"geheim"}),
        ("HTTPS_PROXY", "http://proxy:3128", set()),
        ("EVENSONG_LAKE", "s3://bucket/lake", set()),
        ("AWS_SECRET_ACCESS_KEY", "geheim", {"geheim"}),
        ("EVENSONG_PRIVACY_KEY", "k" * 32, {"k" * 32}),
        ("PS1", "http://[", set()),
        ("PATH", "/bin", set()),
    ],
)
def test_the_secrets_of_a_variable(variable, value, secrets):
    assert set(secrets_of({variable: value})) == secrets


def test_a_task_s_log_hides_them_once_it_has_read_its_settings(monkeypatch, session_settings):
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)
    from airflow.sdk.log import _secrets_masker

    from dags.operators.run_context import current_settings

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ann:geheim-7@store:9000")
    current_settings()

    error = "cannot be read: http://ann:geheim-7@store:9000/b"
    assert _secrets_masker().redact(error) == "cannot be read: http://ann:***@store:9000/b"
