"""Words to Waves: losses by hand, what weighs and what is learned, and that spreads and means are learned."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from feature_store.lake.storage import sha256_of
from tests.jobs.encoders.tiny_models import save_bert
from training.config import load_recipe
from training.data.emotion_texts import EmotionTexts, EmotionView
from training.engine.loop import deterministic, eval_mode, fit_stage
from training.models.encoders.words_to_waves import (
    EmotionHead,
    WordsToWaves,
    WordsToWavesConfig,
    beta_nll,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_bert(tmp_path_factory.mktemp("bert")))


def view_of(n_texts=64):
    """Bright is happy, day is excited; what night adds to valence is drawn, 0.3 wide, and of day nothing is."""
    generator = torch.Generator().manual_seed(1)
    texts, labels = [], torch.full((n_texts, 3, 2), torch.nan)
    for number in range(n_texts):
        is_bright, is_day = number % 2, number // 2 % 2
        noise = float(torch.randn(1, generator=generator)) * (0.02 if is_day else 0.3)
        texts.append(f"{'bright' if is_bright else 'dark'} {'day' if is_day else 'night'}")
        labels[number, 0] = torch.tensor([0.3 * (2 * is_bright - 1) + noise, 0.2 * is_day])
    labels[: n_texts // 2, 1] = labels[: n_texts // 2, 0] + 0.1
    hashes = [sha256_of(f"{number}".encode()) for number in range(n_texts)]
    ids = [f"s{number:02}" for number in range(n_texts)]
    data = EmotionTexts(ids, texts, labels.clamp(-1, 1), hashes, [None] * n_texts)
    return EmotionView(data, torch.arange(n_texts))


def recipe_of(folder, **changes):
    recipe = load_recipe("text_emotion", "words_to_waves")
    model = replace(recipe.model, text_folder=folder, head_dropout=0.0, **changes)
    loop = replace(
        recipe.loop, learning_rate=2e-2, max_epochs=40, warm_up_epochs=0.0, schedule="constant"
    )
    return replace(recipe, model=model, loop=loop)


def model_of(folder, view=None, **changes):
    torch.manual_seed(2)
    return WordsToWaves(recipe_of(folder, **changes).model, view or view_of())


def fitted(folder, n_epochs=40, **changes):
    with deterministic(seed=3, n_threads=1):
        model = model_of(folder, **changes)
        [stage] = model.stages(recipe_of(folder, **changes), torch.Generator().manual_seed(3))
        history = fit_stage(stage, n_epochs=n_epochs).history
    return model, history


def test_the_loss_is_that_of_a_gaussian_times_a_power_of_its_variance():
    """Error 2, sd 2: log 2 + 4 / 8; times 4 ** .5 for beta .5."""
    mean, log_sd, target = (torch.tensor(one) for one in (1.0, math.log(2), 3.0))

    losses = [float(beta_nll(mean, log_sd, target, beta)) for beta in (0.0, 0.5, 1.0)]

    nll = math.log(2) + 0.5
    assert losses == pytest.approx([nll, 2 * nll, 4 * nll])


@pytest.mark.parametrize(("beta", "expected"), [(0.0, -0.5), (0.5, -1.0), (1.0, -2.0)])
def test_a_large_spread_takes_less_of_the_mean_s_gradient_the_larger_beta_is(beta, expected):
    """Error 2, variance 4: the gradient is -error / variance ** (1 - beta)."""
    mean, log_sd = torch.tensor(1.0, requires_grad=True), torch.tensor(math.log(2.0))

    beta_nll(mean, log_sd, torch.tensor(3.0), beta).backward()

    assert float(mean.grad) == pytest.approx(expected)


def test_the_power_of_the_variance_has_no_gradient():
    """Error 1, variance 4: the spread's gradient is (1 - 1 / 4) times 4 ** .5; the factor itself would add .5 x 2 x loss."""
    log_sd = torch.tensor(math.log(2.0), requires_grad=True)

    beta_nll(torch.tensor(0.0), log_sd, torch.tensor(1.0), 0.5).backward()

    assert float(log_sd.grad) == pytest.approx(0.75 * 2)


def test_it_learns_means_and_where_it_is_uncertain(folder):
    """Valence of "night" is drawn 0.3 wide and of "day" 0.02: both the mean and the spread follow the words."""
    model, _ = fitted(folder, smoothing=0.0)

    with eval_mode(model):
        found = model.estimate(["bright day", "dark day", "bright night", "dark night"])

    bright_day, dark_day, *nights = found.mean.tolist()
    assert bright_day == pytest.approx([0.3, 0.2], abs=0.07)
    assert dark_day == pytest.approx([-0.3, 0.2], abs=0.07)
    assert [arousal for _, arousal in nights] == pytest.approx([0.0, 0.0], abs=0.05)
    of_days, of_nights = found.sd[:2, 0], found.sd[2:, 0]
    assert float(of_nights.min()) > 2 * float(of_days.max())


def test_an_untrained_model_gives_all_texts_the_labels_own_spread(folder):
    view = view_of()
    model = model_of(folder, view).eval()
    labels = view.combined.double()

    found = model.estimate(["bright", "dark night"])

    torch.testing.assert_close(found.sd, labels.std(0, correction=0).float().expand(2, -1))
    torch.testing.assert_close(model.centre, labels.mean(dim=0).float())


