"""The benchmark of audio emotion: fits whose answer is known, and figures of given worlds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.audio_emotion import (
    CALM,
    CLIPS,
    ESTIMATES,
    HAND_SET,
    HEADER,
    LIVELY,
    WEIGHT_HEADER,
    fitted_weights,
    flat_figures,
    livelier_told,
    measure,
    table_rows,
    weight_rows,
    weighted,
)
from tests.benchmarks.support.audio_emotion.cue_fits import (
    Heard,
    Ridge,
    descriptors_of,
    fit_weights,
    joined,
    ranked,
    spearman,
)

N_TRACKS = 60
GENRES = ("folk", "metal", "pop")


def world(seed, n=N_TRACKS):
    """Arousal is what excites; valence is the genre, which no cue tells; lyrics tell valence."""
    rng = np.random.default_rng(seed)
    genres = np.array([GENRES[row % len(GENRES)] for row in range(n)])
    cues = {name: rng.uniform(-1, 1, n) for name in ("loud", "fast", "dense", "exciting", "happy")}
    valence = np.select([genres == "folk", genres == "metal"], [0.0, -0.8], 0.8)
    return Heard(
        cues=cues,
        descriptors=np.column_stack([*cues.values(), genres == "metal", genres == "pop"]),
        moods={"valence": valence + rng.normal(0, 0.05, n), "arousal": cues["exciting"]},
        lyrics={"valence": np.where(np.arange(n) % 4, valence, np.nan), "arousal": np.full(n, 0.5)},
        genres=genres,
        artists=np.array([f"artist-{row % 10}" for row in range(n)]),
    )


@pytest.fixture(scope="module")
def worlds():
    return {
        clips: [world(seed) for seed in seeds]
        for clips, seeds in zip(CLIPS, ((1, 2), (3, 4)), strict=True)
    }


def test_weights_are_shares_of_the_cues_that_explain():
    """Mood is .6 of one cue and .2 of another; a third works against it, and gets no weight below 0."""
    rng = np.random.default_rng(5)
    one, two, against = rng.uniform(-1, 1, (3, 20_000))

    weights = fit_weights([one, two, against], 0.6 * one + 0.2 * two - 0.4 * against, [1 / 3] * 3)

    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] > 2 * weights[1] > 0
    assert weights[2] == 0


def test_a_ridge_finds_the_line():
    rng = np.random.default_rng(6)
    descriptors = rng.normal(size=(500, 3))

    ridge = Ridge.fit(descriptors, 2 + descriptors[:, 0])

    # Standardised, so the slope is 1 / (1 + RIDGE) of the true one.
    estimate = ridge.predict(np.array([[1.0, 0.0, 0.0]]))
    assert estimate[0] == pytest.approx(2 + 1 / 1.1, abs=0.02)


def test_ranks_are_judged_over_all_tracks_and_within_genres():
    """Estimates follow the genre and go backwards within it: .5 apart, and an error of .5 each."""
    two = world(1, 4)
    mood = np.array([0.0, 0.1, 1.0, 1.1])
    given = Heard(
        {}, two.descriptors, {"valence": mood}, {}, np.array(["a", "a", "b", "b"]), two.artists
    )

    found = ranked(np.array([0.6, 0.5, 1.6, 1.5]), given, "valence")

    assert found.within_genre == pytest.approx(-1.0)
    assert found.spearman == pytest.approx(0.6)  # 1 - 6 x 4 / (4 x 15)
    assert found.rmse == pytest.approx(np.sqrt((0.6**2 + 0.4**2) / 2))
    assert spearman(np.zeros(4), mood) == 0.0


def test_a_fit_tells_worlds_that_it_has_not_seen_but_not_genres(worlds):
    """Arousal follows one cue everywhere. Valence is the genre: a ridge knows it from other worlds alone."""
    found = measure(worlds)

    def mean(dimension, name):
        return np.mean([one.spearman for clips in CLIPS for one in found[dimension, name, clips]])

    assert mean("arousal", "cues_genre_out") > 0.95 > mean("arousal", "hand_set")
    assert mean("valence", "ridge_world_out") > 0.8
    assert mean("valence", "ridge_genre_out") < 0.5
    assert mean("valence", "own_lyrics") > 0.8
    assert mean("valence", "zero") == 0.0
    rows = table_rows(found)
    assert len(rows) == len(HAND_SET) * len(ESTIMATES)
    assert {len(row) for row in rows} == {len(HEADER)}
    flat = flat_figures(found, worlds)
    assert flat["arousal.mastered.worlds_where_cues_genre_out_is_better"] == 2
    assert flat["valence.synthesised.lyrics_with_planted_spearman"] > 0.8
    assert flat["arousal.synthesised.lyrics_with_planted_spearman"] == 0.0


def test_the_fitted_weights_are_those_that_made_the_moods(worlds):
    weights = fitted_weights(joined(worlds["mastered"]), "arousal")

    assert max(weights, key=lambda name: weights[name]) == "exciting"
    assert weights["exciting"] > 0.7


def test_pairs_of_recordings_are_told_by_the_livelier():
    """Three lively and three calm ones; the waltz is taken for the liveliest of all: 6 of 9."""
    arousal = {f"{name}.ogg": 0.5 for name in LIVELY} | {f"{name}.ogg": 0.1 for name in CALM}
    arousal[f"{CALM[0]}.ogg"] = 0.9

    assert livelier_told(arousal) == (6, 9)
    with pytest.raises(
        ValueError, match=r"no recording is called Hungarian_Dance\*; give --recordings"
    ):
        livelier_told({"other.ogg": 1.0})


def test_the_table_of_weights_says_which_recordings_are_told():
    nothing = np.zeros(1)
    names = np.array([""])
    recordings = {
        f"{name}.ogg": Heard({"exciting": np.array([value])}, nothing, {}, {}, names, names)
        for group, value in ((LIVELY, 1.0), (CALM, -1.0))
        for name in group
    }

    [(row, flat)] = weight_rows({"arousal": {"rule": {"exciting": 1.0}}}, recordings)

    assert dict(zip(WEIGHT_HEADER, row, strict=True)) == {
        "dimension": "arousal", "weights": "rule", "loud": "–", "fast": "–", "dense": "–",
        "exciting": "1.00", "happy": "–", "livelier told": "9 of 9",
    }  # fmt: skip
    assert flat == {
        "arousal.rule.weight_exciting": 1.0,
        "rule.livelier_told": 9,
        "livelier_pairs": 9,
    }
    assert weighted(recordings[f"{CALM[0]}.ogg"], {"exciting": 0.5}).tolist() == [-0.5]


def test_descriptors_take_nulls_as_nothing():
    rows = pl.DataFrame(
        {
            "key_mode": ["minor", None], "key_confidence": [0.2, None], "spectral_centroid_hz": [1023.0, 0.0],
            "beat_strength_ratio": [0.5, None], "loudness_range_lu": [3.0, None], "silence_ratio": [0.0, 1.0],
            "tag_probabilities": [[0.0] * 50, None],
        }
    )  # fmt: skip

    found = descriptors_of(rows, {"loud": np.array([0.5, -1.0])})

    assert found[:, :6].tolist() == [
        [0.5, -0.2, 10.0, 0.5, 3.0, 0.0],
        [-1.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    ]
    assert found[:, 6:] == pytest.approx(np.full((2, 50), np.log(1e-3)))
