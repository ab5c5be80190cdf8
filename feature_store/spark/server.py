"""Run one Java with a SparkContext that the tasks of `evensong up` share.

    python -m feature_store.spark.server

Tasks connect with feature_store.spark.gateway.
"""

from __future__ import annotations

from pathlib import Path

from feature_store.settings import Settings, load_settings
from feature_store.spark.gateway import GatewayGone, gateway_of, write_address
from feature_store.spark.session import make_spark
from feature_store.stop_signals import stop_signals


def serve(settings: Settings) -> None:
    """Start Java, write its address to the file `spark.gateway`, and keep Java until SIGTERM.

    Raises:
        GatewayGone: Java ended by itself.
    """
    file = Path(settings.spark.gateway)
    own_java = settings.spark.model_copy(update={"gateway": ""})
    with stop_signals() as stop:
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
