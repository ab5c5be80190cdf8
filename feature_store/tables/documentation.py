"""Render every contract as Markdown.

    python -m feature_store.tables.documentation > feature_store/TABLES.md

A test keeps the committed file equal to the contracts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from feature_store.tables import TABLES
from feature_store.tables.layers import LAYERS


def tables_as_markdown() -> str:
    """All tables, layer by layer, in the order of their declaration."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield "# The tables\n"
    yield "Rendered from the contracts by `python -m feature_store.tables.documentation`.\n"
    for name, layer in LAYERS.items():
        yield f"## {name}: {layer.heading}\n"
        for table in TABLES.values():
            if table.layer == name:
                yield table.markdown


if __name__ == "__main__":
    sys.stdout.write(tables_as_markdown())
