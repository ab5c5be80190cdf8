"""Workers of the executor end with it, whoever takes which stop message.

Airflow's own executor waits for ever in one of the two orders.
"""

from __future__ import annotations

import multiprocessing
import time

import pytest

from dags.command.executor import LocalExecutor


@pytest.mark.timeout(60)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_workers_end_although_one_has_ended_before_its_message_is_sent(is_reversed):
    """In one of the two orders the worker whose turn is second takes the first message, and ends."""
    executor = LocalExecutor(parallelism=2)
    executor.start()
    if is_reversed:
        executor.workers = dict(reversed(executor.workers.items()))
    workers = list(executor.workers.values())
    assert len(workers) == 2
    assert all(worker.is_alive() for worker in workers)
    queue = executor.activity_queue
    executor.activity_queue = SlowQueue(queue, workers)

    executor.end()

    assert not set(multiprocessing.active_children()) & set(workers)


class SlowQueue:
    """A queue whose `put` returns when a worker has taken the message and ended, while there is one."""

    def __init__(self, queue, workers):
        self.queue, self.pids = queue, {worker.pid for worker in workers}

    def put(self, message):
        before = self.alive()
        self.queue.put(message)
        while before and self.alive() == before:
            time.sleep(0.01)

    def alive(self):
        return {child.pid for child in multiprocessing.active_children()} & self.pids

    def close(self):
        self.queue.close()
