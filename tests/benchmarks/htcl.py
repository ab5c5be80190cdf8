"""Measures what HTCL's two stages learn, on sample worlds, on real music, and for new tracks.

    python -m tests.benchmarks.htcl [--seeds 3] [--new-worlds 10] [--music FOLDER] [--record]

Synthetic worlds of 2,488 recordings of half a minute: we planted the genres, moods, styles and tastes, and listeners who choose by
style (brightness, density, attack), which no text tells, more than by genre, which texts tell. The artists of 500 tracks
are held out, of 250 further ones select the epochs. Text retrieval is the mean of both directions in the pool of 500; taste
retrieval asks, of each pair of tracks of the pool that some listener heard one after the other, whether the second is among the
ten nearest to the first, by sound alone or by sound and text (fused by stage 2, after stage 1 their mean). Probes are logistic
regressions on what the audio tower gives, before any projection.

Stage 2 begins with the encoders of stage 1; no_term1 leaves out CLIP of audio and text, no_term23 the two terms of taste.

Worlds, fits and the figures of worlds with new tracks are kept below EVENSONG_STATE, so a benchmark that was killed goes on.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from torch import Tensor

from feature_store.settings import Settings, load_settings
from tests.benchmarks.support.baselines import MM_GNN
from tests.benchmarks.support.htcl.fits import VARIANTS, WorldFits, audio_outputs, encode
from tests.benchmarks.support.htcl.measures import (
    DEPTHS,
    pair_recall,
    pairs_among,
    probe_classes,
    probe_tags,
    random_recall,
)
from tests.benchmarks.support.htcl.new_tracks import (
    HTCL,
    RANKERS,
    UPSTREAM,
    measure_new_tracks,
)
from tests.benchmarks.support.htcl.new_tracks import NEIGHBOURS as MUSICNN
from tests.benchmarks.support.htcl.real.real_music import measure as measure_music
from tests.benchmarks.support.htcl.speed import measured_alone
from tests.benchmarks.support.htcl.worlds import (
    POOL,
    ArtistParts,
    genres_of,
    read_world,
    split_by_artist,
)
from tests.benchmarks.support.list_metrics import student_interval
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
)
from training.config import load_recipe
from training.data.audio_text import AudioTextData
from training.evaluation.significance import Difference
from training.evaluation.similarity import CUT_OFF, text_recall
from training.models.encoders.centred_cosine import CentredCosine, CentredCosineConfig
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.models.encoders.htcl_stages import MEANING
from training.models.protocols import EncodedTracks

FIRST_SEED = 11
NEW_HEADER = ["new tracks by", "recall@10", "HTCL's less its [95 %]", "nDCG@10 on validation"]
RANDOM, STAGE_1 = "random", "stage1"
MODELS = (RANDOM, STAGE_1, *VARIANTS, MUSICNN)
METRICS = (
    *(f"recall_at_{depth}" for depth in DEPTHS),
    "genre_probe",
    "tag_probe",
    "taste_recall_at_10",
    "taste_of_both_recall_at_10",
)
HEADER = [
    "model", "text R@1", "text R@5", "text R@10", "genre probe", "tag probe", "taste R@10", "taste R@10, of both",
    "genre probe less stage 1's [95 %]", "taste R@10 less stage 1's [95 %]",
]  # fmt: skip


def measure(seed: int, settings: Settings, console: Console) -> dict[str, float]:
    """All figures of a world, by `<model>.<metric>`."""
    data = read_world(seed, settings)
    parts = split_by_artist(data, seed)
    fits = WorldFits(
        data=data,
        parts=parts,
        recipe=load_recipe("audio_text", "htcl"),
        seed=seed,
        n_threads=settings.training.n_threads,
        folder=settings.state / "benchmarks" / "htcl" / "fits",
        console=console,
    )
    judge = _Judge(data, parts, genres_of(data, seed))
    figures = judge.figures(RANDOM, fits.untrained())
    figures |= judge.figures(STAGE_1, fits.meaning())
    for variant in VARIANTS:
        figures |= judge.figures(variant, fits.taste(variant))
    figures |= judge.neighbours()
    figures |= {f"chance.recall_at_{depth}": random_recall(depth, POOL) for depth in DEPTHS}
    figures["chance.taste_recall_at_10"] = random_recall(CUT_OFF, POOL - 1)
    figures["largest_fit_s"] = max(fits.seconds(name) for name in (MEANING, *VARIANTS))
    return figures


class _Judge:
    """Measures models on the tracks of a world that none of them has learned from."""

    def __init__(self, data: AudioTextData, parts: ArtistParts, genres: Sequence[str]) -> None:
        view = parts.view
        self._view, self._test = view, parts.test
        self._learned = (view.is_learned & view.has_audio).nonzero().squeeze(1)
        self._pairs = pairs_among(data.pairs, parts.test, data.n_tracks)
        self._genres = genres
        self._tags = torch.zeros(data.n_tracks, len(data.dataset.nodes.tags), dtype=torch.bool)
        self._tags[data.dataset.tagged.source, data.dataset.tagged.target] = True

    def figures(self, name: str, model: HTCLEncoder) -> dict[str, float]:
        """Of a fit: text retrieval, probes, taste."""
        encoded = encode(model, self._test)
        recalls = text_recall(encoded, DEPTHS)
        found = {f"{name}.recall_at_{depth}": recall for depth, recall in recalls.items()}
        found[f"{name}.taste_recall_at_10"] = pair_recall(
            encoded.vectors["audio"], self._pairs, CUT_OFF
        )
        found[f"{name}.taste_of_both_recall_at_10"] = pair_recall(
            _of_both(encoded), self._pairs, CUT_OFF
        )
        outputs = [audio_outputs(model, rows) for rows in (self._learned, self._test)]
        return found | self._probes(name, *outputs)

    def neighbours(self) -> dict[str, float]:
        """Of MusiCNN's embeddings less their mean, as centred cosines have them."""
        model = CentredCosine(CentredCosineConfig(), self._view)
        learned, unseen = (
            model.encode(rows).vectors["audio"] for rows in (self._learned, self._test)
        )
        found = {f"{MUSICNN}.taste_recall_at_10": pair_recall(unseen, self._pairs, CUT_OFF)}
        return found | self._probes(MUSICNN, learned, unseen)

    def _probes(self, name: str, learned: Tensor, unseen: Tensor) -> dict[str, float]:
        genres, truths = (
            [self._genres[track] for track in rows.tolist()] for rows in (self._learned, self._test)
        )
        tags, true_tags = self._tags[self._learned], self._tags[self._test]
        return {
            f"{name}.genre_probe": probe_classes(learned, genres, unseen, truths),
            f"{name}.tag_probe": probe_tags(learned, tags, unseen, true_tags),
        }


