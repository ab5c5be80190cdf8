"""Text models of transformers (BERT, Devlin et al. 2018, and its kin): a text becomes one vector.

A text longer than the model's window is split at line ends; the vector of a window is pooled from
its tokens and scaled to length 1, and the text's is the mean over its windows, scaled again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.text import sentiment
from jobs.encoders.transformer_folder import folder_identity, load_model, read_json

Pooling = Literal["mean", "first"]

MAX_WINDOW_TOKENS = 512


class TransformerText:
    """The loaded model and its tokenizer."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._model = load_model(folder)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._pooling = pooling_of(folder)
        self._first, self._last = self._special_tokens()
        longest = window_tokens(folder, self._tokenizer.model_max_length)
        self._window = longest - len(self._first) - len(self._last)

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embedding of a text, shape (dim,), scaled to length 1.

        The model encodes one window at a time, so a text's embedding depends on nothing else.

        Raises:
            ContentFailure: the text holds no letter.
        """
        if not any(character.isalpha() for character in text):
            raise ContentFailure(
                FailureReason.NO_WORDS, f"{len(text)} characters, none of them a letter"
            )
        lines = self._token_ids(text.splitlines())
        windows = pack_windows(lines, self._window)
        return _unit(np.mean([self._encode_window(window) for window in windows], axis=0))

    def _encode_window(self, token_ids: list[int]) -> NDArray[np.float32]:
        import torch

        tokens = torch.tensor([[*self._first, *token_ids, *self._last]])
        with torch.inference_mode():
            states = self._model(input_ids=tokens).last_hidden_state[0]  # (length, dim)
        pooled = states.mean(dim=0) if self._pooling == "mean" else states[0]
        return _unit(pooled.numpy())

    def _token_ids(self, lines: Sequence[str]) -> list[list[int]]:
        """Tokens of each line, without those that begin and end a window."""
        encoded = self._tokenizer(list(lines), add_special_tokens=False, truncation=False)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        """Tokens that begin and end a window, such as [CLS] and [SEP]."""
        [plain] = self._token_ids(["a"])
        whole: list[int] = self._tokenizer("a")["input_ids"]
        start = next(at for at in range(len(whole)) if whole[at : at + len(plain)] == plain)
        return whole[:start], whole[start + len(plain) :]


def text_identity(encoder_id: str, folder: Path) -> EncoderIdentity:
    """The identity of a text model."""
    steps = {
        "revision": 2,  # raise it when code of this module changes its output
        "window_tokens": window_tokens(folder, MAX_WINDOW_TOKENS),
        "pooling": pooling_of(folder),
        "sentiment": sentiment.preprocessing(),
    }
    return folder_identity(encoder_id, folder, steps)


def pooling_of(folder: Path) -> Pooling:
    """How sentence-transformers pools the tokens; the mean where the folder does not say."""
    config = read_json(folder / "1_Pooling" / "config.json")
    return "first" if config.get("pooling_mode_cls_token") else "mean"


def window_tokens(folder: Path, tokenizer_max: int) -> int:
    """The longest window that the model takes, its special tokens included."""
    published = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    positions = read_json(folder / "config.json").get("max_position_embeddings")
    return min(published or positions or tokenizer_max, tokenizer_max, MAX_WINDOW_TOKENS)


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
