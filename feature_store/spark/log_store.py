"""Gives Spark the log store with which a commit on S3 never replaces another one.

Neither Delta nor Hadoop's S3 client has such a store that a setting would switch on: Delta's own
for several drivers needs DynamoDB and is not published for our version. Ours is one Java class of
a page, which the compiler inside Spark makes when a session starts.
"""

from __future__ import annotations

import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG_STORE = "evensong.ConditionalLogStore"
_SOURCE = Path(__file__).with_name("ConditionalLogStore.java")


def install_log_store(session: SparkSession, folder: Path) -> None:
    """Let the session's Java find the class LOG_STORE; does nothing the second time.

    Args:
        session: a session of this process's own Java, with Delta's jars.
        folder: where a jar is put; Java reads it as long as it runs.
    """
    jvm: Any = session.sparkContext._jvm  # noqa: SLF001  pyspark has no public accessor
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    if loader.getResource(f"{LOG_STORE.replace('.', '/')}.class") is not None:
        return
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(loader)
    compiler.cook(_SOURCE.read_text())
    jar = folder / f"log-store-{uuid.uuid4().hex}.jar"
    with zipfile.ZipFile(jar, "w") as classes:
        for name, content in dict(compiler.getBytecodes()).items():
            classes.writestr(f"{name.replace('.', '/')}.class", bytes(content))
    loader.addURL(jvm.java.io.File(str(jar)).toURI().toURL())
