"""The command `evensong mood`: what to play to a person who says in a sentence how she feels.

The sentence is stored nowhere: it is in no log, no table and no file, but for the page that --html
asks for, and not even there when it is a statement of distress.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console

from dags.command.mood_printing import print_list, print_position
from dags.command.printed_text import print_line, shortened, shown, ticked
from dags.command.row_printing import Format
from dags.command.search import AsOf, Html, NMatches, Output, night_of
from feature_store.distress import GENTLE_CONTEXT
from feature_store.settings import Night
from feature_store.unicode_text import is_utf8

_SENTENCE_READER = "training.tasks.sentence_emotion:SentenceReader"
_NO_WORDS = "training.tasks.sentence_text:NoWordsError"
_TASK = "training.tasks.mood:Mood.name"
_OPEN_LISTS = "jobs.search.mood_lists:open_mood_lists"
_OPEN_LISTENER = "jobs.search.listeners:open_listener"
_POSITION = "jobs.search.mood_position:position_of"
_GENTLE_POSITION = "jobs.search.mood_position:gentle_position"
_PAGE = "jobs.search.mood_page:MoodPage"
_RENDER_PAGE = "jobs.search.mood_page:render_mood_page"
_DETECT_LANGUAGE = "jobs.encoders.text.language:detect"

_SURE = 0.98
"""Confidence from which a language counts as known. Of 445 short English sentences (those of
feature_store/distress_examples.py and its tests) .98 takes none for another language, .7 takes
13."""
_MAX_DETECTED = 1_000  # characters that tell a language
_QUIT = "quit"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is said and listed for a sentence.

    Attributes:
        sentence: its words on one line; None for a statement of distress.
        emotion: as read, see SentenceReading.
    """

    sentence: str | None
    emotion: dict[str, float] | None
    position: Any
    listed: Any
    notes: tuple[str, ...]


