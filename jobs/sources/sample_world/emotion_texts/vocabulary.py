"""Words of the labelled sentences, written for the sample world, with what they do to emotion."""

from __future__ import annotations

from typing import NamedTuple


class Phrase(NamedTuple):
    """A word or a clause, and its valence and arousal, each in [-1, 1]."""

    text: str
    valence: float
    arousal: float


ADJECTIVES = (
    Phrase("delighted", 0.8, 0.5),
    Phrase("thrilled", 0.8, 0.9),
    Phrase("proud", 0.6, 0.3),
    Phrase("cheerful", 0.7, 0.4),
    Phrase("hopeful", 0.5, 0.2),
    Phrase("pleased", 0.5, 0.0),
    Phrase("content", 0.5, -0.4),
    Phrase("relaxed", 0.5, -0.7),
    Phrase("serene", 0.6, -0.8),
    Phrase("sleepy", 0.0, -0.9),
    Phrase("bored", -0.4, -0.7),
    Phrase("tired", -0.3, -0.7),
    Phrase("gloomy", -0.6, -0.4),
    Phrase("lonely", -0.7, -0.3),
    Phrase("sad", -0.7, -0.2),
    Phrase("worried", -0.5, 0.4),
    Phrase("upset", -0.6, 0.4),
    Phrase("afraid", -0.7, 0.7),
    Phrase("angry", -0.7, 0.8),
    Phrase("furious", -0.8, 0.9),
    Phrase("surprised", 0.1, 0.7),
    Phrase("restless", -0.1, 0.6),
)
"""What somebody is or was."""

EVENTS = (
    Phrase("a birthday party", 0.6, 0.5),
    Phrase("a wedding", 0.7, 0.4),
    Phrase("a prize for the whole team", 0.7, 0.6),
    Phrase("a free afternoon", 0.5, -0.5),
    Phrase("a warm bath", 0.4, -0.6),
    Phrase("a long nap", 0.2, -0.8),
    Phrase("a funeral", -0.7, -0.2),
    Phrase("a dull speech", -0.3, -0.6),
    Phrase("a bad cold", -0.5, -0.3),
    Phrase("a power cut", -0.3, 0.2),
    Phrase("a loud quarrel", -0.6, 0.7),
    Phrase("a fire in the kitchen", -0.7, 0.9),
    Phrase("a car crash", -0.8, 0.8),
    Phrase("a sudden storm", -0.2, 0.7),
)
"""What there was."""

MANNERS = (
    Phrase("laughed", 0.6, 0.5),
    Phrase("sang", 0.5, 0.3),
    Phrase("cheered", 0.7, 0.8),
    Phrase("smiled", 0.6, 0.0),
    Phrase("rested", 0.3, -0.7),
    Phrase("yawned", -0.1, -0.7),
    Phrase("sighed", -0.3, -0.3),
    Phrase("wept", -0.7, 0.1),
    Phrase("complained", -0.5, 0.3),
    Phrase("shouted", -0.4, 0.8),
    Phrase("trembled", -0.5, 0.6),
    Phrase("panicked", -0.7, 0.9),
)
"""What somebody did."""

DEGREES = (("", 1.0), ("very ", 1.4), ("truly ", 1.3), ("rather ", 0.7), ("a little ", 0.45))
"""Words before an adjective, and how strong they make it; most adjectives have none."""

NEGATION = -0.5
"""What "not" leaves of valence: not happy is less bad than sad."""

NEGATED_AROUSAL = 0.3
"""What "not" leaves of arousal: not angry is calmer than angry, and not as calm as sleepy."""

AFTER_BUT = 0.7
"""Weight of the clause behind "but"; the clause before it has the rest."""

PEOPLE = (
    "the clerk", "my sister", "the driver", "our neighbour", "the teacher", "a customer",
    "the committee", "his cousin", "the whole class", "the manager", "her uncle", "the visitor",
)  # fmt: skip
ACTIONS = (
    "filed the report", "opened the window", "bought some bread", "counted the boxes",
    "read the first page", "moved the table", "called the office", "wrote down the number",
    "waited for the bus", "closed the account", "checked the list", "took the second road",
)  # fmt: skip
TIMES = (
    "on Monday", "after lunch", "in the morning", "last week", "at the station", "near the bridge",
    "before the meeting", "in the second year", "at nine", "by the river",
)  # fmt: skip
"""Neutral fillers."""
