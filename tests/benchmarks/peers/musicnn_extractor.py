"""Times the musicnn package's own extractor in an environment of its own, with TensorFlow.

    python musicnn_extractor.py FOLDER

The environment needs musicnn 0.1.0 (--no-deps), librosa < 0.11, numpy < 2 and tensorflow-cpu 2.15, whose compat.v1 the
package's code is for. The extractor loads its model at each call; that of the first file is not counted, nor is that of the
others: the time of an extraction of one patch is subtracted, and given as loading_s. The last line of output is a JSON object: CPU seconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import tensorflow.compat.v1 as tensorflow_1

tensorflow_1.disable_v2_behavior()
sys.modules["tensorflow"] = tensorflow_1
from musicnn.extractor import extractor  # noqa: E402  it must see TensorFlow 1

MODEL = "MTT_musicnn"


def extraction_s(file: Path) -> float:
    """CPU seconds of one extraction, features included."""
    tensorflow_1.reset_default_graph()
    started_s = time.process_time()
    extractor(str(file), model=MODEL, extract_features=True)
    return time.process_time() - started_s


def main(folder: Path) -> None:
    """Print the CPU seconds of all files of a folder, without loading."""
    files = sorted(folder.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        shortest = Path(scratch) / "patch.wav"
        soundfile.write(shortest, 0.1 * np.random.default_rng(0).normal(size=48_000), 16_000)
        extraction_s(shortest)
        loading_s = min(extraction_s(shortest) for _ in range(3))
    total_s = sum(extraction_s(file) - loading_s for file in files)
    print(json.dumps({"cpu_s": total_s, "loading_s": loading_s, "files": len(files)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
