"""A night through spark-submit on a standalone cluster writes the same rows as in one process."""

from __future__ import annotations

import pytest

from feature_store.lake.storage import open_storage
from tests.support import toy_dataset
from tests.support.night_processes import start_night, wait_for_summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def test_a_night_through_spark_submit_has_the_hashes_of_a_night_in_one_process(
    spark_cluster, nights, tmp_path
):
    lake = str(tmp_path / "lake")
    toy_dataset.land_toy_dataset(open_storage(lake))
    variables = {
        "EVENSONG_SPARK__MASTER": spark_cluster,
        "EVENSONG_SPARK__SUBMIT": "true",
        "EVENSONG_SPARK__DRIVER_HOST": "127.0.0.1",
    }

    summary = wait_for_summary(
        start_night(lake, tmp_path / "state", toy_dataset.LAST_DAY, variables)
    )

    hashes = {name: table["content_sha256"] for name, table in summary["tables"].items()}
    local_hashes = {name: table["content_sha256"] for name, table in nights.first["tables"].items()}
    assert hashes == local_hashes
