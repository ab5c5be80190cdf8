"""A commit of Spark on S3 replaces no other writer's, and is known as its own when an answer is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import boto3
import pytest

from tests.support.failing_proxy import UNANSWERED, failing_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Calls the log stores as Delta does. The stalled writer's rival commits when Delta's store has
# looked and found the version free: as it asks for the first action.
SCRIPT = """
import json, os, sys
from pathlib import Path

import boto3
from py4j.protocol import Py4JJavaError
from pyspark.java_gateway import ensure_callback_server_started

from feature_store.settings import load_settings
from feature_store.spark.session import make_spark

store_class, bucket, state, count, rival = sys.argv[1:]
spark = make_spark(load_settings(lake=f"s3://{bucket}/lake", state=Path(state)))
gateway, java = spark.sparkContext._gateway, spark._jvm
ensure_callback_server_started(gateway)
hadoop = spark._jsc.hadoopConfiguration()
loader = java.java.lang.Thread.currentThread().getContextClassLoader()
[constructor] = java.java.lang.Class.forName(store_class, True, loader).getConstructors()
arguments = gateway.new_array(java.java.lang.Object, 1)
arguments[0] = hadoop
store = constructor.newInstance(arguments)


class Actions:
    class Java:
        implements = ["java.util.Iterator"]

    def __init__(self, key):
        self.key, self.left = key, 1

    def hasNext(self):
        return self.left > 0

    def next(self):
        self.left -= 1
        if rival:
            boto3.client("s3").put_object(Bucket=bucket, Key=self.key, Body=rival)
        return "mine"


outcomes = []
for number in range(int(count)):
    key = f"t/_delta_log/{number:020}.json"
    try:
        path = java.org.apache.hadoop.fs.Path(f"s3a://{bucket}/{key}")
        store.write(path, Actions(key), False, hadoop)
        outcomes.append("committed")
    except Py4JJavaError as error:
        outcomes.append(error.java_exception.getClass().getSimpleName())
print(json.dumps(outcomes), flush=True)
os._exit(0)  # py4j's server of callbacks waits for Java, which waits for this process
"""


def commit(store_class, bucket, tmp_path, *, count, rival):
    """Outcomes of so many commits, one a version, in a process with a Java of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, store_class, bucket, str(tmp_path), str(count), rival],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def stored(bucket, number):
    found = boto3.client("s3").get_object(Bucket=bucket, Key=f"t/_delta_log/{number:020}.json")
    return found["Body"].read().decode()


@pytest.mark.parametrize(
    ("store_class", "outcome", "left"),
    [
        ("evensong.ConditionalLogStore", "FileAlreadyExistsException", "rival"),
        # What the class is for: if Delta's own store comes to refuse too, ours can go.
        ("io.delta.storage.S3SingleDriverLogStore", "committed", "mine\n"),
    ],
)
def test_a_writer_that_stalled_before_its_commit(bucket, tmp_path, store_class, outcome, left):
    """Another writer takes the version while it stalls; only with our store does that one stay."""
    assert commit(store_class, bucket, tmp_path, count=1, rival="rival") == [outcome]
    assert stored(bucket, 0) == left


def test_a_commit_whose_answer_was_lost_is_a_commit(object_store, bucket, tmp_path, monkeypatch):
    """Delta would otherwise take its own commit for a rival's, and commit the same rows again."""
    with failing_proxy(object_store["AWS_ENDPOINT_URL"], 2, (UNANSWERED,)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        outcomes = commit("evensong.ConditionalLogStore", bucket, tmp_path, count=6, rival="")
        failures = proxy.failures[UNANSWERED]
        monkeypatch.setenv("AWS_ENDPOINT_URL", object_store["AWS_ENDPOINT_URL"])

    assert outcomes == ["committed"] * 6
    assert [stored(bucket, number) for number in range(6)] == ["mine\n"] * 6
    assert failures >= 6
