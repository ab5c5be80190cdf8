"""Genres of the sample world: sound, cover palette and shapes, and lyric subjects."""

from __future__ import annotations

from dataclasses import dataclass

_MINOR = (0, 2, 3, 5, 7, 8, 10)
_DORIAN = (0, 2, 3, 5, 7, 9, 10)
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MIXOLYDIAN = (0, 2, 4, 5, 7, 9, 10)
_MAJOR_PENTATONIC = (0, 2, 4, 7, 9)
_MINOR_PENTATONIC = (0, 3, 5, 7, 10)


@dataclass(frozen=True, slots=True)
class Genre:
    """One genre.

    Attributes:
        tempo_bpm: of a track with arousal 0.
        bright_scale, dark_scale: semitones above the root, for happy and for sad tracks.
        harmonics: amplitudes of the lead voice's partials, the fundamental first.
        attack_s: time until a note reaches its full level.
        decay_s: time constant of a note's fade; long for pads, short for plucked sounds.
        kick, snare, hat: sixteen steps of a bar, "x" for a hit.
        drum_level: 0 for no drums, 1 for drums as loud as everything else.
        palette: background top, background bottom, two colours of shapes (RGB).
        shape: key of the shapes that content/covers.py draws.
        nouns, places: subjects of the lyrics.
    """

    name: str
    tempo_bpm: float
    bright_scale: tuple[int, ...]
    dark_scale: tuple[int, ...]
    harmonics: tuple[float, ...]
    attack_s: float
    decay_s: float
    kick: str
    snare: str
    hat: str
    drum_level: float
    palette: tuple[tuple[int, int, int], ...]
    shape: str
    nouns: tuple[str, ...]
    places: tuple[str, ...]


GENRES: tuple[Genre, ...] = (
    Genre(
        name="ambient",
        tempo_bpm=66,
        bright_scale=_MAJOR_PENTATONIC,
        dark_scale=_DORIAN,
        harmonics=(1.0, 0.25, 0.08),
        attack_s=0.5,
        decay_s=4.0,
        kick="................",
        snare="................",
        hat="................",
        drum_level=0.0,
        palette=((18, 42, 66), (120, 176, 190), (226, 240, 235), (66, 120, 150)),
        shape="rings",
        nouns=("mist", "tide", "moonlight", "horizon", "breath", "glacier"),
        places=("over the water", "beyond the cloud", "under the stars", "along the shore"),
    ),
    Genre(
        name="folk",
        tempo_bpm=94,
        bright_scale=_MAJOR,
        dark_scale=_DORIAN,
        harmonics=(1.0, 0.7, 0.45, 0.3, 0.18, 0.1),
        attack_s=0.004,
        decay_s=0.6,
        kick="x.......x.......",
        snare="................",
        hat="....x.......x...",
        drum_level=0.2,
        palette=((196, 150, 92), (92, 104, 58), (240, 224, 188), (120, 70, 40)),
        shape="hills",
        nouns=("river", "orchard", "lantern", "harvest", "fiddle", "meadow"),
        places=("down the valley", "by the old mill", "across the field", "on the hill"),
    ),
    Genre(
        name="jazz",
        tempo_bpm=118,
        bright_scale=_MIXOLYDIAN,
        dark_scale=_DORIAN,
        harmonics=(1.0, 0.35, 0.5, 0.12, 0.2),
        attack_s=0.02,
        decay_s=0.8,
        kick="x.........x.....",
        snare="......x.......x.",
        hat="x..xx.x.x..xx.x.",
        drum_level=0.35,
        palette=((36, 28, 64), (150, 62, 70), (238, 186, 84), (88, 120, 176)),
        shape="arcs",
        nouns=("saxophone", "whiskey", "midnight", "streetlamp", "velvet", "smoke"),
        places=("in the corner bar", "down the avenue", "after closing time", "by the piano"),
    ),
    Genre(
        name="metal",
        tempo_bpm=152,
        bright_scale=_MIXOLYDIAN,
        dark_scale=_MINOR,
        harmonics=(1.0, 0.95, 0.9, 0.8, 0.7, 0.65, 0.55, 0.5, 0.4, 0.35),
        attack_s=0.002,
        decay_s=1.2,
        kick="x.x.x.xxx.x.x.xx",
        snare="....x.......x...",
        hat="x.x.x.x.x.x.x.x.",
        drum_level=0.8,
        palette=((12, 10, 14), (84, 14, 18), (214, 60, 36), (150, 150, 156)),
        shape="shards",
        nouns=("iron", "thunder", "wolves", "blade", "ashes", "throne"),
        places=("in the burning keep", "beneath the mountain", "at the gates", "through the storm"),
    ),
    Genre(
        name="techno",
        tempo_bpm=130,
        bright_scale=_DORIAN,
        dark_scale=_MINOR_PENTATONIC,
        harmonics=(1.0, 0.0, 0.6, 0.0, 0.45, 0.0, 0.3, 0.0, 0.2),
        attack_s=0.003,
        decay_s=0.25,
        kick="x...x...x...x...",
        snare="....x.......x..x",
        hat="..x...x...x...x.",
        drum_level=0.9,
        palette=((8, 12, 40), (60, 10, 96), (20, 230, 200), (250, 60, 160)),
        shape="grid",
        nouns=("machine", "signal", "neon", "circuit", "laser", "satellite"),
        places=("on the dance floor", "inside the warehouse", "down the wire", "under the strobe"),
    ),
    Genre(
        name="hip hop",
        tempo_bpm=88,
        bright_scale=_MAJOR_PENTATONIC,
        dark_scale=_MINOR_PENTATONIC,
        harmonics=(1.0, 0.5, 0.15, 0.05),
        attack_s=0.006,
        decay_s=0.35,
        kick="x..x..x...x.....",
        snare="....x.......x...",
        hat="x.x.x.xxx.x.x.xx",
        drum_level=1.0,
        palette=((240, 178, 50), (200, 72, 40), (30, 30, 36), (250, 240, 220)),
        shape="blocks",
        nouns=("block", "rhyme", "sneakers", "hustle", "corner", "microphone"),
        places=("around the block", "on the corner", "in the back seat", "up on the roof"),
    ),
    Genre(
        name="pop",
        tempo_bpm=112,
        bright_scale=_MAJOR,
        dark_scale=_MINOR,
        harmonics=(1.0, 0.55, 0.3, 0.2, 0.12),
        attack_s=0.01,
        decay_s=0.5,
        kick="x.....x.x.......",
        snare="....x.......x...",
        hat="x.x.x.x.x.x.x.x.",
        drum_level=0.6,
        palette=((255, 140, 170), (130, 110, 240), (255, 236, 120), (255, 255, 255)),
        shape="bubbles",
        nouns=("summer", "telephone", "heartbeat", "lipstick", "weekend", "radio"),
        places=("on the radio", "at the party", "in your bedroom", "all night long"),
    ),
    Genre(
        name="reggae",
        tempo_bpm=76,
        bright_scale=_MAJOR,
        dark_scale=_MINOR,
        harmonics=(1.0, 0.4, 0.1, 0.25),
        attack_s=0.008,
        decay_s=0.18,
        kick="........x.......",
        snare="........x.....x.",
        hat="..x...x...x...x.",
        drum_level=0.55,
        palette=((24, 110, 60), (236, 190, 50), (200, 50, 40), (20, 40, 30)),
        shape="waves",
        nouns=("island", "palm", "sunrise", "captain", "mango", "rebel"),
        places=("by the harbour", "in the village", "under the palm tree", "over the sea"),
    ),
)
