"""Lets a night's stages take broken inputs, and counts those that end neither as a row nor as features nor as a reason.

    python -m tests.benchmarks.broken [--inputs 3000] [--kinds landing,audio,picture,text] [--seed 7] [--record]

Each input is a small file of some format after one to three mutations: flipped bits, truncations, edits of the header, zeros,
splices. The kinds share the inputs equally. Spark's job of the kind takes them in chunks; when a chunk's task fails, the chunk
is halved until the inputs that fail alone are known, which are kept beside the results. `lost` are inputs without any result.
`worker_peak_mib` is the peak of a Spark worker together with its decoder. A run that was stopped goes on where it was; results
are cached under EVENSONG_STATE by the code's hash, the seed and the kind.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from feature_store.lake.storage import sha256_of
from feature_store.settings import Night, load_settings
from feature_store.spark.session import make_spark
from tests.benchmarks.support.broken.kinds import FEATURES, KINDS, ROW, Kind, Outcomes
from tests.benchmarks.support.broken.worker_memory import WorkerPeak
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.record import Section, print_section

CHUNK_INPUTS = 50
AS_OF = date(2026, 3, 1)
Run = Callable[[Sequence[bytes]], Outcomes]


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What became of the inputs of a chunk.

    Attributes:
        outcomes: number of inputs by outcome: features, a row, or a reason.
        task_failures: inputs that fail the task alone.
        worker_peak_mib: largest so far in the run.
    """

    kind: str
    inputs: int
    outcomes: dict[str, int]
    lost: int
    task_failures: int
    worker_peak_mib: float


def take(
    inputs: Sequence[bytes], run: Run, on_failure: Callable[[bytes, Exception], None]
) -> Outcomes:
    """The outcome of each input by its hash; one that fails the task has none.

    Args:
        inputs: no two are equal.
        run: a stage of the night; raises when its task fails.
        on_failure: is told of each input that fails alone.
    """
    try:
        return run(inputs)
    except Exception as error:  # noqa: BLE001  which one a task dies of is what is looked for
        if len(inputs) == 1:
            on_failure(inputs[0], error)
            return {}
    middle = len(inputs) // 2
    return take(inputs[:middle], run, on_failure) | take(inputs[middle:], run, on_failure)


def chunk_inputs(kind: Kind, name: str, seed: int, chunk: int, count: int) -> list[bytes]:
    """The distinct inputs of a chunk; they depend on nothing else."""
    rng = np.random.default_rng([seed, chunk, *name.encode()])
    made: dict[str, bytes] = {}
    while len(made) < count:
        content = kind.make(rng)
        made[sha256_of(content)] = content
    return list(made.values())


def measure_chunk(
    name: str, inputs: Sequence[bytes], run: Run, failures: Path, peak: WorkerPeak
) -> ChunkResult:
    """Let the stage take a chunk; inputs that fail are written into the folder `failures`."""
    failed: list[str] = []

    def keep(content: bytes, error: Exception) -> None:
        failed.append(sha256_of(content))
        failures.mkdir(parents=True, exist_ok=True)
        (failures / f"{name}-{failed[-1][:12]}").write_bytes(content)
        (failures / f"{name}-{failed[-1][:12]}.txt").write_text(str(error))

    with peak.watched():
        outcomes = take(inputs, run, keep)
    hashes = {sha256_of(content) for content in inputs}
    return ChunkResult(
        kind=name,
        inputs=len(inputs),
        outcomes=dict(Counter(outcomes[one] for one in hashes if one in outcomes)),
        lost=len(hashes - outcomes.keys() - set(failed)),
        task_failures=len(failed),
        worker_peak_mib=peak.mib,
    )


