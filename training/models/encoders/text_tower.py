"""HTCL's text tower: any text model of transformers in a local folder, one vector a text.

The paper takes bert-base-multilingual-uncased and its pooler's output. Sentence models, whose
pooler nobody trained, are pooled by the mean over their tokens, as they were trained [ours].
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

Pooling = Literal["pooler", "mean"]


class TextModelError(ValueError):
    """The folder holds no model that gives a vector in this way."""


class TextTower(nn.Module):
    """Tokens (batch, length) to vectors (batch, width).

    Attributes:
        width: of the vectors.

    Raises:
        TextModelError: the folder has no model, or one without a pooler that is asked for.
    """

    def __init__(self, folder: Path, pooling: Pooling) -> None:
        super().__init__()
        from transformers import AutoModel

        try:
            self.model: Any = AutoModel.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise TextModelError(
                f"HTCL's text tower: {folder} holds no text model of transformers: {error}; name a "
                "folder with config.json and weights"
            ) from error
        if pooling == "pooler" and getattr(self.model, "pooler", None) is None:
            raise TextModelError(
                f"HTCL's text tower: the model in {folder} has no pooler; set text_pooling = mean"
            )
        self.width: int = self.model.config.hidden_size
        self._pooling = pooling

    def forward(self, token_ids: Tensor, is_token: Tensor) -> Tensor:
        """The vectors, shape (batch, width).

        Args:
            token_ids: shape (batch, length).
            is_token: False for padding, shape (batch, length).
        """
        given = self.model(input_ids=token_ids, attention_mask=is_token.long())
        if self._pooling == "pooler":
            pooled: Tensor = given.pooler_output
            return pooled
        weights = is_token[:, :, None].to(given.last_hidden_state.dtype)
        total: Tensor = (given.last_hidden_state * weights).sum(dim=1)
        return total / weights.sum(dim=1).clamp(min=1)
