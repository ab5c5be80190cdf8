"""How much worse do lists get when modalities go missing: MM-GNN beside its twin that fuses them. Synthetic.

    python -m tests.benchmarks.robustness [--seeds 10] [--quick] [--record]

The sample worlds are those of the benchmark sample_world. At a rate d, every modality is taken from d % of the tracks
that have it, each modality from tracks of its own drawing; who loses the tags loses their edges in the graph too.
`drop_at_score`: fitted on everything, ranked without them. `drop_at_train`: fitted and ranked without them. The loss ratio
is 1 - nDCG@10(d) / nDCG@10(0) on the test window. `drop_at_score_of_new`: as at scoring, but a tenth of the tracks has been
made new (benchmark new_tracks) and lists hold those alone: only content has a vote on them, and the figure is nDCG@10
itself, because a family whose blend came to do without content has nothing to lose. Families are compared world by world,
with Student's interval over the worlds. A family's curves in a world are kept under EVENSONG_STATE.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from feature_store.lake.storage import sha256_of
from feature_store.settings import Settings, load_settings
from tests.benchmarks.sample_world import FIRST_SEED, build_world, open_bench, options_of
from tests.benchmarks.support.baselines import OURS, Contender
from tests.benchmarks.support.comparison import over_worlds
from tests.benchmarks.support.fits import Bench, held_out
from tests.benchmarks.support.modality_dropout import listing_only, newcomers, thinned, with_new
from tests.benchmarks.support.record import (
    Section,
    interval,
    refuse_quick_record,
    show,
    spread,
    with_ends,
)
from training.artifacts.checkpoints import Saved, put_together
from training.config import load_recipe
from training.data.dataset import World
from training.engine.loop import deterministic
from training.engine.model_selection import choose, tested
from training.evaluate import test_evidence, test_quality
from training.evaluation.evaluator import CHOOSING_METRIC
from training.evaluation.significance import Difference

FAMILIES = (OURS, "concat_twin")
WHENS = SCORE, TRAIN, SCORE_OF_NEW = "score", "train", "score_of_new"
RATES = (10, 30, 50, 70, 100)
RATES_OF_NEW = (0, *RATES[:-1])  # on a new track without any content no head has a vote

MEASURED_BY = [
    Path(__file__),
    *(Path(__file__).parent / "support" / name for name in ("modality_dropout.py", "fits.py")),
]


@dataclass(frozen=True, slots=True)
class Point:
    """One place on a curve: `when` is one of WHENS, `rate` in percent, `found` the nDCG@10."""

    when: str
    rate: int
    family: str
    found: float


def curves(world: World, seed: int, settings: Settings) -> list[Point]:
    """Every point of both families in one world; curves that a file keeps are not measured again."""
    bench = open_bench(world, settings)
    points = []
    for family in FAMILIES:
        measured_by = sha256_of(b"".join(file.read_bytes() for file in MEASURED_BY))[:12]
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
    """A family's curves: a fit on the whole world, one at each rate, and one where some tracks are new."""
    recipe, world, split = load_recipe(family), bench.world, bench.split(seed)
    tracks = newcomers(world, seed)
    some_new = with_new(world, tracks, split.sealed_test.end)
    split_of_new = held_out(some_new, seed)
    shelf = listing_only(tracks, split_of_new.asking_for(split, world.n_tracks))

    def ndcg(saved: Saved, less: World) -> float:
        return tested(saved, less, split, recipe, bench.device).quality.values[CHOOSING_METRIC]

    def ndcg_among_new(saved: Saved, less: World) -> float:
        model = put_together(saved, recipe.model, test_evidence(less, split_of_new), bench.device)
        return test_quality(model, less, shelf, bench.device).values[CHOOSING_METRIC]

    with deterministic(seed, bench.n_threads):
        whole = choose(world, split, recipe, seed=seed, device=bench.device).saved
    with deterministic(seed, bench.n_threads):
        knows_news = choose(some_new, split_of_new, recipe, seed=seed, device=bench.device).saved
    for rate in (0, *RATES):
        less = thinned(world, rate, seed)
        with deterministic(seed, bench.n_threads):
            yield Point(SCORE, rate, family, ndcg(whole, less))
            again = whole
            if rate:
                again = choose(less, split, recipe, seed=seed, device=bench.device).saved
            yield Point(TRAIN, rate, family, ndcg(again, less))
            if rate in RATES_OF_NEW:
                less_news = thinned(some_new, rate, seed)
                yield Point(SCORE_OF_NEW, rate, family, ndcg_among_new(knows_news, less_news))


