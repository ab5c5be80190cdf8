"""Which code a family's model is made by: a version and a kept fit change when it does."""

from __future__ import annotations

import ast
from pathlib import Path

from feature_store.lake.storage import sha256_of

SOURCES = Path(__file__).parents[2]


def family_sha256(module: str) -> str:
    """Hash of the code of training that a family's fit goes through, and of no other family's.

    Args:
        module: file of the family in training/models/ranking, without its ending.
    """
    wanted = [f"training.models.ranking.{module}", "training.engine.model_selection"]
    sources: dict[str, bytes] = {}
    while wanted:
        name = wanted.pop()
        file = SOURCES / f"{name.replace('.', '/')}.py"
        # The registry names every family, and none of them changes what another one learns.
        if name in sources or name == "training.models.registry" or not file.is_file():
            continue
        sources[name] = file.read_bytes()
        wanted += _imported_from_training(sources[name])
    return sha256_of("".join(sha256_of(sources[name]) for name in sorted(sources)).encode())


def _imported_from_training(source: bytes) -> list[str]:
    """Modules that a source may import from training: `from a import b` may name a.b or a."""
    return [
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("training")
        for name in (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))
    ]
