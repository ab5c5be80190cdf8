"""Times epochs of RecBole's LightGCN in an environment of its own, with older NumPy, SciPy and pandas.

    python recbole_light_gcn.py PAIRS.npz DIM LAYERS BATCH_PAIRS EPOCHS THREADS

PAIRS.npz holds `users` and `tracks`; the project's root is on PYTHONPATH. The last line of output is a JSON object:
seconds of each epoch, and peak MiB.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import LightGCN
from recbole.trainer import Trainer

from tests.benchmarks.support.memory import peak_mib

NAME = "pairs"


def write_pairs(folder: Path, users: np.ndarray, tracks: np.ndarray) -> None:
    """Write RecBole's files, already split: all pairs for training, one each for validation and test."""
    (folder / NAME).mkdir()
    for part, n_pairs in (("train", len(users)), ("valid", 1), ("test", 1)):
        lines = ["user_id:token\titem_id:token"]
        lines += [
            f"{user}\t{track}"
            for user, track in zip(users[:n_pairs], tracks[:n_pairs], strict=True)
        ]
        (folder / NAME / f"{NAME}.{part}.inter").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Train by RecBole's own loop and print the figures."""
    pairs = np.load(sys.argv[1])
    dim, layers, batch_pairs, epochs, threads = map(int, sys.argv[2:])
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        write_pairs(Path(folder), pairs["users"], pairs["tracks"])
        settings = {
            "data_path": folder,
            "checkpoint_dir": folder,
            "benchmark_filename": ["train", "valid", "test"],
            "load_col": {"inter": ["user_id", "item_id"]},
            "embedding_size": dim,
            "n_layers": layers,
            "train_batch_size": batch_pairs,
            "use_gpu": False,
            "state": "ERROR",
            "show_progress": False,
            "seed": 11,
        }
        sys.argv = sys.argv[:1]  # RecBole reads the command line, too
        config = Config(model="LightGCN", dataset=NAME, config_dict=settings)
        dataset = create_dataset(config)
        train_data, _, _ = data_preparation(config, dataset)
        trainer = Trainer(config, LightGCN(config, train_data.dataset))
        seconds = []
        for epoch in range(epochs):
            started_at_s = time.perf_counter()
            trainer._train_epoch(train_data, epoch)
            seconds.append(time.perf_counter() - started_at_s)
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
