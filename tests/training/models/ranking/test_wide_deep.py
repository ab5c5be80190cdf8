"""Wide & Deep for moods: weights and layers worked out by hand, and moods whose music is known."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from tests.training.datasets import CPU, edges, modality
from tests.training.tasks.mood_worlds import (
    HAPPY,
    MARCH_1,
    SAD,
    mood_data,
    ranking_state,
    two_moods,
)
from training.config import load_recipe
from training.data.content import Vectors
from training.data.mood import MoodData, MoodView
from training.data.mood_batches import MoodBatch
from training.data.nodes import IdList
from training.engine.loop import deterministic, eval_mode, fit_stage
from training.engine.ranges import OutOfRangeError
from training.models.mood_protocol import MoodQueries
from training.models.ranking import mood_network
from training.models.ranking.mood_crosses import (
    FURTHER,
    NEIGHBOUR,
    SAME,
    UNKNOWN,
    MoodCrosses,
    genre_buckets,
    steps_between_cells,
)
from training.models.ranking.wide_deep import WideDeep, WideDeepConfig, lacks_needed

ALL = torch.arange(20)


def queries(users: list[int], *contexts: tuple[float, float], texts: Any = None) -> MoodQueries:
    return MoodQueries(torch.tensor(users), torch.tensor(contexts, dtype=torch.float64), texts)


def model_of(data: MoodData, view: MoodView | None = None, **changes: Any) -> WideDeep:
    config = replace(WideDeepConfig(first_width=16, second_width=8, genre_buckets=50), **changes)
    torch.manual_seed(1)
    return WideDeep(config, view or data.full_view(), ranking_state(data.dataset))


def with_lyrics(data: MoodData, width: int = 5) -> MoodData:
    content = {"lyrics": modality(data.dataset.n_tracks, width, 3)}
    return replace(data, dataset=replace(data.dataset, content=content))


def with_tags(data: MoodData, *tagged: tuple[int, int]) -> MoodData:
    made = edges(sorted(tagged))
    dataset = replace(data.dataset, tagged=made, tagger_count=torch.ones_like(made.source))
    return replace(data, dataset=dataset)


def test_the_wide_part_adds_the_weights_of_the_crosses_that_hold():
    """Listener 1 is sad (cell 2); track 0 is sad and tagged, 1 is happy and far away, 2 has no mood.

    Only the weights that are named differ from 0.
    """
    data = with_tags(mood_data([], [SAD, HAPPY, None], 2), (0, 0))
    wide = MoodCrosses(data.full_view(), 50)
    with torch.no_grad():
        wide.listener_context[1, 2 * 4 + SAME] = 1.0
        wide.listener_context[1, 2 * 4 + FURTHER] = 0.25
        wide.listener_context[1, 2 * 4 + UNKNOWN] = -1.0
        wide.listener_cell[1, 22] = 0.5
        wide.context_cell[2, 2] = 8.0
        wide.context_genre[zlib.crc32(b"2\0t") % 50] = 16.0

        scores = wide(queries([1, 0], SAD, HAPPY), torch.arange(3)[None])

    assert scores[0].tolist() == [1.0 + 8.0 + 16.0, 0.25 + 0.5, -1.0]
    assert scores[1].tolist() == [0.0, 0.0, 0.0]


def test_two_tags_count_as_their_mean():
    """A track with tags x and y, of weights 1 and 3 in a mood: 2."""
    data = mood_data([], [SAD], 1)
    nodes = replace(data.dataset.nodes, tags=IdList.of("tag", ["x", "y"]))
    vectors = Vectors("", torch.zeros(2, 0), torch.zeros(2) > 0)
    data = replace(data, dataset=replace(data.dataset, nodes=nodes, tag_vectors=vectors))
    wide = MoodCrosses(with_tags(data, (0, 0), (0, 1)).full_view(), 1_000)
    with torch.no_grad():
        wide.context_genre[zlib.crc32(b"2\0x") % 1_000] = 1.0
        wide.context_genre[zlib.crc32(b"2\0y") % 1_000] = 3.0

        assert wide(queries([0], SAD), torch.tensor([[0]])).item() == pytest.approx(2.0)


def test_buckets_depend_on_the_names_alone():
    """The bucket of a genre and a cell is the same whatever other genres there are."""
    assert torch.equal(genre_buckets(["rock"], 97), genre_buckets(["pop", "rock"], 97)[1:])
    assert genre_buckets([], 97).shape == (0, 25)


def test_steps_from_the_saddest_calmest_cell():
    """From cell 0: itself, 1 and 5 and 6 touch it, 2 and 24 do not; a track without a mood is unknown."""
    steps = steps_between_cells()[0]

    assert steps[[0, 1, 5, 6, 2, 24, 25]].tolist() == [
        SAME, NEIGHBOUR, NEIGHBOUR, NEIGHBOUR, FURTHER, FURTHER, UNKNOWN,
    ]  # fmt: skip


def test_the_sum_of_parts_is_the_network_over_all_inputs_at_once():
    """The first layer by its parts equals one layer over the joined inputs of each pair."""
    data = with_lyrics(two_moods())
    model = model_of(data, parts="deep")
    asked = queries([3, 5], (0.3, 0.6), HAPPY)

    with eval_mode(model):
        found = model.score(asked, ALL)
        expected = torch.tensor(
            [[plain_score(model, data, asked, row, int(track)) for track in ALL] for row in (0, 1)]
        )

    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert found.std() > 0


def plain_score(model: WideDeep, data: MoodData, asked: MoodQueries, row: int, track: int) -> float:
    """The score of one pair, from vectors, numbers and weights that are joined."""
    deep, view = model.deep, data.full_view()
    assert deep is not None
    user = deep.user_vectors[asked.users[row]]
    vector = deep.track_vectors[track]
    context, position = asked.contexts[row].float(), view.moods.positions[track].float()
    cell = int(5 * context[0]) * 5 + int(5 * context[1])
    has_text = float(view.texts.has[cell])
    listeners = view.ranking.graph.listener_count()
    popularity = torch.log1p(listeners[track]) / torch.log1p(listeners).max()
    apart = (context - position).abs()
    inputs = torch.cat([
        user, 2 * context - 1, torch.tensor([has_text]), view.texts.embedding[cell] * has_text,
        vector, 2 * position - 1, torch.tensor([1.0]), popularity[None],
        apart, apart.square().sum().sqrt()[None], (user @ vector)[None],
    ])  # fmt: skip
    layers = (deep.user, deep.mood, deep.text, deep.track, deep.pair)
    weights = torch.cat([layer.weight for layer in layers if layer is not None], dim=1)
    first = functional.relu(weights @ inputs + deep.user.bias)
    second = functional.relu(deep.hidden(first))
    return float(deep.output(second) + deep.scale * (user @ vector))


def test_scores_in_pieces_are_those_at_once(monkeypatch):
    """Pieces of one query each; and some tracks are scored as among all."""
    model = model_of(with_lyrics(two_moods()))
    asked = queries([3, 5, 0], (0.3, 0.6), HAPPY, SAD)
    some = torch.tensor([4, 7, 19])

    with eval_mode(model):
        whole = model.score(asked, ALL)
        monkeypatch.setattr(mood_network, "_CHUNK", 1)
        pieces, of_some = model.score(asked, ALL), model.score(asked, some)

    assert pieces.numpy() == pytest.approx(whole.numpy(), abs=1e-6)
    assert of_some.numpy() == pytest.approx(whole[:, some].numpy(), abs=1e-6)


def test_a_fit_learns_from_the_scores_that_lists_are_made_of():
    """Scores with gradients, of common tracks and of each query's own, equal those without."""
    model = model_of(with_lyrics(two_moods()))
    asked = queries([3, 5, 3], (0.3, 0.6), HAPPY, (0.3, 0.6))
    texts, has_text = model._texts(asked)

    learned = [
        model._logits(asked, tracks, texts, has_text).detach().numpy()
        for tracks in (ALL[None], ALL.expand(3, 20))
    ]
    with eval_mode(model):
        scored = model.score(asked, ALL).numpy()

    assert learned[0] == pytest.approx(scored, abs=1e-5)
    assert learned[1] == pytest.approx(scored, abs=1e-5)


