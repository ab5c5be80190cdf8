"""Creates the SparkSession; no other module does."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

import structlog
from filelock import FileLock

from feature_store.lake.private_files import make_private
from feature_store.spark.gateway import connect
from feature_store.spark.java import java_home
from feature_store.spark.local_folder import own_spill_folder, spill_root
from feature_store.spark.log_store import LOG_STORE, install_log_store

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

    from feature_store.settings import Settings

LOG = structlog.get_logger()

PRELOAD_VARIABLE = "EVENSONG_SPARK_PRELOADED"  # python_daemon reads it

_SCALA = "2.13"  # of the Spark that the package pyspark holds

_ONE_START = Lock()
_WARMED = Lock()
"""Taken once in a process and never released."""

_QUICK_START = {
    # On a small catalogue a night would spend most time compiling plans that run for milliseconds.
    # A heap that does not start small is collected half as often in a night of minutes.
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -Xms768m -Xmn400m",
    "spark.databricks.delta.optimizeWrite.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}


def make_spark(settings: Settings) -> SparkSession:
    """Get or create the SparkSession of this process.

    With the setting `spark.gateway` the session runs in the Java that `evensong up` shares.
    """
    prepare_environment(settings)
    if settings.spark.gateway:
        return connect(Path(settings.spark.gateway))
    with _ONE_START:
        return _get_or_create(settings)


def warm_spark(settings: Settings) -> None:
    """Start Spark in a thread, and let it write its first table there, which takes it longest.

    The caller does other work meanwhile; `make_spark` waits for the session. Does nothing when it
    was called before in this process, where jobs run in another Java, and on a cluster, whose
    executors do not see the folder of that table.
    """
    runs_here = not settings.spark.gateway and not settings.spark.submit and _is_local(settings)
    if not runs_here or not _WARMED.acquire(blocking=False):
        return
    Thread(target=_write_first_table, args=(settings,), name="warm-spark", daemon=True).start()


def _write_first_table(settings: Settings) -> None:
    """Load Java's classes for a Delta table, and start the Python daemon."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    def unchanged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return batches

    try:
        session = make_spark(settings)
        with tempfile.TemporaryDirectory(dir=settings.state, prefix="spark-warm-") as folder:
            rows = session.range(1).mapInArrow(unchanged, "id long")
            rows.write.format("delta").save(f"{folder}/first")
    except (OSError, PySparkException, Py4JError) as error:
        # The first job meets the same trouble and reports it.
        LOG.warning("spark could not be warmed", error=str(error))


def _get_or_create(settings: Settings) -> SparkSession:
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    options = session_options(settings)
    start: dict[str, bool | float | int | str | None] = {
        "spark.app.name": "evensong",
        "spark.master": settings.spark.master,
        **options,
    }
    packages = options["spark.jars.packages"].split(",")
    output = settings.state / "spark.log"
    make_private(output)  # an error's message may quote a row
    with _jar_download_lock(packages), output.open("a") as log:
        if SparkContext._gateway is None:  # noqa: SLF001  pyspark has no public accessor
            start["spark.local.dir"] = str(own_spill_folder(settings.state))
            conf = SparkConf().setAll([(name, str(value)) for name, value in start.items()])
            # Java prints pages about jars and its start, which would hide the night's own output.
            # Its errors reach Python as exceptions.
            java = launch_gateway(conf, {"stderr": log})  # type: ignore[no-untyped-call]
            SparkContext(conf=conf, gateway=java)
        session = SparkSession.builder.config(map=start).getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
    if settings.lake.startswith("s3://"):
        install_log_store(session, own_spill_folder(settings.state))
    return session


