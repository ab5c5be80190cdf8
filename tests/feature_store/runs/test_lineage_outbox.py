"""Events that the lineage server did not take wait in order, and are sent with the next emission."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from feature_store.runs import lineage, lineage_outbox
from feature_store.settings import Night
from tests.feature_store.publishing.staging import MARCH_1, NOON
from tests.support.lineage_server import running_lineage_server


@pytest.fixture
def server():
    with running_lineage_server() as running:
        yield running


@pytest.fixture
def emit(settings, server):
    """Emits START of a task to the server, or to another address."""

    def run(task, url=server.url):
        night = Night(MARCH_1, "r1", settings.model_copy(update={"lineage_url": url}))
        with lineage.run_events(night, [task], lambda: NOON):
            pass

    return run


def waiting(settings):
    lines = (settings.state / lineage.UNSENT_FILE).read_text().splitlines()
    return [json.loads(line)["job"]["name"] for line in lines]


def taken(server):
    return [event["job"]["name"] for event in server.taken]


REFUSES, UNKNOWN_HOST = "http://127.0.0.1:1", "http://no-such-host.invalid:5000"


@pytest.mark.parametrize("url", [REFUSES, UNKNOWN_HOST])
def test_what_a_dead_server_missed_is_sent_first_when_it_is_back(settings, server, emit, url):
    emit("a", url)
    emit("b", url)
    assert waiting(settings) == ["a", "b"]

    emit("c")

    assert taken(server) == ["a", "b", "c"]
    assert waiting(settings) == []


@pytest.mark.parametrize("status", [500, 503, 401, 404])
def test_a_server_that_answers_with_an_error_is_tried_again(settings, server, emit, status):
    """401 and 404 are errors of the settings: the events are good, and wait."""
    server.status = status
    emit("a")
    emit("b")
    server.status = 200
    emit("c")

    assert taken(server) == ["a", "b", "c"]
    assert waiting(settings) == []


def test_an_event_that_the_server_calls_invalid_does_not_hold_up_the_others(settings, server, emit):
    server.status, server.invalid_job = 503, "bad"
    emit("a")
    emit("bad")
    server.status = 200
    emit("c")

    refused = settings.state / f"{lineage.UNSENT_FILE}{lineage_outbox.REFUSED_SUFFIX}"
    assert taken(server) == ["a", "c"]
    assert [json.loads(line)["job"]["name"] for line in refused.open()] == ["bad"]
    assert waiting(settings) == []


def test_half_a_line_of_a_killed_process_is_put_aside(settings, server, emit):
    emit("a", REFUSES)
    file = settings.state / lineage.UNSENT_FILE
    file.write_text(file.read_text() + '{"job": {"na')

    emit("b")

    assert taken(server) == ["a", "b"]


def test_shipping_ends_with_its_time_and_the_rest_waits(settings, server, emit, monkeypatch):
    for task in ("a", "b"):
        emit(task, REFUSES)
    monkeypatch.setattr(lineage_outbox, "_MAX_SHIPPING_S", -1.0)

    emit("c")

    assert taken(server) == []
    assert waiting(settings) == ["a", "b", "c"]


def test_tasks_that_run_at_once_lose_no_event(settings, server, emit):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: emit(f"t{number}", REFUSES), range(16)))
    assert sorted(waiting(settings)) == sorted(f"t{number}" for number in range(16))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: emit(f"u{number}"), range(8)))

    everyone = [*(f"t{number}" for number in range(16)), *(f"u{number}" for number in range(8))]
    assert sorted(taken(server)) == sorted(everyone)
    assert waiting(settings) == []
