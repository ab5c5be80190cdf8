"""Labelled texts of the sample world: seeded sentences with planted valence and arousal."""
