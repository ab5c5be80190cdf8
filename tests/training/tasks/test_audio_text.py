"""audio_text: what it holds out, what a view knows, and what HTCL learns of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import torch

from feature_store.setting_groups import SplitSettings
from tests.jobs.encoders.tiny_models import save_bert
from tests.training.datasets import CPU, cut_of, dated_edges, edges
from tests.training.tasks import music
from tests.training.tasks.music import MARCH_1, N_TRACKS, STYLES, TRACKS_OF_ONE, style_of
from training.artifacts.model_state import CheckpointError
from training.config import load_recipe
from training.data.content import EncoderChangedError
from training.data.interactions import Pairs, day_number
from training.engine.loop import deterministic, fit_stage
from training.engine.model_selection import Fitting, select_on_validation
from training.engine.ranges import OutOfRangeError
from training.evaluation.similarity import EncodedTracks, SimilarityEvaluator, text_mrr, text_recall
from training.evaluation.splits import Split, Unsplit
from training.models.encoders import htcl_encoder
from training.models.encoders.htcl_encoder import ORDERS, HTCLConfig, HTCLEncoder
from training.models.encoders.htcl_stages import HTCLStages, learned_pairs
from training.models.protocols import TEXT_METRIC
from training.tasks.audio_text import AudioText

TASK = AudioText()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def data():
    return music.world()


def recipe_of(folder, **changes):
    """Small and fast: a tiny text tower, and higher rates than for pretrained ones."""
    recipe = load_recipe("audio_text", "htcl")
    model = replace(
        recipe.model,
        text_folder=str(folder),
        text_layers=-1,
        encoder_rate=1.0,
        dropout=0.0,
        masked_bands=0.0,
        masked_time=0.0,
        epoch_pairs=480,
    )
    model = replace(model, **changes)
    loop = replace(recipe.loop, learning_rate=1e-3, max_epochs=8, patience=8)
    return replace(recipe, model=model, loop=loop)


def split_of(data, **settings):
    cut = cut_of(data.dataset.listens, data.dataset.as_of)
    generator = torch.Generator().manual_seed(1)
    return TASK.split(data, cut, SplitSettings(**settings), generator)


def model_of(data, folder, **changes):
    torch.manual_seed(2)
    return HTCLEncoder(recipe_of(folder, **changes).model, data.full_view())


def stages_of(data, folder, **changes):
    model = model_of(data, folder, **changes)
    generator = torch.Generator().manual_seed(3)
    return model, HTCLStages(model, recipe_of(folder, **changes), generator, CPU).in_order()


def test_both_stages_learn(folder):
    """Stage 1: a text finds recordings of its style. Stage 2: a track finds those that listeners go on to.

    Of 27 unseen tracks 6 or 7 have a style, and one text: a model that knows styles finds the right one of
    them first, second, ... equally often, which is an MRR of .37 to .41; a random order's is .14.
    """
    data = music.world(music.pairs(n_a_day=40))
    with deterministic(seed=4, n_threads=1):
        split = split_of(data, held_out_tenths=3)
        recipe = recipe_of(folder)
        fitting = Fitting(TASK, data, CPU)
        selected = select_on_validation(fitting, split, recipe, seed=4)
        state = selected.state
    meaning, taste = selected.fits["meaning"], selected.fits["taste"]
    values = selected.validation.result.values

    assert meaning.epochs[0].losses.keys() == {"audio_text"}
    assert taste.epochs[0].losses.keys() == {"audio_text", "audio_audio", "audio_fused"}
    assert max(epoch.validation for epoch in meaning.epochs) > 0.35
    assert values[TEXT_METRIC] > 0.2  # two styles that listeners go between are near now: .24
    assert state.parameters["knows_taste"] == 1
    model = TASK.from_state(state, recipe, data.full_view(), {}, CPU).eval()
    vectors = model.encode(torch.arange(N_TRACKS))
    cosines = model.similarity(vectors, vectors, by_audio=True)
    styles = torch.tensor([style_of(track) for track in range(N_TRACKS)])
    of_zero = [float(cosines[styles == 0][:, styles == other].mean()) for other in range(4)]
    assert of_zero[0] > of_zero[1] > 0.2 + max(of_zero[2:])


def test_padding_at_the_end_of_all_recordings_is_read_neither_by_a_fit_nor_by_its_model(
    data, folder
):
    """Recordings that sound for 200 frames: 224 are read, after stage 1 as in it."""
    short = replace(data, spectrograms=music.spectrograms(range(N_TRACKS), n_sounding=200))
    model, stages = stages_of(short, folder, epoch_pairs=40)
    for stage in stages:
        fit_stage(stage, n_epochs=1)
    tracks = torch.arange(3)
    assert model.log_mel(tracks).shape == (3, 224, 128)

    recipe = recipe_of(folder, epoch_pairs=40)
    state = TASK.to_state("htcl", model, short.full_view())
    again = TASK.from_state(state, recipe, short.full_view(), {}, CPU).eval()

    assert again.log_mel(tracks).shape == (3, 224, 128)
    whole = TASK.from_state(state, recipe, data.full_view(), {}, CPU).eval()  # they go on to sound
    vectors, of_longer = (one.encode(tracks).vectors["audio"] for one in (again, whole))
    assert not torch.allclose(vectors, of_longer)  # frames 200 to 223
    assert of_longer.shape == vectors.shape


def test_too_few_unseen_texts_select_nothing_and_the_stage_runs_its_epochs(data, folder):
    """9 unseen tracks: whatever is learned, their right ones are among the first ten."""
    recipe = recipe_of(folder, epoch_pairs=40)
    loop = replace(recipe.loop, max_epochs=3, epochs_without_validation=2)
    recipe = replace(recipe, loop=loop)

    selected = select_on_validation(Fitting(TASK, data, CPU), split_of(data), recipe, seed=4)

    meaning, taste = selected.fits["meaning"], selected.fits["taste"]
    assert (len(meaning.epochs), meaning.best_epoch) == (2, 2)
    assert all(epoch.validation is None for epoch in meaning.epochs)
    assert all(epoch.validation is not None for epoch in taste.epochs)
    assert TEXT_METRIC not in selected.validation.result.values


def test_a_last_stage_that_nothing_selects_is_the_same_for_both_halves(folder):
    """Without pairs stage 1 is the last one."""
    data = music.world(music.without_pairs())
    recipe = recipe_of(folder)
    recipe = replace(recipe, loop=replace(recipe.loop, epochs_without_validation=1))
    split = split_of(data, min_held_out_users=2)

    selected = select_on_validation(
        Fitting(TASK, data, CPU), split, recipe, seed=4, cross_fit_seed=5
    )

    assert selected.fits["meaning"].best_epoch == 1
    assert len(selected.cross_fitted.per_unit) == len(selected.validation.result.per_unit)


def test_each_epoch_says_how_many_spectrograms_were_read(data, folder):
    """Stage 1 reads each of 96 tracks once, stage 2 both tracks of 40 drawn pairs."""
    _, stages = stages_of(data, folder, epoch_pairs=40)
    rows = []

    for stage in stages:
        fit_stage(stage, n_epochs=1, on_epoch=lambda _, pace: rows.append(pace.loading.rows))

    assert rows == [N_TRACKS, 80]


def test_without_pairs_only_meaning_is_learned(folder):
    data = music.world(music.without_pairs())

    model, stages = stages_of(data, folder)

    assert [stage.name for stage in stages] == ["meaning"]
    assert not model.is_fusing
    assert "fused" not in model.eval().encode(torch.arange(3)).vectors


def test_the_published_rates_count_in_each_stage(data, folder):
    """Stage 1: the text tower learns slowly; stage 2: both towers do. Heads of the other stage rest."""
    model, (meaning, taste) = stages_of(data, folder, encoder_rate=0.1)
    network = model.network

    def rates(stage):
        return {id(one): group.rate for group in stage.groups for one in group.parameters}

    for module, in_meaning, in_taste in (
        (network.audio, 1.0, 0.1),
        (network.text, 0.1, 0.1),
        (network.meaning, 1.0, None),
        (network.taste, None, 1.0),
    ):
        for parameter in module.parameters():
            assert rates(meaning).get(id(parameter)) == in_meaning
            assert rates(taste).get(id(parameter)) == in_taste
    assert HTCLConfig().encoder_rate == 0.1
    assert load_recipe("audio_text", "htcl").batching.batch_tracks == 32


def test_only_upper_layers_of_the_text_tower_learn(data, folder):
    model, (meaning, _) = stages_of(data, folder, text_layers=1)
    learned = {id(one) for one in meaning.parameters}
    text = model.network.text.model

    assert all(id(one) in learned for one in text.encoder.layer[1].parameters())
    assert not any(id(one) in learned for one in text.encoder.layer[0].parameters())
    assert not any(id(one) in learned for one in text.embeddings.parameters())
    assert set(model.frozen()) == {
        f"network.text.{name}"
        for name, one in model.network.text.named_parameters()
        if id(one) not in learned
    }


@pytest.mark.parametrize("number", [0, 1])
def test_pieces_have_the_gradient_of_the_whole_batch(data, folder, number):
    found = []
    for piece_tracks in (0, 5):
        _, stages = stages_of(data, folder, piece_tracks=piece_tracks)
        stage = stages[number]
        stage.on_start()
        batch = next(iter(stage.batches)).shard(0, 1)
        if stage.backward is None:
            losses = stage.training_loss(batch)
            sum(losses.values()).backward()
        else:
            losses = stage.backward(batch)
        gradients = [one.grad for one in stage.parameters if one.grad is not None]
        found.append(({name: float(loss.detach()) for name, loss in losses.items()}, gradients))

    (whole, expected), (in_pieces, gradients) = found
    assert in_pieces == pytest.approx(whole, rel=1e-5)
    assert len(expected) == len(gradients) > 20
    for one, other in zip(expected, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_terms_can_be_left_out(data, folder):
    """What the paper's claim is tested by."""
    _, (_, taste) = stages_of(data, folder, weight_audio_audio=0.0, weight_audio_fused=0.0)
    taste.on_start()

    losses = taste.training_loss(next(iter(taste.batches)).shard(0, 1))

    assert losses.keys() == {"audio_text"}


