"""Where each job lives: its first table's layer names the folder, the rest of the name the file."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from feature_store.contract import ContractError, Table
from feature_store.tables import TABLES
from feature_store.tables.layers import LAYERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.inputs import Input


@dataclass(frozen=True, slots=True)
class Job:
    """A job's three parts: what it reads, what it writes, and the pure function between.

    Attributes:
        outputs: the first names the job. Of a job with several, `build` gives a frame with a struct
            column for each, named after the table and null where a row has none of it.
        new_content: of a job that encodes content, the first half of `build`: the frame of content
            to encode, unique by content_hash; None for other jobs.
        encode_new: the second half, which may encode a part of that frame alone.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Table, ...]
    build: Callable[..., DataFrame]
    new_content: Callable[..., DataFrame] | None = None
    encode_new: Callable[..., DataFrame] | None = None


def job_called(name: str) -> Job:
    """The job `name`, which is the name of the first table that it writes.

    Raises:
        ContractError: no job has this name, or its module contradicts it.
    """
    module_name = module_of(name)
    if module_name not in _existing_modules():
        raise ContractError(f"no job writes {name!r}; jobs: {', '.join(job_names())}")
    module = importlib.import_module(module_name)
    outputs = getattr(module, "OUTPUTS", None) or (module.OUTPUT,)
    if outputs[0].name != name:
        raise ContractError(f"{module_name} writes {outputs[0].name}, its name says {name}")
    _refuse_wrong_signature(module_name, module.build, len(module.INPUTS))
    halves = getattr(module, "new_content", None), getattr(module, "encode_new", None)
    return Job(module.INPUTS, outputs, module.build, *halves)


def job_names() -> list[str]:
    """Names of all jobs, in the order in which their tables are declared."""
    existing = _existing_modules()
    return [name for name in TABLES if module_of(name) in existing]


def job_of_table() -> dict[str, str]:
    """By table that a job writes, the job's name."""
    return {table.name: name for name in job_names() for table in job_called(name).outputs}


def module_of(name: str) -> str:
    """Where the job for a table belongs, whether it is there or not."""
    layer, _, subject = name.partition("_")
    folder = LAYERS[layer].jobs_folder if layer in LAYERS else ""
    return f"jobs.{folder or layer}.{subject}"


def _existing_modules() -> set[str]:
    root = Path(__file__).parent
    return {
        f"jobs.{folder}.{file.stem}"
        for folder in {layer.jobs_folder for layer in LAYERS.values()} - {""}
        for file in (root / folder).glob("*.py")
    }


def _refuse_wrong_signature(module: str, build: Callable[..., object], n_inputs: int) -> None:
    parameters = inspect.signature(build).parameters.values()
    frames = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    named = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    if len(frames) != n_inputs or named != ["night"]:
        raise ContractError(
            f"{module}.build takes {[p.name for p in parameters]}; INPUTS asks for {n_inputs} "
            "frames "
            "and the keyword `night`"
        )
