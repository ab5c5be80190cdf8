"""Errors of the surroundings say what to do."""

from __future__ import annotations

import pytest

from dags.policy.error_hints import with_next_step


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("raw_users: OSError: [Errno 28] No space left on device", "make room"),
        ("An error occurred (SignatureDoesNotMatch) when calling PutObject", "credentials"),
        ('Could not connect to the endpoint URL: "http://127.0.0.1:1/b"', "evensong doctor"),
        ("java.lang.OutOfMemoryError: Java heap space", "EVENSONG_SPARK__DRIVER_MEMORY"),
    ],
)
def test_what_broke_is_followed_by_what_to_do(said, step):
    told = with_next_step(said)

    assert told.startswith(f"{said}; ")
    assert step in told


def test_an_error_of_ours_stays_as_it_is():
    assert with_next_step("no table is called 'x'; declared: y") == "no table is called 'x'; declared: y"  # fmt: skip


def test_javas_frames_are_left_out():
    said = "org.apache.spark.SparkException: broken\n\tat org.apache.spark.A$.b(A.scala:1)\n\t... 23 more\nCaused by: x"  # fmt: skip
    assert with_next_step(said) == "org.apache.spark.SparkException: broken\nCaused by: x"