@pytest.mark.parametrize(
    ("n_pairs", "triggers", "tracks"),
    [(480, [0], [1]), (480, [0], range(1, 61)), (480, range(1, 61), [0]), (480, range(10), range(10, 20))],
    ids=["one pair", "one trigger", "one track", "ten different pairs"],
)  # fmt: skip
def test_pairs_that_have_no_negatives_or_are_few_teach_no_taste(folder, n_pairs, triggers, tracks):
    """However often they were heard: on one side all are equal, so the fusion would stay random."""
    of_all = music.pairs()
    rows = torch.arange(n_pairs)
    found = replace(
        of_all.where(rows < n_pairs),
        triggers=torch.tensor(list(triggers))[rows % len(triggers)],
        tracks=torch.tensor(list(tracks))[rows % len(tracks)],
    )
    view = music.world(found).full_view()

    names = [stage.name for stage in stages_over(recipe_of(folder, min_pairs=20), view)]

    assert names == ["meaning"]


def test_copies_of_two_recordings_have_no_negatives(folder):
    """All tracks hold one recording or the other; each side of the pairs is one recording."""
    data = music.world()
    hashes = ["h0" if style_of(track) in (0, 2) else "h1" for track in range(N_TRACKS)]
    forth = data.pairs.where(torch.tensor([style_of(track) in (0, 2) for track in data.pairs.triggers.tolist()]))  # fmt: skip
    copies = replace(data, audio_hashes=hashes, pairs=forth)

    stages = stages_over(recipe_of(folder, min_pairs=1), copies.full_view())

    assert [stage.name for stage in stages] == ["meaning"]


