"""The baselines of text emotion: ridge against scikit-learn, leave-one-out by leaving out, VADER's line."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import Ridge as Reference

from tests.jobs.encoders.tiny_models import save_bert
from training.data.emotion_texts import EmotionTexts, EmotionView
from training.models.encoders.ridge import STRENGTHS, Ridge, RidgeConfig, solve_ridge
from training.models.encoders.sentence_encoder import sentence_vectors
from training.models.encoders.vader import Vader, VaderConfig

TEXTS = ["a dark night", "bright", "a bright day", "dark day", "night night", "a a day", "bright a"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_bert(tmp_path_factory.mktemp("bert")))


def view_of(texts, labels):
    whole = torch.full((len(texts), 3, 2), torch.nan)
    whole[:, 0] = torch.as_tensor(labels, dtype=torch.float32)
    ids = [f"s{number}" for number in range(len(texts))]
    return EmotionView(
        EmotionTexts(ids, texts, whole, ids, [None] * len(ids)), torch.arange(len(ids))
    )


@pytest.fixture(scope="module")
def problem():
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(30, 5, generator=generator).double() + 3
    labels = vectors[:, :2] - 0.5 * vectors[:, 2:4]
    return vectors, labels + torch.randn(30, 2, generator=generator).double()


@pytest.mark.parametrize("index", [0, 5, 10])
def test_the_solution_is_scikit_learn_s(problem, index):
    vectors, labels = problem
    reference = Reference(alpha=STRENGTHS[index]).fit(vectors.numpy(), labels.numpy())
    solved = solve_ridge(vectors, labels)

    found = solved.mean_label + (vectors - solved.mean_vector) @ solved.weights[index]

    torch.testing.assert_close(found, torch.from_numpy(reference.predict(vectors.numpy())))


def test_the_error_is_that_of_leaving_each_text_out(problem):
    vectors, labels = problem
    index = 7
    squares = []
    for row in range(len(vectors)):
        others = torch.arange(len(vectors)) != row
        reference = Reference(alpha=STRENGTHS[index])
        reference.fit(vectors[others].numpy(), labels[others].numpy())
        error = labels[row] - torch.from_numpy(reference.predict(vectors[row : row + 1].numpy())[0])
        squares.append(error.square())
    expected = torch.stack(squares).mean(dim=0).sqrt()

    # The leverage is that of fixed means, which the left-out text has moved a little.
    torch.testing.assert_close(
        solve_ridge(vectors, labels).error[index], expected, rtol=0.01, atol=0
    )


def test_validation_chooses_a_strength_for_each_dimension(folder):
    """Labels that are the estimates of strengths 2 and 9: nothing else has no error."""
    generator = torch.Generator().manual_seed(2)
    model = Ridge(RidgeConfig(folder, 32), view_of(TEXTS, torch.rand(7, 2, generator=generator)))
    means = model._means(TEXTS)
    labels = torch.stack([means[2, :, 0], means[9, :, 1]], dim=1)

    chosen = model.calibration(TEXTS, labels)
    model.load_state_dict(chosen, strict=False)
    found = model.estimate(TEXTS)

    assert chosen["strength"].tolist() == [2, 9]
    torch.testing.assert_close(found.mean, labels.float())
    torch.testing.assert_close(
        found.sd[0], torch.stack([model.error[2, 0], model.error[9, 1]]).float()
    )
    assert model.calibrated == ("strength",)


def test_vectors_are_those_of_the_frozen_model(folder):
    model = Ridge(RidgeConfig(folder, 32), view_of(TEXTS, torch.rand(7, 2)))

    torch.testing.assert_close(
        model.mean_vector, sentence_vectors(model.tower, TEXTS).double().mean(dim=0)
    )
    assert set(model.frozen()) < set(model.state_dict())
    assert not any(True for one in model.parameters() if one.requires_grad)


def test_without_texts_there_is_a_model_that_says_nothing(folder):
    """A view of another day may have none; the checkpoint fills it."""
    model = Ridge(RidgeConfig(folder, 32), view_of([], torch.zeros(0, 2)))

    assert model.estimate(["a"]).mean.tolist() == [[0.0, 0.0]]


def test_vader_draws_a_line_for_valence_and_gives_arousal_its_mean():
    """Compound scores of .6369 (love), -.5719 (hate) and 0; valence is .1 + .5 x compound, so the line has no error."""
    texts = ["love", "hate", "table"]
    compounds = torch.tensor([0.6369, -0.5719, 0.0])
    labels = torch.stack([0.1 + 0.5 * compounds, torch.tensor([0.0, 0.3, 0.6])], dim=1)

    model = Vader(VaderConfig(), view_of(texts, labels))
    found = model.estimate(["love", "chair"])

    assert found.mean[:, 0].tolist() == pytest.approx([0.1 + 0.5 * 0.6369, 0.1], abs=1e-6)
    assert found.mean[:, 1].tolist() == pytest.approx([0.3, 0.3])
    assert found.sd[0].tolist() == pytest.approx([1e-3, 0.06**0.5])
    assert (model.frozen(), model.calibration(texts, labels)) == ({}, {})


def test_vader_without_any_word_of_emotion_gives_the_mean():
    model = Vader(VaderConfig(), view_of(["table", "chair"], [[0.1, 0.0], [0.3, 0.0]]))

    assert model.estimate(["love"]).mean.tolist() == [[pytest.approx(0.2), 0.0]]
