"""Users follow users of similar taste, and only while both are registered."""

import numpy as np

from jobs.sources.sample_world.behaviour.users import make_follows


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
