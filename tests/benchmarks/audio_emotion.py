"""Measures how well valence and arousal are heard in clips whose mood is planted, and fits weights for it.

    python -m tests.benchmarks.audio_emotion [--worlds 8] [--recordings FOLDER] [--quick] [--record]

There are no human labels of audio offline. The labels are the planted moods of sample worlds (synthetic: another seed is another
world, of the same eight genres) and, weaker, what the rules read in a track's lyrics. Clips of 6 to 30 s are measured as the
synthesiser gives them, and mastered: with one peak for all, because it turns arousal into level and published music does not.

hand_set: the weights of before 2026-11-29. rule: those of jobs/features/steps/emotion.py. cues: weights of the rule's cues, fitted
on both kinds of clips of all other worlds and, in cues_genre_out, without the genre that is estimated. ridge: on all descriptors and tag
probabilities, likewise. own_lyrics: ridge on the world's own lyrics, five folds by artist. lyrics: what the rules read in the
lyrics, of tracks that have some. zero: nothing heard, all moods neutral.

Real recordings (librosa's examples) have no labels; of some pairs titles and descriptions tell which is livelier.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from feature_store.setting_groups import EncoderSettings
from feature_store.settings import load_settings
from feature_store.spark.session import make_spark
from jobs.encoders.audio.musicnn.encoder import MusiCNN
from jobs.features.steps.emotion import AROUSAL_WEIGHTS, VALENCE_WEIGHTS
from tests.benchmarks.support.audio_emotion.cue_fits import (
    Heard,
    Ranked,
    Ridge,
    Values,
    descriptors_of,
    fit_weights,
    joined,
    ranked,
    spearman,
)
from tests.benchmarks.support.audio_emotion.heard_worlds import HeardWorlds, cues_of_recording
from tests.benchmarks.support.audio_emotion.rule_cues import heard_of, rule_cues
from tests.benchmarks.support.record import Section, mean_and_sd, print_section, refuse_quick_record

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "librosa-cc-audio"
N_TRACKS = 240
QUICK_WORLDS, QUICK_TRACKS = 2, 24
CLIPS = ("synthesised", "mastered")
N_FOLDS = 5

HAND_SET: Mapping[str, Mapping[str, float]] = {
    "valence": {"fast": 0.4, "dense": 0.2, "happy": 0.4},
    "arousal": {"loud": 0.35, "fast": 0.2, "dense": 0.25, "exciting": 0.2},
}
RULE: Mapping[str, Mapping[str, float]] = {"valence": VALENCE_WEIGHTS, "arousal": AROUSAL_WEIGHTS}

LIVELY = ("Hungarian_Dance", "442789__lena-orsa", "admiralbob77")  # Allegro, ragtime, drum and bass
CALM = ("147793__setuniman", "Kevin_MacLeod_-_P_I_Tchaikovsky", "sorohanro")
"""A sweet waltz, Andante non troppo, and one trumpet at 90 beats a minute."""

HEADER = ["dimension", "estimate", *(f"{what}, {clips}" for clips in CLIPS for what in ("Spearman", "within a genre", "RMSE"))]  # fmt: skip
WEIGHT_HEADER = [
    "dimension",
    "weights",
    "loud",
    "fast",
    "dense",
    "exciting",
    "happy",
    "livelier told",
]

Worlds = Mapping[str, Sequence[Heard]]
"""By the kind of clips, in the order of seeds."""
Found = Mapping[tuple[str, str, str], Sequence[Ranked]]
"""By dimension, estimate and kind of clips: a figure for each world."""


def measure(worlds: Worlds) -> dict[tuple[str, str, str], list[Ranked]]:
    """Every estimate against the planted moods of every world."""
    return {
        (dimension, name, clips): [
            ranked(estimate(worlds, clips, number, dimension), worlds[clips][number], dimension)
            for number in range(len(worlds[clips]))
        ]
        for dimension in HAND_SET
        for name, estimate in ESTIMATES.items()
        for clips in CLIPS
    }


def weighted(world: Heard, weights: Mapping[str, float]) -> Values:
    """A weighted sum of cues, (n_tracks,)."""
    return sum(
        (weight * world.cues[name] for name, weight in weights.items()), np.zeros(len(world))
    )


def fitted_weights(world: Heard, dimension: str) -> dict[str, float]:
    """Weights of the rule's cues that are fitted to a world's planted moods."""
    names = list(HAND_SET[dimension])
    weights = fit_weights(
        [world.cues[name] for name in names],
        world.moods[dimension],
        [HAND_SET[dimension][name] for name in names],
    )
    return dict(zip(names, map(float, weights), strict=True))


def _others(worlds: Worlds, number: int) -> Heard:
    """All clips of all worlds but one."""
    return joined(
        [one for kind in worlds.values() for other, one in enumerate(kind) if other != number]
    )


def _by_fit(
    fit_and_estimate: Callable[[Heard, Heard, str], Values], *, genre_out: bool
) -> Callable[[Worlds, str, int, str], Values]:
    """An estimate of a world by a fit on the others, for each genre without it if `genre_out`."""

    def estimate(worlds: Worlds, clips: str, number: int, dimension: str) -> Values:
        world, others = worlds[clips][number], _others(worlds, number)
        if not genre_out:
            return fit_and_estimate(others, world, dimension)
        estimates = np.zeros(len(world))
        for genre in np.unique(world.genres):
            is_it = world.genres == genre
            learned = others.where(others.genres != genre)
            estimates[is_it] = fit_and_estimate(learned, world.where(is_it), dimension)
        return estimates

    return estimate


def _by_cues(learned: Heard, world: Heard, dimension: str) -> Values:
    return weighted(world, fitted_weights(learned, dimension))


def _by_ridge(learned: Heard, world: Heard, dimension: str) -> Values:
    return Ridge.fit(learned.descriptors, learned.moods[dimension]).predict(world.descriptors)


def _by_own_lyrics(worlds: Worlds, clips: str, number: int, dimension: str) -> Values:
    """A ridge on the lyrics of the world's other artists."""
    world = worlds[clips][number]
    fold = np.unique(world.artists, return_inverse=True)[1] % N_FOLDS
    has_lyrics = ~np.isnan(world.lyrics[dimension])
    estimates = np.zeros(len(world))
    for one in range(N_FOLDS):
        learned = world.where((fold != one) & has_lyrics)
        ridge = Ridge.fit(learned.descriptors, learned.lyrics[dimension])
        estimates[fold == one] = ridge.predict(world.descriptors[fold == one])
    return estimates