def batch_of(negatives: list[int], log_expected: list[float]) -> MoodBatch:
    """One listen of track 0, in a sad mood."""
    return MoodBatch(
        users=torch.tensor([0]),
        contexts=torch.tensor([SAD], dtype=torch.float64),
        positives=torch.tensor([0]),
        has_text=torch.tensor([True]),
        negatives=torch.tensor(negatives),
        log_expected=torch.tensor(log_expected),
    )


def test_an_untrained_wide_part_finds_all_tracks_equally_likely():
    """The track among three negatives, of which one is the track itself: ln 3."""
    model = model_of(two_moods(), parts="wide")

    loss = model.training_loss(batch_of([0, 4, 9], [0.0, 0.0, 0.0]))

    assert {name: float(value.detach()) for name, value in loss.items()} == {
        "moods": pytest.approx(math.log(3))
    }


def test_a_negative_stands_for_the_tracks_that_the_draw_left_out():
    """Two negatives that were expected half a time each stand for four tracks: ln 5."""
    model = model_of(two_moods(), parts="wide")

    loss = model.training_loss(batch_of([4, 9], [math.log(0.5)] * 2))

    assert float(loss["moods"].detach()) == pytest.approx(math.log(5))


def fitted(data: MoodData, n_epochs: int = 12, **changes: Any) -> WideDeep:
    recipe = load_recipe("mood", "wide_deep")
    recipe = replace(recipe, batching=replace(recipe.batching, batch_listens=32))
    with deterministic(seed=3, n_threads=1):
        model = model_of(data, wide_l1=1e-4, **changes)
        [stage] = model.stages(recipe, torch.Generator().manual_seed(3), CPU)
        fit_stage(stage, n_epochs=n_epochs)
    return model


