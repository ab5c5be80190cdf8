"""Feedback follows affinity."""

import numpy as np

from jobs.sources.sample_world.behaviour.reactions import make_reactions


def test_likes_need_high_affinity_and_hides_low_affinity(world, days):
    feedback = [
        event
        for day, listens in zip(world.days, days, strict=True)
        for event in make_reactions(world, listens, day).feedback
    ]
    affinities = {
        action: np.mean(
            [
                (event.user.tastes @ event.track.latent(world.n_genres)).max()
                for event in feedback
                if event.action == action
            ]
        )
        for action in ("like", "hide")
    }
    assert affinities["like"] > 4
    assert affinities["hide"] < 1.5