def stages_over(recipe, view):
    model = HTCLEncoder(recipe.model, view)
    return HTCLStages(model, recipe, torch.Generator().manual_seed(1), CPU).in_order()


def test_fewer_liked_pairs_than_stage_2_needs_cannot_count_alone():
    with pytest.raises(OutOfRangeError, match="min_liked_pairs = 50 is below min_pairs = 100"):
        HTCLConfig(min_liked_pairs=50)


def test_liked_pairs_count_alone_when_there_are_enough(data):
    liked = [(int(data.pairs.users[row]), int(data.pairs.tracks[row])) for row in range(200)]
    view = replace(data.full_view(), liked=edges(sorted(set(liked))))
    both = torch.ones(N_TRACKS, dtype=torch.bool)

    def used(least):
        return learned_pairs(view, both, least)

    few, all_pairs = used(100), used(10_000)

    assert len(all_pairs) == len(data.pairs)
    assert 100 <= len(few) < len(all_pairs)
    assert {*zip(few.users.tolist(), few.tracks.tolist(), strict=True)} <= set(liked)


def test_a_state_gives_the_same_vectors(data, folder):
    model = model_of(data, folder, text_layers=1).eval()
    model.knows_taste.fill_(1)
    model.order.fill_(2)
    view = data.full_view()
    state = TASK.to_state("htcl", model, view)

    loaded = TASK.from_state(state, recipe_of(folder, text_layers=1), view, {}, CPU).eval()

    assert not any(name.startswith("network.text.model.embeddings") for name in state.parameters)
    assert loaded.counting_order == ("text", "fused", "audio")
    for name, vectors in model.encode(torch.arange(4)).vectors.items():
        torch.testing.assert_close(loaded.encode(torch.arange(4)).vectors[name], vectors)


