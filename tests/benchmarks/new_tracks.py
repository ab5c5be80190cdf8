"""Are tracks found that nobody has heard yet? Measured in sample worlds (synthetic), a tenth of whose tracks is made new.

    python -m tests.benchmarks.new_tracks [--seeds 10] [--families a,b,…] [--record]

In each world some of the tracks that were there at the test's cut lose every listen before it, every like and every tag, and
are listed beside all others. To be found is what people went on to hear of them for the first time. "known" is the same
pairs, found by the same family where it knows all listens: what a track gains by its listeners.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from torch import Tensor

from feature_store.settings import Settings, load_settings
from tests.benchmarks.sample_world import FIRST_SEED, build_world, open_bench, options_of
from tests.benchmarks.support.baselines import OURS, contender_called
from tests.benchmarks.support.comparison import found_among, over_worlds
from tests.benchmarks.support.fits import held_out
from tests.benchmarks.support.modality_dropout import newcomers, with_new
from tests.benchmarks.support.record import Section, interval, show, spread, with_ends
from training.data.dataset import World
from training.data.interactions import Pairs
from training.evaluation.evaluator import Listed

FAMILIES = (
    "popularity", "light_gcn_ease", "concat_twin", OURS, f"{OURS}_no_newcomers", f"{OURS}_no_mutual",
    *(f"{OURS}_only_{head}" for head in ("audio", "lyrics", "cover")),
)  # fmt: skip
NEW, KNOWN = "new", "known"


def found_of(listed: Listed, tracks: Tensor, asked: Pairs, world: World) -> float:
    """Recall at 10 of the pairs among `tracks` that stand in `asked`, too.

    Raises:
        ValueError: there is none.
    """
    keys, others = (one.users * world.n_tracks + one.tracks for one in (listed.wanted, asked))
    wanted = replace(listed, wanted=listed.wanted.where(torch.isin(keys, others)))
    is_new = torch.zeros(world.n_tracks, dtype=torch.bool)
    is_new[tracks] = True
    recall, _ndcg = found_among(wanted, is_new, len(world.nodes.users))
    if bool(recall.isnan().all()):
        raise ValueError(
            f"of {len(tracks)} tracks nothing is to be found in the test window; take a larger world"
        )
    return float(recall.nanmean())


def measure(world: World, settings: Settings, families: list[str], seed: int) -> dict[str, float]:
    """Recall at 10 of tracks made new, by `<family>.new` and `<family>.known`."""
    tracks, split = newcomers(world, seed), held_out(world, seed)
    as_known, as_new = (
        open_bench(one, settings) for one in (world, with_new(world, tracks, split.sealed_test.end))
    )
    found = {}
    for family in families:
        contender = contender_called(family)
        known, new = (
            bench.fitted(contender, seed).lists[contender.head] for bench in (as_known, as_new)
        )
        found[f"{family}.{NEW}"] = found_of(new, tracks, known.wanted, world)
        found[f"{family}.{KNOWN}"] = found_of(known, tracks, known.wanted, world)
    return found


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Worlds to measure.")] = 10,
    families: Annotated[str, typer.Option(help="Names with commas; all when left out.")] = "",
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    settings = load_settings()
    names = families.split(",") if families else list(FAMILIES)
    console = Console(stderr=True)
    runs = [
        measure(build_world(options_of(seed, quick=False), settings), settings, names, seed)
        for seed in track(range(FIRST_SEED, FIRST_SEED + seeds), "worlds", console=console)
    ]
    rows, flat = [], {}
    for name in names:
        new, known = ([run[f"{name}.{part}"] for run in runs] for part in (NEW, KNOWN))
        row = [name, spread(new), spread(known), "–"]
        flat |= {f"{name}.{NEW}": statistics.fmean(new), f"{name}.{KNOWN}": statistics.fmean(known)}
        if name != OURS and OURS in names:
            lead = over_worlds([run[f"{OURS}.{NEW}"] - run[f"{name}.{NEW}"] for run in runs])
            flat |= with_ends(f"{OURS}_minus_{name}.{NEW}", lead)
            row[-1] = interval(lead)
        rows.append(row)
    header = ["family", "recall@10, made new", "recall@10, known", "MM-GNN ahead, made new [95 %]"]
    chosen = f" --families {families}" if families else ""
    command = f"python -m tests.benchmarks.new_tracks --seeds {seeds}{chosen} --record"
    day = datetime.now(tz=UTC).date()
    show(Section("New tracks (synthetic)", command, day, seeds, header, rows), record=record)
    print(json.dumps({name: round(value, 6) for name, value in flat.items()}))


if __name__ == "__main__":
    typer.run(main)
