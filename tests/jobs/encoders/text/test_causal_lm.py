"""Causal models of transformers: greedy answers, templates of chats, windows, identity."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from feature_store.setting_groups import EncoderSettings
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders import registry
from jobs.encoders.text import causal_lm
from jobs.encoders.text.causal_lm import CausalLM
from jobs.encoders.transformer_folder import ModelFolderError
from jobs.prompts import track_attributes
from jobs.prompts.track_attributes import parse_answer
from tests.jobs.encoders.tiny_models import END, save_bert, save_gpt2

CHAIN = {"night": "bright", "bright": "day", "day": END, "dark": "a", "a": END}
LIKE_A_CHAT = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}{% endfor %} dark"
)


def identity(folder):
    return registry.semantics_identity(EncoderSettings(semantics=f"transformers:{folder}"))


@pytest.fixture
def short_answers(monkeypatch):
    monkeypatch.setattr(causal_lm, "MIN_ANSWER_TOKENS", 6)
    monkeypatch.setattr(causal_lm, "MAX_ANSWER_TOKENS", 6)


def test_the_answer_is_what_the_model_says_after_the_prompt(tmp_path):
    """This model says bright after night, then day, then ends; the prompt is no part of it."""
    model = CausalLM(save_gpt2(tmp_path / "model", CHAIN), "a")

    assert model.answer("dark dark night") == "bright day"
    assert model.answer("night dark") == "a"


def test_a_model_with_a_template_of_chats_is_asked_as_a_user(tmp_path):
    """The template ends with the word dark, so the answer begins with what follows dark."""
    model = CausalLM(save_gpt2(tmp_path / "model", CHAIN, chat_template=LIKE_A_CHAT), "a")

    assert model.answer("night") == "a"


def test_an_answer_without_an_end_is_cut(tmp_path, short_answers):
    model = CausalLM(save_gpt2(tmp_path / "model", {"dark": "night", "night": "dark"}), "a")

    assert model.answer("dark") == "night dark night dark night dark"


def test_a_model_that_thinks_aloud_has_room_for_its_answer(tmp_path, monkeypatch):
    """The 58 attributes take about 700 tokens; thoughts may take thousands."""
    model = CausalLM(save_gpt2(tmp_path / "model", CHAIN, n_positions=8192), "a")
    asked = {}

    def generate(**given):
        asked.update(given)
        return given["input_ids"]

    monkeypatch.setattr(model._model, "generate", generate)
    model.answer("night")

    assert asked["max_new_tokens"] == 4096


def test_a_short_window_leaves_a_shorter_answer(tmp_path, monkeypatch):
    """Of ten tokens two are the prompt; eight are more than the six that an answer needs."""
    monkeypatch.setattr(causal_lm, "MIN_ANSWER_TOKENS", 6)
    chain = {"dark": "night", "night": "dark"}
    model = CausalLM(save_gpt2(tmp_path / "model", chain, n_positions=10), "a")

    assert model.answer("night dark").split() == ["night", "dark"] * 4


def test_thoughts_that_the_template_begins_are_part_of_the_answer(tmp_path):
    """Cut off, they would otherwise pass for an answer."""
    template = "{{ messages[0]['content'] }} <think>"
    folder = save_gpt2(tmp_path / "model", {"<think>": "dark", **CHAIN}, chat_template=template)

    assert CausalLM(folder, "a").answer("night") == "<think>dark a"


def test_settings_of_generation_in_the_folder_change_no_answer(tmp_path, short_answers):
    """A published model may sample or refuse repeated tokens by default, which JSON is full of."""
    folder = save_gpt2(tmp_path / "model", {"dark": "night", "night": "dark"})
    GenerationConfig(
        do_sample=True, no_repeat_ngram_size=1, max_length=3, eos_token_id=0
    ).save_pretrained(folder)

    assert CausalLM(folder, "a").answer("dark") == "night dark night dark night dark"


def test_the_folders_end_tokens_end_an_answer(tmp_path):
    """A chat model ends by another token than the tokenizer's, which its generation_config names."""
    folder = save_gpt2(tmp_path / "model", CHAIN)
    words = AutoTokenizer.from_pretrained(folder).get_vocab()
    GenerationConfig(eos_token_id=[words[END], words["day"]]).save_pretrained(folder)

    assert CausalLM(folder, "a").answer("night") == "bright day"
    GenerationConfig(eos_token_id=[words["bright"]]).save_pretrained(folder)
    assert CausalLM(folder, "a").answer("night") == "bright"


