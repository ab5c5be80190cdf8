"""Measures artist names: which of HetRec's are merged, how many rightly, and how many variants are found.

    python -m tests.benchmarks.names [--hetrec FOLDER] [--record]

The names are the 17,632 artists of HetRec (Last.fm). match_key is the key of core_tracks; credit, article and lead are those of
feature_store/artist_names.py. Groups that share a key were judged by hand (support/artist_names/judged_groups.py): precision is
the share of one artist among the groups that could be judged. Recall is the share of hand-made variants for which
feature_store/artist_matching.py finds the artist that is meant, among all of HetRec's; `by match_key` finds it by that key alone.
Strangers are artists that HetRec does not have. Variants and rules have one author, who knew the variants: they are no unseen
test. Guests (Eminem feat. Drake, the lead Eminem) were not judged.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import comb
from pathlib import Path
from typing import Annotated

import typer

from feature_store.artist_matching import ArtistMatches, match_artists
from feature_store.artist_names import artist_keys
from jobs.core.steps.match_keys import match_key
from tests.benchmarks.support.artist_names.judged_groups import DIFFERENT, SAME, UNSURE
from tests.benchmarks.support.artist_names.variants import STRANGERS, VARIANTS
from tests.benchmarks.support.record import Section, print_section

HETREC = Path(__file__).parents[3] / "shared" / "data" / "hetrec2011-lastfm-2k"
KEYS: Mapping[str, Callable[[str], str]] = {
    "match_key": match_key,
    "credit": lambda name: artist_keys(name).credit,
    "article": lambda name: artist_keys(name).article,
    "lead": lambda name: artist_keys(name).lead,
}
KEY_HEADER = ["key", "distinct", "merged groups", "merged pairs", "one artist", "several", "unsure", "not judged", "precision"]  # fmt: skip
VARIANT_HEADER = ["variants", "number", "found", "found wrongly", "ambiguous", "found by match_key"]


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """What one key makes of the names.

    Attributes:
        groups: names that share the key, two at least.
        judged: groups that are wholly in a judged group, by its judgement.
    """

    distinct: int
    groups: tuple[tuple[str, ...], ...]
    judged: Mapping[str, int]

    @property
    def pairs(self) -> int:
        """Pairs of names with one key."""
        return sum(comb(len(group), 2) for group in self.groups)

    @property
    def precision(self) -> float | None:
        """Share of groups of one artist among those that could be judged; None without any."""
        sure = self.judged["same"] + self.judged["different"]
        return self.judged["same"] / sure if sure else None


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """How many variants of one kind are found."""

    number: int
    found: int
    wrong: int
    ambiguous: int
    by_match_key: int


def read_names(folder: Path) -> list[str]:
    """The artists' names in artists.dat; they hold characters at which str.splitlines splits."""
    lines = (folder / "artists.dat").read_text(encoding="utf-8").rstrip("\n").split("\n")
    return [line.split("\t")[1] for line in lines[1:]]


def key_figures(names: Sequence[str], key: Callable[[str], str]) -> KeyFigures:
    """Groups of one key, and how they were judged."""
    groups = defaultdict(list)
    for name in sorted(set(names)):
        groups[key(name)].append(name)
    merged = tuple(tuple(group) for group in groups.values() if len(group) > 1)
    judgements = {"same": SAME, "different": DIFFERENT, "unsure": UNSURE}
    judged = {
        judgement: sum(_is_within(group, known) for group in merged)
        for judgement, known in judgements.items()
    }
    return KeyFigures(len(groups), merged, judged)


def _is_within(group: Collection[str], judged: Sequence[tuple[str, ...]]) -> bool:
    return any(set(group) <= set(one) for one in judged)