@pytest.mark.parametrize("parts", ["both", "wide", "deep"])
def test_it_learns_what_music_belongs_to_a_mood(parts):
    """Sad listeners play tracks 0 to 9, happy ones 10 to 19: so does each list, for each listener."""
    model = fitted(two_moods(), parts=parts)

    with eval_mode(model):
        sad, happy = (
            model.score(queries([4, 7], mood, mood), ALL).topk(5, dim=1).indices
            for mood in (SAD, HAPPY)
        )

    assert (sad < 10).all()
    assert (happy >= 10).all()


def test_the_wide_part_remembers_who_leaves_the_mood():
    """Listener 0 plays happy tracks in sad sessions, and the others sad ones.

    All play as many of both, so only the cross of listener, mood and distance can tell.
    """
    rows = []
    for day in range(20):
        for user in range(6):
            for track, mood in ((day % 2, SAD), (2 + day % 2, HAPPY)):
                other = (track + 2) % 4 if user == 0 else track
                rows.append((user, other, MARCH_1, mood))
    data = mood_data(sorted(set(rows)) * 20, [SAD, SAD, HAPPY, HAPPY], 6)
    model = fitted(data, n_epochs=30, parts="wide")

    with eval_mode(model):
        scores = model.score(queries([0, 3], SAD, SAD), torch.arange(4))

    assert scores[0, 2:].min() > scores[0, :2].max()
    assert scores[1, :2].min() > scores[1, 2:].max()


def test_listeners_without_a_listen_have_weights_of_zero():
    """L1 and one row for each listener: whom no listen speaks for has no weight."""
    data = two_moods()
    silent = mood_data([], [SAD] * 20, 13).dataset.nodes
    data = replace(data, dataset=replace(data.dataset, nodes=silent))
    model = fitted(data, n_epochs=2)
    state = model.state_dict()

    assert model.node_tables == {"wide.listener_context": "user", "wide.listener_cell": "user"}
    for name in model.node_tables:
        assert not state[name][12].any()
        assert state[name][:12].any()


def test_what_was_said_changes_the_scores_and_needs_not_be_there():
    """A sentence's vector takes the place of the cell's; without lyrics there is none."""
    model = model_of(with_lyrics(two_moods()))
    silent = model_of(replace(two_moods(), dataset=replace(two_moods().dataset, content={})))

    with eval_mode(model), eval_mode(silent):
        own = model.score(queries([3], SAD), ALL)
        said = model.score(queries([3], SAD, texts=torch.ones(1, 5)), ALL)
        without = silent.score(queries([3], SAD), ALL)

    assert not torch.allclose(own, said)
    assert without.isfinite().all()


def test_a_model_that_lacks_the_head_says_so():
    state = ranking_state(two_moods().dataset)

    assert lacks_needed(WideDeepConfig(), state) == ""
    assert lacks_needed(WideDeepConfig(head="audio"), state) == (
        "mm_gnn has no head 'audio' with vectors; it has collaborative"
    )
    assert lacks_needed(WideDeepConfig(head="audio", parts="wide"), state) == ""


def test_unknown_parts_are_refused():
    with pytest.raises(OutOfRangeError, match="parts = 'broad'"):
        WideDeepConfig(parts="broad")
