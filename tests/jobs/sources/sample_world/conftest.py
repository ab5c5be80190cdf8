"""One sample world without files: its tracks, users and 30 days of listens."""

import numpy as np
import pytest

from jobs.sources.sample_world.behaviour.listening import listens_by_day
from jobs.sources.sample_world.behaviour.users import make_follows, make_users
from jobs.sources.sample_world.catalogue import make_artists, make_tracks
from jobs.sources.sample_world.options import SampleWorld


@pytest.fixture(scope="session")
def world():
    return SampleWorld(n_days=30, n_tracks_at_start=140, n_users_at_start=90)


@pytest.fixture(scope="session")
def tracks(world):
    return make_tracks(world, make_artists(world), world.n_tracks)


@pytest.fixture(scope="session")
def users(world):
    return make_users(world, world.n_users_by(world.n_days - 1))


@pytest.fixture(scope="session")
def days(world, tracks, users):
    """The listens of each day."""
    return list(listens_by_day(world, tracks, users, make_follows(world, users), world.days))


@pytest.fixture(scope="session")
def track_cosines(world, tracks):
    """Cosine of the latents of each pair of tracks, shape (n_tracks, n_tracks)."""
    latents = np.stack([track.latent(world.n_genres) for track in tracks])
    units = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    return units @ units.T