def test_another_text_model_in_the_folder_is_refused(data, folder, tmp_path):
    model = model_of(data, folder, text_layers=1)
    state = TASK.to_state("htcl", model, data.full_view())
    other = save_bert(tmp_path)
    weights = HTCLEncoder(
        recipe_of(other, text_layers=1).model, data.full_view()
    ).network.text.model
    with torch.no_grad():
        weights.embeddings.word_embeddings.weight.add_(1)
    weights.save_pretrained(other)

    with pytest.raises(CheckpointError, match="its text model has other weights"):
        TASK.from_state(state, recipe_of(other, text_layers=1), data.full_view(), {}, CPU)


def test_spectrograms_of_another_preprocessing_are_refused(data, folder):
    state = TASK.to_state("htcl", model_of(data, folder), data.full_view())
    view = replace(data.full_view(), mel_version="mel/w/other")

    with pytest.raises(EncoderChangedError, match="feat_mel: spectrograms by mel/w/other"):
        TASK.view_for(view, state)


def test_an_unknown_size_is_refused(data, folder):
    with pytest.raises(htcl_encoder.UnknownSizeError, match=r"size = 'large'.* tiny"):
        model_of(data, folder, size="large")


def test_tracks_that_lack_something_have_the_vectors_that_they_can_have(data, folder):
    """Track 0 has no recording, 1 no text, 2 neither."""
    audio_rows = data.audio_rows.clone()
    audio_rows[[0, 2]] = -1
    texts = list(data.texts)
    texts[1] = texts[2] = ""
    poor = replace(data, audio_rows=audio_rows, texts=texts)
    model = model_of(poor, folder).eval()
    model.knows_taste.fill_(1)

    encoded = model.encode(torch.arange(4))
    scores = model.similarity(encoded, encoded, by_audio=False)

    assert {name: has.tolist() for name, has in encoded.has.items()} == {
        "audio": [False, True, False, True],
        "text": [True, False, False, True],
        "fused": [False, False, False, True],
    }
    assert scores.isfinite().tolist() == [
        [track != 2 and other != 2 for other in range(4)] for track in range(4)
    ]
    both = poor.full_view().has_audio & poor.full_view().has_text
    assert [
        track
        for stage in HTCLStages(model, recipe_of(folder), torch.Generator(), CPU).in_order()
        for batch in stage.batches
        for track in batch.positions.flatten().tolist()
        if not both[track]
    ] == []


