"""Adapters in a frozen text model: what learns, what is kept of the lower layers, and that both ways agree."""

from __future__ import annotations

import pytest
import torch
from transformers import MPNetConfig, MPNetModel

from tests.jobs.encoders.tiny_models import WORDS, save_bert, save_gpt2, save_roberta
from training.models.encoders.lora_encoder import AdapterSizes, LoraEncoder
from training.models.encoders.sentence_encoder import (
    SentenceEncoderError,
    backbone_sha256,
    in_blocks,
    load_encoder,
    sentence_vectors,
)

TEXTS = ["a dark night", "bright", "a bright day a bright day a night", "dark day"]
LINEAR_OF_LAYER = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
TWO_BYTES = 8 * 2  # of a token: 8 dimensions in float16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def mpnet(tmp_path_factory):
    """MPNet adds a bias by distance to the attention of every layer."""
    folder = tmp_path_factory.mktemp("mpnet")
    torch.manual_seed(3)
    config = MPNetConfig(vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=34)  # fmt: skip
    save_bert(folder)
    (folder / "model.safetensors").unlink()
    MPNetModel(config).save_pretrained(folder)
    return str(folder)


def encoder_of(folder, upper_layers=-1, cache_mib=1):
    torch.manual_seed(4)
    return LoraEncoder(folder, 32, AdapterSizes(upper_layers, 2, 4, 0.0), cache_mib)


def moved(encoder):
    """The encoder with adapters that change something; new ones add nothing."""
    torch.manual_seed(5)
    for parameter in encoder.adapters():
        torch.nn.init.normal_(parameter.data, std=0.2)
    return encoder


def test_adapters_stand_beside_all_linear_layers_of_the_upper_layers(folder):
    """Rank 2: a layer of a x b gives 2 x (a + b) numbers, so 4 x 2 x 16 + 2 x 2 x 24 a layer of this model."""
    encoder = encoder_of(folder, upper_layers=1)

    names = {name for name, _ in encoder.named_parameters() if "lora_" in name}

    assert names == {
        f"tower.model.encoder.layer.1.{module}.lora_{side}.default.weight"
        for module in LINEAR_OF_LAYER
        for side in "AB"
    }
    assert sum(one.numel() for one in encoder.adapters()) == 4 * 2 * 16 + 2 * 2 * 24
    assert len(encoder_of(folder).adapters()) == 2 * len(encoder.adapters())
    assert not set(encoder.frozen()) & names
    assert set(encoder.frozen()) | names == set(encoder.state_dict())


def test_new_adapters_change_nothing_and_trained_ones_do(folder):
    """As published: the second matrix of an adapter begins as zeros."""
    plain = sentence_vectors(load_encoder(folder, 32), TEXTS)
    encoder = encoder_of(folder).eval()

    torch.testing.assert_close(encoder(TEXTS).detach(), plain)
    assert not torch.allclose(moved(encoder)(TEXTS), plain, atol=1e-3)


