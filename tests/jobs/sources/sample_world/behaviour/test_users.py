"""Users follow users of similar taste, and only while both are registered."""

from dataclasses import replace

import numpy as np

from jobs.sources.sample_world.behaviour.users import make_follows, make_users
from jobs.sources.sample_world.catalogue import N_STYLES


def test_users_follow_users_of_similar_taste(world, users):
    follows = make_follows(world, users)
    mean_tastes = np.stack([user.mean_taste for user in users])
    units = mean_tastes / np.linalg.norm(mean_tastes, axis=1, keepdims=True)
    cosines = units @ units.T
    followed = [cosines[follow.follower.index, follow.followed.index] for follow in follows]

    assert np.mean(followed) > cosines.mean() + 0.2


def test_no_user_follows_itself_or_an_unregistered_user(world, users):
    for follow in make_follows(world, users):
        assert follow.follower is not follow.followed
        assert follow.from_date >= follow.followed.registered_date
        assert follow.from_date >= follow.follower.registered_date


def test_the_weights_of_genre_and_style_scale_a_taste_and_nothing_else(world, users):
    """Twice the weight of style and none of genre: the same draws, scaled."""
    others = make_users(replace(world, genre_weight=0.0, style_weight=1.1), len(users))
    first = slice(0, world.n_genres)
    style = slice(world.n_genres, world.n_genres + N_STYLES)
    mood = slice(world.n_genres + N_STYLES, None)

    for user, other in zip(users, others, strict=True):
        assert not other.tastes[:, first].any()
        np.testing.assert_allclose(other.tastes[:, style], 2 * user.tastes[:, style])
        np.testing.assert_array_equal(other.tastes[:, mood], user.tastes[:, mood])
