"""Each key has a generator of its own."""

from jobs.sources.sample_world.rng import generator


def test_every_key_has_a_generator_of_its_own():
    """A key and the same key with a zero after it draw different numbers."""
    draws = {generator(1, *key).random() for key in (("track",), ("track", 0), ("track", 1))}
    assert len(draws) == 3
    assert generator(1, "track", 1).random() == generator(1, "track", 1).random()
