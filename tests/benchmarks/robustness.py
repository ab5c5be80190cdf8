"""How much worse do lists get when modalities go missing: MM-GNN beside its twin that fuses them. Synthetic.

    python -m tests.benchmarks.robustness [--seeds 3] [--quick] [--record]

The sample worlds are those of the benchmark sample_world. At a rate d, every modality is taken from d % of the tracks
that have it, each modality from tracks of its own drawing; who loses the tags loses their edges in the graph too.
`drop_at_score`: fitted on everything, ranked without them. `drop_at_train`: fitted and ranked without them. The loss ratio
is 1 - nDCG@10(d) / nDCG@10(0) on the test window. A family's curves in a world are kept under EVENSONG_STATE.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from torch import Tensor

from feature_store.settings import Settings, load_settings
from feature_store.storage import sha256_of
from tests.benchmarks.contenders import Contender
from tests.benchmarks.fits import Bench
from tests.benchmarks.record import Section, refuse_quick_record, show, spread
from tests.benchmarks.sample_world import FIRST_SEED, build_world, open_bench, options_of
from training.checkpoint import Saved
from training.config import load_recipe
from training.data.world import DatedEdges, World
from training.learning import choose, tested
from training.loop import deterministic

FAMILIES = ("mm_gnn", "concat_twin")
RATES = (10, 30, 50, 70, 100)
METRIC = "ndcg_at_10"


@dataclass(frozen=True, slots=True)
class Point:
    """One place on a curve: `when` is score or train, `rate` in percent."""

    when: str
    rate: int
    family: str
    ndcg: float


def thinned(world: World, rate: int, seed: int) -> World:
    """The world with every modality taken from `rate` % of the tracks that have it."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(having: Tensor) -> Tensor:
        shuffled = having[torch.randperm(len(having), generator=generator)]
        return shuffled[: len(having) * rate // 100]

    content = {
        name: modality.without(drawn(modality.has.nonzero().squeeze(1)))
        for name, modality in world.content.items()
    }
    return _untagged(replace(world, content=content), drawn(world.tagged.source.unique()))


def _untagged(world: World, tracks: Tensor) -> World:
    """The world in which nobody tagged the tracks at these positions."""
    stays = ~torch.isin(world.tagged.source, tracks)
    events = world.tag_events
    told = ~torch.isin(events.edges.source, tracks)
    return replace(
        world,
        tagged=world.tagged.where(stays),
        tagger_count=world.tagger_count[stays],
        tag_events=DatedEdges(
            events.edges.where(told), events.user[told], events.day[told], events.is_dated[told]
        ),
    )


def curves(world: World, seed: int, settings: Settings) -> list[Point]:
    """Every point of both families in one world; curves that a file keeps are not measured again."""
    bench = open_bench(world, settings)
    points = []
    for family in FAMILIES:
        measured_by = sha256_of(Path(__file__).read_bytes())[:12]
        name = f"robustness-{bench.name(Contender(family), seed)}-{measured_by}.json"
        kept = bench.folder / name
        if not kept.exists():
            measured = [asdict(point) for point in _curves_of(family, bench, seed)]
            partial = kept.with_suffix(".partial")
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(measured))
            partial.rename(kept)
        points += [Point(**point) for point in json.loads(kept.read_text())]
    return points


def _curves_of(family: str, bench: Bench, seed: int) -> Iterator[Point]:
    """A family's curves: one fit on the whole world, and one at each rate."""
    recipe, world, split = load_recipe(family), bench.world, bench.split(seed)

    def fitted_on(less: World) -> Saved:
        return choose(less, split, recipe, seed=seed, device=bench.device).saved

    def ndcg(saved: Saved, less: World) -> float:
        return tested(saved, less, split, recipe, bench.device).quality.values[METRIC]

    with deterministic(seed, bench.n_threads):
        whole = fitted_on(world)
        best = ndcg(whole, world)
    yield from (Point(when, 0, family, best) for when in ("score", "train"))
    for rate in RATES:
        less = thinned(world, rate, seed)
        with deterministic(seed, bench.n_threads):
            yield Point("score", rate, family, ndcg(whole, less))
        with deterministic(seed, bench.n_threads):
            yield Point("train", rate, family, ndcg(fitted_on(less), less))


def loss_ratios(points: list[list[Point]]) -> dict[str, list[float]]:
    """1 - nDCG(d) / nDCG(0) of each world, by `drop_at_<when>.<rate>.<family>_loss_ratio`."""
    ratios: dict[str, list[float]] = {}
    for of_world in points:
        whole = {(one.when, one.family): one.ndcg for one in of_world if one.rate == 0}
        for one in of_world:
            if one.rate:
                name = f"drop_at_{one.when}.{one.rate}.{one.family}_loss_ratio"
                lost = 1 - one.ndcg / whole[one.when, one.family]
                ratios.setdefault(name, []).append(lost)
    return ratios


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds to measure.")] = 3,
    quick: Annotated[bool, typer.Option(help="A smaller world, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings = load_settings()
    points = [
        curves(build_world(options_of(seed, quick=quick), settings), seed, settings)
        for seed in track(
            range(FIRST_SEED, FIRST_SEED + seeds), "worlds", console=Console(stderr=True)
        )
    ]
    ratios = loss_ratios(points)
    header = [
        "missing; nDCG@10 lost",
        *(f"{family}, at {when}" for when in ("score", "train") for family in FAMILIES),
    ]
    rows = [
        [f"{rate} %"]
        + [
            spread(ratios[f"drop_at_{when}.{rate}.{family}_loss_ratio"], decimals=3)
            for when in ("score", "train")
            for family in FAMILIES
        ]
        for rate in RATES
    ]
    command = f"python -m tests.benchmarks.robustness --seeds {seeds} --record"
    title, today = "Missing modalities (synthetic)", datetime.now(UTC).date()
    show(Section(title, command, today, seeds, header, rows), record=record)
    print(json.dumps({name: round(statistics.fmean(lost), 6) for name, lost in ratios.items()}))


if __name__ == "__main__":
    typer.run(main)
