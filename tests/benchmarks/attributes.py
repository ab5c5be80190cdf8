"""Judges the probes of musical attributes on real recordings, by what a person can hear in them.

    python -m tests.benchmarks.attributes [--recordings FOLDER] [--record]

The recordings are those of librosa's examples (../shared/data/librosa-cc-audio). The truths follow from their descriptions: a
string orchestra has strings and no voice, a book that is read aloud has a voice and no drums, Dance of the Sugar Plum Fairy is
marked Andante. What a description leaves open is not judged, and no description tells a live recording. A probe is right when
its value is at least .5 for what is there (tempo: fast; key: major) and below for what is not. A value that is null is counted
apart. `always_absent_right` is what a probe without ears would get that always says no: most truths are absences, so `present`
stands beside. The middle of all tag probes is one number, set by hand while looking at these recordings' tags: they are no
unseen test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pyspark.sql import functions as F

from feature_store.setting_groups import EncoderSettings
from feature_store.settings import load_settings
from feature_store.spark.session import make_spark
from jobs.encoders.audio.decoding import audio_file, recording
from jobs.encoders.audio.descriptors import signal
from jobs.encoders.audio.musicnn.encoder import MusiCNN
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.features.steps.semantic_probes import CUES, PROBES, AudioCues, probe
from tests.benchmarks.support.record import Section, print_section

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "librosa-cc-audio"
MIDDLE = 0.5
_KINDS = {"tag_probabilities": "array<float>", "key_mode": "string"}
"""Spark's types of cues; all others are numbers."""


VOICE, DRUMS = "focus_lead_vocal", "instruments_drum_set"
STRINGS, PIANO = "instruments_string_ensemble", "instruments_piano"
TEMPO, KEY = "rhythm_tempo", "harmony_major_key"

_ABSENT = dict.fromkeys((VOICE, DRUMS, STRINGS, PIANO), False)
_SPEECH = _ABSENT | {VOICE: True}

TRUTHS: dict[str, dict[str, bool]] = {
    "147793__setuniman__sweet-waltz": {},  # "Sweet Waltz": no instrument is named
    "198-209": _SPEECH,  # Sense and Sensibility, read by Heather Barnett
    "3436-172162": _SPEECH,  # The Age of Chivalry, read by Anders Lankford
    "5703-47212": _SPEECH,  # a detective story, read by Garth Comira
    "442789__lena-orsa": _ABSENT | {PIANO: True},  # a ragtime by The Piano Lady
    "456440__inspectorj": _ABSENT,  # a robin
    "Hungarian_Dance": _ABSENT | {STRINGS: True, TEMPO: True, KEY: False},  # Allegro, F sharp minor
    "Karissa_Hobbs": {VOICE: True},  # a song; its instruments are not named
    # For celesta with strings; Andante non troppo, in E minor.
    "Kevin_MacLeod_-_P_I_Tchaikovsky": {VOICE: False, DRUMS: False, STRINGS: True, TEMPO: False, KEY: False},
    "Kevin_MacLeod_-_Vibe_Ace": {},  # jazz; no instrument is named
    "admiralbob77": _ABSENT | {DRUMS: True},  # cut down to its drum and bass tracks
    "glacier-bay-humpback": _ABSENT,  # a whale
    "pibble": _ABSENT,  # a dog that howls
    "sorohanro_-_solo-trumpet": _ABSENT | {TEMPO: False},  # a trumpet alone, 90 beats a minute
}  # fmt: skip
"""By the start of the file's name: whether it is there (tempo: whether it is fast; key: major)."""

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """A truth and the probe's value for it.

    Attributes:
        is_present: the truth.
        value: 0..1; None where the probe says nothing.
    """

    recording: str
    attribute: str
    is_present: bool
    value: float | None

    @property
    def is_right(self) -> bool:
        """Whether the value lies on the side of the truth."""
        return self.value is not None and (self.value >= MIDDLE) is self.is_present


