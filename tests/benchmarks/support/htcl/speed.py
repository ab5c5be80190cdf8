"""How fast HTCL of size `paper` trains, and in how much memory: run as a process of its own.

    python -m tests.benchmarks.support.htcl.speed [--device cuda]

A step is what stage 1 makes of a batch: spectrograms of noise (their content costs nothing), texts of 32 tokens through the
packaged MiniLM, which learns whole, both projections, the loss, its gradient, and Adam. On a GPU in bfloat16, with torch.compile.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Annotated

import torch
import typer

from feature_store.weight_packages import MINILM, weights_folder
from tests.benchmarks.support.memory import peak_mib
from training.data.spectrograms import N_FRAMES, N_MELS
from training.engine.loop import deterministic
from training.models.encoders.audio_tower import PAPER, AudioTower
from training.models.encoders.htcl import HTCL, SIZES, Tracks
from training.models.encoders.text_tower import FrozenTextTower, TextTower

BATCH, WARM_UP, STEPS, TOKENS = 8, 1, 4, 32
_ENCODED = 32  # tracks
_TEXT = "The Last Lantern by Amber Foxes, folk, calm, instrumental, in English. Rest with the river"
GPU_BATCHES = (32, 64, 128, 256)
PEAK_FLOPS = {"NVIDIA H200": 989e12}  # bfloat16, dense; NVIDIA H200 data sheet


def train_speed(batch: int, device: torch.device, n_threads: int) -> dict[str, float]:
    """Tracks a second, the median over steps, and the peak memory in MiB."""
    with deterministic(7, n_threads):
        model = HTCL(PAPER, TextTower(weights_folder(MINILM), "mean", TOKENS)).to(device)
        is_gpu = device.type == "cuda"
        if is_gpu:
            model.audio.compile()
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
        tracks = Tracks(
            torch.randn(batch, N_FRAMES, N_MELS),
            torch.randint(1_000, 20_000, (batch, TOKENS)),
            torch.ones(batch, TOKENS, dtype=torch.bool),
            torch.arange(batch),
        ).to(device)
        seconds = []
        for _ in range(WARM_UP + STEPS * (5 if is_gpu else 1)):
            start = time.perf_counter()
            optimiser.zero_grad()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_gpu):
                losses = model.meaning_loss(tracks)
            sum(losses.values(), torch.zeros((), device=device)).backward()
            optimiser.step()
            if is_gpu:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    per_s = batch / statistics.median(seconds[WARM_UP:])
    memory = torch.cuda.max_memory_allocated() / 2**20 if is_gpu else peak_mib()
    return {"tracks_per_s": per_s, "peak_mib": memory}


def core_hours_per_million(size: str, n_threads: int) -> float:
    """What it takes to encode a million recordings and texts by a new model version, without reading them."""
    with deterministic(7, n_threads), torch.no_grad():
        tower = AudioTower(SIZES[size]).eval()
        texts = FrozenTextTower(weights_folder(MINILM), "mean", TOKENS)
        log_mel = torch.randn(_ENCODED, N_FRAMES, N_MELS)
        tower(log_mel)
        start = time.process_time()
        tower(log_mel)
        audio = time.process_time() - start
        start = time.process_time()
        texts.tokens([f"{_TEXT} {number}" for number in range(_ENCODED)])
        text = time.process_time() - start
    return (audio + text) / _ENCODED * 1e6 / 3_600


def audio_flops_per_track() -> float:
    """Of the audio tower, forward and backward: three times the forward pass, counted by torch."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        tower = HTCL(PAPER, TextTower(weights_folder(MINILM), "mean", TOKENS)).audio
        with FlopCounterMode(display=False) as counter:
            tower(torch.empty(1, N_FRAMES, N_MELS))
    return 3.0 * counter.get_total_flops()


def measured_alone() -> dict[str, float]:
    """The figures of `paper` on the CPU, from a process of its own, whose memory is its alone."""
    command = [sys.executable, "-m", __name__]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def main(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(help="Threads on the CPU.")] = 2,
) -> None:
    """Measure, and print one JSON object."""
    on = torch.device(device)
    sizes = GPU_BATCHES if on.type == "cuda" else (BATCH,)
    figures = {}
    for batch in sizes:
        for name, value in train_speed(batch, on, threads).items():
            figures[f"paper.{name}_{on.type}_batch_{batch}"] = value
        if on.type == "cuda":
            rate = figures[f"paper.tracks_per_s_{on.type}_batch_{batch}"]
            [peak] = [
                flops for name, flops in PEAK_FLOPS.items() if name in torch.cuda.get_device_name()
            ]
            figures[f"paper.share_of_peak_flops_batch_{batch}"] = (
                rate * audio_flops_per_track() / peak
            )
    if on.type == "cpu":
        for size in SIZES:
            figures[f"{size}.core_hours_per_million_tracks"] = core_hours_per_million(size, threads)
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    typer.run(main)
