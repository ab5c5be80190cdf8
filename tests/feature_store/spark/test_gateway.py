"""A task that is told of a shared Java which is not there."""

from __future__ import annotations

import json
import socket

import pytest

from feature_store.spark import gateway


def test_a_gateway_that_nobody_keeps_is_named_with_both_ways_out(tmp_path):
    file = tmp_path / "gateway.json"

    with pytest.raises(
        gateway.GatewayGone,
        match=rf"no Java is kept at {file}; start `evensong up` again, or leave spark.gateway empty",
    ):
        gateway.connect(file)


def test_a_gateway_that_was_killed_left_its_file_and_does_not_answer(tmp_path):
    """Its port is nobody's: taken for a moment and closed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps({"port": port, "secret": "s"}))

    with pytest.raises(gateway.GatewayGone, match="no Java is kept at"):
        gateway.connect(file)