def found_in(points: list[list[Point]]) -> dict[tuple[str, int, str], list[float]]:
    """NDCG of each world, by when, rate and family."""
    found: dict[tuple[str, int, str], list[float]] = {}
    for one in (one for of_world in points for one in of_world):
        found.setdefault((one.when, one.rate, one.family), []).append(one.found)
    return found


def loss_ratios(points: list[list[Point]]) -> dict[tuple[str, int, str], list[float]]:
    """1 - nDCG(d) / nDCG(0) of each world, by when, rate and family; not of new tracks."""
    found = found_in(points)
    return {
        (when, rate, family): [
            1 - less / whole for less, whole in zip(values, found[when, 0, family], strict=True)
        ]
        for (when, rate, family), values in found.items()
        if rate and when != SCORE_OF_NEW
    }


def twin_loses_more(
    ratios: dict[tuple[str, int, str], list[float]], when: str, rates: Sequence[int]
) -> Difference:
    """The twin's loss less ours, a mean over `rates` in each world; its mean over worlds and interval.

    Raises:
        ValueError: a single world has no interval.
    """
    ours, twin = (
        np.mean([ratios[when, rate, family] for rate in rates], axis=0) for family in FAMILIES
    )
    return over_worlds((twin - ours).tolist())


def rows_of(ratios: dict[tuple[str, int, str], list[float]]) -> list[list[str]]:
    """A line a rate, and one for their mean: what each family loses, and what the twin loses more."""
    lines = []
    for title, rates in [(f"{rate} %", (rate,)) for rate in RATES] + [("mean", RATES)]:
        line = [title]
        for when in (SCORE, TRAIN):
            for family in FAMILIES:
                of_worlds = np.mean([ratios[when, rate, family] for rate in rates], axis=0)
                line.append(spread(of_worlds.tolist(), decimals=3))
            line.append(interval(twin_loses_more(ratios, when, rates)))
        lines.append(line)
    return lines


def ours_ahead(found: dict[tuple[str, int, str], list[float]], when: str, rate: int) -> Difference:
    """MM-GNN's nDCG less the twin's; its mean over worlds and interval."""
    ours, twin = (found[when, rate, family] for family in FAMILIES)
    return over_worlds([one - other for one, other in zip(ours, twin, strict=True)])


def rows_of_found(found: dict[tuple[str, int, str], list[float]]) -> list[list[str]]:
    """A line a rate: nDCG of each family, and how far MM-GNN is ahead."""
    lines = []
    for rate in (0, *RATES):
        line = [f"{rate} %"]
        for when in WHENS:
            if (when, rate, OURS) in found:
                line += [spread(found[when, rate, family]) for family in FAMILIES]
                line.append(interval(ours_ahead(found, when, rate)))
            else:
                line += ["–"] * (len(FAMILIES) + 1)
        lines.append(line)
    return lines


def flat_figures(points: list[list[Point]]) -> dict[str, float]:
    """By `drop_at_<when>.<rate>.<family>_loss_ratio` and `…_ndcg_at_10`, with both comparisons."""
    ratios, found = loss_ratios(points), found_in(points)
    flat = {
        f"drop_at_{when}.{rate}.{family}_loss_ratio": statistics.fmean(lost)
        for (when, rate, family), lost in ratios.items()
    }
    for when in (SCORE, TRAIN):
        flat |= with_ends(f"drop_at_{when}.twin_loses_more", twin_loses_more(ratios, when, RATES))
    for (when, rate, family), values in found.items():
        flat[f"drop_at_{when}.{rate}.{family}_ndcg_at_10"] = statistics.fmean(values)
    for when, rate, family in found:
        if family == OURS:
            flat |= with_ends(f"drop_at_{when}.{rate}.ours_ahead", ours_ahead(found, when, rate))
    return {name: round(value, 6) for name, value in flat.items()}


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Worlds to measure.")] = 10,
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
    command = f"python -m tests.benchmarks.robustness --seeds {seeds} --record"
    today = datetime.now(UTC).date()
    header = ["missing; share of nDCG@10 lost"]
    for when in (SCORE, TRAIN):
        header += [f"{family}, at {when}" for family in FAMILIES]
        header.append(f"twin loses more, at {when} [95 %]")
    rows = rows_of(loss_ratios(points))
    title = "Missing modalities (synthetic)"
    show(Section(title, command, today, seeds, header, rows), record=record)
    header = ["missing; nDCG@10"]
    for when in (one.replace("_", " ") for one in WHENS):
        header += [f"{family}, at {when}" for family in FAMILIES]
        header.append(f"MM-GNN ahead, at {when} [95 %]")
    rows = rows_of_found(found_in(points))
    title = "What missing modalities leave (synthetic)"
    show(Section(title, command, today, seeds, header, rows), record=record)
    print(json.dumps(flat_figures(points)))


if __name__ == "__main__":
    typer.run(main)
