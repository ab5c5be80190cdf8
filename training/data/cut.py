"""Reads where a night is cut: the first day that has a listen decides how long the windows are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.compute as pc

from feature_store.lake.arrow_io import exists, read_table
from feature_store.tables.core import CORE_DAILY_LISTENS
from training.evaluation.splits import Cut, night_cut

if TYPE_CHECKING:
    from feature_store.settings import Night


def read_cut(night: Night) -> Cut | None:
    """The night's cut, the same for every task; None where no listen has a time."""
    lake = night.settings.lake
    if not exists(lake, CORE_DAILY_LISTENS):
        return None
    days = read_table(lake, CORE_DAILY_LISTENS, as_of=night.as_of, columns=["listened_date"])
    first_day = pc.min(days["listened_date"]).as_py()
    return night_cut(first_day, night.as_of, night.settings.training.split)
