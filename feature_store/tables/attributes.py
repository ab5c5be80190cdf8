"""The 58 musical attributes of MGPHot, declared once: name, group, meaning.

MGPHot ("MGPHot: A Dataset of Musicological Annotations for Popular Music (1958-2022)", TISMIR 2025,
doi:10.5334/tismir.236) has musicologists rate each of them from 0 to 5; E4SRec with music content
(arXiv:2606.00125) asks a language model for the same ratings and divides them by 5. Names and
groups are theirs, the meanings are our words.
"""

from __future__ import annotations

from dataclasses import dataclass

from feature_store.contract import Column, Kind, Within

MAX_RATING = 5
"""The highest rating of the sources; a column holds rating / MAX_RATING."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a track.

    Attributes:
        name: within its group.
        group: part of the music that it is about; the first word of the column.
        meaning: what is rated, from the lowest rating to the highest.
    """

    name: str
    group: str
    meaning: str

    @property
    def column_name(self) -> str:
        """Group and name: two groups may use one word, such as lyrics."""
        return f"{self.group}_{self.name}"

    @property
    def column(self) -> Column:
        """The attribute in a table."""
        return Column(self.column_name, Kind.FLOAT, self.meaning, "0..1", is_nullable=True)


ATTRIBUTES = (
    Attribute("register", "vocals", "Pitch of the lead voice, from low to high."),
    Attribute("timbre_fullness", "vocals", "Sound of the lead voice, from thin to full."),
    Attribute("breathiness", "vocals", "Breath in the lead voice, from none to much."),
    Attribute("smoothness", "vocals", "Evenness of the lead voice, from rough to smooth."),
    Attribute("grittiness", "vocals", "Rasp in the lead voice, from none to much."),
    Attribute("nasality", "vocals", "Nasal sound of the lead voice, from none to much."),
    Attribute("accompaniment", "vocals", "Other voices behind the lead, from none to many."),
    Attribute("major_key", "harmony", "Key, from minor to major; the middle where it is mixed."),
    Attribute("sophistication", "harmony", "Chords and changes, from plain to intricate."),
    Attribute("tempo", "rhythm", "Perceived tempo, from slow to fast."),
    Attribute("cut_time_feel", "rhythm", "Feel of two beats a bar, from none to strong."),
    Attribute("triple_meter", "rhythm", "Bars of three beats, from none to all."),
    Attribute("compound_meter", "rhythm", "Beats that divide in three, such as 6/8: none to all."),
    Attribute("odd_meter", "rhythm", "Bars of five, seven or changing beats, from none to all."),
    Attribute("swing_feel", "rhythm", "Swung notes as in jazz, from none to strong."),
    Attribute("shuffle_feel", "rhythm", "Shuffled notes as in blues, from none to strong."),
    Attribute("syncopation", "rhythm", "Accents off the beat, from none to many."),
    Attribute("backbeat", "rhythm", "Accents on beats two and four, from none to strong."),
    Attribute("danceability", "rhythm", "How well one can dance to it, from not to very well."),
    Attribute("drum_set", "instruments", "Prominence of a drum set, from absent to leading."),
    Attribute("drum_aggressiveness", "instruments", "Force of the drums, from none to violent."),
    Attribute("synthetic_drums", "instruments", "Prominence of drum machines, absent to leading."),
    Attribute("percussion", "instruments", "Prominence of other percussion, absent to leading."),
    Attribute("electric_guitar", "instruments", "Prominence of electric guitar, none to leading."),
    Attribute(
        "electric_guitar_distortion",
        "instruments",
        "Distortion of the guitars, from none to heavy.",
    ),
    Attribute("acoustic_guitar", "instruments", "Prominence of acoustic guitar, none to leading."),
    Attribute("string_ensemble", "instruments", "Prominence of bowed strings, absent to leading."),
    Attribute("horn_ensemble", "instruments", "Prominence of brass sections, absent to leading."),
    Attribute("piano", "instruments", "Prominence of acoustic piano, from absent to leading."),
    Attribute("organ", "instruments", "Prominence of organ, from absent to leading."),
    Attribute("rhodes", "instruments", "Prominence of electric piano, from absent to leading."),
    Attribute("synthesizer", "instruments", "Prominence of synthesizers, from absent to leading."),
    Attribute("synth_timbre", "instruments", "Sound of the synthesizers, from soft to harsh."),
    Attribute("bass_guitar", "instruments", "Prominence of bass guitar, from absent to leading."),
    Attribute("reed", "instruments", "Prominence of saxophones and other reeds, none to leading."),
    Attribute("angry", "lyrics", "Anger in the words, from none to all through."),
    Attribute("sad", "lyrics", "Sadness in the words, from none to all through."),
    Attribute("happy", "lyrics", "Happiness or joy in the words, from none to all through."),
    Attribute("humorous", "lyrics", "Humour in the words, from none to all through."),
    Attribute("love", "lyrics", "Love or romance in the words, from none to all through."),
    Attribute("political", "lyrics", "Social or political matters in the words, none to all."),
    Attribute("abstract", "lyrics", "Words that tell no plain story, from none to all."),
    Attribute("explicit", "lyrics", "Sexual, violent or vulgar words, from none to many."),
    Attribute("live_recording", "sonority", "Sounds of an audience or a stage, none to plain."),
    Attribute("audio_production", "sonority", "Studio production, from raw to polished."),
    Attribute("aural_intensity", "sonority", "Loudness and density of the sound, low to high."),
    Attribute("acoustic", "sonority", "Share of acoustic sound, from none to all."),
    Attribute("electric", "sonority", "Share of electrically amplified sound, from none to all."),
    Attribute("synthetic", "sonority", "Share of electronic sound, from none to all."),
    Attribute("lead_vocal", "focus", "Weight of the lead voice, from none (instrumental) to all."),
    Attribute("lyrics", "focus", "Weight of the words, from none to central."),
    Attribute("melody", "focus", "Weight of the melody, from none to central."),
    Attribute("vocal_accompaniment", "focus", "Weight of the backing voices, none to central."),
    Attribute("rhythmic_groove", "focus", "Weight of the groove, from none to central."),
    Attribute("musical_arrangements", "focus", "Weight of the arrangement, none to central."),
    Attribute("form", "focus", "Weight of an unusual form, from none to central."),
    Attribute("riffs", "focus", "Weight of riffs, from none to central."),
    Attribute("performance", "focus", "Weight of the players' performance, none to central."),
)

ATTRIBUTE_NAMES = tuple(attribute.column_name for attribute in ATTRIBUTES)
ATTRIBUTE_COLUMNS = tuple(attribute.column for attribute in ATTRIBUTES)
ATTRIBUTE_RULES = tuple(Within(name, 0, 1) for name in ATTRIBUTE_NAMES)
