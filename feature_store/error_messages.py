"""One message for a person out of an error of a library: no stack, no chain, no password.

Spark puts the stack of Java, that of its Python worker and each cause into one text. A reader needs
what broke, in one line, and what to do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from feature_store.settings import without_password

_TRACEBACK = "Traceback (most recent call last):"
_STACKS = re.compile(r"\n\s*(?:JVM stacktrace|Driver stacktrace|Java stacktrace)\s*:.*", re.DOTALL)
_FRAME = re.compile(
    r"(?m)^[ \t]*(?:at [\w.$/<>@-]*\.[\w$<>-]+\([^)\n]*\)|\.\.\. \d+ (?:more|common))[^\n]*$\n?"
)
_CAUSE = re.compile(r"(?m)^[ \t]*(?:Caused by|Suppressed): *(.*)$")
_CALL = re.compile(r"An error occurred while calling [\w.$:]+\.?\s*(?:Trace:\s*)?:?\s*")
_TASK_FAILURE = re.compile(
    r"Job aborted due to stage failure: .*?most recent failure: Lost task [\d.]+ in stage [\d.]+ "
    r"\(TID \d+\) \([^)]*\): ",
    re.DOTALL,
)
_SAYS_NOTHING = re.compile(
    r"(?:[\w.$]+(?:Exception|Error): )*(?:Job aborted|Task failed while writing rows|"
    r"Writing job aborted|Exception thrown in awaitResult|Boxed Exception|An error occurred)"
)


_OURS = frozenset({"dags", "feature_store", "jobs", "training"})
_SPEAKS_FOR_US = frozenset({"airflow", "click", "typer"})
"""Libraries whose exceptions carry messages of ours."""


def reason_of(error: BaseException | str, with_hint: Callable[[str], str]) -> str:
    """The message of an error for a person: `with_hint` makes it plain.

    A library knows neither table nor rule, so its words get a next step.
    """
    told = with_hint(str(error)) or type(error).__name__
    library = None if isinstance(error, str) else _library_of(error)
    if library is None:
        return told
    return (
        f"{told} (rule: none of ours; {type(error).__name__} is what {library} says); run the "
        "command again with --debug, which shows where it happened"
    )


def _library_of(error: BaseException) -> str | None:
    """The installed package that defines the error's type; None for ours and Python's own."""
    root = str(type(error).__module__).partition(".")[0]
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    is_installed = {"site-packages", "dist-packages"} & set(Path(file).parts)
    return root if is_installed and root not in _SPEAKS_FOR_US | _OURS else None


def plain_message(message: str) -> str:
    """What broke, without stacks of Java or Python, chains of causes, or passwords in URLs.

    Of a chain the last cause counts when the error that it caused only says that something failed.
    """
    return without_password(_without_stacks(message)).strip()


def _without_stacks(message: str) -> str:
    whole = _STACKS.sub("", message)
    worker_error = _error_of_python_worker(whole)
    if worker_error:
        return worker_error
    causes: list[str] = [cause.strip() for cause in _CAUSE.findall(whole) if cause.strip()]
    first_cause = _CAUSE.search(whole)
    outer = whole[: first_cause.start()] if first_cause else whole
    outer = _TASK_FAILURE.sub("", _CALL.sub("", _FRAME.sub("", outer))).strip()
    if causes and (not outer or _SAYS_NOTHING.match(outer)):
        return causes[-1]
    return outer


def _error_of_python_worker(text: str) -> str:
    """The exception under the last traceback, with its own message only; "" without a traceback."""
    if _TRACEBACK not in text:
        return ""
    last = text.rpartition(_TRACEBACK)[2]
    lines = _FRAME.sub("", last).split("\n")
    found = next((n for n, line in enumerate(lines) if line and not line[0].isspace()), None)
    if found is None:
        return ""
    kept: list[str] = []
    for line in lines[found:]:
        if kept and (not line.strip() or _CAUSE.match(line)):
            break
        kept.append(line)
    return "\n".join(kept)
