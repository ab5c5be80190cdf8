"""The executor of `evensong up`: Airflow's own, which ends whoever takes its stop messages."""

from __future__ import annotations

from airflow.executors import local_executor


class LocalExecutor(local_executor.LocalExecutor):
    """Runs tasks in processes on this machine.

    Any worker takes any stop message. Airflow 3.3.2 sends one for each worker that is still alive
    when its turn comes: where another one has taken the first message and ended by then, the
    messages are one short, and the scheduler waits for the last worker for ever.
    """

    def end(self) -> None:
        """Send as many stop messages as there are workers, then end as Airflow does."""
        for _ in self.workers:
            self.activity_queue.put(None)
        super().end()
