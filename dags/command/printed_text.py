"""Text of people for the terminal: it prints as it is, whatever signs a title or a name holds."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from feature_store.terminal import as_shown

_MAX_SENTENCE = 80  # characters of a sentence that a heading holds


def shown(text: object, style: str = "", *, keep: str = "") -> Text:
    """A value without rich's markup, with control characters escaped but for those in `keep`."""
    return Text(as_shown(str(text), keep=keep), style=style)


def ticked(text: str, *, is_passed: bool = True) -> Text:
    """A line with a green tick, or a red cross, before it."""
    mark = ("✓", "green") if is_passed else ("✗", "red")
    return Text.assemble(mark, " ", as_shown(text, keep=""))


def shortened(sentence: str) -> str:
    """The beginning of a sentence, as long as a heading may be."""
    return sentence if len(sentence) <= _MAX_SENTENCE else f"{sentence[:_MAX_SENTENCE]}…"


def print_line(line: str | Text, console: Console | None = None) -> None:
    """Print one line, which the terminal may wrap but rich does not."""
    text = line if isinstance(line, Text) else shown(line)
    (console or Console()).print(text, soft_wrap=True)
