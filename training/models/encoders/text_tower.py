"""HTCL's text tower: any text model of transformers in a local folder, one vector a text.

Differs from the paper, which trains bert-base-multilingual-uncased whole and takes its pooler's
output: the default is MiniLM, frozen, pooled by the mean over its tokens, as sentence models are
trained, whose pooler nobody trained [ours]. `text_folder`, `text_layers` and `text_pooling` give
the paper's.

A text in another language is read as far as the model knows its signs. MiniLM knows those of Latin,
Greek, Cyrillic, Hebrew and Arabic, and some of Chinese and Japanese; words of other scripts (Khmer,
Tamil, Ethiopic) are all the same unknown word to it, so that only the rest of such a text counts,
for example the artist's name. A service with such a catalogue names a multilingual model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

Pooling = Literal["pooler", "mean"]

_MAX_KEPT = 1_000_000
"""Vectors that a frozen model keeps, 1.5 kB each of MiniLM; of further texts none is kept."""
_MAX_KEPT_MODELS = 2
"""Of which the vectors are kept: a champion's, and another one's of a challenger."""


class TextModelError(ValueError):
    """The folder holds no model that gives a vector in this way."""


class TextTower(nn.Module):
    """Tokens (batch, length) to vectors (batch, width).

    Args:
        folder: of a text model of transformers, with its tokenizer.
        pooling: how tokens become one vector.
        max_tokens: of a text; what is longer is cut.

    Attributes:
        width: of the vectors.
        max_tokens: of a text; fewer where the model knows fewer positions.

    Raises:
        TextModelError: the folder has no model, or one without a pooler that is asked for.
    """

    def __init__(self, folder: Path, pooling: Pooling, max_tokens: int = 64) -> None:
        super().__init__()
        from transformers import AutoModel, AutoTokenizer

        try:
            self.model: Any = AutoModel.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise TextModelError(
                f"HTCL's text tower: {folder} holds no text model of transformers: {error}; name a "
                "folder with config.json, a tokenizer and weights"
            ) from error
        if pooling == "pooler" and getattr(self.model, "pooler", None) is None:
            raise TextModelError(
                f"HTCL's text tower: the model in {folder} has no pooler; set text_pooling = mean"
            )
        self.width: int = self.model.config.hidden_size
        self._pooling = pooling
        limits = (max_tokens, _positions(self.model), self._tokenizer.model_max_length)
        self.max_tokens: int = min(limits)
        self._folder = folder

    def forward(self, token_ids: Tensor, is_token: Tensor) -> Tensor:
        """The vectors, shape (batch, width).

        Args:
            token_ids: shape (batch, length).
            is_token: False for padding, shape (batch, length).
        """
        if not len(token_ids):
            # A process without a text of the batch: transformers cannot reshape it, and backward()
            # needs a graph. Parameters have no gradient of it, as in a process alone.
            zeros = next(self.parameters()).new_zeros(0, self.width)
            return zeros.requires_grad_(torch.is_grad_enabled())
        given = self.model(input_ids=token_ids, attention_mask=is_token.long())
        if self._pooling == "pooler":
            pooled: Tensor = given.pooler_output
            return pooled
        weights = is_token[:, :, None].to(given.last_hidden_state.dtype)
        total: Tensor = (given.last_hidden_state * weights).sum(dim=1)
        return total / weights.sum(dim=1).clamp(min=1)

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids, and which of them are no padding; shape (n, length) each.

        Args:
            texts: n of them; an empty one is the model's marks of beginning and end alone.
        """
        if not texts:
            none = torch.zeros(0, 1, dtype=torch.int64)
            return none, none.bool()
        found = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.max_tokens,
            return_tensors="pt",
        )
        return found["input_ids"], found["attention_mask"].bool()

    def is_cut(self, text: str) -> bool:
        """Whether a text has more tokens than the tower reads."""
        one_more = self.max_tokens + 1
        found = self._tokenizer(text, truncation=True, max_length=one_more)
        return len(found["input_ids"]) > self.max_tokens

    def trained_parameters(self, n_layers: int) -> list[nn.Parameter]:
        """The parameters of the upper layers and of what lies above them.

        Args:
            n_layers: upper layers that learn; -1 for the whole model, as in the paper.

        Raises:
            TextModelError: the model is not built of layers that can be counted, or has fewer.
        """
        if n_layers == -1:
            return list(self.model.parameters())
        layers = getattr(getattr(self.model, "encoder", None), "layer", None)
        if layers is None:
            raise TextModelError(
                f"HTCL's text tower: the model in {self._folder} has no encoder.layer, so its "
                f"upper {n_layers} layers are unknown; set text_layers = -1"
            )
        if not 0 <= n_layers <= len(layers):
            raise TextModelError(
                f"HTCL's text tower: text_layers = {n_layers}: the model in {self._folder} has "
                f"{len(layers)} layers; set 0 to {len(layers)}, or -1 for the whole model"
            )
        upper = [
            parameter
            for layer in layers[len(layers) - n_layers :]
            for parameter in layer.parameters()
        ]
        return upper + (list(self.model.pooler.parameters()) if self._pooling == "pooler" else [])


