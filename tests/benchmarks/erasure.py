"""Erases people from a lake of many listens: seconds of a request and of a batch, and how long nights wait meanwhile.

    python -m tests.benchmarks.erasure [--listens 1000000] [--people 10000] [--requests 100] [--quick] [--record]

A copy of the lake is erased from by one request, another copy by all requests at once, in a warm Spark session and without
the readers' grace time. Meanwhile another process asks for the nights' lease, as each task of a night does before it reads:
`longest_wait_s` is the longest time that it got none. A file is rewritten if it is not there any more afterwards. A run that
was stopped goes on where it was; lake and results are cached under EVENSONG_STATE by the code's hash and the sizes.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Event as Stop
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from feature_store.lake.delta_tables import exists, open_table
from feature_store.lake.storage import open_storage
from feature_store.privacy.requests import record_request
from feature_store.privacy.suppression import erasure_guard
from feature_store.settings import Settings, load_settings
from feature_store.spark.session import make_spark
from feature_store.tables import TABLES
from jobs.privacy import erasure
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.erasure_lake import user_id_of, write_lake
from tests.benchmarks.support.record import Section, print_section, refuse_quick_record

QUICK = (30_000, 300, 10)
ASKS_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class ErasureCost:
    """What an erasure took.

    Attributes:
        rows_s: seconds until readers no longer see the people.
        finish_s: seconds of the second search, the purge and the evidence.
        files: data files of tables and landing files before.
        rewritten: those of them that are gone afterwards.
        longest_wait_s: how long a task of a night had to wait at most.
    """

    requests: int
    rows_s: float
    finish_s: float
    files: int
    rewritten: int
    longest_wait_s: float


def measure(settings: Settings, user_ids: list[str]) -> ErasureCost:
    """Erase some people from the settings' lake.

    The measured steps are those of landing files and tables; models and logs there are none.
    """
    spark, now = make_spark(settings), datetime.now(UTC)
    request_ids = [
        record_request(settings, each, actor="benchmark", now=now).request_id for each in user_ids
    ]
    before = _files(settings.lake)
    with _longest_wait(settings.lake) as waited_s:
        started_at_s = time.perf_counter()
        erasure.erase_rows(settings, *request_ids, spark=spark)
        rows_s = time.perf_counter() - started_at_s
    gone = before - _files(settings.lake)
    started_at_s = time.perf_counter()
    erasure.finish(settings, *request_ids)
    finish_s = time.perf_counter() - started_at_s
    return ErasureCost(
        len(user_ids), round(rows_s, 2), round(finish_s, 2), len(before), len(gone), waited_s[0]
    )


def _files(lake: str) -> set[tuple[str, object]]:
    """Landing files with their times, and the data files of the newest version of each table."""
    landed = {
        (file.path, file.written_at_utc)
        for file in open_storage(lake).list("landing")
        if file.path.endswith(".parquet")
    }
    tables = [table for table in TABLES.values() if exists(lake, table)]
    return landed | {(uri, None) for table in tables for uri in open_table(lake, table).file_uris()}


@contextmanager
def _longest_wait(lake: str) -> Iterator[list[float]]:
    """Ask for the nights' lease again and again in another process; yields a list for the result."""
    context = multiprocessing.get_context("spawn")
    stop, waited, result = context.Event(), context.Queue(), list[float]()
    asking = context.Process(target=_ask, args=(lake, stop, waited))
    asking.start()
    waited.get()  # the process has started
    yield result
    stop.set()
    result.append(round(waited.get(), 2))
    asking.join()


def _ask(lake: str, stop: Stop, waited: multiprocessing.Queue[float]) -> None:
    longest_s = 0.0
    waited.put(longest_s)
    while not stop.is_set():
        asked_at_s = time.perf_counter()
        erasure_guard(lake)
        longest_s = max(longest_s, time.perf_counter() - asked_at_s)
        time.sleep(ASKS_EVERY_S)
    waited.put(longest_s)


def results(
    settings: Settings, n_listens: int, n_people: int, counts: list[int]
) -> list[ErasureCost]:
    """The cost of each number of requests, from the cache where it has it."""
    sizes = f"{n_listens}-{n_people}"
    folder = settings.state.resolve() / "benchmarks" / "erasure" / code_sha256()[:12]
    made = settings.state.resolve() / "benchmarks" / "erasure" / f"lake-{sizes}"
    if not (made / "built").exists():
        shutil.rmtree(made, ignore_errors=True)
        Console(stderr=True).print(f"writes {n_listens} listens")
        write_lake(_with_lake(settings, made / "lake"), n_listens, n_people, seed=7)
        (made / "built").touch()
    costs = []
    for count in counts:
        cached = folder / f"{sizes}-{count}.json"
        if not cached.exists():
            copy = folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(made / "lake", copy / "lake")
            step = n_people // count
            people = [user_id_of(number) for number in range(step // 2, n_people, step)][:count]
            cost = measure(_with_lake(settings, copy / "lake"), people)
            shutil.rmtree(copy)
            cached.write_text(json.dumps(asdict(cost)))
        costs.append(ErasureCost(**json.loads(cached.read_text())))
    return costs


def _with_lake(settings: Settings, lake: Path) -> Settings:
    """These settings for another lake, with one key for all of them, and without a grace time.

    The state outlives the copies of the lake: the warm Spark session keeps files there.
    """
    privacy = settings.privacy.model_copy(update={"reader_grace_s": 0.0})
    state = settings.state.resolve() / "benchmarks" / "erasure" / "state"
    return settings.model_copy(update={"lake": str(lake), "state": state, "privacy": privacy})


def flat_figures(costs: list[ErasureCost]) -> dict[str, float]:
    """Each figure by its name and the number of requests."""
    return {
        f"{name}_of_{cost.requests}": value
        for cost in costs
        for name, value in asdict(cost).items()
        if name != "requests"
    }


def table_rows(costs: list[ErasureCost]) -> list[list[str]]:
    """A row for each number of requests."""
    return [
        [
            str(cost.requests),
            f"{cost.rows_s:.1f}",
            f"{cost.finish_s:.1f}",
            f"{cost.rewritten} of {cost.files}",
            f"{cost.longest_wait_s:.2f}",
        ]
        for cost in costs
    ]


def main(
    listens: Annotated[int, typer.Option(min=30, help="Listens in the lake.")] = 1_000_000,
    people: Annotated[int, typer.Option(min=1, help="People who have them.")] = 10_000,
    requests: Annotated[int, typer.Option(min=1, help="Requests of the batch.")] = 100,
    *,
    quick: Annotated[bool, typer.Option(help="A small lake, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Erase one person and many, print what it cost, and record it when asked."""
    refuse_quick_record(quick=quick, record=record)
    if quick:
        listens, people, requests = QUICK
    costs = results(load_settings(), listens, people, sorted({1, min(requests, people)}))
    section = Section(
        title="Erasures (synthetic)",
        command=f"python -m tests.benchmarks.erasure --listens {listens} --people {people} --requests {requests} --record",
        day=datetime.now(UTC).date(),
        seeds=None,
        header=[
            "requests at once",
            "rows, s",
            "finish, s",
            "files rewritten",
            "longest wait of a task, s",
        ],
        rows=table_rows(costs),
    )
    print_section(section, record=record)
    print(json.dumps(flat_figures(costs)))


if __name__ == "__main__":
    typer.run(main)
