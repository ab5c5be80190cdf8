"""Command prefix with which child processes end when the test's process ends."""

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM")
"""The kernel sends SIGTERM to the command when the thread that started it ends."""
