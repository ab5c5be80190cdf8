"""How a command ends: an error is one message for the person at the terminal, not a traceback."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from feature_store.extras import missing_extra

DEBUG = "--debug"
_JAVA_FRAME = re.compile(r"\n\s*(?:at [\w.$]+\(.*\)|\.\.\. \d+ more)")


def without_java_frames(message: str) -> str:
    """A message of an error in Java without the stack that Spark appends."""
    return _JAVA_FRAME.sub("", message).strip()


def run_command(
    command: Callable[[], Any], *, with_hint: Callable[[str], str] = without_java_frames
) -> None:
    """Run a command; an error prints `error`, its type and its message, and exits with status 1.

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
        console.print(to_install or with_hint(str(error)), markup=False, highlight=False)
        sys.exit(1)
