"""The language of a text, or none where its letters do not tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.encoders.text import language

HYMNS = Path(__file__).parents[5] / "shared" / "data" / "hymns-pd" / "bhb_songs.json"

# Written for this test.
SONGS = {
    "en": "The river runs below the hill\nand every evening, standing still, I hear it sing",
    "de": "Am Abend geht der Wind nach Haus\nund löscht die letzten Lichter aus, ich bleibe wach",
    "fr": "La pluie tombe sur la ville\net moi je pense à toi, ma belle, sous les toits gris",
    "es": "La lluvia cae sobre la ciudad\ny yo me acuerdo de tu voz cuando llega la noche",
    "it": "La pioggia cade sulla città\ne io ripenso alla tua voce quando scende la sera",
    "pt": "A chuva cai sobre a cidade\ne eu não esqueço a tua voz quando chega a noite",
    "nl": "De regen valt op onze straat\nen ik denk aan jou wanneer de avond langzaam komt",
    "sv": "Regnet faller över staden\noch jag minns din röst när kvällen kommer till oss",
    "pl": "Deszcz pada cicho na ulice\na ja wspominam twój głos, gdy nadchodzi wieczór",
    "ru": "Дождь идёт над нашим городом\nи я вспоминаю твой голос, когда приходит вечер",
    "tr": "Yağmur yağıyor bu şehre\nakşam olunca senin sesini hatırlıyorum yine",
    "el": "Η βροχή πέφτει στην πόλη\nκαι θυμάμαι τη φωνή σου όταν έρχεται το βράδυ",
    "ja": "雨が降る街で\nあなたの声を思い出す",
    "ko": "비가 내리는 거리에서\n너의 목소리를 기억해",
}


@pytest.mark.parametrize("iso_639_1", SONGS)
def test_the_language_of_two_lines_is_detected(iso_639_1):
    found = language.detect(SONGS[iso_639_1])

    assert found.language == iso_639_1
    assert found.confidence >= language.MIN_CONFIDENCE


@pytest.mark.parametrize("text", ["woah woah\nyeah yeah yeah", "na na na na hey hey hey goodbye"])
def test_an_unsure_language_is_none_with_its_confidence(text):
    """Lingua gives Shona .27 and English .44."""
    found = language.detect(text)

    assert found.language is None
    assert 0 < found.confidence < language.MIN_CONFIDENCE


@pytest.mark.parametrize("text", ["la la la", "x", "𐎠𐎡"])
def test_a_text_that_fits_no_language_has_no_confidence(text):
    """Old Persian is none of lingua's scripts; of "la la la" it looks up no sequence of letters."""
    assert language.detect(text) == language.DetectedLanguage(None, None)


def test_every_process_finds_the_same():
    """Lingua's own sums differ in their last bits from process to process."""
    program = (
        "import json, sys; from jobs.encoders.text import language; "
        "print([language.detect(text) for text in json.loads(sys.argv[1])])"
    )
    texts = json.dumps([*SONGS.values(), "woah woah yeah", "la la la"])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = {
        subprocess.run(
            [sys.executable, "-c", program, texts],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout
        for _ in range(4)
    }
    assert len(found) == 1


@pytest.mark.skipif(not HYMNS.is_file(), reason="shared/data/hymns-pd is not here")
def test_every_hymn_is_english():
    hymns = json.loads(HYMNS.read_text())
    texts = ["\n".join(line for verse in hymn["verses"] for line in verse) for hymn in hymns]
    assert len(texts) > 400
    assert {language.detect(text).language for text in texts} == {"en"}
