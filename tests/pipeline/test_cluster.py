"""The same night through spark-submit on a real standalone cluster gives the same rows."""

from __future__ import annotations

import pytest

from feature_store.lake.storage import open_storage
from tests.support import worlds
from tests.support.kills import finished, start_night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def test_a_night_through_spark_submit_has_the_hashes_of_a_night_in_one_process(
    spark_cluster, nights, tmp_path
):
    lake = str(tmp_path / "lake")
    worlds.write_tiny_world(open_storage(lake))
    submitted = {
        "EVENSONG_SPARK__MASTER": spark_cluster,
        "EVENSONG_SPARK__SUBMIT": "true",
        "EVENSONG_SPARK__DRIVER_HOST": "127.0.0.1",
    }

    night = finished(start_night(lake, tmp_path / "state", worlds.LAST_DAY, submitted))

    hashes = {name: table["content_sha256"] for name, table in night["tables"].items()}
    here = {name: table["content_sha256"] for name, table in nights.first["tables"].items()}
    assert hashes == here
