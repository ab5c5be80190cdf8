"""Batch: unfinished erasure requests that one pass serves together, each with its own counts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feature_store.privacy.person_filter import People, Person
from feature_store.privacy.requests import (
    UnknownRequest,
    add_progress,
    exclusive_change,
    load_requests,
    save_request,
)

if TYPE_CHECKING:
    from feature_store.privacy.requests import Request
    from feature_store.settings import Settings


@dataclass(frozen=True, slots=True)
class Batch:
    """Some unfinished requests.

    Attributes:
        requests: as they were when the batch was loaded; two may ask for the same person.
        people: a filter for all their people, which knows no aliases for names of landing files.
    """

    settings: Settings
    requests: tuple[Request, ...]
    people: People

    @property
    def request_ids(self) -> list[str]:
        """The requests' ids; they name no person."""
        return [request.request_id for request in self.requests]

    def is_shown_by(self, event_number: int) -> bool:
        """Whether this event is the one that shows readers these erasures."""
        return {each.event_number for each in self.reloaded().requests} == {event_number}

    def reloaded(self) -> Batch:
        """The requests as they are by now, with their counts."""
        return Batch(self.settings, load_requests(self.settings, self.request_ids), self.people)

    def save_event_number(self, event_number: int) -> None:
        """Note in every request which event shows readers the tables without its person."""
        with exclusive_change(self.settings):
            for request in self.reloaded().requests:
                save_request(self.settings, replace(request, event_number=event_number))

    def add(self, name: str, by_person: Mapping[str, int], *, is_table: bool = False) -> None:
        """Add rows or files of a person to the counts of the person's unfinished requests.

        Args:
            name: the table, or what kind of files they are.
            by_person: counts by user id.
            is_table: whether it is a table, which was rewritten.
        """
        counts = {
            request.request_id: {name: count}
            for request in self.requests
            if (count := by_person.get(request.user_id, 0))
        }
        self._add(counts, rewritten=name if is_table else None)

    def add_to_all(self, counts: Mapping[str, int]) -> None:
        """Add what was deleted whomever it was about to the counts of every request."""
        self._add(dict.fromkeys(self.request_ids, counts))

    def _add(
        self, counts: Mapping[str, Mapping[str, int]], *, rewritten: str | None = None
    ) -> None:
        """Add counts by request; one that another process finished meanwhile needs none."""
        if not counts:
            return
        with exclusive_change(self.settings):
            for request_id, removed in counts.items():
                with suppress(UnknownRequest):
                    add_progress(self.settings, request_id, removed, rewritten=rewritten)


def load_batch(settings: Settings, request_ids: tuple[str, ...]) -> Batch:
    """The batch of some unfinished requests.

    Raises:
        UnknownRequest: one of them does not exist, or is finished.
    """
    requests = load_requests(settings, request_ids)
    return Batch(settings, requests, People([Person(each.user_id) for each in requests]))