@pytest.mark.parametrize("model", ["folder", "mpnet"])
def test_kept_outputs_of_lower_layers_give_the_vectors_of_the_whole_model(model, request):
    """Upper layers alone, over float16 outputs of the lower one, against the whole model with the same adapters."""
    path = request.getfixturevalue(model)
    encoder = moved(encoder_of(path, upper_layers=1)).eval()
    tower = encoder.tower

    whole = sentence_vectors(tower, TEXTS)
    in_parts = encoder(TEXTS).detach()

    torch.testing.assert_close(in_parts, whole, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(encoder(TEXTS[2:]).detach(), in_parts[2:], atol=1e-5, rtol=1e-5)


def test_gradients_reach_the_adapters_alone(folder):
    encoder = moved(encoder_of(folder, upper_layers=1))

    encoder(TEXTS).square().sum().backward()

    has_gradient = {name for name, one in encoder.named_parameters() if one.grad is not None}
    assert has_gradient == {name for name, _ in encoder.named_parameters() if "lora_" in name}
    assert all(float(one.grad.abs().sum()) > 0 for one in encoder.adapters())


def test_a_text_goes_through_the_lower_layers_once(folder, monkeypatch):
    """Whatever batch and mode it comes in; the second time its output is there, to the bit."""
    encoder = encoder_of(folder, upper_layers=1)
    encoder.keep_lower(TEXTS)
    kept = {text: one.clone() for text, one in encoder._lower_of.items()}
    monkeypatch.setattr(encoder, "_compute_lower", dict.fromkeys)

    encoder.train()(TEXTS[:2])
    encoder.eval()(TEXTS)

    assert set(kept) == set(TEXTS)
    assert all(torch.equal(encoder._lower_of[text], kept[text]) for text in TEXTS)
    assert {one.dtype for one in kept.values()} == {torch.float16}
    # [CLS], the words and [SEP].
    assert [len(kept[text]) for text in TEXTS] == [len(text.split()) + 2 for text in TEXTS]


def test_what_is_kept_is_bounded_and_the_rest_is_computed_each_time(folder):
    """Room for eight tokens: of 5, 3, 10 and 4 the two shortest fit, and the vectors are the same to the bit."""
    bounded, unbounded = (encoder_of(folder, upper_layers=1).eval() for _ in range(2))
    bounded._max_bytes = 8 * TWO_BYTES

    vectors = [one(TEXTS).detach() for one in (bounded, unbounded)]

    assert sum(one.numel() * 2 for one in bounded._lower_of.values()) == bounded._n_bytes
    assert {text: len(one) for text, one in bounded._lower_of.items()} == {
        "bright": 3,
        "dark day": 4,
    }
    assert bounded._n_bytes <= 8 * TWO_BYTES
    assert torch.equal(*vectors)
    assert torch.equal(bounded(TEXTS).detach(), vectors[0])


def test_no_text_has_no_vector(folder):
    """A process whose shard of the last batch is empty."""
    assert encoder_of(folder, upper_layers=1)([]).shape == (0, 8)


def test_the_hash_is_of_the_backbone_alone(folder, tmp_path):
    """With adapters anywhere, with trained ones and without any the weights are the same; another model has another."""
    plain = {f"tower.{name}": one for name, one in load_encoder(folder, 32).state_dict().items()}
    expected = backbone_sha256(plain)
    other = load_encoder(str(save_roberta(tmp_path)), 32).state_dict()

    assert backbone_sha256(encoder_of(folder, upper_layers=1).frozen()) == expected
    assert backbone_sha256(moved(encoder_of(folder)).frozen()) == expected
    assert backbone_sha256({f"tower.{name}": one for name, one in other.items()}) != expected


def test_blocks_of_like_length_come_back_in_order(monkeypatch):
    monkeypatch.setattr("training.models.encoders.sentence_encoder.ENCODED_AT_ONCE", 2)
    asked = []

    def encode(some):
        asked.append(list(some))
        return torch.tensor([[float(len(text))] for text in some])

    rows = in_blocks(["dddd", "a", "ccc", "bb", "e"], torch.tensor([4, 1, 3, 2, 1]), encode, 1)

    assert rows.squeeze(1).tolist() == [4, 1, 3, 2, 1]
    assert asked == [["a", "e"], ["bb", "ccc"], ["dddd"]]


@pytest.mark.parametrize("upper_layers", [0, 3])
def test_layers_that_the_model_lacks_are_refused(folder, upper_layers):
    with pytest.raises(SentenceEncoderError, match=rf"upper_layers = {upper_layers}: .* 2 layers"):
        encoder_of(folder, upper_layers)


def test_a_folder_without_a_text_model_is_named(tmp_path):
    with pytest.raises(SentenceEncoderError, match=f"text_folder = '{tmp_path}'.*config.json"):
        load_encoder(str(tmp_path), 32)


def test_a_model_whose_layers_are_unknown_is_refused(tmp_path):
    folder = str(save_gpt2(tmp_path))

    with pytest.raises(SentenceEncoderError, match=r"GPT2Model has no embeddings .* like BERT"):
        encoder_of(folder)
