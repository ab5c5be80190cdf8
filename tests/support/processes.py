"""What a test starts ends with the test's own process, however that ends."""

ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM")
"""In front of a command: the kernel ends it when the thread that started it has gone."""
