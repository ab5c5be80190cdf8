"""How a command ends: an error is one message for the person at the terminal, not a traceback."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from feature_store.environment_secrets import without_secrets
from feature_store.error_messages import plain_message, reason_of
from feature_store.extras import missing_extra

DEBUG = "--debug"
_OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def as_shown(text: str, *, keep: str = "\n") -> str:
    """Text with control characters as Python writes them, for example the start of an escape code.

    A terminal obeys them: a title could clear the screen, or name a table in another's place. So do
    the signs that turn the direction of writing.
    """
    return _OBEYED.sub(lambda sign: sign[0] if sign[0] in keep else ascii(sign[0])[1:-1], text)


def run_command(
    command: Callable[[], Any], *, with_hint: Callable[[str], str] = plain_message
) -> None:
    """Run a command; an error prints `error`, its type and its message, and exits with status 1.

    Secrets of the environment are hidden in the message.

    Args:
        command: reads sys.argv, from which --debug is taken: with it errors keep their traceback.
        with_hint: makes of an error's message what is printed.
    """
    is_debugged = DEBUG in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != DEBUG]
    try:
        command()
    except Exception as error:
        if is_debugged:
            raise
        console = Console(stderr=True, soft_wrap=True)
        to_install = missing_extra(error)
        kind = "" if to_install else f" {type(error).__name__}"
        console.print(f"[bold red]error[/]{kind}: ", end="", highlight=False)
        message = to_install or reason_of(error, with_hint)
        console.print(Text(as_shown(without_secrets(message))))
        sys.exit(1)
