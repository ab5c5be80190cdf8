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
    inner_object,
    load_causal_model,
    loading,
    positive_number,
    read_object,
)

MIN_ANSWER_TOKENS = 1024  # must fit into the window: the 58 attributes take about 700 tokens
MAX_ANSWER_TOKENS = 4096  # where the window has them: a model may think aloud before it answers
_BEGIN_OF_THOUGHTS = "<think>"


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
            self._check_window(len(self._token_ids(self._written(shortest_prompt))))

    def answer(self, prompt: str) -> str:
        """What the model says to a prompt, without end tokens.

        It has at most MAX_ANSWER_TOKENS tokens, and no more than the window leaves. The prompt is a
        user's message where the tokenizer has a template of chats, else plain text. Of a template
        that begins the model's thoughts, `<think>` is part of the answer.

        Raises:
            ContentFailure: the prompt leaves less than MIN_ANSWER_TOKENS of the model's window.
        """
        import torch

        written = self._written(prompt)
        tokens = torch.tensor([self._token_ids(written)])  # (1, length)
        n_prompt = tokens.shape[1]
        if self._room(n_prompt) < MIN_ANSWER_TOKENS:
            raise ContentFailure(
                FailureReason.TOO_LARGE,
                f"{n_prompt} tokens and an answer of {MIN_ANSWER_TOKENS}; the window of the model "
                f"has {self._window}",
            )
        with torch.inference_mode():
            said = self._model.generate(
                input_ids=tokens,
                attention_mask=torch.ones_like(tokens),
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._room(n_prompt),
            )
        begun = _BEGIN_OF_THOUGHTS if written.rstrip().endswith(_BEGIN_OF_THOUGHTS) else ""
        return begun + str(self._tokenizer.decode(said[0, n_prompt:], skip_special_tokens=True))

    def _check_window(self, n_prompt: int) -> None:
        if self._room(n_prompt) < MIN_ANSWER_TOKENS:
            raise ModelFolderError(
                f"the window of the model has {self._window} tokens, the shortest prompt "
                f"{n_prompt} and its answer {MIN_ANSWER_TOKENS}; name one with a longer window"
            )

    def _room(self, n_prompt: int) -> int:
        """Tokens that an answer may have."""
        if self._window is None:
            return MAX_ANSWER_TOKENS
        return min(self._window - n_prompt, MAX_ANSWER_TOKENS)

    def _written(self, prompt: str) -> str:
        """The prompt as the model reads it."""
        if self._tokenizer.chat_template is None:
            return prompt
        message = [{"role": "user", "content": prompt}]
        chat = self._tokenizer.apply_chat_template(
            message, add_generation_prompt=True, tokenize=False
        )
        return str(chat)

    def _token_ids(self, written: str) -> list[int]:
        # A template of chats writes the special tokens itself.
        is_plain = self._tokenizer.chat_template is None
        ids: list[int] = self._tokenizer(written, add_special_tokens=is_plain)["input_ids"]
        return ids

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
        "revision": 2,  # raise it when code of this module changes its output
        "decoding": {
            "greedy": True,
            "min_answer_tokens": MIN_ANSWER_TOKENS,
            "max_answer_tokens": MAX_ANSWER_TOKENS,
            "window_tokens": window_tokens(folder),
        },
        "prompt": prompt,
    }
    return folder_identity(encoder_id, folder, steps)


def window_tokens(folder: Path) -> int | None:
    """Tokens of a prompt and its answer; None where the configuration sets no limit.

    Raises:
        ModelFolderError: the configuration says something else than a number of tokens.
    """
    file = folder / "config.json"
    config = inner_object(file, read_object(file), "text_config")
    positions = positive_number(file, config, "max_position_embeddings")
    return positions or positive_number(file, config, "n_positions")
