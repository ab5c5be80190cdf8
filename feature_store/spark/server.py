"""Run one Java with a SparkContext that the tasks of `evensong up` share.

    python -m feature_store.spark.server

Tasks connect with feature_store.spark.gateway.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from feature_store.settings import Settings, load_settings
from feature_store.spark.gateway import GatewayGone, gateway_of, write_address
from feature_store.spark.session import make_spark


def serve(settings: Settings) -> None:
    """Start Java, write its address to the file `spark.gateway`, and keep Java until SIGTERM.

    Raises:
        GatewayGone: Java ended by itself.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    file = Path(settings.spark.gateway)
    own_java = settings.spark.model_copy(update={"gateway": ""})
    session = make_spark(settings.model_copy(update={"spark": own_java}))
    write_address(session, file)
    try:
        while not stop.wait(1.0):
            if gateway_of(session).proc.poll() is not None:
                raise GatewayGone.at(file)
    finally:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    serve(load_settings())
