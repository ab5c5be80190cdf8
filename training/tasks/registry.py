"""Registry of tasks by name. Only this module imports tasks from outside."""

from __future__ import annotations

from typing import Any

from training.tasks.audio_text import AudioText
from training.tasks.mood import Mood
from training.tasks.protocol import Family, Task
from training.tasks.ranking import Ranking
from training.tasks.text_emotion import TextEmotion

TASKS: dict[str, Task[Any, Any, Any]] = {
    "ranking": Ranking(),
    "audio_text": AudioText(),
    "text_emotion": TextEmotion(),
    "mood": Mood(),
}


class UnknownTaskError(LookupError):
    """No task has this name."""


class UnknownFamilyError(LookupError):
    """A task has no family of this name."""


def get_task(name: str) -> Task[Any, Any, Any]:
    """The task of a name.

    Raises:
        UnknownTaskError: there is none; names those that there are.
    """
    if name not in TASKS:
        raise UnknownTaskError(
            f"training task {name!r} is unknown; registered: {', '.join(sorted(TASKS))}"
        )
    return TASKS[name]


def get_family(task: str, name: str) -> Family:
    """A family of a task.

    Raises:
        UnknownTaskError: there is no such task.
        UnknownFamilyError: it has no such family; names those that it has.
    """
    families = get_task(task).families
    if name not in families:
        raise UnknownFamilyError(
            f"task {task} has no family {name!r}; registered: {', '.join(sorted(families))}"
        )
    return families[name]