def judge(values: Mapping[str, Values]) -> list[Judged]:
    """Each truth with the value of its probe.

    Args:
        values: attributes by file name.

    Raises:
        ValueError: a recording of TRUTHS is missing.
    """
    judged = []
    for start, truths in TRUTHS.items():
        names = [name for name in values if name.startswith(start)]
        if not names:
            raise ValueError(f"attributes: no recording is called {start}*")
        judged += [
            Judged(names[0], attribute, is_present, values[names[0]][attribute])
            for attribute, is_present in truths.items()
        ]
    return judged


def flat_figures(judged: Sequence[Judged]) -> dict[str, float]:
    """Truths that a probe tells rightly, of those for which it has a value."""
    known = [each for each in judged if each.value is not None]
    present = [each for each in known if each.is_present]
    figures: dict[str, float] = {
        "attributes_right": sum(each.is_right for each in known),
        "attributes_judged": len(known),
        "attributes_null": len(judged) - len(known),
        "present_right": sum(each.is_right for each in present),
        "present_judged": len(present),
        "always_absent_right": len(known) - len(present),
    }
    for attribute in dict.fromkeys(each.attribute for each in judged):
        of_it = [each for each in known if each.attribute == attribute]
        figures[f"{attribute}.right"] = sum(each.is_right for each in of_it)
        figures[f"{attribute}.judged"] = len(of_it)
    return figures


def table_rows(values: Mapping[str, Values], judged: Sequence[Judged]) -> list[list[str]]:
    """A row for each recording, the value of each probe with its judgement, and one of sums."""
    verdicts = {(each.recording, each.attribute): each for each in judged}
    rows = [
        [name[:32], *(_cell(of_it[at], verdicts.get((name, at))) for at in PROBES)]
        for name, of_it in values.items()
    ]
    figures = flat_figures(judged)
    sums = [f"{figures.get(f'{at}.right', 0)} of {figures.get(f'{at}.judged', 0)}" for at in PROBES]
    return [*rows, ["right", *sums]]


def measure(folder: Path) -> dict[str, Values]:
    """Value of each probe on each recording of a folder, by file name."""
    settings = load_settings()
    schema = ", ".join(["name string", *(f"{cue} {_KINDS.get(cue, 'double')}" for cue in CUES)])
    spark = make_spark(settings)  # before the probes, whose columns need a session
    frame = spark.createDataFrame(list(_cue_rows(folder, settings.encoders)), schema)
    found = probe(AudioCues(**{name: F.col(name) for name in CUES}))
    rows = frame.select("name", *(found[name].alias(name) for name in PROBES)).collect()
    return {row["name"]: row.asDict() for row in rows}


def _cue_rows(folder: Path, encoders: EncoderSettings) -> Iterator[tuple[object, ...]]:
    """What feat_audio holds of each recording."""
    encoder = MusiCNN()
    for file in sorted(folder.glob("*.ogg")):
        excerpts = htcl_mel.CLIP_S, encoders.max_audio_s, encoders.audio_windows
        decoded = recording.Recording.of(
            recording.decode(file.read_bytes(), audio_file.SAMPLE_RATE_HZ, *excerpts)
        )
        windows = decoded.windows
        tags = encoder.encode(windows).tag_probabilities
        known = asdict(signal.measure(windows)) | {
            "tag_probabilities": None if tags is None else tags.tolist(),
            "loudness_lufs": decoded.loudness.integrated_lufs,
        }
        yield (file.name, *(known[cue] for cue in CUES))


def _cell(value: float | None, judged: Judged | None) -> str:
    """The value, with ✓ or ✗ where there is a truth to judge it by."""
    if value is None:
        return "null"
    mark = "" if judged is None else " ✓" if judged.is_right else " ✗"
    return f"{value:.2f}{mark}"


def main(
    recordings: Annotated[Path, typer.Option(help="Folder of the recordings.")] = RECORDINGS,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, judge, print, and record when asked."""
    if not recordings.is_dir():
        raise typer.BadParameter(f"--recordings: {recordings} is no folder")
    values = measure(recordings)
    judged = judge(values)
    section = Section(
        title="Attributes of real recordings",
        command="python -m tests.benchmarks.attributes --record",
        day=datetime.now(UTC).date(),
        seeds=None,
        header=["recording", *PROBES],
        rows=table_rows(values, judged),
    )
    print_section(section, record=record)
    print(json.dumps(flat_figures(judged)))


if __name__ == "__main__":
    typer.run(main)
