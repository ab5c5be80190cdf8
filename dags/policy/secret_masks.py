"""Secrets in the environment that Airflow hides in the logs of tasks.

Airflow knows its own connections. It does not know our variables: a library's error quotes the
address that it called, and an address may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

_SECRET_VARIABLES = frozenset(
    {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "EVENSONG_PRIVACY_KEY"}
)


def mask_secrets(environment: Mapping[str, str]) -> None:
    """Tell Airflow which texts to replace by *** in the logs of this task."""
    from airflow.sdk.log import mask_secret

    for secret in sorted(set(secrets_of(environment))):
        mask_secret(secret)


def secrets_of(environment: Mapping[str, str]) -> Iterator[str]:
    """Keys, and passwords and query values of every address, as written and as decoded."""
    for name, value in environment.items():
        if name in _SECRET_VARIABLES:
            yield value
        elif "://" in value:
            yield from _secrets_of_address(value)


def _secrets_of_address(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return  # no address: a text with :// in it
    written = [parts.password or "", *(value for _, value in parse_qsl(parts.query))]
    for secret in filter(None, written):
        yield from {secret, unquote(secret)}
