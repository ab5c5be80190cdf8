"""Hints for infrastructure errors: full disk, wrong credentials, silent server, small memory."""

from __future__ import annotations

import re

_HINTS = {
    r"No space left on device|Disk quota exceeded": (
        "the disk is full: make room or move EVENSONG_LAKE or EVENSONG_STATE to a larger one, then "
        "run the date again; readers still see what was published"
    ),
    r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|InvalidToken|403 Forbidden": (
        "the store refuses these credentials: check the AWS_ variables with `evensong doctor`"
    ),
    r"Could not connect to the endpoint|Connection refused|error sending request|UnknownHost": (
        "a server does not answer: check AWS_ENDPOINT_URL and the network with `evensong doctor`"
    ),
    r"OutOfMemoryError|Java heap space": (
        "Java has too little memory: raise EVENSONG_SPARK__DRIVER_MEMORY"
    ),
}


def with_hint(message: str) -> str:
    """The one message of an error, without stacks and passwords, and the hints that match it."""
    from feature_store.error_messages import plain_message

    hints = [hint for pattern, hint in _HINTS.items() if re.search(pattern, message)]
    return "; ".join([plain_message(message), *hints])
