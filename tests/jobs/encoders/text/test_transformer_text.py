"""Text models of transformers: MiniLM's numbers, windows, pooling, and any model by its folder."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertModel, BertTokenizer

from feature_store.setting_groups import EncoderSettings
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders import registry
from jobs.encoders.text import minilm, transformer_text
from jobs.encoders.transformer_folder import ModelFolderError
from tests.jobs.encoders.tiny_models import WORDS, save_bert, save_clap, save_roberta, save_vit


@pytest.fixture(scope="module")
def encoder():
    return transformer_text.TransformerText(minilm.folder())


def test_its_numbers_are_those_of_the_published_model(encoder):
    """Expected: the first four and last three numbers of the mean over tokens, scaled to length 1.

    Computed with a BERT written by hand from the paper, on the tokenizers package's ids of this text.
    """
    encoded = encoder.encode(
        "Waiting by the river\nfor a light that never came, café closed at nine"
    )
    expected = [
        0.0370223,
        -0.01220761,
        0.02851587,
        0.08259532,
        0.05357134,
        -0.09910485,
        -0.05293653,
    ]
    np.testing.assert_allclose([*encoded[:4], *encoded[-3:]], expected, atol=1e-6)


def test_texts_of_similar_meaning_are_closer(encoder):
    joyful, glad, funeral = (
        encoder.encode(text)
        for text in (
            "We dance and laugh all night",
            "Happy people dancing",
            "They buried him in the rain",
        )
    )
    assert joyful @ glad > joyful @ funeral + 0.2


def test_an_embedding_does_not_depend_on_earlier_texts(encoder):
    """Bit for bit: feature rows are compared by hash."""
    first = encoder.encode("the same words")
    encoder.encode("other words\n" * 90)
    assert (encoder.encode("the same words") == first).all()


def test_long_lyrics_are_the_mean_of_their_windows(encoder):
    """130 lines of 2 words fill 254 tokens with 127 lines; the last 3 make a window of their own."""
    lines = ["dark night"] * 127 + ["bright day"] * 3
    whole = encoder.encode("\n".join(lines))
    mean = (encoder.encode("\n".join(lines[:127])) + encoder.encode("\n".join(lines[127:]))) / 2
    np.testing.assert_allclose(whole, mean / np.linalg.norm(mean), atol=1e-6)
    assert np.linalg.norm(whole) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("lines", "windows"),
    [
        ([[1, 2], [3], [4, 5]], [[1, 2, 3], [4, 5]]),  # the third line would make five tokens
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),  # a line is not split to fill a window
        (
            [[1, 2, 3, 4, 5, 6, 7]],
            [[1, 2, 3], [4, 5, 6], [7]],
        ),  # but a line longer than a window is
        ([[], [1], []], [[1]]),  # an empty line takes no token
    ],
)
def test_whole_lines_are_packed_into_windows(lines, windows):
    """Windows of three tokens."""
    assert transformer_text.pack_windows(lines, 3) == windows


@pytest.mark.parametrize("text", ["", "   \n\n", "♪ ... ♪\n123"])
def test_a_text_without_a_letter_fails_with_a_reason(encoder, text):
    with pytest.raises(ContentFailure) as raised:
        encoder.encode(text)
    assert raised.value.reason is FailureReason.NO_WORDS


def test_it_is_the_encoder_of_sentence_transformers(encoder):
    """For a text of one line, which needs no windows of ours."""
    from sentence_transformers import SentenceTransformer

    text = "Waiting by the river for a light that never came, café closed at nine"
    theirs = SentenceTransformer(str(minilm.folder()), device="cpu", local_files_only=True)
    np.testing.assert_allclose(encoder.encode(text), theirs.encode(text), atol=1e-6)


def text_encoder(folder):
    settings = EncoderSettings(lyrics=f"transformers:{folder}")
    return registry.text_encoder(settings, registry.lyrics_identity(settings))


@pytest.mark.parametrize(
    ("pooling", "takes_first"),
    [
        (None, False),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, False),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, True),
        ({"embedding_dimension": 8, "pooling_mode": "mean"}, False),
        ({"embedding_dimension": 8, "pooling_mode": "cls"}, True),
    ],
)
def test_a_model_in_a_folder_is_pooled_as_its_folder_says(tmp_path, pooling, takes_first):
    """In the words of sentence-transformers before and since its version 5."""
    folder = save_bert(tmp_path / "model", pooling=pooling)

    encoded = text_encoder(folder).encode("dark night")

    tokens = torch.tensor([[WORDS.index(word) for word in ("[CLS]", "dark", "night", "[SEP]")]])
    states = BertModel.from_pretrained(folder)(input_ids=tokens).last_hidden_state[0].detach()
    vector = states[0] if takes_first else states.mean(dim=0)
    np.testing.assert_allclose(encoded, vector / vector.norm(), atol=1e-6)


@pytest.mark.parametrize(
    ("saved", "named"),
    [
        ({"pooling": {"pooling_mode": "lasttoken"}}, "lasttoken"),
        ({"pooling": {"pooling_mode_max_tokens": True}}, "max"),
        ({"pooling": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}}, "mean"),
        ({"modules": ["Transformer", "Pooling", "Dense", "Normalize"]}, "Dense"),
    ],
)
def test_a_model_that_is_pooled_in_another_way_is_refused(tmp_path, saved, named):
    settings = EncoderSettings(lyrics=f"transformers:{save_bert(tmp_path / 'model', **saved)}")

    with pytest.raises(ModelFolderError, match=f"{named}.*known are"):
        registry.lyrics_identity(settings)


def test_windows_are_as_long_as_the_model_takes(tmp_path):
    """A published length wins over the positions that the model has."""
    assert transformer_text.window_tokens(save_bert(tmp_path / "plain"), 512) == 32
    short = save_bert(tmp_path / "short", max_seq_length=7)
    assert transformer_text.window_tokens(short, 512) == 7
    encoded = text_encoder(short).encode("\n".join(["dark night"] * 40))
    assert np.linalg.norm(encoded) == pytest.approx(1.0)


def test_a_model_that_counts_positions_from_2_takes_a_long_text(tmp_path):
    """RoBERTa with 32 positions takes 30 tokens."""
    encoded = text_encoder(save_roberta(tmp_path / "roberta")).encode("dark " * 100)

    assert np.linalg.norm(encoded) == pytest.approx(1.0)


def test_a_window_without_room_for_a_text_is_refused(tmp_path):
    with pytest.raises(ModelFolderError, match="window of 4 tokens has no room for text"):
        text_encoder(save_bert(tmp_path / "model", max_seq_length=4))


def test_a_model_of_two_modalities_gives_its_vector_of_text(tmp_path):
    """CLAP's projected vector of the whole text, as long as that of its audio."""
    folder = save_clap(tmp_path / "clap")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)

    assert text_encoder(folder).encode("dark night").shape == (8,)


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path):
    folder = save_bert(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ModelFolderError, match=r"1 of its parameters have no weights, first enc"):
        text_encoder(folder)


def test_the_identity_names_the_folder_and_follows_every_file_in_it(tmp_path):
    """Not the folder's path: two machines may keep the same model elsewhere."""
    saved = save_bert(tmp_path / "model", pooling={"pooling_mode": "mean"})
    first = registry.lyrics_identity(EncoderSettings(lyrics=f"transformers:{saved}"))
    (tmp_path / "else").mkdir()
    copy = shutil.copytree(saved, tmp_path / "else" / "model")

    assert first.encoder_id == "transformers:model"
    assert registry.lyrics_identity(EncoderSettings(lyrics=f"transformers:{copy}")) == first
    (copy / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    assert registry.lyrics_identity(EncoderSettings(lyrics=f"transformers:{copy}")) != first
    assert registry.lyrics_identity(EncoderSettings()) != first


def test_a_folder_of_another_modality_is_refused_when_it_is_loaded(tmp_path):
    """The message names the folder, and no song is blamed."""
    folder = save_vit(tmp_path / "vit")
    (folder / "vocab.txt").write_text("\n".join(WORDS))

    with pytest.raises(ModelFolderError, match=f"encoder in {folder}: it cannot be used"):
        text_encoder(folder)