def test_rare_labels_weigh_more(folder):
    """One very happy text among 64: with smoothing its part of the loss grows, without it it is one of 64."""
    view = view_of()
    labels = view.data.labels.clone()
    labels[:, 0, 0] = torch.where(torch.arange(64) == 5, 0.9, 0.0)
    view = EmotionView(replace(view.data, labels=labels), view.rows)

    def loss_of(smoothing):
        model = model_of(folder, view, smoothing=smoothing).eval()
        recipe = recipe_of(folder, smoothing=smoothing)
        recipe = replace(recipe, batching=replace(recipe.batching, batch_texts=64))
        [stage] = model.stages(recipe, torch.Generator().manual_seed(1))
        [batch] = stage.batches
        return {name: float(one.detach()) for name, one in stage.training_loss(batch).items()}

    plain, smoothed = loss_of(0.0), loss_of(0.5)

    assert plain.keys() == {"valence", "arousal"}
    assert smoothed["valence"] > 1.5 * plain["valence"]


def test_labels_of_readers_and_writers_are_learned_where_they_are_there(folder):
    """Half of the texts have a reader's label, none a writer's; with weight 0 there is no such output at all."""
    model, history = fitted(folder, n_epochs=20, perspective_weight=0.5)

    losses = [epoch.losses for epoch in history.epochs]
    assert losses[0].keys() == {"valence", "arousal", "perspectives"}
    assert losses[-1]["perspectives"] < 0.7 * losses[0]["perspectives"]
    assert model.head.perspectives.weight.abs().sum() > 0
    assert model_of(folder).head.perspectives is None


def test_dropout_is_each_process_s_own(folder):
    """The stage draws for each row of its batch; equal draws would drop the same of two shards."""
    [stage] = model_of(folder).stages(recipe_of(folder), torch.Generator().manual_seed(1))

    assert stage.draws_by_row


def test_a_process_without_a_text_of_the_batch_has_a_loss_of_nothing(folder):
    """Of two processes the second has no part of a batch of one; its backward pass must still run."""
    model = model_of(folder, perspective_weight=0.5)
    [stage] = model.stages(recipe_of(folder), torch.Generator().manual_seed(1))
    batch = next(iter(stage.batches)).shard(40, 41)

    losses = stage.training_loss(batch)
    torch.stack(list(losses.values())).sum().backward()

    assert len(batch.positions) == 0
    assert [float(one.detach()) for one in losses.values()] == [0.0, 0.0, 0.0]


def test_calibration_makes_squared_errors_as_large_as_variances(folder):
    """Twice as far away as the model says: the factor is 2, from whichever factor it starts."""
    model = model_of(folder).eval()
    model.spread_factor.fill_(3.0)
    texts = ["bright", "dark"]
    found = model.estimate(texts)
    labels = found.mean.double() + torch.tensor([[2.0], [-2.0]]) * found.sd

    chosen = model.calibration(texts, labels)

    torch.testing.assert_close(chosen["spread_factor"], torch.tensor([6.0, 6.0]))


def test_less_than_two_percent_of_minilm_s_weights_learn():
    """The default: rank 8 beside all 36 linear layers of MiniLM, 4 x 8 x 768 + 2 x 8 x 1,920 numbers a layer, and the head."""
    model = WordsToWaves(WordsToWavesConfig(), view_of(4))

    n_adapters = 6 * (4 * 8 * (384 + 384) + 2 * 8 * (384 + 1536))
    assert sum(one.numel() for one in model.encoder.adapters()) == n_adapters
    n_head = 2 * (384 * 2 + 2)
    n_all = sum(one.numel() for one in model.parameters())
    assert model.trainable_ratio == pytest.approx((n_adapters + n_head) / n_all)
    assert model.trainable_ratio < 0.02


def test_a_stage_changes_adapters_and_head_alone(folder):
    model = model_of(folder)
    [stage] = model.stages(recipe_of(folder), torch.Generator().manual_seed(1))
    before = {name: one.clone() for name, one in model.state_dict().items()}

    fit_stage(stage, n_epochs=1)

    changed = {
        name for name, one in model.state_dict().items() if not torch.equal(one, before[name])
    }
    assert changed == {
        name for name, _ in model.named_parameters() if "lora_" in name or name.startswith("head.")
    }
    assert set(stage.state()) == set(model.state_dict()) - set(model.frozen())


def test_the_same_seed_gives_the_same_fit_with_kept_and_with_computed_outputs(folder):
    """Outputs of the lower layer are computed before the first epoch, or in each batch anew: the same epochs, nearly."""
    kept = fitted(folder, n_epochs=3, upper_layers=1)[1]
    again = fitted(folder, n_epochs=3, upper_layers=1)[1]
    anew = fitted(folder, n_epochs=3, upper_layers=1, cache_mib=0)[1]

    assert kept == again
    for one, other in zip(kept.epochs, anew.epochs, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-2)


def test_a_head_without_perspectives_has_four_outputs():
    head = EmotionHead(8, 0.0, has_perspectives=False)

    found = head(torch.randn(3, 8))

    assert found.mean.shape == found.log_sd.shape == (3, 2)
    assert found.perspectives is None
    assert found.log_sd.abs().max() == 0
