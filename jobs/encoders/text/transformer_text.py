"""Text models of transformers (BERT, Devlin et al. 2018, and its kin): a text becomes one vector.

A text longer than the model's window is split at line ends; the vector of a window is pooled from
its tokens and scaled to length 1, and the text's is the mean over its windows, scaled again. Of a
model for text and something else (CLIP, CLAP) the vectors of text are taken, of an encoder and
decoder the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.text import sentiment
from jobs.encoders.text.plain_text import MAX_CHARACTERS, plain_text
from jobs.encoders.transformer_folder import (
    LOCAL,
    ModelFolderError,
    folder_identity,
    inner_object,
    load_model,
    loading,
    one_vector,
    positive_number,
    read_object,
    read_objects,
)

Pooling = Literal["mean", "first"]

TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model")
MAX_WINDOW_TOKENS = 512
_POOLING = {"mean": "mean", "cls": "first"}
"""Modes of sentence-transformers that are known here."""
_MODULES = {"Transformer", "Pooling", "Normalize"}
_PADDING_OFFSET = 2  # RoBERTa and its kin count positions from 2


class TransformerText:
    """The loaded model and its tokenizer.

    Raises:
        ModelFolderError: the folder holds no model of texts, or one that is pooled in another way.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._pooling = pooling_of(folder)
        with loading(folder):
            self._model = load_model(folder).model
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
            [self._letter] = self._token_ids(["a"])
            self._first, self._last = self._special_tokens()
            self._window = self._longest_window(folder)

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embedding of a text, shape (dim,), scaled to length 1.

        The model encodes one window at a time, so a text's embedding depends on nothing else.

        Raises:
            ContentFailure: as `plain_text`, or the tokenizer knows nothing of the text.
        """
        windows = pack_windows(self._token_ids(plain_text(text).splitlines()), self._window)
        if not windows:
            raise ContentFailure(FailureReason.NO_WORDS, "the tokenizer finds no token")
        return _unit(np.mean([self._encode_window(window) for window in windows], axis=0))

    def _encode_window(self, token_ids: list[int]) -> NDArray[np.float32]:
        import torch

        tokens = torch.tensor([[*self._first, *token_ids, *self._last]])
        with torch.inference_mode():
            if hasattr(self._model, "get_text_features"):
                return _unit(one_vector(self._model.get_text_features(input_ids=tokens)))
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
        whole: list[int] = self._tokenizer("a")["input_ids"]
        length = len(self._letter)
        starts = [at for at in range(len(whole)) if whole[at : at + length] == self._letter]
        if not self._letter or not starts:
            raise ModelFolderError("its tokenizer gives no token for the text 'a'")
        return whole[: starts[0]], whole[starts[0] + length :]

    def _longest_window(self, folder: Path) -> int:
        """Tokens of a text that the model takes at once, tried out on the model."""
        n_special = len(self._first) + len(self._last)
        room = window_tokens(folder, self._tokenizer.model_max_length) - n_special
        if room - _PADDING_OFFSET < 1:
            raise ModelFolderError(
                f"encoder in {folder}: its window of {room + n_special} tokens has no room for text"
            )
        try:
            self._encode_window((self._letter * room)[:room])
        except (IndexError, RuntimeError):  # more positions than the model has
            room -= _PADDING_OFFSET
            self._encode_window((self._letter * room)[:room])
        return room


def text_identity(encoder_id: str, folder: Path) -> EncoderIdentity:
    """The identity of a text model; the tokenizer's rules are files of the folder."""
    return folder_identity(encoder_id, folder, preprocessing(folder))


def preprocessing(folder: Path) -> dict[str, object]:
    """Preprocessing of this module for the model in a folder, for the model's identity."""
    return {
        "revision": 3,  # raise it when code of this module changes its output
        "window_tokens": window_tokens(folder, MAX_WINDOW_TOKENS),
        "pooling": pooling_of(folder),
        "sentiment": sentiment.preprocessing(),
        "limits": {"characters": MAX_CHARACTERS},
    }


def pooling_of(folder: Path) -> Pooling:
    """How sentence-transformers pools the tokens; the mean where the folder does not say.

    Raises:
        ModelFolderError: in another way than by the mean or the first token, or with more modules.
    """
    config = read_object(folder / "1_Pooling" / "config.json")
    named = config.get("pooling_mode")
    older = [key for key, is_on in config.items() if key.startswith("pooling_mode_") and is_on]
    modes = [str(named)] if named else [
        key.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for key in older
    ]  # fmt: skip
    listed = read_objects(folder / "modules.json")
    modules = [str(module.get("type")).rpartition(".")[2] for module in listed]
    others = [name for name in modules if name not in _MODULES]
    if others or len(modes) > 1 or (modes and modes[0] not in _POOLING):
        raise ModelFolderError(
            f"encoder in {folder}: sentence-transformers makes its vectors by {modes + others}; "
            f"known are {sorted(_POOLING)} and {sorted(_MODULES)}"
        )
    return "first" if modes == ["cls"] else "mean"


def window_tokens(folder: Path, tokenizer_max: int) -> int:
    """The longest window that the model takes, its special tokens included.

    Raises:
        ModelFolderError: a file of the folder says something else than a number of tokens.
    """
    of_sentences = folder / "sentence_bert_config.json"
    published = positive_number(of_sentences, read_object(of_sentences), "max_seq_length")
    file = folder / "config.json"
    config = inner_object(file, read_object(file), "text_config")
    positions = positive_number(file, config, "max_position_embeddings")
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
    length = np.linalg.norm(vector)
    if not np.isfinite(length) or not length:
        raise ContentFailure(
            FailureReason.NOT_FINITE, "the model gives no vector that has a length"
        )
    return np.asarray(vector / length, dtype=np.float32)
