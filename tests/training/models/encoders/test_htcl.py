"""Both stages of HTCL: their losses by hand, and what each of them trains."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from feature_store.weight_packages import MINILM, weights_folder
from tests.jobs.encoders.tiny_models import save_bert, save_roberta
from training.models.encoders.htcl import HTCL, SIZES, Projected, StageHeads, Tracks, taste_losses
from training.models.encoders.text_tower import FrozenTextTower, TextModelError, TextTower

N_PAIRS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def model(folder):
    torch.manual_seed(3)
    return HTCL(SIZES["tiny"], TextTower(folder, "mean")).eval()


def tracks(seed, n_tracks=N_PAIRS):
    generator = torch.Generator().manual_seed(seed)
    return Tracks(
        log_mel=torch.randn(n_tracks, 1_251, 128, generator=generator),
        token_ids=torch.randint(5, 10, (n_tracks, 6), generator=generator),
        is_token=torch.arange(6) < torch.tensor([[6], [4], [5]])[:n_tracks],
        numbers=torch.arange(n_tracks) + 10 * seed,
    )


def clip(x, y, scale):
    """CLIP(X, Y; t) as the paper writes it."""
    scores = scale * F.normalize(x, dim=1) @ F.normalize(y, dim=1).T
    right = torch.arange(len(x))
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def test_stage_1_is_the_contrast_of_audio_and_text(model):
    batch = tracks(1)
    audio = model.meaning.audio(model.audio(batch.log_mel))
    text = model.meaning.text(model.text(batch.token_ids, batch.is_token))

    losses = model.meaning_loss(batch)

    assert losses.keys() == {"audio_text"}
    torch.testing.assert_close(
        losses["audio_text"], clip(audio, text, 2.71828**2.6), rtol=1e-4, atol=0
    )


def test_stage_2_has_three_terms(model):
    """Each with a temperature of its own: they differ here."""
    generator = torch.Generator().manual_seed(5)
    a1, t1, a2, t2 = (torch.randn(N_PAIRS, 100, generator=generator) for _ in range(4))
    heads: StageHeads = model.taste
    with torch.no_grad():
        for temperature, log_scale in zip(heads.temperatures, (0.0, 1.0, 2.0), strict=True):
            temperature.log_scale.fill_(log_scale)
    f1, f2 = (heads.fusion(torch.cat(pair, dim=1)) for pair in ((a1, t1), (a2, t2)))
    numbers = torch.arange(N_PAIRS), torch.arange(N_PAIRS) + 10

    losses = taste_losses(Projected(a1, t1), Projected(a2, t2), numbers, heads)

    e = torch.tensor(1.0).exp()
    expected = {
        "audio_text": clip(torch.cat([a1, a2]), torch.cat([t1, t2]), 1.0),
        "audio_audio": clip(a1, a2, e),
        "audio_fused": (clip(a1, f2, e**2) + clip(a2, f1, e**2)) / 2,
    }
    assert losses.keys() == expected.keys()
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name], loss, rtol=1e-5, atol=1e-6)


def test_a_track_that_is_twice_among_the_pairs_is_no_negative_of_itself(model):
    """The listeners of rows 0 and 1 went on to the same track."""
    generator = torch.Generator().manual_seed(6)
    a1, t1, a2, t2 = (torch.randn(N_PAIRS, 100, generator=generator) for _ in range(4))
    a2[1], t2[1] = a2[0], t2[0]
    heard, liked = torch.tensor([0, 1, 2]), torch.tensor([7, 7, 8])

    one, other = (
        taste_losses(Projected(a1, t1), Projected(a2, t2), (heard, numbers), model.taste)
        for numbers in (liked, torch.tensor([7, 9, 8]))
    )

    assert all(one[name] < other[name] for name in one)


def test_every_part_of_a_stage_learns_and_none_of_the_other(model):
    heard, liked = tracks(1), tracks(2)
    for losses, own, other in (
        (lambda: model.meaning_loss(heard), model.meaning, model.taste),
        (lambda: model.taste_loss(heard, liked), model.taste, model.meaning),
    ):
        model.zero_grad()
        sum(losses().values()).backward()
        trained = [*model.audio.parameters(), *own.parameters()]
        assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in trained)
        assert any(one.grad is not None for one in model.text.parameters())
        assert all(one.grad is None for one in other.parameters())


def test_padding_says_nothing(folder):
    text = TextTower(folder, "mean").eval()
    ids = torch.tensor([[5, 6, 7, 0, 0]])
    padded = text(ids, torch.tensor([[True, True, True, False, False]]))
    torch.testing.assert_close(padded, text(ids[:, :3], torch.ones(1, 3, dtype=torch.bool)))


@pytest.mark.parametrize("kind", [TextTower, FrozenTextTower])
def test_a_text_is_cut_at_the_positions_of_its_model(folder, kind):
    """The model has 32, two of which are the marks of beginning and end; 64 are allowed."""
    text = kind(folder, "mean", max_tokens=64).eval()

    assert text.max_tokens == 32
    assert not text.is_cut("night " * 30)
    assert text.is_cut("night " * 31)
    vectors = [text(*text.tokens(["night " * n_words])) for n_words in (30, 31, 500)]
    torch.testing.assert_close(vectors[0], vectors[2])
    torch.testing.assert_close(vectors[1], vectors[2])
    assert kind(folder, "mean", max_tokens=8).max_tokens == 8


def test_the_pooler_s_output_is_the_vector_where_it_is_asked_for(folder):
    text = TextTower(folder, "pooler").eval()
    ids, is_token = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.bool)
    expected = text.model(input_ids=ids).pooler_output
    torch.testing.assert_close(text(ids, is_token), expected)
    assert (
        text(ids, is_token) - TextTower(folder, "mean").eval()(ids, is_token)
    ).abs().max() > 0.01


def test_a_frozen_tower_encodes_each_text_once_and_without_dropout(folder, monkeypatch):
    """Its vectors are those of a tower that learns, when that evaluates; whatever else is asked for."""
    frozen, learning = FrozenTextTower(folder, "mean"), TextTower(folder, "mean").eval()
    texts = ["dark night", "bright", "dark night"]
    expected = [learning(*learning.tokens([text]))[0] for text in texts]
    calls = []
    encode = frozen._encoded
    monkeypatch.setattr(frozen, "_encoded", lambda text: calls.append(text) or encode(text))
    frozen.train()

    for _ in range(2):
        torch.testing.assert_close(frozen(*frozen.tokens(texts)), torch.stack(expected))

    assert calls == ["dark night", "bright"]
    assert frozen.model.training
    assert frozen(*frozen.tokens([])).shape == (0, 8)
    assert frozen.trained_parameters(0) == []


@pytest.fixture
def encoded(monkeypatch):
    """What frozen towers encode from now on."""
    texts, encode = [], FrozenTextTower._encoded
    monkeypatch.setattr(
        FrozenTextTower, "_encoded", lambda tower, text: texts.append(text) or encode(tower, text)
    )
    return texts


def test_frozen_towers_of_a_model_share_the_vectors_of_texts(encoded, tmp_path):
    """Another pooling, another length or another model has vectors of its own."""
    folder = save_bert(tmp_path)
    [expected], _ = FrozenTextTower(folder, "mean").tokens(["a dark night"])
    again, _ = FrozenTextTower(folder, "mean").tokens(["a dark night", "day", "day"])

    assert encoded == ["a dark night", "day"]
    assert torch.equal(again[0], expected)
    encoded.clear()
    for other in (FrozenTextTower(folder, "pooler"), FrozenTextTower(folder, "mean", 3)):
        assert not torch.equal(other.tokens(["a dark night"])[0][0], expected)
    assert encoded == ["a dark night"] * 2


def test_another_model_in_the_same_folder_gives_its_own_vectors(tmp_path):
    tower = FrozenTextTower(save_bert(tmp_path), "mean")
    before, _ = tower.tokens(["day"])
    with torch.no_grad():
        tower.model.embeddings.word_embeddings.weight.mul_(-1)
    tower.model.save_pretrained(tmp_path)

    after, _ = FrozenTextTower(tmp_path, "mean").tokens(["day"])

    assert not torch.equal(before, after)


def test_texts_beyond_those_that_are_kept_are_encoded_each_time(encoded, monkeypatch, tmp_path):
    monkeypatch.setattr("training.models.encoders.text_tower._MAX_KEPT", 2)
    tower = FrozenTextTower(save_bert(tmp_path), "mean")

    first, second = (tower.tokens(["a", "day", "night", "night"])[0] for _ in range(2))

    assert torch.equal(first, second)
    assert encoded == ["a", "day", "night", "night"]


@pytest.mark.parametrize(
    ("save", "n_positions"), [(save_bert, 32), (save_roberta, 30)], ids=["BERT", "RoBERTa"]
)
def test_a_text_longer_than_the_model_reads_is_cut(save, n_positions, tmp_path):
    """Of 10,000 words; RoBERTa's 32 positions begin at 2, behind that of padding."""
    text = TextTower(save(tmp_path), "mean", max_tokens=64).eval()

    token_ids, is_token = text.tokens(["dark night " * 5_000, "day"])

    assert token_ids.shape == (2, n_positions)
    assert is_token.sum(dim=1).tolist() == [n_positions, 3]
    assert text(token_ids, is_token).isfinite().all()