def test_pairs_beyond_the_cut_are_held_out(data):
    """The windows are the night's; a pair that somebody had before is not to be found."""
    split = split_of(data)
    assert isinstance(split, Split)
    validation, end = split.validation, split.validation.listens.end
    first = MARCH_1 - timedelta(days=13)

    assert split.rule == "time"
    assert end == first
    before = data.pairs.before(first).distinct(N_TRACKS)
    known = set(zip(before.users.tolist(), before.tracks.tolist(), strict=True))
    relevant = validation.relevant
    held_out = set(zip(relevant.users.tolist(), relevant.tracks.tolist(), strict=True))
    inside = data.pairs.within(first, first + timedelta(days=7)).distinct(N_TRACKS)
    assert held_out == set(zip(inside.users.tolist(), inside.tracks.tolist(), strict=True)) - known
    view = data.train_view(validation)
    assert int(view.pairs.day.max()) < day_number(first)
    assert len(view.pairs) <= len(data.pairs.before(first))


def test_a_view_before_the_cut_learns_nothing_of_held_out_artists(data):
    validation = split_of(data).validation

    view = data.train_view(validation)

    hidden = validation.hidden_mask
    assert int(validation.unseen_mask.sum()) == 3 * TRACKS_OF_ONE  # a tenth of 32 artists
    assert int(hidden.sum()) == 6 * TRACKS_OF_ONE
    assert not bool((view.is_learned & hidden).any())
    assert not bool(hidden[view.pairs.triggers].any() | hidden[view.pairs.tracks].any())
    assert data.full_view().is_learned.all()


def test_a_recording_of_a_held_out_artist_is_not_learned_under_another_name():
    """A track of each artist is on a compilation as well: its copy is hidden with it."""
    data = music.world()
    hashes = list(data.audio_hashes)
    for artist in range(0, 32, 2):  # the next artist's first track holds this one's recording
        hashes[(artist + 1) * TRACKS_OF_ONE] = hashes[artist * TRACKS_OF_ONE]
    data = replace(data, audio_hashes=hashes)

    part = split_of(data).validation
    learned_mask = data.train_view(part).is_learned

    hidden, learned = (
        {hashes[track] for track in mask.nonzero().squeeze(1).tolist()}
        for mask in (part.unseen_mask, learned_mask)
    )
    assert hidden
    assert not hidden & learned


def test_where_sound_alone_is_compared_the_recordings_vector_counts(folder):
    """Validation cannot tell the orders apart, so none is better; the fused vector was not tried."""
    data = music.world(music.without_pairs())
    split = split_of(data)
    model = HTCLEncoder(recipe_of(folder).model, data.train_view(split.validation))

    found = TASK.calibrate(model, TASK.evaluator(data, split.validation, CPU))

    assert split.validation.by_audio
    assert ORDERS[int(found["order"])][0] == "audio"


def test_a_view_before_the_cut_does_not_read_later_tags(data):
    """u1 heard track 5 within the held-out days and tagged it without a day; u2 tagged it early on."""
    listens = music.listens_on(
        [(0, 0, MARCH_1 - timedelta(days=39)), (1, 5, MARCH_1), (0, 1, MARCH_1)]
    )
    tags = dated_edges([(5, 0, None), (6, 0, None), (7, 0, MARCH_1)])
    events = replace(tags, user=torch.tensor([1, 2, 2]))
    dataset = replace(
        data.dataset,
        listens=listens,
        tagged=edges([(5, 0), (6, 0), (7, 0)]),
        tagger_count=torch.tensor([1, 1, 1]),
        tag_events=events,
    )
    tagged = replace(data, dataset=dataset)

    texts = tagged.train_view(split_of(tagged).validation).texts

    expected = {5: False, 6: True, 7: False}
    assert {track: "slow" in texts[track] for track in expected} == expected
    assert texts[5] == STYLES[style_of(5)]


