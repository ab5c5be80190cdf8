"""A frozen text model with low-rank adapters on all linear layers of its upper layers.

Reference: LoRA, Hu et al. 2021, arXiv:2106.09685; the adapters are peft's. Lower layers without an
adapter give the same for a text in every epoch, so they read it once in a fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.models.encoders.sentence_encoder import (
    ENCODED_AT_ONCE,
    SentenceEncoderError,
    load_encoder,
    token_counts,
)

_ADAPTER = "lora_"
_BYTES_OF_MIB = 2**20


@dataclass(frozen=True, slots=True)
class AdapterSizes:
    """Where adapters sit, and how large they are.

    Attributes:
        upper_layers: that have adapters; -1 for all.
        rank: of an adapter.
        alpha: an adapter counts alpha / rank.
        dropout: of what an adapter reads, in training.
    """

    upper_layers: int
    rank: int
    alpha: int
    dropout: float


class LoraEncoder(nn.Module):
    """Texts to vectors, the mean over the tokens' outputs.

    Attributes:
        tower: the model; only its adapters learn.
        width: of a vector.
        n_lower: layers below the first adapter.

    Args:
        text_folder: see load_encoder.
        max_tokens: of a text; what is longer is cut.
        sizes: of the adapters.
        cache_mib: how much of the lower layers' outputs may be kept; of texts beyond it they are
            computed each time.

    Raises:
        SentenceEncoderError: the folder has no such model, or one without that many layers.
    """

    def __init__(
        self, text_folder: str, max_tokens: int, sizes: AdapterSizes, cache_mib: int
    ) -> None:
        super().__init__()
        self.tower = load_encoder(text_folder, max_tokens)
        self.width = self.tower.width
        self._layers = _layers_of(self.tower.model, text_folder)
        self.n_lower = _n_lower(len(self._layers), sizes.upper_layers)
        _add_adapters(self.tower.model, self._layers, self.n_lower, sizes)
        self._max_bytes = cache_mib * _BYTES_OF_MIB
        self._n_bytes = 0
        self._lower_of: dict[str, Tensor] = {}

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Vectors of texts, with the gradients of the adapters, shape (n, width)."""
        device = next(self.parameters()).device
        if not texts:
            return torch.zeros(0, self.width, device=device)
        token_ids, is_token = (one.to(device) for one in self.tower.tokens(texts))
        if not self.n_lower:
            vectors: Tensor = self.tower(token_ids, is_token)
            return vectors
        lower = nn.utils.rnn.pad_sequence(self._lower(texts), batch_first=True)
        with self._only(self._layers[self.n_lower :], lower.to(device).float()):
            upper: Tensor = self.tower(token_ids, is_token)
        return upper

    def adapters(self) -> list[nn.Parameter]:
        """The parameters that learn."""
        return [one for name, one in self.named_parameters() if _ADAPTER in name]

    def frozen(self) -> dict[str, Tensor]:
        """All else of the state, by name."""
        return {name: one for name, one in self.state_dict().items() if _ADAPTER not in name}

    def token_counts(self, texts: Sequence[str]) -> Tensor:
        """Tokens of each text that the model reads, shape (n,)."""
        return token_counts(self.tower, texts)

    def keep_lower(self, texts: Sequence[str]) -> None:
        """Compute the lower layers' outputs before a fit, in batches that depend on nothing else.

        A fit that is killed and resumes finds the same bits.
        """
        if self.n_lower:
            self._lower(sorted(set(texts)))

    def _lower(self, texts: Sequence[str]) -> list[Tensor]:
        """Outputs of the lower layers, float16, shape (tokens, width) for each text.

        Of three significant digits, an adapter hardly sees the rest. What is computed anew is
        rounded as well, so that a text has one output whether it was kept or not.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._lower_of]
        found = self._compute_lower(new)
        for text, output in found.items():
            n_bytes = output.numel() * output.element_size()
            if self._n_bytes + n_bytes <= self._max_bytes:
                self._lower_of[text] = output
                self._n_bytes += n_bytes
        return [found[text] if text in found else self._lower_of[text] for text in texts]

    def _compute_lower(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Without dropout, whatever mode the model is in."""
        counts = self.token_counts(texts)
        found: dict[str, Tensor] = {}
        device = next(self.parameters()).device
        was_training = self.tower.training
        self.tower.eval()
        try:
            with torch.no_grad(), self._only(self._layers[: self.n_lower]):
                for rows in torch.argsort(counts, stable=True).split(ENCODED_AT_ONCE):
                    if not len(rows):  # splitting nothing gives one empty block
                        continue
                    some = [texts[row] for row in rows.tolist()]
                    token_ids, is_token = self.tower.tokens(some)
                    outputs = self.tower.model(
                        input_ids=token_ids.to(device), attention_mask=is_token.long().to(device)
                    ).last_hidden_state.half()
                    for text, output, count in zip(
                        some, outputs.cpu(), counts[rows].tolist(), strict=True
                    ):
                        found[text] = output[:count].clone()
        finally:
            self.tower.train(was_training)
        return found

    @contextmanager
    def _only(self, layers: Sequence[nn.Module], below: Tensor | None = None) -> Iterator[None]:
        """Let the model run some of its layers.

        Args:
            layers: that run.
            below: what the first of them reads instead of embeddings, shape (n, length, width).
        """
        model = self.tower.model
        all_layers, embeddings = model.encoder.layer, model.embeddings
        model.encoder.layer = nn.ModuleList(layers)
        if below is not None:
            model.embeddings = _Given(below)
        try:
            yield
        finally:
            model.encoder.layer, model.embeddings = all_layers, embeddings


class _Given(nn.Module):
    """Stands in the place of embeddings that are there already."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self._hidden = hidden

    def forward(self, *_: object, **__: object) -> Tensor:
        return self._hidden


def _layers_of(model: Any, text_folder: str) -> list[nn.Module]:
    layers = getattr(getattr(model, "encoder", None), "layer", None)
    if layers is None or not hasattr(model, "embeddings"):
        raise SentenceEncoderError(
            f"text_folder = {text_folder!r}: a {type(model).__name__} has no embeddings with an "
            "encoder.layer above them, so its upper layers are unknown; name a model like BERT, "
            "RoBERTa or MPNet"
        )
    return list(layers)


def _n_lower(n_layers: int, upper_layers: int) -> int:
    """Layers without an adapter."""
    if upper_layers == -1:
        return 0
    if not 1 <= upper_layers <= n_layers:
        raise SentenceEncoderError(
            f"upper_layers = {upper_layers}: the text model has {n_layers} layers; set 1 to "
            f"{n_layers}, or -1 for all"
        )
    return n_layers - upper_layers


def _add_adapters(
    model: nn.Module, layers: Sequence[nn.Module], n_lower: int, sizes: AdapterSizes
) -> None:
    """Put an adapter beside each linear layer of the upper layers, in place."""
    from peft import LoraConfig, inject_adapter_in_model

    upper = {
        id(module)
        for layer in layers[n_lower:]
        for module in layer.modules()
        if isinstance(module, nn.Linear)
    }
    config = LoraConfig(
        r=sizes.rank,
        lora_alpha=sizes.alpha,
        lora_dropout=sizes.dropout,
        target_modules=[name for name, module in model.named_modules() if id(module) in upper],
    )
    inject_adapter_in_model(config, model)