def test_max_tokens_cuts_before_the_model_does(folder):
    token_ids, _ = TextTower(folder, "mean", max_tokens=5).tokens(["dark night " * 5_000])

    assert token_ids.shape == (1, 5)  # with the marks of beginning and end


def test_minilm_reads_another_language_as_far_as_it_knows_its_signs():
    """Hebrew and Russian words differ; two Khmer words are the same unknown word, and their artists tell them apart."""
    text = FrozenTextTower(weights_folder(MINILM), "mean")
    texts = ["שלום עולם", "ערב טוב", "тёмная ночь", "ភាសា", "សួស្តី", "ភាសា. Ann", "សួស្តី. Bo"]

    vectors, _ = text.tokens(texts)

    same = [
        (one, other)
        for one in range(len(texts))
        for other in range(one)
        if torch.equal(vectors[one], vectors[other])
    ]
    assert same == [(4, 3)]


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(TextModelError, match="holds no text model of transformers"):
        TextTower(tmp_path, "mean")


@pytest.mark.parametrize("n_layers", [-2, 3, 4])
def test_layers_that_the_text_model_lacks_are_refused(folder, n_layers):
    """It has two: three would have meant the upper one alone, and -2 the whole model."""
    text = TextTower(folder, "mean")

    with pytest.raises(TextModelError, match=rf"text_layers = {n_layers}: .* has 2 layers; set 0"):
        text.trained_parameters(n_layers)
    assert len(text.trained_parameters(2)) == 2 * len(text.trained_parameters(1)) > 0
