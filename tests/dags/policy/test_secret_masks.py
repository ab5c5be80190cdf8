"""Secrets of the environment do not reach the logs of tasks."""

from __future__ import annotations


def test_a_task_s_log_hides_them_once_it_has_read_its_settings(monkeypatch, session_settings):
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)
    from airflow.sdk.log import _secrets_masker

    from dags.operators.run_context import current_settings

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://ann:geheim-7@store:9000")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "geheim-8")
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", '{"auth": {"apiKey": "geheim-9"}}')
    current_settings()

    error = "cannot be read: http://ann:geheim-7@store:9000/b"
    assert _secrets_masker().redact(error) == "cannot be read: http://ann:***@store:9000/b"
    assert _secrets_masker().redact("Bearer geheim-8, geheim-9") == "Bearer ***, ***"
