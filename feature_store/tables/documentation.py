"""Render every contract as Markdown.

    python -m feature_store.tables.documentation > feature_store/TABLES.md

A test keeps the committed file equal to the contracts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from feature_store.tables import TABLES

_LAYERS = {
    "raw": "As received",
    "core": "Typed and keyed",
    "feat": "What encoders found",
    "graph": "The social graph",
    "score": "What models said",
    "rec": "Published",
    "run": "About the runs",
    "published": "About publication",
}


def tables_as_markdown() -> str:
    """All tables, layer by layer, in the order of their declaration."""
    return "\n".join(_parts())


def _parts() -> Iterator[str]:
    yield "# The tables\n"
    yield "Rendered from the contracts by `python -m feature_store.tables.documentation`.\n"
    for layer, heading in _LAYERS.items():
        yield f"## {layer}: {heading}\n"
        for table in TABLES.values():
            if table.layer == layer:
                yield table.markdown


if __name__ == "__main__":
    sys.stdout.write(tables_as_markdown())
