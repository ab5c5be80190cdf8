"""Measures audio features: seconds of audio per core-second, where they go, and what a night with 1 % new tracks costs.

    python -m tests.benchmarks.features --recordings FOLDER [--package-python PYTHON] [--tracks 300,3000] [--record]

Clips of real recordings pass through feat_audio's job (Spark on local[2], a warm session) and through the same functions in two
processes with one thread each, whose shares are decoding (with loudness), descriptors, mel (both spectrograms) and network.
Core-seconds of Spark are wall-clock seconds times two; its overhead is what they have more than the processes. The package is the musicnn
package's own extractor in its own environment (see peers/musicnn_extractor.py), on the same clips: as it is documented, one call a
file, each of which loads the model; and without the time of loading. An incremental night encodes 1 % new tracks in a lake that has the others. Results are cached under EVENSONG_STATE, so that a run
that was stopped goes on.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import torch
import typer
from pyspark.sql import SparkSession
from rich.console import Console
from threadpoolctl import threadpool_limits

from feature_store.lake import spark_io
from feature_store.lake.storage import open_storage, sha256_of
from feature_store.settings import Night, Settings, load_settings
from feature_store.spark.session import make_spark
from feature_store.tables.core import CORE_TRACKS
from jobs.encoders import registry
from jobs.encoders.audio.decoding import recording
from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.decoding.recording import Recording
from jobs.encoders.audio.descriptors import signal
from jobs.encoders.audio.spectrograms import htcl_mel, musicnn_mel
from jobs.run import run_job
from tests.benchmarks.support.broken.worker_memory import WorkerPeak
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.features.clips import drawn_clip, real_clips, seconds_of
from tests.benchmarks.support.record import Section, print_section
from tests.jobs.features.worlds import tracks

N_CORES = 2
REPEATS = 2
OFFSETS_S = tuple(2.5 * number for number in range(12))
"""A minute of work: a job costs two seconds in any case."""

NEW_RATIO = 0.01
AS_OF = date(2026, 3, 1)
JOB = "feat_audio"
HEADER = ["figure", "value"]
SHARES = ("decode", "descriptors", "mel", "network")


def night_of(settings: Settings, folder: Path, day: date = AS_OF) -> Night:
    """A night of a lake in a folder; all share the state, in which Spark's session lives."""
    return Night(day, "benchmark", settings.model_copy(update={"lake": str(folder / "lake")}))


def land(spark: SparkSession, night: Night, clips: Sequence[bytes]) -> None:
    """Write the clips, and a catalogue of one track each."""
    storage = open_storage(night.settings.lake)
    columns = []
    for clip in clips:
        content_hash = sha256_of(clip)
        path = f"landing/audio/{content_hash}.flac"
        storage.write(path, clip)
        columns.append({"audio_hash": content_hash, "audio_uri": path})
    catalogue = tracks(spark, night, *columns)
    end = night.as_of + timedelta(days=1)
    spark_io.write(catalogue, night.settings.lake, CORE_TRACKS, first=night.as_of, end=end)


def job_s(spark: SparkSession, night: Night) -> float:
    """Wall-clock seconds of the job for one night."""
    started_s = time.monotonic()
    run_job(JOB, night, spark)
    return time.monotonic() - started_s


def on_all_cores(settings: Settings, clips: Sequence[bytes]) -> dict[str, float]:
    """CPU seconds by share over all clips, of N_CORES processes that work at the same time.

    One alone would be faster than it is where cores share caches and memory, as Spark's tasks do.
    """
    parts = [clips[number::N_CORES] for number in range(N_CORES)]
    with ProcessPoolExecutor(N_CORES, get_context("spawn")) as pool:
        list(pool.map(partial(in_one_process, settings), [part[:1] for part in parts]))  # loads
        spent = pool.map(partial(in_one_process, settings), parts)
        return dict(sum(map(Counter, spent), Counter()))


def in_one_process(settings: Settings, clips: Sequence[bytes]) -> dict[str, float]:
    """CPU seconds of one thread by share, over all clips."""
    torch.set_num_threads(1)
    encoders = settings.encoders
    encoder = registry.audio_encoder(encoders, registry.audio_identity(encoders))
    excerpts = htcl_mel.CLIP_S, encoders.max_audio_s, encoders.audio_windows
    spent: Counter[str] = Counter()

    @contextmanager
    def counted(share: str) -> Iterator[None]:
        started_s = time.thread_time()  # Spark's connection has threads in this process, too
        yield
        spent[share] += time.thread_time() - started_s

    threadpool_limits(1)
    for clip in clips:
        with counted("decode"):
            heard = Recording.of(recording.decode(clip, SAMPLE_RATE_HZ, *excerpts))
            windows = heard.windows
        with counted("descriptors"):
            signal.measure(windows)
        with counted("mel"):
            htcl_mel.clip_features(heard.first)
        with counted("encoder"):
            encoder.encode(windows)
        with counted("mel_of_encoder"):
            for window in windows:
                musicnn_mel.log_mel(window)
    of_encoder = spent.pop("mel_of_encoder")
    spent["mel"] += of_encoder
    spent["network"] = spent.pop("encoder") - of_encoder
    return dict(spent)


