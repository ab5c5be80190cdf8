"""Infrastructure errors get a hint; other errors keep their message."""

from __future__ import annotations

import pytest

from dags.policy.error_hints import with_hint


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("raw_users: OSError: [Errno 28] No space left on device", "make room"),
        ("An error occurred (SignatureDoesNotMatch) when calling PutObject", "credentials"),
        ('Could not connect to the endpoint URL: "http://127.0.0.1:1/b"', "evensong doctor"),
        ("java.lang.OutOfMemoryError: Java heap space", "EVENSONG_SPARK__DRIVER_MEMORY"),
    ],
)
def test_a_hint_follows_the_message(message, hint):
    hinted = with_hint(message)

    assert hinted.startswith(f"{message}; ")
    assert hint in hinted


def test_other_errors_stay_unchanged():
    assert with_hint("no table is called 'x'; declared: y") == "no table is called 'x'; declared: y"  # fmt: skip


def test_java_stack_frames_are_removed():
    message = "org.apache.spark.SparkException: broken\n\tat org.apache.spark.A$.b(A.scala:1)\n\t... 23 more\nCaused by: x"  # fmt: skip
    assert with_hint(message) == "org.apache.spark.SparkException: broken"


def test_a_hint_is_given_for_a_cause_that_the_message_leaves_out():
    message = "org.apache.spark.SparkException: broken\nCaused by: java.lang.OutOfMemoryError: Java heap space"  # fmt: skip

    assert with_hint(message).startswith("org.apache.spark.SparkException: broken; Java has too")
