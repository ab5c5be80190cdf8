"""Progress bars of the libraries that load text models, which have no place in a night's logs."""

from __future__ import annotations


def disable_progress_bars() -> None:
    """Disable the bars that transformers draws while it loads weights, for this process.

    A task's log keeps each of their steps as a line.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