def _of_both(encoded: EncodedTracks) -> Tensor:
    """Recording and text together: fused by stage 2, before it the mean of both."""
    vectors = encoded.vectors
    mean = F.normalize(vectors["audio"] + vectors["text"], dim=1)
    return vectors.get("fused", mean)


def rows_of(runs: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """A row of HEADER for each model, and one for chance."""
    rows = []
    for model in (*MODELS, "chance"):
        names = [f"{model}.{metric}" for metric in METRICS]
        cells = [mean_and_sd([run[name] for run in runs if name in run]) for name in names]
        gains = [_gain(runs, model, metric) for metric in ("genre_probe", "taste_recall_at_10")]
        shown = ["–" if gain is None else format_interval(gain) for gain in gains]
        rows.append([model, *cells, *shown])
    return rows


def flat_figures(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of all figures over worlds, and gains over stage 1 with their intervals."""
    flat = {name: statistics.fmean(run[name] for run in runs) for name in runs[0]}
    for model in MODELS:
        for metric in METRICS:
            gain = _gain(runs, model, metric)
            if gain is not None:
                flat |= interval_figures(f"{model}_minus_{STAGE_1}.{metric}", gain)
    for depth in DEPTHS:
        above = student_interval(
            [run[f"{STAGE_1}.recall_at_{depth}"] - run[f"chance.recall_at_{depth}"] for run in runs]
        )
        flat |= interval_figures(f"{STAGE_1}_minus_chance.recall_at_{depth}", above)
    return flat


def _gain(runs: Sequence[Mapping[str, float]], model: str, metric: str) -> Difference | None:
    """The model's figure less that of stage 1, world by world; None where it has none."""
    name = f"{model}.{metric}"
    if model == STAGE_1 or name not in runs[0]:
        return None
    return student_interval([run[name] - run[f"{STAGE_1}.{metric}"] for run in runs])


def new_track_rows(runs: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """A row of NEW_HEADER for each way to find new tracks."""
    rows = []
    for name in (HTCL, MUSICNN, UPSTREAM, *RANKERS):
        recall = f"cold_{name}.recall_at_10"
        ndcg = [run[one] for run in runs if (one := f"cold_{name}.validation_ndcg") in run]
        gain = student_interval([run[f"cold_{HTCL}.recall_at_10"] - run[recall] for run in runs])
        shown = "–" if name == HTCL else format_interval(gain)
        rows.append([name, mean_and_sd([run[recall] for run in runs]), shown, mean_and_sd(ndcg)])
    return rows


def new_track_figures(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over worlds; `cold` is HTCL, by recordings alone."""
    flat = {name: statistics.fmean(run[name] for run in runs) for name in runs[0]}
    flat["cold.recall_at_10"] = flat[f"cold_{HTCL}.recall_at_10"]
    for name, metric in ((MUSICNN, "recall_at_10"), ("popularity", "recall_at_10")):
        gain = student_interval(
            [run[f"cold_{HTCL}.{metric}"] - run[f"cold_{name}.{metric}"] for run in runs]
        )
        flat |= interval_figures(f"cold_minus_{name}.{metric}", gain)
    helped = student_interval(
        [
            run[f"cold_{UPSTREAM}.validation_ndcg"] - run[f"cold_{MM_GNN}.validation_ndcg"]
            for run in runs
        ]
    )
    return flat | interval_figures("upstream_gain.validation_ndcg", helped)


def main(
    seeds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Worlds to measure, and size paper on this CPU; 0 for neither, else at least 2.",
        ),
    ] = 3,
    new_worlds: Annotated[
        int,
        typer.Option(min=0, help="Smaller worlds with new tracks; 0 for none, else at least 2."),
    ] = 10,
    music: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a folder for each package of real music; see real_music.py."
        ),
    ] = None,
    record: Annotated[bool, typer.Option(help="Rewrite the sections in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    for option, n_worlds in (("--seeds", seeds), ("--new-worlds", new_worlds)):
        if n_worlds == 1:  # known before the hours that the other measurements take
            raise typer.BadParameter(
                "1 world gives no interval; use 0 for none, or at least 2", param_hint=option
            )
    settings, console = load_settings(), Console(stderr=True)
    on_music = " --music FOLDER" if music else ""
    command = (
        f"python -m tests.benchmarks.htcl --seeds {seeds} --new-worlds {new_worlds}{on_music} "
        "--record"
    )
    tables: list[tuple[str, int | None, list[str], list[list[str]]]] = []
    figures: dict[str, float] = {}
    if seeds:
        figures |= measured_alone()
        tables.append(
            ("HTCL of size paper on the CPU", None, ["figure", "value"], _figure_rows(figures))
        )
        runs = [measure(seed, settings, console) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
        tables.append(("HTCL (synthetic)", seeds, HEADER, rows_of(runs)))
        figures |= flat_figures(runs)
    if music:
        real = measure_music(music, settings, console)
        tables.append(("HTCL: fits on real music", None, real.fit_header, real.fit_rows))
        tables.append(("HTCL: real music", None, real.header, real.rows))
        figures |= real.figures
    if new_worlds:
        new_runs = [
            measure_new_tracks(seed, settings, console)
            for seed in range(FIRST_SEED, FIRST_SEED + new_worlds)
        ]
        title = "HTCL: new tracks (synthetic)"
        tables.append((title, new_worlds, NEW_HEADER, new_track_rows(new_runs)))
        figures |= new_track_figures(new_runs)
    day = datetime.now(tz=UTC).date()
    for title, n_seeds, header, rows in tables:
        print_section(Section(title, command, day, n_seeds, header, rows), record=record)
    print(json.dumps({name: round(value, 6) for name, value in figures.items()}))


def _figure_rows(figures: Mapping[str, float]) -> list[list[str]]:
    return [[name, f"{value:.4g}"] for name, value in figures.items()]


if __name__ == "__main__":
    typer.run(main)
