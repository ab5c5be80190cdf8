"""Listens follow taste, and content predicts them."""

from datetime import timedelta

import numpy as np


def test_listeners_mostly_finish_tracks_of_their_tastes_genres(world, days):
    """A taste's own genre has its largest genre weight; random listens would give about 1.8 of 8."""
    finished = [listen for listens in days for listen in listens if listen.is_finished]
    is_own_genre = [
        listen.track.artist.genre_index in listen.user.tastes[:, : world.n_genres].argmax(axis=1)
        for listen in finished
    ]
    assert np.mean(is_own_genre) > 0.6


def test_content_predicts_listens_better_than_popularity(tracks, users, days, track_cosines):
    """Over the last five days, for tracks new to a listener: recall@10 is at least twice as high."""
    counts = np.zeros((len(users), len(tracks)))
    for listens in days[:25]:
        for listen in listens:
            counts[listen.user.index, listen.track.position] += listen.is_finished
    relevant: dict[int, set[int]] = {}
    for listens in days[25:]:
        for listen in listens:
            user, track = listen.user.index, listen.track.position
            if listen.is_finished and not counts[user, track]:
                relevant.setdefault(user, set()).add(track)

    popularity = np.tile((counts > 0).sum(axis=0, dtype=float), (len(users), 1))
    content = np.log1p(counts) @ np.exp(4 * track_cosines)
    assert _recall_at_10(content, counts, relevant) > 2 * _recall_at_10(
        popularity, counts, relevant
    )


def _recall_at_10(scores: np.ndarray, counts: np.ndarray, relevant: dict[int, set[int]]) -> float:
    new_only = np.where(counts > 0, -np.inf, scores)
    top = np.argsort(-new_only, axis=1, kind="stable")[:, :10]
    return float(
        np.mean([len(tracks & set(top[user])) / len(tracks) for user, tracks in relevant.items()])
    )


def test_listening_has_repeats_skips_and_radio(days):
    """The ratios of the model of listening, with room for random variation."""
    listens = [listen for day in days for listen in day]
    pairs = {(listen.user.index, listen.track.position) for listen in listens}

    assert 1.8 < len(listens) / len(pairs) < 6
    assert 0.1 < np.mean([not listen.is_finished for listen in listens]) < 0.4
    assert 0.06 < np.mean([not listen.is_organic for listen in listens]) < 0.14
    assert all(
        listen.played_ms < 0.4 * listen.track.duration_ms
        for listen in listens
        if not listen.is_finished
    )


def test_no_listen_runs_past_midnight(world, days):
    """A listen starts and ends on the day on which it lands."""
    for day, listens in zip(world.days, days, strict=True):
        for listen in listens:
            ends = listen.listened_at_utc + timedelta(milliseconds=listen.played_ms)
            assert listen.listened_at_utc.date() == ends.date() == day


def test_listens_per_user_and_day_follow_the_option(world, days):
    """Four a day for each of the 90 users at the start, a little less as not all users listen."""
    per_user_day = sum(map(len, days)) / (90 * world.n_days)
    assert 3 < per_user_day < 5
