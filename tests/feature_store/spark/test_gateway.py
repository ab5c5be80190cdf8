"""Errors of a task whose shared Java does not run."""

from __future__ import annotations

import json
import socket

import pytest

from feature_store.spark import gateway


def test_the_error_of_a_missing_gateway_names_its_file_and_both_remedies(tmp_path):
    file = tmp_path / "gateway.json"

    with pytest.raises(
        gateway.GatewayGone,
        match=rf"no Java is kept at {file}; start `evensong up` again, or leave spark.gateway empty",
    ):
        gateway.connect(file)


def test_the_file_of_a_killed_gateway_is_an_error(tmp_path):
    """The port is free: the test opens and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps({"port": port, "secret": "s"}))

    with pytest.raises(gateway.GatewayGone, match="no Java is kept at"):
        gateway.connect(file)