_Files = tuple[tuple[str, int, int], ...]
"""Path, bytes and time of change of each file."""


def _files_of(folder: Path) -> _Files:
    """Tells apart what a folder has held; hashes of the weights would take longer than loading."""
    stats = [(path, path.stat()) for path in sorted(folder.resolve().rglob("*"))]
    return tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)


@lru_cache(_MAX_KEPT_MODELS)
def _kept_vectors(
    files: _Files,  # noqa: ARG001  with the others the key of the cache
    pooling: Pooling,  # noqa: ARG001
    max_tokens: int,  # noqa: ARG001
    device: str,  # noqa: ARG001  another device gives other last bits
) -> dict[str, Tensor]:
    """The vectors that all frozen towers of a model share, by text; those who ask fill it."""
    return {}


def _positions(model: Any) -> int:
    """How many tokens the model reads; RoBERTa counts its positions from that of padding on."""
    n_positions: int = getattr(model.config, "max_position_embeddings", sys.maxsize)
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return n_positions if padding is None else n_positions - padding - 1


class FrozenTextTower(TextTower):
    """A text tower that does not learn, so each text goes through it once and without dropout.

    What it calls tokens are the vectors. All towers of a process over the same files share them: a
    night makes a model for selection, for evaluation, for the final fit and to predict.
    """

    def __init__(self, folder: Path, pooling: Pooling, max_tokens: int = 64) -> None:
        super().__init__(folder, pooling, max_tokens)
        self._files = _files_of(folder)

    def forward(self, token_ids: Tensor, is_token: Tensor) -> Tensor:  # noqa: ARG002  as a tower that learns
        """The vectors that `tokens` gave."""
        return token_ids

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Vectors of texts, shape (n, width), and a mask of no meaning, shape (n, 1)."""
        device = next(self.model.parameters()).device
        kept = _kept_vectors(self._files, self._pooling, self.max_tokens, str(device))
        found: dict[str, Tensor] = {}  # of these texts, whether they can be kept or not
        for text in texts:
            if text not in found:
                found[text] = kept[text] if text in kept else self._encoded(text)
                if len(kept) < _MAX_KEPT:
                    kept[text] = found[text]
        vectors = [found[text] for text in texts]
        none = torch.zeros(0, self.width)
        return torch.stack(vectors) if vectors else none, torch.ones(len(texts), 1).bool()

    def trained_parameters(self, n_layers: int) -> list[nn.Parameter]:  # noqa: ARG002  as a tower that learns
        """None."""
        return []

    def _encoded(self, text: str) -> Tensor:
        """The vector on the CPU, of the text alone: others beside it would change its last bits.

        The model is in the mode of training while a stage is, which has dropout.
        """
        device = next(self.model.parameters()).device
        token_ids, is_token = (one.to(device) for one in super().tokens([text]))
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                return super().forward(token_ids, is_token)[0].float().cpu()
        finally:
            self.model.train(was_training)
