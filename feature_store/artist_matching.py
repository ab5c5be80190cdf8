"""Finds a second source's artists in the catalogue by their names, and measures the match rate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from feature_store.artist_names import ArtistKeys, artist_keys, part_keys

WAYS = ("name", "spelling", "credit", "article", "lead", "latin", "parts")
"""How a name is found, from strict to loose; the first way that finds something counts."""

_MIN_PARTS = 2


@dataclass(frozen=True, slots=True)
class Match:
    """A name of the second source that the catalogue knows.

    Attributes:
        found: names of the catalogue; several by `parts`, and where it spells one artist variously.
        way: one of WAYS.
    """

    name: str
    found: tuple[str, ...]
    way: str


@dataclass(frozen=True, slots=True)
class ArtistMatches:
    """The names of a second source, found and not found.

    Attributes:
        matches: in the order of the names.
        ambiguous: names that fit several artists of the catalogue equally well; not found.
        unknown: all other names that were not found.
    """

    matches: tuple[Match, ...]
    ambiguous: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def name_count(self) -> int:
        """Distinct names of the second source."""
        return len(self.matches) + len(self.ambiguous) + len(self.unknown)

    @property
    def match_rate(self) -> float | None:
        """Share of the names that were found, 0..1; None without a name."""
        return len(self.matches) / self.name_count if self.name_count else None

    @property
    def count_by_way(self) -> dict[str, int]:
        """Names found in each of WAYS."""
        counts = Counter(match.way for match in self.matches)
        return {way: counts[way] for way in WAYS}


def match_artists(catalogue: Iterable[str], names: Iterable[str]) -> ArtistMatches:
    """Find each distinct name among the artists of the catalogue; see ArtistMatches."""
    index = _Index.of(sorted(set(catalogue)))
    distinct = list(dict.fromkeys(names))
    found = {name: index.find(name) for name in distinct}
    return ArtistMatches(
        matches=tuple(one for one in found.values() if isinstance(one, Match)),
        ambiguous=tuple(name for name in distinct if found[name] is _AMBIGUOUS),
        unknown=tuple(name for name in distinct if found[name] is None),
    )


_AMBIGUOUS = "ambiguous"

_Names = Mapping[str, Sequence[str]]
"""Names of the catalogue by a key."""


@dataclass(frozen=True, slots=True)
class _Index:
    """The catalogue's names by each kind of key."""

    keys: Mapping[str, ArtistKeys]
    by_spelling: _Names
    by_credit: _Names
    by_article: _Names
    by_lead: _Names
    by_latin: _Names

    @classmethod
    def of(cls, names: Sequence[str]) -> _Index:
        """The index of distinct names."""
        keys = {name: artist_keys(name) for name in names}
        return cls(
            keys=keys,
            by_spelling=_grouped({name: of_it.spelling for name, of_it in keys.items()}),
            by_credit=_grouped({name: of_it.credit for name, of_it in keys.items()}),
            by_article=_grouped({name: of_it.article for name, of_it in keys.items()}),
            by_lead=_grouped({name: of_it.lead for name, of_it in keys.items()}),
            by_latin=_grouped({name: of_it.latin for name, of_it in keys.items()}),
        )

    def find(self, name: str) -> Match | str | None:
        """The name's match; _AMBIGUOUS where the first way that finds any finds several artists."""
        keys = artist_keys(name)
        for way, found in (
            ("name", [name] if name in self.keys else []),
            ("spelling", self.by_spelling.get(keys.spelling, [])),
            ("credit", self.by_credit.get(keys.credit, [])),
            ("article", self.by_article.get(keys.article, [])),
            ("lead", self.by_article.get(keys.lead) or self.by_lead.get(keys.lead, [])),
            ("latin", self._by_sound(keys)),
        ):
            if found:
                return Match(name, tuple(found), way) if self._is_one(found) else _AMBIGUOUS
        return self._by_parts(name)

    def _by_sound(self, keys: ArtistKeys) -> list[str]:
        """Names that sound alike; two spellings in Latin letters are two names (Wolf, Volf)."""
        of_sound = self.by_latin.get(keys.latin, []) if keys.latin else []
        is_latin = keys.lead.isascii()
        found = [one for one in of_sound if not (is_latin and self.keys[one].lead.isascii())]
        alone = [one for one in found if self.keys[one].lead == self.keys[one].article]
        return alone or found

    def _by_parts(self, name: str) -> Match | None:
        parts = [self.by_article.get(part, ()) for part in part_keys(name)]
        if len(parts) < _MIN_PARTS or not all(parts):
            return None
        return Match(name, tuple(one for found in parts for one in found), "parts")

    def _is_one(self, names: Sequence[str]) -> bool:
        """Whether all are spellings of one artist, as far as the credit tells."""
        return len({self.keys[name].credit for name in names}) == 1


def _grouped(keys: Mapping[str, str]) -> _Names:
    groups = defaultdict(list)
    for name, key in keys.items():
        groups[key].append(name)
    return groups
