"""Code versions: hashes of the code that fits a family, which become part of model versions."""

from __future__ import annotations

import ast
from pathlib import Path

from feature_store.lake.storage import sha256_of

SOURCES = Path(__file__).parents[2]
SHARED_CODE = ("training.engine.model_selection", "feature_store.tables.edge_weights")
"""Where the fit of every family starts, and the weights of the edges that it learns from."""


REGISTRIES = ("training.models.registry", "training.tasks.registry")
"""They import every family and every task, and none of these changes the fit of another one."""


def family_code_version(module: str, task_module: str) -> str:
    """Hash of the code that a family's fit goes through, and of no other family's.

    Args:
        module: dotted name of the family's file.
        task_module: dotted name of the task's file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    to_visit = [module, task_module, *SHARED_CODE]
    for name in to_visit:
        if not _file_of(name).is_file():
            raise FileNotFoundError(f"{name}: no file {_file_of(name)}; its code has no version")
    sources: dict[str, bytes] = {}
    while to_visit:
        name = to_visit.pop()
        file = _file_of(name)
        if name in sources or name in REGISTRIES or not file.is_file():
            continue
        sources[name] = file.read_bytes()
        to_visit += _imported_from_training(sources[name])
    return sha256_of("".join(sha256_of(sources[name]) for name in sorted(sources)).encode())


def _file_of(name: str) -> Path:
    return SOURCES / f"{name.replace('.', '/')}.py"


def _imported_from_training(source: bytes) -> list[str]:
    """Modules that a source may import from training: `from a import b` may name a.b or a."""
    return [
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("training")
        for name in (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))
    ]
