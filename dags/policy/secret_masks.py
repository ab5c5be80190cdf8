"""Secrets of the environment that Airflow hides in the logs of tasks: it knows its own alone."""

from __future__ import annotations

from collections.abc import Mapping


def mask_secrets(variables: Mapping[str, str]) -> None:
    """Tell Airflow which texts to replace by *** in the logs of this task."""
    from airflow.sdk.log import mask_secret

    from feature_store.environment_secrets import secrets_of

    for secret in sorted(set(secrets_of(variables))):
        mask_secret(secret)