ESTIMATES: Mapping[str, Callable[[Worlds, str, int, str], Values]] = {
    "zero": lambda worlds, clips, number, _: np.zeros(len(worlds[clips][number])),
    "hand_set": lambda worlds, clips, number, name: weighted(worlds[clips][number], HAND_SET[name]),
    "rule": lambda worlds, clips, number, name: weighted(worlds[clips][number], RULE[name]),
    "cues_world_out": _by_fit(_by_cues, genre_out=False),
    "cues_genre_out": _by_fit(_by_cues, genre_out=True),
    "ridge_world_out": _by_fit(_by_ridge, genre_out=False),
    "ridge_genre_out": _by_fit(_by_ridge, genre_out=True),
    "own_lyrics": _by_own_lyrics,
}


def lyrics_spearman(world: Heard, dimension: str, other: Values) -> float:
    """Rank correlation of what is read in lyrics with `other`, of tracks that have lyrics."""
    has_lyrics = ~np.isnan(world.lyrics[dimension])
    return spearman(world.lyrics[dimension][has_lyrics], other[has_lyrics])


def livelier_told(arousal: Mapping[str, float]) -> tuple[int, int]:
    """Pairs of a lively and a calm recording in the right order, and all pairs.

    Args:
        arousal: by file name.
    """
    pairs = [(_of(arousal, lively), _of(arousal, calm)) for lively in LIVELY for calm in CALM]
    return sum(one > other for one, other in pairs), len(pairs)


def _of(arousal: Mapping[str, float], start: str) -> float:
    """The value of the file whose name begins so.

    Raises:
        ValueError: there is no such file.
    """
    for name, value in arousal.items():
        if name.startswith(start):
            return value
    raise ValueError(f"audio_emotion: no recording is called {start}*; give --recordings FOLDER")


def table_rows(found: Found) -> list[list[str]]:
    """A row of HEADER for each dimension and estimate."""
    return [
        [
            dimension,
            name,
            *(
                mean_and_sd([getattr(one, what) for one in found[dimension, name, clips]], 3)
                for clips in CLIPS
                for what in ("spearman", "within_genre", "rmse")
            ),
        ]
        for dimension in HAND_SET
        for name in ESTIMATES
    ]


def flat_figures(found: Found, worlds: Worlds) -> dict[str, float]:
    """Means over worlds, and in how many worlds the fit beats the weights of before."""
    flat: dict[str, float] = {}
    for (dimension, name, clips), figures in found.items():
        for what in ("spearman", "within_genre", "rmse"):
            mean = statistics.fmean(getattr(one, what) for one in figures)
            flat[f"{dimension}.{name}.{clips}.{what}"] = round(mean, 4)
    for dimension in HAND_SET:
        for clips in CLIPS:
            pairs = zip(
                found[dimension, "cues_genre_out", clips],
                found[dimension, "hand_set", clips],
                strict=True,
            )
            better = sum(fit.spearman > before.spearman for fit, before in pairs)
            flat[f"{dimension}.{clips}.worlds_where_cues_genre_out_is_better"] = better
            of_worlds = worlds[clips]
            for name, other in (
                ("planted", [one.moods[dimension] for one in of_worlds]),
                ("hand_set", [weighted(one, HAND_SET[dimension]) for one in of_worlds]),
            ):
                flat[f"{dimension}.{clips}.lyrics_with_{name}_spearman"] = round(
                    statistics.fmean(
                        lyrics_spearman(world, dimension, values)
                        for world, values in zip(of_worlds, other, strict=True)
                    ),
                    4,
                )
    return flat


