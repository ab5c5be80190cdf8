"""Causal language models of transformers in a local folder: a prompt becomes an answer.

Decoding is greedy: each token is the most probable one, without sampling, penalties or any other
setting of the folder but its end tokens. The model answers one prompt at a time on the CPU, so that
an answer depends on nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.transformer_folder import (
    LOCAL,
    ModelFolderError,
    folder_identity,
    load_causal_model,
    loading,
    read_json,
)

MAX_ANSWER_TOKENS = 1024  # the 58 attributes take about 700 tokens


class CausalLM:
    """The loaded model and its tokenizer.

    Args:
        folder: the model's.
        shortest_prompt: what must fit into the model's window beside an answer.

    Raises:
        ModelFolderError: the folder holds no causal model, or one whose window is too short.
    """

    def __init__(self, folder: Path, shortest_prompt: str) -> None:
        from transformers import AutoTokenizer

        with loading(folder):
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
            self._model = load_causal_model(folder)
            self._use_greedy_decoding()
            self._window = window_tokens(folder)
            self._check_window(len(self._token_ids(shortest_prompt)))

    def answer(self, prompt: str) -> str:
        """What the model says to a prompt, at most MAX_ANSWER_TOKENS tokens, without end tokens.

        The prompt is a user's message where the tokenizer has a template of chats, else plain text.

        Raises:
            ContentFailure: the prompt and an answer are longer than the model's window.
        """
        import torch

        tokens = torch.tensor([self._token_ids(prompt)])  # (1, length)
        n_prompt = tokens.shape[1]
        if self._is_too_long(n_prompt):
            raise ContentFailure(
                FailureReason.TOO_LARGE,
                f"{n_prompt} tokens and an answer of {MAX_ANSWER_TOKENS}; the window of the model "
                f"has {self._window}",
            )
        with torch.inference_mode():
            said = self._model.generate(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                do_sample=False,
                num_beams=1,
                max_new_tokens=MAX_ANSWER_TOKENS,
            )
        return str(self._tokenizer.decode(said[0, n_prompt:], skip_special_tokens=True))

    def _check_window(self, n_prompt: int) -> None:
        if self._is_too_long(n_prompt):
            raise ModelFolderError(
                f"the window of the model has {self._window} tokens, the shortest prompt "
                f"{n_prompt} and its answer {MAX_ANSWER_TOKENS}; name one with a longer window"
            )

    def _is_too_long(self, n_prompt: int) -> bool:
        return self._window is not None and n_prompt + MAX_ANSWER_TOKENS > self._window

    def _token_ids(self, prompt: str) -> list[int]:
        if self._tokenizer.chat_template is None:
            plain: list[int] = self._tokenizer(prompt)["input_ids"]
            return plain
        message = [{"role": "user", "content": prompt}]
        chat = self._tokenizer.apply_chat_template(
            message, add_generation_prompt=True, tokenize=False
        )
        # The template writes the special tokens itself.
        templated: list[int] = self._tokenizer(chat, add_special_tokens=False)["input_ids"]
        return templated

    def _use_greedy_decoding(self) -> None:
        """Keep of the folder's settings of generation only the tokens that end an answer."""
        from transformers import GenerationConfig

        ends = self._model.generation_config.eos_token_id
        if ends is None:
            ends = self._tokenizer.eos_token_id
        padding = ends[0] if isinstance(ends, list) else ends  # of one prompt none is needed
        self._model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=padding)


def answer_identity(encoder_id: str, folder: Path, prompt: Mapping[str, object]) -> EncoderIdentity:
    """The identity of a model that answers a prompt.

    Args:
        encoder_id: `transformers:<folder>`.
        folder: the model's; its tokenizer and template of chats are files of it.
        prompt: preprocessing of the prompt's module.
    """
    steps = {
        "revision": 1,  # raise it when code of this module changes its output
        "decoding": {"greedy": True, "max_answer_tokens": MAX_ANSWER_TOKENS},
        "prompt": prompt,
    }
    return folder_identity(encoder_id, folder, steps)


def window_tokens(folder: Path) -> int | None:
    """Tokens of a prompt and its answer; None where the configuration sets no limit."""
    config = read_json(folder / "config.json")
    config = config.get("text_config", config)
    positions: int | None = config.get("max_position_embeddings") or config.get("n_positions")
    return positions
