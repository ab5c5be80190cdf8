"""Search in HTCL's vectors: the tracks of a night that are nearest to a track, or to any vector.

All vectors are of one model version, the one that the night's slice of feat_track_htcl names: those
of two versions lie in different spaces. NumPy alone: what is stored needs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.lake.arrow_io import exists, read_table
from feature_store.tables.features import FEAT_HTCL_AUDIO, FEAT_HTCL_TEXT, FEAT_TRACK_HTCL
from feature_store.unicode_text import is_utf8

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from feature_store.contract import Table

_DIGITS = 6
"""Of what orders tracks: copies of a recording, whose last bits differ, come by id."""

_NO_DEVIATION = 1e-6  # of cosines: what float32 rounds

_MAX_DAYS = 5
"""Days that a message names."""

_ROWS = ("track_id", "audio_hash", "text_sha256", "vector_kind", "track_vector")


class NoVectorsError(LookupError):
    """The night has no vectors, or not of the track that is asked for."""


class EmptySentenceError(ValueError):
    """A sentence without a letter or a digit says nothing."""


class NoUnicodeError(ValueError):
    """A sentence with bytes that are no UTF-8 cannot be read."""


@dataclass(frozen=True, slots=True)
class Match:
    """A track that was found.

    Attributes:
        cosine: between the query's vector and the track's, in [-1, 1].
        vector_kind: which vector of the track was compared: audio, text or fused.
    """

    track_id: str
    cosine: float
    vector_kind: str


@dataclass(frozen=True, slots=True, eq=False)
class NightVectors:
    """The vectors of a night.

    Attributes:
        rows: of feat_track_htcl, at least one; all of one model version.
    """

    lake: str
    as_of: date
    family: str
    model_version: str
    rows: pa.Table

    def kind_of(self, track_id: str) -> str:
        """Which vector of a track counts: audio, text or fused.

        Raises:
            NoVectorsError: it has none.
        """
        return str(self._row(track_id)["vector_kind"][0])

    def nearest_to_track(
        self, track_id: str, *, among: Collection[str], n_matches: int
    ) -> list[Match]:
        """The tracks whose vectors that count are nearest to a track's; never the track itself.

        The rule of rec_similar_tracks, which rounds cosines to four digits before it orders them.

        Args:
            track_id: what the others are compared with.
            among: ids that may be found.
            n_matches: how many at most.

        Raises:
            NoVectorsError: the track has no vector.
        """
        query = _rows_of(self._row(track_id)["track_vector"])[0]
        rows = self._among(set(among) - {track_id})
        cosines = _cosines(rows["track_vector"], query)
        return _best(rows["track_id"], cosines, rows["vector_kind"].to_pylist(), n_matches)

    def nearest_to_recording(
        self, query: NDArray[np.float32], *, among: Collection[str], n_matches: int
    ) -> list[Match]:
        """The tracks whose recordings are nearest; those without one are not compared.

        Args:
            query: of a recording, by the model of this version, shape (dim,).
            among: ids that may be found.
            n_matches: how many at most.
        """
        rows = self._among(among)
        cosines = self._audio_cosines(rows, query)
        has_audio = ~np.isnan(cosines)
        found = rows["track_id"].filter(pa.array(has_audio))
        return _best(found, cosines[has_audio], ["audio"] * len(found), n_matches)

    def nearest_to_sentence(
        self, query: NDArray[np.float32], *, among: Collection[str], n_matches: int
    ) -> list[Match]:
        """The tracks whose recordings are nearest; of a track without one its text is compared.

        Cosines with texts and with recordings lie on two scales (the modality gap): a sentence is
        nearer to any text than to its recording. So tracks come in the order of standard scores:
        how many standard deviations a cosine lies above the mean of its kind.

        Args:
            query: of a sentence, by the model of this version, shape (dim,).
            among: ids that may be found.
            n_matches: how many at most.
        """
        rows = self._among(among)
        of_audio = self._audio_cosines(rows, query)
        of_text = self._cosines_of_keys(FEAT_HTCL_TEXT, "text_sha256", rows["text_sha256"], query)
        has_audio = ~np.isnan(of_audio)
        cosines = np.where(has_audio, of_audio, of_text)
        is_found = ~np.isnan(cosines)
        kinds = np.where(has_audio, "audio", "text")[is_found]
        found = cosines[is_found]
        scores = np.zeros(len(found), np.float64)
        for kind in ("audio", "text"):
            scores[kinds == kind] = _standard_scores(found[kinds == kind])
        track_ids = rows["track_id"].filter(pa.array(is_found))
        return _best(track_ids, found, kinds.tolist(), n_matches, scores)

    def n_without_recording(self, among: Collection[str]) -> int:
        """How many of these tracks a recording is not compared with."""
        hashes = self._among(among)["audio_hash"]
        return len(set(among)) - (len(hashes) - int(hashes.null_count))

    def _row(self, track_id: str) -> pa.Table:
        found = self.rows.filter(pc.equal(self.rows["track_id"], track_id))
        if not found.num_rows:
            raise NoVectorsError(
                f"{FEAT_TRACK_HTCL.name}: {track_id} has no vector as of {self.as_of}: it had "
                "neither a recording with a spectrogram nor a text that night; see the sections "
                "Coverage and Ingest of the night's report"
            )
        return found

    def _among(self, track_ids: Collection[str]) -> pa.Table:
        listed = pa.array(sorted(track_ids), pa.string())
        return self.rows.filter(pc.is_in(self.rows["track_id"], value_set=listed))

    def _audio_cosines(self, rows: pa.Table, query: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._cosines_of_keys(FEAT_HTCL_AUDIO, "content_hash", rows["audio_hash"], query)

    def _cosines_of_keys(
        self, table: Table, key_column: str, keys: pa.ChunkedArray, query: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The query's cosine with each key's vector, shape (len(keys),); NaN where it has none."""
        vector_column = table.columns[-1].name
        stored = read_table(
            self.lake,
            table,
            columns=[key_column, vector_column],
            where={"family": self.family, "model_version": self.model_version},
            in_key_order=False,
        )
        positions = pc.fill_null(pc.index_in(keys, value_set=stored[key_column]), -1).to_numpy()
        cosines = np.append(_cosines(stored[vector_column], query), np.float32("nan"))
        found: NDArray[np.float32] = cosines[positions]  # -1 is the NaN at the end
        return found


