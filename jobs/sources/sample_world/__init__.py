"""The sample world: a seeded synthetic music service, written as landing files.

Content predicts taste, because a listener's tastes and a track's latent share one space: the
probability of a listen grows with their dot product, and the latent also sets tempo, timbre, words
and colours. Follows predict taste too, because some listens copy what followed listeners finished
the day before. Quality figures measured on this world are synthetic.
"""
