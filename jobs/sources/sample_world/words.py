"""Vocabulary of lyrics and titles by mood; nouns and places come from the genre."""

from __future__ import annotations

MOODS = ("happy", "angry", "sad", "calm")

ADJECTIVES = {
    "happy": ("happy", "bright", "lovely", "golden", "sweet", "brave", "laughing", "wonderful"),
    "angry": ("hateful", "furious", "broken", "bitter", "savage", "cruel", "burning", "rotten"),
    "sad": ("lonely", "empty", "weary", "lost", "crying", "cold", "mournful", "faded"),
    "calm": ("gentle", "quiet", "peaceful", "slow", "tender", "easy", "soft", "silver"),
}

FEELINGS = {
    "happy": ("joy", "love", "laughter", "delight", "hope", "glory", "sunshine"),
    "angry": ("rage", "hate", "war", "fury", "revenge", "poison", "fight"),
    "sad": ("sorrow", "tears", "grief", "pain", "goodbye", "regret", "misery"),
    "calm": ("peace", "rest", "calm", "comfort", "sleep", "silence", "grace"),
}

LINES = {
    "happy": (
        "We dance with {adjective} {noun} {place}",
        "I love the way the {noun} smiles {place}",
        "Oh {feeling}, you win my heart again",
        "Every {adjective} {noun} is a friend of mine",
        "Sing with me, {feeling} is all we need",
    ),
    "angry": (
        "I hate the {adjective} {noun} {place}",
        "You lied and the {noun} will burn {place}",
        "No mercy, only {feeling} tonight",
        "Tear down the {adjective} {noun}, let it die",
        "They feed us {feeling} and we fight",
    ),
    "sad": (
        "I cry for the {adjective} {noun} {place}",
        "You left me with {feeling} and the {noun}",
        "All that is gone is {adjective} {place}",
        "I miss you like the {noun} I lost",
        "Alone with {feeling}, I fail again",
    ),
    "calm": (
        "Rest with the {adjective} {noun} {place}",
        "The {noun} is resting, {feeling} is near",
        "Softly the {noun} drifts {place}",
        "Breathe in the {feeling}, let it go",
        "A {adjective} {noun} keeps us safe and warm",
    ),
}


def mood_of(valence: float, arousal: float) -> str:
    """The word of MOODS for a quadrant of the valence-arousal plane."""
    if valence >= 0:
        return "happy" if arousal >= 0 else "calm"
    return "angry" if arousal >= 0 else "sad"
