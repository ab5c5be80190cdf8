"""Hours that more than one part goes by; all UTC."""

from datetime import time

NIGHTLY_BEGINS = time(2)
"""When the night of as_of begins, on the day after it."""