def mood(
    sentence: Annotated[
        str | None,
        typer.Argument(
            help='Such as "rough day, something calm but not sad"; - reads it from standard input, '
            "so that no shell history keeps it."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose list; without it the list is the same for everybody.")
    ] = None,
    as_of: AsOf = None,
    n_tracks: NMatches = 10,
    output: Output = Format.TABLE,
    html: Html = None,
    *,
    repl: Annotated[
        bool, typer.Option("--repl", help="Read sentences line by line; the models stay loaded.")
    ] = False,
) -> None:
    """Print what to play to a listener who feels as a sentence says, and why each track.

    The sentence is stored nowhere, but for the page of --html.
    """
    _check_options(sentence, user, html, is_repl=repl)
    session = _Session(night_of(as_of), user, n_tracks, output)
    if repl:
        _answer_lines(session)
        return
    answer = session.answer(_typed(sentence or ""))
    if html is not None:
        html.write_text(session.page_of(answer), encoding="utf-8")
        print_line(ticked(f"page: {html}"), session.console)


class _Session:
    """A night's models, plane and lists, each loaded when it is first needed, and then kept."""

    def __init__(self, night: Night, user_id: str | None, n_tracks: int, output: Format) -> None:
        self._night, self._user_id, self._n_tracks = night, user_id, n_tracks
        self._output = output
        self._reader = resolve_name(_SENTENCE_READER)(night)
        self.console = Console(stderr=output is not Format.TABLE)

    def warm(self) -> None:
        """Load all that an answer needs.

        Raises:
            UnknownListenerError, NoMoodPlaneError: before models take their time.
        """
        self._lists, self._listener  # noqa: B018  cached
        self._reader.warm()
        resolve_name(_DETECT_LANGUAGE)("warm")

    def answer(self, sentence: str) -> _Answer:
        """Print what a sentence says, and its list; the gentle line before anything can fail."""
        reading = self._reader.read(sentence)
        is_distress = reading.emotion is None
        if is_distress:
            print_line(shown(GENTLE_CONTEXT.message, "bold"), self.console)
        position = (
            resolve_name(_GENTLE_POSITION)()
            if is_distress
            else resolve_name(_POSITION)(self._lists.plane, reading.emotion)
        )
        answer = _Answer(
            sentence=None if is_distress else shortened(" ".join(reading.text.split())),
            emotion=reading.emotion,
            position=position,
            listed=self._lists.list_for(position, self._listener, self._n_tracks),
            notes=() if is_distress else _note_of_language(reading.text),
        )
        self._print(answer)
        return answer

    def page_of(self, answer: _Answer) -> str:
        """The page of an answer, as HTML."""
        page = resolve_name(_PAGE)(
            sentence=answer.sentence,
            position=answer.position,
            listed=answer.listed,
            notes=(*answer.notes, *answer.listed.notes),
            as_of=self._night.as_of,
            model=self._model_of(answer),
        )
        text: str = resolve_name(_RENDER_PAGE)(page, self._lists.catalogue, now=datetime.now(UTC))
        return text

    @cached_property
    def _lists(self) -> Any:
        return resolve_name(_OPEN_LISTS)(self._night, resolve_name(_TASK))

    @cached_property
    def _listener(self) -> Any:
        if self._user_id is None:
            return None
        return resolve_name(_OPEN_LISTENER)(
            self._lists.catalogue.view, self._user_id, resolve_name(_TASK)
        )

    def _model_of(self, answer: _Answer) -> str:
        """The model that read a sentence; of one that none has read, nothing."""
        if answer.sentence is None:
            return ""
        scoring = self._reader.scoring
        return f"{scoring.family} {scoring.model_version}"

    def _print(self, answer: _Answer) -> None:
        console = self.console
        if answer.sentence is not None:
            print_line(shown(f"mood {answer.sentence}", "bold"), console)
        print_position(answer.position, answer.emotion, console)
        model = self._model_of(answer)
        read_by = f", read by {model}" if model else ""
        print_line(f"night of {self._night.as_of}{read_by}; list: {answer.listed.origin}", console)
        for note in (*answer.notes, *answer.listed.notes):
            print_line(note, console)
        print_list(answer.listed.entries, self._output)


def _answer_lines(session: _Session) -> None:
    """Answer each line of standard input until an empty one, `quit`, or the end."""
    session.warm()
    for line in _lines(session.console):
        started_at = perf_counter()
        try:
            session.answer(line)
        except resolve_name(_NO_WORDS) as error:
            print_line(shown(f"error {type(error).__name__}: {error}", "red"), session.console)
        print_line(f"answered in {perf_counter() - started_at:.2f} s", session.console)


def _lines(console: Console) -> Iterator[str]:
    """Lines that are typed, or piped; a person at a terminal sees a prompt."""
    stream, is_terminal = _standard_input(), sys.stdin.isatty()
    if is_terminal:
        print_line(f"How do you feel? An empty line or {_QUIT!r} ends.", console)
    while True:
        if is_terminal:
            console.print("mood> ", end="")
        line = stream.readline()
        if not line.strip() or line.strip().casefold() == _QUIT:
            return
        yield line


def _typed(sentence: str) -> str:
    """The sentence, or for `-` what standard input holds: of a terminal one line."""
    if sentence != "-":
        return sentence
    stream = _standard_input()
    return stream.readline() if sys.stdin.isatty() else stream.read()


def _standard_input() -> Any:
    """Standard input, of which bytes that are no UTF-8 are signs that say nothing."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    return sys.stdin


def _note_of_language(text: str) -> tuple[str, ...]:
    """What to know of a reading in another language; nothing unless that is sure."""
    found = resolve_name(_DETECT_LANGUAGE)(text[:_MAX_DETECTED])
    if found.language in {None, "en"} or found.confidence < _SURE:
        return ()
    note = (
        f"the sentence seems to be in another language ({found.language}); it is read in English "
        "only, so its position says little"
    )
    return (note,)


def _check_options(
    sentence: str | None, user: str | None, html: Path | None, *, is_repl: bool
) -> None:
    if is_repl == (sentence is not None):
        raise typer.BadParameter("give a sentence, or --repl to type several")
    if is_repl and html is not None:
        raise typer.BadParameter("a page holds one answer; leave --repl out", param_hint="--html")
    if not is_utf8(user or ""):
        raise typer.BadParameter("an id is UTF-8", param_hint="--user")