def weight_rows(
    weights: Mapping[str, Mapping[str, Mapping[str, float]]], recordings: Mapping[str, Heard]
) -> Iterator[tuple[list[str], dict[str, float]]]:
    """A row of WEIGHT_HEADER, and its figures, for each set of weights by dimension and name."""
    for dimension, sets in weights.items():
        for name, of_it in sets.items():
            cells = [f"{of_it[cue]:.2f}" if cue in of_it else "–" for cue in WEIGHT_HEADER[2:-1]]
            flat = {f"{dimension}.{name}.weight_{cue}": round(one, 4) for cue, one in of_it.items()}
            told = "–"
            if dimension == "arousal":
                heard = {one: float(weighted(cues, of_it)[0]) for one, cues in recordings.items()}
                right, n_pairs = livelier_told(heard)
                told = f"{right} of {n_pairs}"
                flat |= {f"{name}.livelier_told": right, "livelier_pairs": n_pairs}
            yield [dimension, name, *cells, told], flat


def read_recordings(folder: Path, encoders: EncoderSettings) -> pl.DataFrame:
    """What feat_audio holds of the recordings in LIVELY and CALM, with their `name`."""
    encoder = MusiCNN()
    files = [one for one in sorted(folder.glob("*.ogg")) if one.name.startswith((*LIVELY, *CALM))]
    rows = [
        {"name": one.name, **cues_of_recording(one.read_bytes(), encoders, encoder)}
        for one in files
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def main(
    worlds: Annotated[int, typer.Option(min=2, help="Sample worlds; one is one seed.")] = 8,
    recordings: Annotated[Path, typer.Option(help="Folder of real recordings.")] = RECORDINGS,
    quick: Annotated[
        bool, typer.Option(help=f"{QUICK_WORLDS} worlds of {QUICK_TRACKS} tracks.")
    ] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the sections in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    if not recordings.is_dir():
        raise typer.BadParameter(f"--recordings: {recordings} is no folder")
    settings = load_settings()
    n_worlds, n_tracks = (QUICK_WORLDS, QUICK_TRACKS) if quick else (worlds, N_TRACKS)
    folder = settings.state / "benchmarks" / "audio_emotion"
    sample = HeardWorlds(folder, settings.encoders, n_tracks)
    rows = {
        (clips, seed): sample.heard(seed, is_mastered=clips == "mastered")
        for clips in CLIPS
        for seed in range(1, n_worlds + 1)
    }
    real = read_recordings(recordings, settings.encoders)
    spark = make_spark(settings)
    heard: dict[str, list[Heard]] = {clips: [] for clips in CLIPS}
    for (clips, _), of_world in rows.items():
        heard[clips].append(heard_of(of_world, rule_cues(spark, of_world)))
    real_cues = rule_cues(spark, real)
    found = measure(heard)
    both_kinds = joined([one for kind in heard.values() for one in kind])
    weights = {
        dimension: {
            "hand_set": HAND_SET[dimension],
            "rule": RULE[dimension],
            "fitted": fitted_weights(both_kinds, dimension),
        }
        for dimension in HAND_SET
    }
    of_weights = list(weight_rows(weights, _recordings(real["name"].to_list(), real_cues)))
    of_weights.append(
        _row_of_ridge(both_kinds, real["name"].to_list(), descriptors_of(real, real_cues))
    )
    day, command = (
        datetime.now(UTC).date(),
        f"python -m tests.benchmarks.audio_emotion --worlds {n_worlds} --record",
    )
    for title, header, cells, seeds in (
        ("Emotion of audio: planted moods (synthetic)", HEADER, table_rows(found), n_worlds),
        ("Emotion of audio: weights of the cues (synthetic)", WEIGHT_HEADER, [row for row, _ in of_weights], None),
    ):  # fmt: skip
        print_section(Section(title, command, day, seeds, header, cells), record=record)
    flat = flat_figures(found, heard)
    for _, figures in of_weights:
        flat |= figures
    print(json.dumps(flat))


def _row_of_ridge(
    both_kinds: Heard, names: Sequence[str], descriptors: Values
) -> tuple[list[str], dict[str, float]]:
    """A row of WEIGHT_HEADER for the ridge of arousal: only which recordings it takes for livelier."""
    ridge = Ridge.fit(both_kinds.descriptors, both_kinds.moods["arousal"])
    estimates = ridge.predict(descriptors)
    right, n_pairs = livelier_told(dict(zip(names, map(float, estimates), strict=True)))
    cells = ["–"] * (len(WEIGHT_HEADER) - 3)
    return ["arousal", "ridge", *cells, f"{right} of {n_pairs}"], {"ridge.livelier_told": right}


def _recordings(names: Sequence[str], cues: Mapping[str, Values]) -> dict[str, Heard]:
    """Each recording as a world of one track, with cues alone."""
    nothing = np.zeros(1)
    empty = np.array([""])
    return {
        name: Heard(
            {cue: values[[row]] for cue, values in cues.items()}, nothing, {}, {}, empty, empty
        )
        for row, name in enumerate(names)
    }


if __name__ == "__main__":
    typer.run(main)
