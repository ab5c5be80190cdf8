"""Runs of the job rec_similar_tracks on a synthetic catalogue, of faiss alone on the same vectors, and exact neighbours."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import faiss
import numpy as np
import pyarrow.dataset as ds

from feature_store.settings import Night, load_settings
from feature_store.spark.session import make_spark
from feature_store.tables.features import FEAT_TRACK_HTCL
from jobs.recommendations import similar_tracks
from jobs.recommendations.steps.track_index import ITERATIONS, SAMPLE_TRACKS, n_lists_for
from tests.benchmarks.support.broken.worker_memory import WorkerPeak
from tests.benchmarks.support.memory import peak_mib
from tests.benchmarks.support.similar_catalogue import (
    CHUNK_TRACKS,
    FILES,
    SyntheticCatalogue,
    means_of,
    unit_rows,
    write_files,
)

LENGTH = 10
N_THREADS = 2
SPARK = {
    "master": f"local[{N_THREADS}]",
    "quick_start": False,
    "shuffle_partitions": 32,
    "driver_memory": "6g",
}
"""As on a production machine: Spark compiles plans, and a task's share of the rows fits its memory."""

AS_OF = date(2026, 3, 1)
WARM_UP_TRACKS = 300  # not counted: Java compiles code that runs often
ALWAYS_EXACT, MOST_EXACT = 10**9, 100_000
INDEX_FROM_RATIO = 10
"""With the index, a tenth of the tracks at most are compared with as many; at 1,000,000 that is the setting's default."""

N_CHECKED = 1_000  # tracks whose neighbours are compared with those of exact search
N_TIMED_QUERIES = 20_000
PROBES = (1, 2, 4, 8, 16, 32, 64, 128)
TARGET_RECALL = 0.95


def run_job(n_tracks: int, *, is_exact: bool) -> dict[str, float]:
    """Seconds of the job, peak MiB of its largest Python worker, and recall@10 of N_CHECKED tracks."""
    with tempfile.TemporaryDirectory(prefix="similar-", ignore_cleanup_errors=True) as name:
        folder, peak = Path(name), WorkerPeak()
        build(WARM_UP_TRACKS, folder / "warm-up", is_exact=is_exact)
        catalogue = SyntheticCatalogue(n_tracks)
        with peak.watched():
            elapsed_s = build(n_tracks, folder / "run", is_exact=is_exact)
        found = neighbours_in(folder / "run" / "similar", checked_tracks(n_tracks))
    expected = exact_neighbours(catalogue, checked_tracks(n_tracks))
    return {"seconds": elapsed_s, "peak_mib": peak.mib, "recall": recall_of(found, expected)}