def test_of_a_track_that_comes_later_nothing_is_known(data):
    available_from = torch.zeros(N_TRACKS, dtype=torch.int64)
    available_from[4] = 10**6
    late = replace(data, dataset=replace(data.dataset, available_from=available_from))

    view = late.train_view(split_of(late).validation)

    assert view.texts[4] == ""
    assert not view.has_audio[4]
    assert not view.is_learned[4]


def test_without_times_artists_are_held_out_and_found_by_sound(folder):
    data = music.world(music.without_pairs())
    split = split_of(data)

    assert isinstance(split, Split)
    assert split.rule == "random"
    validation = split.validation
    assert validation.by_audio
    assert validation.n_queries == int(validation.unseen_mask.sum())
    relevant = validation.relevant
    assert torch.equal(relevant.users // TRACKS_OF_ONE, relevant.tracks // TRACKS_OF_ONE)
    assert len(relevant) == validation.n_queries * (TRACKS_OF_ONE - 1)
    # The embedding tells the style alone, so the others of the artist stand among those of the style.
    cosines = TASK.new_model(load_recipe("audio_text", "centred_cosine"), data.full_view(), {})
    result = TASK.evaluator(data, validation, CPU).evaluate(cosines)
    assert result.values["recall_at_10"] == 1.0  # of 8 other tracks all are listed


def test_a_world_too_small_is_not_split():
    data = music.world(music.without_pairs())

    split = split_of(data, min_held_out_users=1_000)

    assert isinstance(split, Unsplit)
    assert "core_track_pairs: no row" in split.reason
    assert "random split: 9 tracks have something to find (rule: 1000)" in split.reason


def test_a_text_finds_its_recording_among_others():
    """Three tracks; the text of the last is nearer to the first recording, and so is its recording to that text."""
    audio = torch.eye(3)
    text = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0.8, 0, 0.6]])
    has = torch.ones(3, dtype=torch.bool)
    both = EncodedTracks({"audio": audio, "text": text}, {"audio": has, "text": has})

    found = text_recall(both, (1, 2, 3))

    # Texts: ranks 1, 1, 2. Recordings: 1, 1, 1, as of the texts the last is nearest to the last.
    assert found == {1: pytest.approx(5 / 6), 2: 1.0, 3: 1.0}
    assert text_mrr(both) == pytest.approx(5.5 / 6)


def test_equal_vectors_of_all_tracks_find_nothing_by_chance():
    """A model that says the same of everything ranks by position, so one of n is first."""
    same, has = torch.ones(4, 2) / 2**0.5, torch.ones(4, dtype=torch.bool)

    found = text_recall(
        EncodedTracks({"audio": same, "text": same}, {"audio": has, "text": has}), (1,)
    )

    assert found[1] == 0.25


def test_the_evaluator_counts_what_stands_among_the_first_ten(data):
    """Cosines of styles: 24 tracks of the query's style come first, in the order of positions."""
    validation = split_of(data).validation
    relevant = Pairs(torch.tensor([0, 0, 50]), torch.tensor([1, 95, 2]), torch.ones(3))
    cosines = TASK.new_model(load_recipe("audio_text", "centred_cosine"), data.full_view(), {})
    both = torch.ones(N_TRACKS, dtype=torch.bool)

    result = SimilarityEvaluator(replace(validation, relevant=relevant), both).evaluate(cosines)

    # Of track 0, track 1 is the first found and 95 is of another style; 50 is of style 0, too.
    assert style_of(50) == style_of(2) == 0
    assert style_of(95) != 0
    assert result.per_unit.tolist() == [0.5, 1.0]
    assert result.values["recall_at_10"] == 0.75
    assert TEXT_METRIC not in result.values