def open_vectors(lake: str, as_of: date, otherwise: Callable[[], str] = str) -> NightVectors:
    """The vectors of a night.

    Args:
        lake: where the tables are.
        as_of: the night's day.
        otherwise: a sentence for the message, when there are none: where else to look.

    Raises:
        NoVectorsError: there are none; says how to switch HTCL on.
    """
    rows = None
    if exists(lake, FEAT_TRACK_HTCL):
        columns = [*_ROWS, "family", "model_version"]
        rows = read_table(lake, FEAT_TRACK_HTCL, as_of=as_of, columns=columns)
    if rows is None or not rows.num_rows:
        raise NoVectorsError(_why_none(lake, as_of) + otherwise())
    [family], [version] = (rows[name].unique().to_pylist() for name in ("family", "model_version"))
    return NightVectors(lake, as_of, family, version, rows.select(_ROWS))


def checked_sentence(sentence: str) -> str:
    """The sentence on one line.

    Raises:
        EmptySentenceError: it has no letter and no digit.
        NoUnicodeError: it is no UTF-8.
    """
    text = " ".join(sentence.split())
    if not is_utf8(text):
        raise NoUnicodeError(
            f"the sentence {text[:40]!r} has bytes that are no UTF-8; write it in UTF-8 (locale "
            "shows what the terminal sends)"
        )
    if not any(sign.isalnum() for sign in text):
        raise EmptySentenceError(
            f"the sentence {sentence[:40]!r} has no word (rule: one letter or digit at least); "
            'write what the music is like, for example: evensong find "slow sad piano"'
        )
    return text


def _why_none(lake: str, as_of: date) -> str:
    """A message that says what to set, and which nights have vectors."""
    days: list[date] = []
    if exists(lake, FEAT_TRACK_HTCL):
        written = read_table(lake, FEAT_TRACK_HTCL, columns=["as_of_date"], in_key_order=False)
        days = sorted(written["as_of_date"].unique().to_pylist())
    found = f"{FEAT_TRACK_HTCL.name}: no vector as of {as_of}"
    if days:
        newest = ", ".join(map(str, days[-_MAX_DAYS:]))
        return f"{found}; the newest days that have some: {newest} (--as-of)"
    return (
        f"{found}: HTCL is not the champion of the task audio_text. Set "
        'training.tasks = ["audio_text", "ranking"] and training.families = '
        '{"audio_text": "htcl"}, or htcl as its challenger, and run a night'
    )


def _best(
    track_ids: pa.ChunkedArray,
    cosines: NDArray[np.float32],
    kinds: Sequence[str],
    n_matches: int,
    scores: NDArray[np.float64] | None = None,
) -> list[Match]:
    """The tracks with the highest scores, equal ones by id; without scores cosines count."""
    order_by = cosines.astype(np.float64) if scores is None else scores
    ids, rounded = track_ids.to_pylist(), np.round(order_by, _DIGITS)
    n_kept = min(n_matches, len(ids))
    if not n_kept:
        return []
    lowest = np.partition(rounded, len(ids) - n_kept)[len(ids) - n_kept]
    candidates = np.flatnonzero(rounded >= lowest).tolist()
    candidates.sort(key=lambda row: (-rounded[row], ids[row]))
    return [
        Match(ids[row], round(float(cosines[row]), _DIGITS), kinds[row])
        for row in candidates[:n_kept]
    ]


def _standard_scores(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Standard deviations above the mean; zeros where all are equal."""
    if not len(cosines):
        return np.zeros(0)
    exact = cosines.astype(np.float64)
    deviation = exact.std()
    if deviation < _NO_DEVIATION:
        return np.zeros(len(exact))
    scores: NDArray[np.float64] = (exact - exact.mean()) / deviation
    return scores


def _cosines(vectors: pa.ChunkedArray, query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each vector with the query, shape (n,).

    Args:
        vectors: n lists of numbers.
        query: shape (dim,).
    """
    if not len(vectors):
        return np.zeros(0, np.float32)
    rows = _rows_of(vectors)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query)
    cosines: NDArray[np.float32] = rows @ query / np.maximum(lengths, np.finfo(np.float32).tiny)
    return cosines


def _rows_of(vectors: pa.ChunkedArray) -> NDArray[np.float32]:
    """The vectors as rows, shape (n, dim); there is at least one."""
    flat = vectors.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rows: NDArray[np.float32] = flat.reshape(len(vectors), -1).astype(np.float32, copy=False)
    return rows
