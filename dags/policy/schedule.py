"""The start of the nightly run, for modules that must not import Airflow."""

from datetime import time

NIGHTLY_START_UTC = time(2)
"""The night of as_of starts at this time on the day after as_of."""
