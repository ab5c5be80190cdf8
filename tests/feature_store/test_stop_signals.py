"""A server's handlers of SIGINT and SIGTERM end with it."""

from __future__ import annotations

import os
import signal

import pytest

from feature_store.stop_signals import stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sets_the_event_and_afterwards_means_what_it_meant_before(number):
    before = signal.getsignal(number)
    with stop_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(5)
    assert signal.getsignal(number) is before


def test_a_child_that_is_forked_after_a_server_ends_by_sigterm():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with stop_signals():
            pass
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