def throughput(settings: Settings, clips: list[bytes], warm_up: list[bytes]) -> dict[str, float]:
    """Figures of encoding the clips by Spark, in a session whose workers are warm, and in one process."""
    spark = make_spark(settings)
    with tempfile.TemporaryDirectory() as folder:
        peak = WorkerPeak()
        first = night_of(settings, Path(folder) / "warm_up")
        land(spark, first, warm_up)
        run_job(JOB, first, spark)
        spark_s, shares = [], []
        for repeat in range(REPEATS):
            night = night_of(settings, Path(folder) / str(repeat))
            land(spark, night, clips)
            with peak.watched():
                spark_s.append(job_s(spark, night))
            shares.append(on_all_cores(settings, clips))
    audio_s, best = seconds_of(clips), min(shares, key=lambda one: sum(one.values()))
    alone_s, core_s = sum(best.values()), N_CORES * min(spark_s)
    return {
        "audio_s": audio_s,
        "audio_s_per_core_s": audio_s / core_s,
        "encoder_audio_s_per_core_s": audio_s / alone_s,
        "spark_overhead_ratio": 1 - alone_s / core_s,
        **{f"{share}_ratio": best[share] / alone_s for share in SHARES},
        "worker_peak_mib": peak.mib,
    }


def package_rates(python: Path, clips: Sequence[bytes]) -> dict[str, float]:
    """Seconds of audio per CPU second of the package's extractor, with its loading and without."""
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(clips):
            (Path(folder) / f"{number:03}.flac").write_bytes(clip)
        script = Path(__file__).parent / "peers" / "musicnn_extractor.py"
        done = subprocess.run(
            [python, script, folder], check=True, stdout=subprocess.PIPE, text=True
        )
    measured = json.loads(done.stdout.splitlines()[-1])
    audio_s, without_loading_s = seconds_of(list(clips)), measured["cpu_s"]
    whole_s = without_loading_s + measured["files"] * measured["loading_s"]
    return {
        "package_audio_s_per_core_s": audio_s / whole_s,
        "package_without_loading_audio_s_per_core_s": audio_s / without_loading_s,
    }


def incremental_cost(settings: Settings, n_tracks: int) -> dict[str, float]:
    """Seconds of a night with NEW_RATIO new tracks, relative to the night that encoded the others."""
    n_new = max(1, round(n_tracks * NEW_RATIO))
    with tempfile.TemporaryDirectory() as folder:
        night = night_of(settings, Path(folder))
        spark = make_spark(settings)
        warm_up = night_of(settings, Path(folder) / "warm_up")
        land(spark, warm_up, [drawn_clip(10**6 + seed) for seed in range(4)])
        run_job(JOB, warm_up, spark)
        known = [drawn_clip(seed) for seed in range(n_tracks)]
        land(spark, night, known)
        full_s = job_s(spark, night)
        next_night = replace(night, as_of=night.as_of + timedelta(days=1))
        land(spark, next_night, [*known, *(drawn_clip(n_tracks + seed) for seed in range(n_new))])
        ratio = job_s(spark, next_night) / full_s
    return {f"incremental_cost_ratio_{n_tracks}": ratio}


def cached(folder: Path, name: str, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What an earlier run of this code measured, or what `measure` gives now."""
    file = folder / f"{name}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(measure()))
    found: dict[str, float] = json.loads(file.read_text())
    return found


def main(
    recordings: Annotated[Path, typer.Option(help="Folder with .ogg files of music.")],
    package_python: Annotated[
        Path | None, typer.Option(help="Python of an environment with musicnn and TensorFlow.")
    ] = None,
    n_tracks: Annotated[str, typer.Option("--tracks", help="Sizes of the lakes.")] = "300,3000",
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    settings = load_settings()
    kept = settings.state / "benchmarks" / "features" / code_sha256(("jobs", "feature_store"))
    console = Console(stderr=True)
    clips = real_clips(recordings, OFFSETS_S)
    warm_up = [drawn_clip(10**6 + seed) for seed in range(8)]
    console.print(f"{len(clips)} clips, {seconds_of(clips):.0f} s of audio")
    found = cached(kept, "throughput", lambda: throughput(settings, clips, warm_up))
    if package_python is not None:
        found |= cached(kept, "package", partial(package_rates, package_python, clips))
    for size in map(int, n_tracks.split(",")):
        console.print(f"{size} tracks, then 1 % more")
        found |= cached(kept, f"incremental_{size}", partial(incremental_cost, settings, size))
    rows = [[name, f"{value:.4g}"] for name, value in found.items()]
    command = (
        "python -m tests.benchmarks.features --recordings FOLDER --package-python PYTHON --record"
    )
    day = datetime.now(tz=UTC).date()
    print_section(Section("Audio features", command, day, None, HEADER, rows), record=record)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    typer.run(main)
