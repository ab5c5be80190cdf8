"""Secrets of variables are found by the variables' names and in addresses, and hidden in texts."""

from __future__ import annotations

import json

import pytest

from feature_store.environment_secrets import secrets_of, without_secrets

TRANSPORT = {"type": "http", "url": "https://ann:geheim@lineage", "auth": {"type": "api_key", "apiKey": "streng-geheim"}}  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "value", "secrets"),
    [
        ("AWS_ENDPOINT_URL", "http://ann:geheim@store:9000", {"geheim"}),
        ("AWS_SECRET_ACCESS_KEY", "geheim", {"geheim"}),
        ("AWS_SESSION_TOKEN", "geheim", {"geheim"}),
        ("AWS_ACCESS_KEY_ID", "public", set()),
        ("EVENSONG_PRIVACY_KEY", "k" * 32, {"k" * 32}),
        ("EVENSONG_LINEAGE_URL", "https://lineage/api?key=geheim&team=", {"geheim"}),
        ("EVENSONG_LINEAGE_URL", "https://lineage/api?key=ge%40heim", {"ge%40heim", "ge@heim", "ge%2540heim"}),
        ("EVENSONG_LAKE", "s3://bucket/lake", set()),
        ("MLFLOW_TRACKING_URI", "postgresql://ann:ge%40heim@db/mlflow", {"ge%40heim", "ge@heim", "ge%2540heim"}),
        ("MLFLOW_TRACKING_URI", "https://geheim@mlflow", {"geheim"}),
        ("MLFLOW_TRACKING_PASSWORD", "geheim", {"geheim"}),
        ("MLFLOW_TRACKING_PASSWORD", "ge@heim", {"ge@heim", "ge%40heim"}),
        ("MLFLOW_TRACKING_TOKEN", "geheim", {"geheim"}),
        ("MLFLOW_TRACKING_USERNAME", "ann", set()),
        ("MLFLOW_TRACKING_INSECURE_TLS", "true", set()),
        ("MLFLOW_FLASK_SERVER_SECRET_KEY", "geheim", {"geheim"}),
        ("DATABRICKS_TOKEN", "geheim", {"geheim"}),
        ("OPENLINEAGE_URL", "https://ann:geheim@lineage", {"geheim"}),
        ("OPENLINEAGE_API_KEY", "geheim", {"geheim"}),
        ("OPENLINEAGE__TRANSPORT__AUTH__APIKEY", "geheim", {"geheim"}),
        ("OPENLINEAGE__TRANSPORT__AUTH__API_KEY", "geheim", {"geheim"}),
        ("OPENLINEAGE__TRANSPORT", json.dumps(TRANSPORT), {"geheim", "streng-geheim"}),
        ("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps([TRANSPORT]), {"geheim", "streng-geheim"}),
        ("OPENLINEAGE__TRANSPORT__CUSTOM_HEADERS", '{"Authorization": "Bearer geheim"}',
         {"Bearer geheim", "Bearer%20geheim", "geheim"}),
        ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://ann:geheim@db/airflow", {"geheim"}),
        ("AIRFLOW__API_AUTH__JWT_SECRET", "geheim", {"geheim"}),
        ("HTTPS_PROXY", "http://proxy:3128", set()),
        ("PS1", "http://[", set()),
        ("PATH", "/bin", set()),
        ("PWD", "/work", set()),
        ("LS_COLORS", "{not: json", set()),
        ("MLFLOW_TRACKING_TOKEN", "", set()),
    ],
)  # fmt: skip
def test_the_secrets_of_a_variable(variable, value, secrets):
    assert set(secrets_of({variable: value})) == secrets


def test_a_text_shows_no_secret_however_it_is_written():
    """The longer one first: it may begin with the shorter one."""
    variables = {"A_TOKEN": "geheim", "A_PASSWORD": "geheim@2", "B_TOKEN": "abc"}

    shown = without_secrets("401 of https://x?t=geheim, geheim%402 and geheim@2 at abc", variables)

    assert shown == "401 of https://x?t=***, *** and *** at abc"