def session_options(settings: Settings) -> dict[str, str]:
    """Every Spark option of the project, for sessions and for spark-submit."""
    on_s3 = settings.lake.startswith("s3://")
    options = {
        "spark.jars.packages": ",".join(jar_packages(on_s3=on_s3)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Dates of listens are UTC days in every time zone of the machine.
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        "spark.sql.warehouse.dir": str(settings.state / "spark-warehouse"),
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.ui.enabled": "false",
        # The text of a plan is for the user interface, and the formatted one costs time.
        "spark.sql.ui.explainMode": "simple",
        # Debugging would make each Column call walk the Python stack.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.python.worker.reuse": "true",
        # Spark sets an environment variable for it in workers of data frames, not of RDDs, through
        # which createDataFrame passes rows. For these it would start a second daemon with torch.
        "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "false",
        "spark.python.daemon.module": "feature_store.spark.python_daemon",
        f"spark.executorEnv.{PRELOAD_VARIABLE}": ",".join(settings.spark.preload),
        # Writers coalesce rows into few large files instead of one file per task.
        "spark.databricks.delta.optimizeWrite.enabled": "true",
        "spark.databricks.delta.snapshotPartitions": "2",
    }
    if _is_local(settings):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    elif settings.spark.driver_host:
        options["spark.driver.host"] = settings.spark.driver_host
    if not settings.spark.master.startswith("spark://"):
        # Spark draws a secret for each session. A standalone cluster's own configuration decides:
        # there the secret is that of its master and workers.
        options["spark.authenticate"] = "true"
    if settings.spark.quick_start:
        options |= _QUICK_START
    if settings.spark.packages_from:
        options["spark.jars.repositories"] = settings.spark.packages_from
    if on_s3:
        options |= _s3_options()
    return options


def jar_packages(*, on_s3: bool) -> list[str]:
    """Maven coordinates of the jars that fit the installed pyspark and delta-spark.

    Raises:
        PackageNotFoundError: pyspark or delta-spark is not installed.
    """
    spark = ".".join(version("pyspark").split(".")[:2])
    packages = [f"io.delta:delta-spark_{spark}_{_SCALA}:{version('delta-spark')}"]
    if on_s3:
        packages.append(f"org.apache.hadoop:hadoop-aws:{_hadoop_version()}")
    return packages


def _hadoop_version() -> str:
    """The version of the Hadoop classes among Spark's jars; hadoop-aws must be of the same one."""
    prefix = "hadoop-client-api-"
    spark_home = find_spec("pyspark")
    if spark_home is None or spark_home.origin is None:
        raise PackageNotFoundError("pyspark")
    [jar] = (Path(spark_home.origin).parent / "jars").glob(f"{prefix}*.jar")
    return jar.stem.removeprefix(prefix)


def _is_local(settings: Settings) -> bool:
    return settings.spark.master.startswith("local")


def prepare_environment(settings: Settings) -> None:
    """Set the environment variables that Java, spark-submit and Python workers read."""
    import pyspark

    os.environ["JAVA_HOME"] = str(java_home(settings.state))
    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    scripts = str(Path(sys.executable).parent)  # pyspark's package installs spark-submit there
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    spill_root(settings.state)


def _s3_options() -> dict[str, str]:
    """Delta's log store, and hadoop-aws options from the AWS_ variables that boto3 reads too."""
    options = {
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.delta.logStore.s3a.impl": LOG_STORE,
    }
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        options["spark.hadoop.fs.s3a.endpoint"] = endpoint
        options["spark.hadoop.fs.s3a.connection.ssl.enabled"] = str(
            endpoint.startswith("https")
        ).lower()
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        options["spark.hadoop.fs.s3a.endpoint.region"] = region
    return options


@contextmanager
def _jar_download_lock(packages: list[str]) -> Iterator[None]:
    """Let one process at a time start Spark until Ivy's cache has all packages.

    Tasks of a machine's first night start together, and Ivy writes its cache without a lock.
    """
    cache = Path.home() / ".ivy2.5.2" / "jars"
    jars = (f"{name.replace(':', '_', 1).replace(':', '-')}.jar" for name in packages)
    if all((cache / jar).exists() for jar in jars):
        yield
        return
    with FileLock(Path(tempfile.gettempdir()) / f"evensong-ivy-{os.getuid()}.lock"):
        yield