def test_an_answer_is_the_greedy_one_of_transformers(tmp_path, short_answers):
    """The same token as the highest logit of the whole text so far, computed without a cache."""
    folder = save_gpt2(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    text = tokenizer("dark night", return_tensors="pt")["input_ids"]
    for _ in range(6):
        following = model(input_ids=text).logits[:, -1:].argmax(dim=-1)
        text = torch.cat([text, following], dim=1)

    answer = CausalLM(folder, "a").answer("dark night")

    assert answer == tokenizer.decode(text[0, 2:]).partition(END)[0].strip()


def test_an_answer_does_not_depend_on_earlier_prompts(tmp_path, short_answers):
    model = CausalLM(save_gpt2(tmp_path / "model"), "a")
    first = model.answer("dark night")
    model.answer("bright day a bright day")

    assert model.answer("dark night") == first


def test_a_model_of_random_weights_refuses(tmp_path, short_answers):
    """It knows no braces, so no answer of it begins an object."""
    model = CausalLM(save_gpt2(tmp_path / "model"), "a")

    with pytest.raises(ContentFailure) as raised:
        parse_answer(model.answer(track_attributes.prompt_of('{"title":"Night"}')))

    assert raised.value.reason is FailureReason.REFUSED


def test_a_prompt_that_leaves_no_room_for_its_answer_is_too_large(tmp_path, short_answers):
    """Of ten tokens an answer may have six, so a prompt may have four."""
    model = CausalLM(save_gpt2(tmp_path / "model", CHAIN, n_positions=10), "a")

    assert model.answer("dark dark dark night") == "bright day"
    with pytest.raises(ContentFailure) as raised:
        model.answer("dark dark dark dark night")
    assert raised.value.reason is FailureReason.TOO_LARGE


def test_a_window_without_room_for_the_shortest_prompt_is_refused(tmp_path):
    """It would otherwise fail for each track anew."""
    settings = EncoderSettings(
        semantics=f"transformers:{save_gpt2(tmp_path / 'model', CHAIN, n_positions=1100)}"
    )

    with pytest.raises(ModelFolderError, match="window of the model has 1100 tokens, the shortest"):
        registry.answer_model(settings, registry.semantics_identity(settings))


def test_a_model_that_is_no_language_model_is_refused(tmp_path):
    """BERT can be loaded as one, but has no head of that kind in its folder."""
    with pytest.raises(ModelFolderError, match="have no weights"):
        CausalLM(save_bert(tmp_path / "bert"), "a")


def test_a_head_without_weights_is_refused(tmp_path):
    """Transformers would draw it at random, in each worker anew."""
    folder = save_gpt2(tmp_path / "model", CHAIN)
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ModelFolderError, match=r"1 of its parameters have no weights.*lm_head"):
        CausalLM(folder, "a")


def test_without_a_model_there_is_no_identity():
    assert registry.semantics_identity(EncoderSettings()) is None


def test_a_setting_that_names_no_model_is_refused():
    with pytest.raises(
        registry.UnknownEncoder,
        match=r"encoders\.semantics = 'gpt' names no encoder; there are: transformers:FOLDER",
    ):
        registry.semantics_identity(EncoderSettings(semantics="gpt"))


def test_weights_prompt_template_and_length_of_the_answer_are_part_of_the_identity(
    tmp_path, monkeypatch
):
    """Each of them can change an answer."""
    folder = save_gpt2(tmp_path / "model", CHAIN)
    first = identity(folder)
    assert first.encoder_id == "transformers:model"

    (folder / "chat_template.jinja").write_text(LIKE_A_CHAT)
    templated = identity(folder)
    assert templated.weights_sha256 != first.weights_sha256
    monkeypatch.setattr(causal_lm, "MAX_ANSWER_TOKENS", 6)
    shorter = identity(folder)
    monkeypatch.setattr(track_attributes, "VERSION", 1)
    monkeypatch.setattr(track_attributes, "_template", lambda: "$attributes $track")
    assert len({templated, shorter, identity(folder)}) == 3