def results(names: Sequence[str], inputs: int, seed: int) -> Iterator[ChunkResult]:
    """The results of all chunks, from the cache where it has them."""
    settings = load_settings()
    folder = settings.state.resolve() / "benchmarks" / "broken" / code_sha256()[:12]
    settings = settings.model_copy(update={"lake": str(folder / "lake")})
    night, peak = Night(AS_OF, "broken", settings), WorkerPeak()
    chunks = [
        (name, chunk, min(CHUNK_INPUTS, share - chunk * CHUNK_INPUTS))
        for name, share in zip(names, _shares(inputs, len(names)), strict=True)
        for chunk in range(-(-share // CHUNK_INPUTS))
    ]
    for name, chunk, count in track(chunks, "chunks", console=Console(stderr=True)):
        kind, cached = KINDS[name], folder / f"{name}-{seed}-{chunk}-{count}.json"
        if not cached.exists():
            spark = make_spark(settings)
            result = measure_chunk(
                name,
                chunk_inputs(kind, name, seed, chunk, count),
                lambda some, kind=kind, spark=spark: kind.run(spark, night, some),
                folder / "failures",
                peak,
            )
            partial = cached.with_suffix(".partial")
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(asdict(result)))
            partial.rename(cached)
        yield ChunkResult(**json.loads(cached.read_text()))


def flat_figures(chunks: Sequence[ChunkResult]) -> dict[str, float]:
    """Sums over all chunks, and the largest worker."""
    return {
        "inputs": sum(chunk.inputs for chunk in chunks),
        "with_row_feature_or_reason": sum(sum(chunk.outcomes.values()) for chunk in chunks),
        "lost": sum(chunk.lost for chunk in chunks),
        "task_failures": sum(chunk.task_failures for chunk in chunks),
        "worker_peak_mib": round(max(chunk.worker_peak_mib for chunk in chunks)),
    }


def table_rows(chunks: Sequence[ChunkResult]) -> list[list[str]]:
    """A row for each kind: its figures, and the numbers of its reasons, most frequent first."""
    rows = []
    for name in dict.fromkeys(chunk.kind for chunk in chunks):
        of_kind = [chunk for chunk in chunks if chunk.kind == name]
        outcomes: Counter[str] = Counter()
        for chunk in of_kind:
            outcomes.update(chunk.outcomes)
        with_features = outcomes.pop(FEATURES, 0) + outcomes.pop(ROW, 0)
        figures = flat_figures(of_kind)
        reasons = ", ".join(f"{reason} {count}" for reason, count in outcomes.most_common())
        rows.append(
            [name, str(figures["inputs"]), str(with_features), reasons or "–"]
            + [str(figures[key]) for key in ("lost", "task_failures", "worker_peak_mib")]
        )
    return rows


def _shares(inputs: int, n_kinds: int) -> list[int]:
    """The inputs divided equally; the first kinds take what is left over."""
    return [inputs // n_kinds + (at < inputs % n_kinds) for at in range(n_kinds)]


def main(
    inputs: Annotated[int, typer.Option(min=1, help="Inputs of all kinds together.")] = 3000,
    kinds: Annotated[str, typer.Option(help="Kinds, separated by commas.")] = ",".join(KINDS),
    seed: Annotated[int, typer.Option(help="Of the mutations.")] = 7,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Take the inputs, print what became of them, and record it when asked."""
    names = kinds.split(",")
    if unknown := sorted(set(names) - set(KINDS)):
        raise typer.BadParameter(f"--kinds: {unknown} are none of {list(KINDS)}")
    chunks = list(results(names, inputs, seed))
    section = Section(
        title="Broken inputs",
        command=f"python -m tests.benchmarks.broken --inputs {inputs} --seed {seed} --record",
        day=datetime.now(UTC).date(),
        seeds=None,
        header=[
            *("kind", "inputs", "with features or rows", "with a reason"),
            *("lost", "task failures", "worker peak MiB"),
        ],
        rows=table_rows(chunks),
    )
    print_section(section, record=record)
    print(json.dumps(flat_figures(chunks)))


if __name__ == "__main__":
    typer.run(main)