def build(n_tracks: int, folder: Path, *, is_exact: bool) -> float:
    """Seconds to build and write the similar tracks of a synthetic catalogue into `folder`/similar."""
    folder.mkdir()
    write_files(SyntheticCatalogue(n_tracks), folder)
    limit = ALWAYS_EXACT if is_exact else min(MOST_EXACT, n_tracks // INDEX_FROM_RATIO)
    settings = load_settings(
        lake=str(folder / "lake"),
        state=folder.parent / "state",
        spark=SPARK,
        lists={"similar_length": LENGTH, "similar_exact_tracks": limit},
    )
    settings.state.mkdir(exist_ok=True)
    spark = make_spark(settings)
    frames = [spark.read.parquet(str(folder / f"{name}.parquet")) for name in FILES]
    started_at_s = time.perf_counter()
    untrained = spark.createDataFrame([], FEAT_TRACK_HTCL.spark_schema())
    similar = similar_tracks.build(*frames, untrained, night=Night(AS_OF, "benchmark", settings))
    similar.write.parquet(str(folder / "similar"))
    return time.perf_counter() - started_at_s


def run_faiss_exact(n_tracks: int) -> dict[str, float]:
    """Seconds of faiss alone: IndexFlatIP over all modalities side by side, each track's 10 nearest others."""
    faiss.omp_set_num_threads(N_THREADS)
    rows = all_rows(SyntheticCatalogue(n_tracks))
    started_at_s = time.perf_counter()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    index.search(rows, LENGTH + 1)  # a track finds itself, too
    return {"seconds": time.perf_counter() - started_at_s, "peak_mib": peak_mib()}


def run_faiss_index(n_tracks: int) -> dict[str, float]:
    """Seconds of faiss alone: IndexIVFFlat with as many lists and sampled tracks as ours.

    It probes the least of PROBES that reach TARGET_RECALL. N_TIMED_QUERIES tracks are searched, and the time is multiplied.
    """
    faiss.omp_set_num_threads(N_THREADS)
    catalogue = SyntheticCatalogue(n_tracks)
    rows = all_rows(catalogue)
    checked = checked_tracks(n_tracks)
    n_sampled = min(n_tracks, SAMPLE_TRACKS)
    started_at_s = time.perf_counter()
    n_lists = n_lists_for(n_tracks, n_sampled)
    inner_product = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], n_lists, inner_product
    )
    index.cp.niter, index.cp.max_points_per_centroid = ITERATIONS, n_sampled
    index.cp.min_points_per_centroid = 1
    index.train(rows[:: max(1, n_tracks // n_sampled)])
    index.add(rows)
    built_s = time.perf_counter() - started_at_s
    expected = nearest_by(
        lambda queries: faiss.knn(queries, rows, LENGTH + 1, inner_product)[1], rows, checked
    )
    for n_probes in PROBES:
        index.nprobe = n_probes
        found = nearest_by(lambda queries: index.search(queries, LENGTH + 1)[1], rows, checked)
        recall = recall_of(found, expected)
        if recall >= TARGET_RECALL:
            break
    queries = rows[:: max(1, n_tracks // N_TIMED_QUERIES)]
    started_at_s = time.perf_counter()
    index.search(queries, LENGTH + 1)
    per_query_s = (time.perf_counter() - started_at_s) / len(queries)
    return {
        "seconds": built_s + per_query_s * n_tracks,
        "peak_mib": peak_mib(),
        "recall": recall,
    }


def all_rows(catalogue: SyntheticCatalogue) -> np.ndarray:
    """Unit vectors of all tracks, float32 (n_tracks, 968)."""
    means = means_of(catalogue)
    rows = np.empty((catalogue.n_tracks, sum(len(mean) for mean in means.values())), np.float32)
    for chunk in catalogue.chunks():
        rows[chunk.first : chunk.first + len(chunk)] = unit_rows(chunk, means)
    return rows


def checked_tracks(n_tracks: int) -> np.ndarray:
    """Numbers of at most N_CHECKED tracks, evenly spread."""
    return np.arange(0, n_tracks, max(1, n_tracks // N_CHECKED))[:N_CHECKED]


def neighbours_in(folder: Path, tracks: np.ndarray) -> dict[int, list[tuple[int, float]]]:
    """By track number, (neighbour's number, score) in the order of ranks, as the job wrote them."""
    ids = [f"track-{number:09}" for number in tracks]
    rows = ds.dataset(folder, format="parquet").to_table(
        columns=["track_id", "rank", "similar_track_id", "score"],
        filter=ds.field("track_id").isin(ids),
    )
    found: dict[int, list[tuple[int, float]]] = {int(number): [] for number in tracks}
    for row in rows.sort_by([("track_id", "ascending"), ("rank", "ascending")]).to_pylist():
        neighbour = int(row["similar_track_id"].removeprefix("track-"))
        found[int(row["track_id"].removeprefix("track-"))].append((neighbour, row["score"]))
    return found


def exact_neighbours(
    catalogue: SyntheticCatalogue, tracks: np.ndarray
) -> dict[int, list[tuple[int, float]]]:
    """The same by comparing the tracks with all others, in float64, without faiss or Spark.

    The scores of one chunk and of the best so far are sorted by score and number, which is the order of ids.
    """
    means = means_of(catalogue)
    queries, has = queries_of(catalogue, tracks, means)
    best_scores = np.full((len(tracks), LENGTH), -2.0)
    best_tracks = np.full((len(tracks), LENGTH), catalogue.n_tracks)
    for chunk in catalogue.chunks():
        rows = unit_rows(chunk, means).astype(np.float64)
        n_common = sum(np.outer(has[name], chunk.has[name]).astype(int) for name in has)
        scores = np.round(np.round(queries @ rows.T / np.maximum(n_common, 1), 10), 4)
        numbers = np.arange(chunk.first, chunk.first + len(chunk))
        scores[(n_common == 0) | (tracks[:, None] == numbers)] = -2.0
        scores = np.hstack([best_scores, scores])
        numbers = np.hstack([best_tracks, np.broadcast_to(numbers, (len(tracks), len(chunk)))])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :LENGTH]  # earlier chunks come first
        best_scores = np.take_along_axis(scores, order, axis=1)
        best_tracks = np.take_along_axis(numbers, order, axis=1)
    return {
        int(track): [
            (int(number), float(score))
            for number, score in zip(numbers, scores, strict=True)
            if score > -2.0
        ]
        for track, numbers, scores in zip(tracks, best_tracks, best_scores, strict=True)
    }


def queries_of(
    catalogue: SyntheticCatalogue, tracks: np.ndarray, means: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Unit vectors of some tracks, float64, and by modality whether they have it."""
    rows, has = [], []
    for first in range(0, catalogue.n_tracks, CHUNK_TRACKS):
        some = tracks[(tracks >= first) & (tracks < first + CHUNK_TRACKS)] - first
        if len(some):
            chunk = catalogue.chunk(first, min(CHUNK_TRACKS, catalogue.n_tracks - first))
            rows.append(unit_rows(chunk, means)[some].astype(np.float64))
            has.append({name: of_chunk[some] for name, of_chunk in chunk.has.items()})
    return np.vstack(rows), {name: np.concatenate([each[name] for each in has]) for name in has[0]}


def nearest_by(
    search: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, tracks: np.ndarray
) -> dict[int, list[tuple[int, float]]]:
    """The first LENGTH other tracks that `search` gives for each of `tracks`; scores are left out."""
    return {
        int(track): [(int(number), 0.0) for number in numbers if number != track][:LENGTH]
        for track, numbers in zip(tracks, search(rows[tracks]), strict=True)
    }


def recall_of(
    found: dict[int, list[tuple[int, float]]], expected: dict[int, list[tuple[int, float]]]
) -> float:
    """Share of the expected neighbours that were found."""
    hits = sum(
        len({track for track, _ in found[query]} & {track for track, _ in best})
        for query, best in expected.items()
    )
    return hits / sum(len(best) for best in expected.values())


def equal_lists_share(n_tracks: int) -> dict[str, float]:
    """Share of tracks whose list, with scores and order, equals that of comparing all pairs."""
    with tempfile.TemporaryDirectory(prefix="similar-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        build(n_tracks, folder / "run", is_exact=True)
        equal = 0
        for tracks in np.array_split(np.arange(n_tracks), -(-n_tracks // N_CHECKED)):
            found = neighbours_in(folder / "run" / "similar", tracks)
            expected = exact_neighbours(SyntheticCatalogue(n_tracks), tracks)
            equal += sum(found[track] == best for track, best in expected.items())
    return {"equal": equal / n_tracks}