def variant_figures(
    names: Sequence[str], matches: ArtistMatches, variants: Mapping[str, str]
) -> VariantFigures:
    """Variants of one kind: the name that is meant must be among those that are found."""
    found = {match.name: match.found for match in matches.matches}
    by_key = defaultdict(set)
    for name in names:
        by_key[match_key(name)].add(name)
    right = sum(meant in found.get(variant, ()) for variant, meant in variants.items())
    return VariantFigures(
        number=len(variants),
        found=right,
        wrong=sum(variant in found for variant in variants) - right,
        ambiguous=sum(variant in matches.ambiguous for variant in variants),
        by_match_key=sum(
            meant in by_key[match_key(variant)] for variant, meant in variants.items()
        ),
    )


def flat_figures(
    keys: Mapping[str, KeyFigures],
    variants: Mapping[str, VariantFigures],
    strangers: ArtistMatches,
) -> dict[str, float]:
    """All figures by name."""
    flat: dict[str, float] = {}
    for name, figures in keys.items():
        flat |= {
            f"{name}.distinct": figures.distinct,
            f"{name}.merged_groups": len(figures.groups),
            f"{name}.merged_pairs": figures.pairs,
            **{f"{name}.groups_{judgement}": count for judgement, count in figures.judged.items()},
        }
        if figures.precision is not None:
            flat[f"{name}.precision"] = round(figures.precision, 4)
    number = sum(one.number for one in variants.values())
    found = sum(one.found for one in variants.values())
    wrong = sum(one.wrong for one in variants.values()) + len(strangers.matches)
    return flat | {
        "variants": number,
        "variant_recall": round(found / number, 4),
        "variant_recall_by_match_key": round(
            sum(one.by_match_key for one in variants.values()) / number, 4
        ),
        "match_precision": round(found / (found + wrong), 4),
        "strangers": strangers.name_count,
        "strangers_found": len(strangers.matches),
    }


def key_rows(keys: Mapping[str, KeyFigures]) -> list[list[str]]:
    """A row of KEY_HEADER for each key."""
    return [
        [
            name,
            *map(str, (one.distinct, len(one.groups), one.pairs, *one.judged.values())),
            str(len(one.groups) - sum(one.judged.values())),
            "–" if one.precision is None else f"{one.precision:.3f}",
        ]
        for name, one in keys.items()
    ]


def variant_rows(
    variants: Mapping[str, VariantFigures], strangers: ArtistMatches
) -> list[list[str]]:
    """A row of VARIANT_HEADER for each kind of variant, their sum, and strangers."""
    rows = [
        [
            kind,
            *map(str, (one.number, one.found, one.wrong, one.ambiguous, one.by_match_key)),
        ]
        for kind, one in variants.items()
    ]
    sums = [str(sum(int(row[column]) for row in rows)) for column in range(1, len(VARIANT_HEADER))]
    n_found = str(len(strangers.matches))
    n_ambiguous = str(len(strangers.ambiguous))
    of_strangers = ["strangers", str(strangers.name_count), "–", n_found, n_ambiguous, "–"]
    return [*rows, ["all", *sums], of_strangers]


def main(
    hetrec: Annotated[Path, typer.Option(help="Folder with artists.dat.")] = HETREC,
    record: Annotated[bool, typer.Option(help="Rewrite the sections in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    names = read_names(hetrec)
    keys = {name: key_figures(names, key) for name, key in KEYS.items()}
    matches = match_artists(names, [one for kind in VARIANTS.values() for one in kind])
    variants = {kind: variant_figures(names, matches, of_it) for kind, of_it in VARIANTS.items()}
    strangers = match_artists(names, STRANGERS)
    day = datetime.now(tz=UTC).date()
    for title, header, rows in (
        ("Artist names: what keys merge (HetRec)", KEY_HEADER, key_rows(keys)),
        (
            "Artist names: variants that are found (HetRec)",
            VARIANT_HEADER,
            variant_rows(variants, strangers),
        ),
    ):
        command = "python -m tests.benchmarks.names --record"
        print_section(Section(title, command, day, None, header, rows), record=record)
    print(json.dumps(flat_figures(keys, variants, strangers)))


if __name__ == "__main__":
    typer.run(main)
