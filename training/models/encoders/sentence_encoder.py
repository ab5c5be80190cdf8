"""A frozen text model of transformers, its vectors of sentences, and the hash of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from feature_store.weight_packages import MINILM, weights_folder
from training.models.encoders.text_tower import TextModelError, TextTower

ENCODED_AT_ONCE = 64
_TOKENISED_AT_ONCE = 1_024


class SentenceEncoderError(ValueError):
    """The folder holds no text model that can encode sentences."""


def load_encoder(text_folder: str, max_tokens: int) -> TextTower:
    """The model in a folder, pooled by the mean over tokens, with all parameters frozen.

    Args:
        text_folder: of a text model of transformers; empty for the packaged MiniLM.
        max_tokens: of a text; what is longer is cut.

    Raises:
        SentenceEncoderError: the folder has no such model.
    """
    folder = Path(text_folder) if text_folder else weights_folder(MINILM)
    try:
        tower = TextTower(folder, "mean", max_tokens)
    except TextModelError as error:
        raise SentenceEncoderError(
            f"text_folder = {str(folder)!r}: must hold a text model of transformers; name a folder "
            "with config.json, a tokenizer and weights, or leave it empty for the packaged MiniLM"
        ) from error
    return tower.requires_grad_(requires_grad=False).eval()


def sentence_vectors(tower: TextTower, texts: Sequence[str]) -> Tensor:
    """Vectors of texts by a frozen model, on the CPU, shape (n, width)."""
    device = next(tower.parameters()).device

    def encode(some: Sequence[str]) -> Tensor:
        token_ids, is_token = tower.tokens(some)
        vectors: Tensor = tower(token_ids.to(device), is_token.to(device))
        return vectors

    with torch.no_grad():
        return in_blocks(texts, token_counts(tower, texts), encode, tower.width)


def token_counts(tower: TextTower, texts: Sequence[str]) -> Tensor:
    """Tokens of each text that the model reads, shape (n,)."""
    counts = [
        tower.tokens(texts[start : start + _TOKENISED_AT_ONCE])[1].sum(dim=1)
        for start in range(0, len(texts), _TOKENISED_AT_ONCE)
    ]
    return torch.cat([torch.zeros(0, dtype=torch.int64), *counts])


def in_blocks(
    texts: Sequence[str], lengths: Tensor, encode: Callable[[Sequence[str]], Tensor], width: int
) -> Tensor:
    """What `encode` makes of texts, in blocks of like length, so that little is padded.

    Args:
        texts: n of them.
        lengths: of each text, shape (n,).
        encode: rows of some texts, shape (some, width).
        width: of a row.

    Returns:
        Rows in the order of the texts, on the CPU, shape (n, width).
    """
    rows = torch.zeros(len(texts), width)
    if not len(texts):
        return rows
    for block in torch.argsort(lengths, stable=True).split(ENCODED_AT_ONCE):
        rows[block] = encode([texts[row] for row in block.tolist()]).float().cpu()
    return rows


def backbone_sha256(frozen: Mapping[str, Tensor]) -> str:
    """Hash of a tower's frozen weights, the same in every family and wherever adapters are.

    Args:
        frozen: tensors by their name in the state; peft calls a layer with an adapter base_layer.
    """
    by_name = {
        name.partition("tower.")[2].replace(".base_layer.", "."): value
        for name, value in frozen.items()
    }
    digest = hashlib.sha256()
    for name in sorted(by_name):
        digest.update(name.encode() + by_name[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
