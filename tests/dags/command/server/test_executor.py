"""Workers of the executor end with it, whoever takes which stop message.

Which worker takes the first one is a race, so it is run several times in both orders. With Airflow's
own executor one run waits for ever, unless the worker whose turn is first wins all of them.
"""

from __future__ import annotations

import multiprocessing
import time

import pytest

from dags.command.nights.local_airflow import prepare


@pytest.mark.timeout(60)
@pytest.mark.parametrize("is_reversed", [False, True] * 3)
def test_workers_end_although_one_has_ended_before_its_message_is_sent(
    is_reversed, session_settings
):
    prepare(session_settings)  # before Airflow's first import
    from dags.command.server.executor import LocalExecutor

    executor = LocalExecutor(parallelism=2)
    executor.start()
    if is_reversed:
        executor.workers = dict(reversed(executor.workers.items()))
    workers = list(executor.workers.values())
    assert len(workers) == 2
    assert all(worker.is_alive() for worker in workers)
    executor.activity_queue = SlowQueue(executor.activity_queue, workers)

    try:
        executor.end()
        assert not set(multiprocessing.active_children()) & set(workers)
    finally:
        for left in set(multiprocessing.active_children()) & set(workers):
            left.kill()  # or Python would wait for it at its own end


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
