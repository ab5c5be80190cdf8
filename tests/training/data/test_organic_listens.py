"""With organic_only training ignores listens that a recommendation started."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from feature_store.lake.arrow_io import append
from feature_store.setting_groups import GraphSettings
from feature_store.tables.core import CORE_DAILY_LISTENS
from tests.training import lake as sample
from training.data.reading import read_dataset

AS_OF = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("organic_only", "read"),
    [(False, [(3, 2000), (4, 4000)]), (True, [(2, 1333)])],
)
def test_organic_only_reads_the_organic_part_of_a_day_s_sums(settings, organic_only, read):
    """3 listens of t00 with 2,000 permille, 2 organic: 2 listens with 1,333, as the graph's job has it.

    All 4 of t01 were started by a list.
    """
    sample.fill(settings.lake, AS_OF)
    day = {"user_id": "u00", "listened_date": AS_OF, "known_from_date": AS_OF}
    rows = [
        day
        | {"track_id": "t00", "listen_count": 3, "completion_permille": 2000, "organic_count": 2},
        day
        | {"track_id": "t01", "listen_count": 4, "completion_permille": 4000, "organic_count": 0},
    ]
    table = pa.Table.from_pylist(rows, schema=CORE_DAILY_LISTENS.arrow_schema)
    append(settings.lake, CORE_DAILY_LISTENS, table)

    listens = read_dataset(settings.lake, AS_OF, GraphSettings(organic_only=organic_only)).listens

    today = listens.day == listens.day.max()
    count, completion = listens.listen_count[today], listens.completion_permille[today]
    assert list(zip(count.tolist(), completion.tolist(), strict=True)) == read
