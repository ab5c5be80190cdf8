"""BERT's encoder (Devlin et al. 2018, https://arxiv.org/abs/1810.04805), for inference.

It turns token ids into one vector per token, with the parameter names of a saved `BertModel`.

Differs from the paper: no pooler, only the first segment, no dropout. The code is here because an
import of transformers takes each Spark worker 10 s, as long as the lyrics of a first night; a test
compares its numbers with those of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Bert:
    """BERT's encoder with loaded parameters."""

    parameters: Mapping[str, Tensor]
    n_layers: int
    n_heads: int
    norm_eps: float

    def forward(self, token_ids: Tensor) -> Tensor:
        """Hidden states of one text's tokens: (length,) -> (length, dim)."""
        states = self._embed(token_ids)
        for layer in range(self.n_layers):
            name = f"encoder.layer.{layer}"
            mixed = self._attend(states, f"{name}.attention.self")
            attended = self._linear(mixed, f"{name}.attention.output.dense")
            states = self._norm(states + attended, f"{name}.attention.output.LayerNorm")
            inner = functional.gelu(self._linear(states, f"{name}.intermediate.dense"))
            states = self._norm(
                states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm"
            )
        return states

    def _embed(self, token_ids: Tensor) -> Tensor:
        words = self.parameters["embeddings.word_embeddings.weight"][token_ids]
        positions = self.parameters["embeddings.position_embeddings.weight"][: len(token_ids)]
        first_segment = self.parameters["embeddings.token_type_embeddings.weight"][0]
        return self._norm(words + positions + first_segment, "embeddings.LayerNorm")

    def _attend(self, states: Tensor, name: str) -> Tensor:
        """Multi-head self-attention: (length, dim) -> (length, dim)."""
        query, key, value = (
            # (length, dim) -> (heads, length, dim / heads)
            self._linear(states, f"{name}.{part}")
            .view(len(states), self.n_heads, -1)
            .transpose(0, 1)
            for part in ("query", "key", "value")
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        return attended.transpose(0, 1).flatten(1)

    def _linear(self, states: Tensor, name: str) -> Tensor:
        parameters = self.parameters
        return functional.linear(states, parameters[f"{name}.weight"], parameters[f"{name}.bias"])

    def _norm(self, states: Tensor, name: str) -> Tensor:
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        return functional.layer_norm(states, weight.shape, weight, bias, self.norm_eps)
