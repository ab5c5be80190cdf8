"""Errors of libraries as one message: no stack of Java or Python, no chain, no password."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError
from pyspark.errors import AnalysisException

from feature_store.error_messages import plain_message, reason_of
from feature_store.lake.stored_file import StorageError

FRAMES = (
    "\tat org.apache.spark.A$.b(A.scala:1)\n"
    "\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
    "\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(Unknown Source)\n"
    "\tat app//io.netty.B.<init>(B.java:1) ~[netty.jar:4.1]\n"
    "\tat org.a.B$$Lambda/0x00007f.run(Unknown Source)\n"
    "\tat scala.runtime.java8.JFunction0$mcV$sp.apply(JFunction0$mcV$sp.scala:17)\n"
    "\t... 23 more\n"
    "\t... 12 common frames omitted\n"
)
LOST = (
    "Job aborted due to stage failure: Task 0 in stage 3.0 failed 4 times, most recent failure: "
    "Lost task 0.3 in stage 3.0 (TID 3) (10.0.0.7 executor 2): "
)
WORKER = (
    "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
    '  File "/x/worker.py", line 3, in main\n    process()\n    ~~~~~~~^^\n'
    '  File "/y.py", line 5, in decode\n    raise BadFile(path)\n'
)


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        (f"raw_users: broken\n{FRAMES}", "raw_users: broken"),
        (f"{LOST}java.io.IOException: gone\n{FRAMES}\nDriver stacktrace:\n{FRAMES}Caused by: x", "java.io.IOException: gone"),
        (f"An error occurred while calling o12.save.\n: java.io.IOException: gone\n{FRAMES}", "java.io.IOException: gone"),
        (f"org.apache.spark.SparkException: Job aborted.\n{FRAMES}Caused by: java.io.IOException: gone\n{FRAMES}", "java.io.IOException: gone"),
        (f"java.io.IOException: gone\n{FRAMES}Caused by: java.lang.A: x\n{FRAMES}Caused by: y\n", "java.io.IOException: gone"),
        (f"{LOST}{WORKER}jobs.BadFile: feat_audio: a.flac: cut\n\n{FRAMES}Caused by: x\n", "jobs.BadFile: feat_audio: a.flac: cut"),
        (f"{WORKER}KeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/y.py\", line 5, in f\n    x\nValueError: b\n{FRAMES}", "ValueError: b"),
        (f"[TABLE_NOT_FOUND] no table `x`. SQLSTATE: 42P01\n\nJVM stacktrace:\norg.apache.B: c\n{FRAMES}", "[TABLE_NOT_FOUND] no table `x`. SQLSTATE: 42P01"),
        ("rec_topk: at most 7 (today): 8\nlook at feat.md (line 3)", "rec_topk: at most 7 (today): 8\nlook at feat.md (line 3)"),
    ],
)  # fmt: skip
def test_what_broke_is_left_and_the_stacks_are_not(message, plain):
    assert plain_message(message) == plain


@pytest.mark.parametrize(
    "url",
    ["http://ann:geheim@store:9000/b/k", "https://store/b/k?X-Amz-Signature=geheim&a=b", "postgresql+psycopg2://ann:ge@heim@db/airflow"],
)  # fmt: skip
def test_passwords_and_signatures_in_urls_are_hidden(url):
    told = plain_message(str(EndpointConnectionError(endpoint_url=url)))

    assert "heim" not in told
    assert told.startswith('Could not connect to the endpoint URL: "')


def test_a_library_s_words_get_a_next_step_and_ours_stay_alone():
    assert reason_of(StorageError("lake: gone; restore it"), plain_message) == "lake: gone; restore it"  # fmt: skip
    told = reason_of(AnalysisException("[UNRESOLVED_COLUMN] `x`"), plain_message)
    assert told == (
        "[UNRESOLVED_COLUMN] `x` (rule: none of ours; AnalysisException is what pyspark says); run "
        "the command again with --debug, which shows where it happened"
    )


def test_an_error_without_a_message_is_told_by_its_type():
    assert reason_of(ZeroDivisionError(), plain_message) == "ZeroDivisionError"
