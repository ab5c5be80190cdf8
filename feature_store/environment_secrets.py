"""Secrets in the variables of this process, which no log and no error may show.

A library's error quotes the address that it called, and an address may hold a password. Which
variables hold secrets is told by their names: MLflow, OpenLineage, AWS and Airflow have their own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote, unquote_plus, urlsplit

HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"(?:^|[_-])(?:(?:JWT_)?SECRET|PASSWORD|PASSWD|PASSPHRASE|TOKEN|AUTHORIZATION"
    r"|(?:API|ACCESS|SECRET|PRIVATE|PRIVACY|FERNET|ENCRYPTION)_?KEY)$",
    re.IGNORECASE,
)
_WORD_BORDER = re.compile(r"(?<=[a-z])(?=[A-Z])")  # apiKey
_SHORTEST = 4  # characters; a shorter one stands in every other word of a message


def secrets_of(variables: Mapping[str, str]) -> Iterator[str]:
    """Values of variables that are secrets, and passwords, users and queries of addresses.

    A value that is JSON, such as a transport of OpenLineage, is searched like variables. Each
    secret comes as written, decoded, and encoded as a library would put it into an address.
    """
    for name, value in variables.items():
        for secret in _secrets_of_value(name, value):
            yield from {secret, unquote(secret), quote(secret, safe=""), quote(secret)}


def without_secrets(text: str, variables: Mapping[str, str] | None = None) -> str:
    """The text with *** for each secret of the variables, by default those of this process."""
    found = set(secrets_of(os.environ if variables is None else variables))
    for secret in sorted(found, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text


def _secrets_of_value(name: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner_name, inner in value.items():
            yield from _secrets_of_value(str(inner_name), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets_of_value(name, inner)
    elif isinstance(value, str) and value:
        if value[:1] in "{[" and (parsed := _parsed(value)) is not None:
            yield from _secrets_of_value(name, parsed)
        elif _SECRET_NAME.search(_WORD_BORDER.sub("_", name)):
            yield value
            yield from _secrets_of_scheme(value)
        elif "://" in value:
            yield from _secrets_of_address(value)


def _secrets_of_scheme(value: str) -> Iterator[str]:
    """`Bearer geheim` holds `geheim`."""
    scheme, blank, secret = value.partition(" ")
    if blank and scheme.lower() in {"bearer", "basic", "token"}:
        yield secret.strip()


def _parsed(value: str) -> object:
    """The value as JSON; None for another text."""
    try:
        found: object = json.loads(value)
    except ValueError:
        return None
    return found


def _secrets_of_address(address: str) -> Iterator[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return  # no address: a text with :// in it
    # A user without a password is a token.
    yield from filter(None, [parts.password if parts.password is not None else parts.username])
    for part in parts.query.split("&"):
        value = part.partition("=")[2]
        yield from filter(None, {value, unquote_plus(value)})
