"""A listener as `evensong mood` sees one: the published lists for moods, or why there are none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.dataset as ds

from feature_store.privacy.suppression import reader_suppression_list
from feature_store.tables.core import CORE_FEEDBACK, CORE_USERS
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import REC_MOOD

if TYPE_CHECKING:
    from jobs.report.lake import RunView


class UnknownListenerError(LookupError):
    """No listener has this id."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A known listener.

    Attributes:
        is_opted_out: the listener wants no recommendations.
        lists: rows of rec_mood, of all cells; none for most who have no history.
        hidden: ids of tracks that the listener has hidden.
        why_no_lists: a clause for people; empty where there are lists.
    """

    user_id: str
    is_opted_out: bool
    lists: pl.DataFrame
    hidden: frozenset[str]
    why_no_lists: str


def open_listener(view: RunView, user_id: str, task: str) -> Listener:
    """The listener of this id as of the view's night.

    Args:
        view: of the night.
        user_id: of the listener.
        task: name of the training task that makes lists for moods.

    Raises:
        UnknownListenerError: core_users has no such listener, or the person has been erased.
    """
    is_theirs = ds.field("user_id") == user_id
    is_erased = reader_suppression_list(view.night.settings).matches(user_id)
    rows = view.rows_where(CORE_USERS, is_theirs)
    if is_erased or rows.is_empty():
        raise UnknownListenerError(
            f"{CORE_USERS.name}: no listener has the id {user_id!r} as of {view.night.as_of}; ids "
            f"are as in {CORE_USERS.name}: check it, or leave --user out for a list that is the "
            "same for everybody"
        )
    is_opted_out = bool(rows.sort("known_from_date")["is_opted_out"][-1])
    lists = view.rows_where(REC_MOOD, is_theirs)
    why = "" if len(lists) else _why_no_lists(view, user_id, task)
    return Listener(user_id, is_opted_out, lists, _hidden_tracks(view, is_theirs), why)


def why_no_lists_at_all(view: RunView, task: str) -> str:
    """A clause for people when rec_mood has no row of the night; empty when it has some.

    Args:
        view: of the night.
        task: name of the training task that makes lists for moods.
    """
    if view.row_count(REC_MOOD):
        return ""
    tasks = view.night.settings.training.tasks
    nothing = f"{REC_MOOD.name} has no row as of {view.night.as_of}"
    if task in tasks:
        return (
            f"{nothing}, although the task {task} is on: `evensong models` says what its training "
            "lacked"
        )
    return f"{nothing}: set training.tasks = {json.dumps([*tasks, task])} and run a night"


def _why_no_lists(view: RunView, user_id: str, task: str) -> str:
    if nothing := why_no_lists_at_all(view, task):
        return nothing
    heard = view.rows_where(GRAPH_USER_LISTENED_TRACK, ds.field("user_id") == user_id)
    if heard.is_empty():
        return f"{user_id} has no listens yet, so {REC_MOOD.name} has no list"
    mood = view.night.settings.mood
    none = f"{REC_MOOD.name} has no list of {user_id}"
    if mood.listeners == "all":
        return f"{none}: all of its candidates are hidden, heard lately or withdrawn"
    days = heard["last_listened_date"].drop_nulls().to_list()
    of_day = f"a last listen on {max(days)}" if days else "listens without a day"
    return (
        f"{none}, who has {of_day}: lists go to listeners with one in the last {mood.active_days} "
        "days (mood.active_days, mood.listeners)"
    )


def _hidden_tracks(view: RunView, is_theirs: ds.Expression) -> frozenset[str]:
    """Tracks that a listener hid and has not unhidden; as jobs/core/steps/active_feedback.py."""
    newest_first = (
        view.rows_where(CORE_FEEDBACK, is_theirs)
        .filter(pl.col("feedback_action").is_in(["hide", "unhide"]))
        .sort(
            ["given_at_utc", "feedback_action", "known_from_date"],
            descending=[True, False, False],
        )
        .unique("track_id", keep="first", maintain_order=True)
    )
    return frozenset(newest_first.filter(feedback_action="hide")["track_id"])
