"""EASE in closed form, with what else is known of people and tracks beside their listens.

Reference: Steck 2019, arXiv:1905.03375. With X the matrix of people by tracks, P = (X'X + l2 I)^-1,
the weights are B = I - P / diag(P) and the scores X B. Because X P = K X with K = (X X' + l2 I)^-1,
the same scores come out of K, which is the smaller matrix when there are fewer rows than columns.

In the paper X is 0 or 1. Here an entry is weight^listened_power x listeners^-popularity_power, over
the mean of all entries: a much heard track is much less news than its listeners are many.

Tags are further rows, as if each were a person who heard the tracks that have it (CEASE: Jeunen,
Van Balen, Goethals 2020, doi:10.1145/3383313.3418480). Follows are further columns: a person is
like a track, heard by themselves and by whoever is tied to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import linalg
from scipy.sparse import block_array, csc_array, csr_array
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.graph import SocialGraph


@dataclass(frozen=True, slots=True)
class LinearSettings:
    """The defaults are the paper's EASE.

    Attributes:
        l2: ridge penalty, in listeners.
        max_tracks: the most heard ones take part; bounds the matrix that is inverted.
        listened_power: of a pair's weight; 0 counts every pair alike.
        popularity_power: of a track's listeners, or of a person's ties; 0 counts all alike.
        follows_weight: mean entry of the people's columns; 0 leaves them out.
        tagged_weight: mean entry of the tags' rows; 0 leaves them out.
        max_people: those with the most ties have a column.
        max_tags: those of the most tracks have a row.
    """

    l2: float
    max_tracks: int
    listened_power: float = 0.0
    popularity_power: float = 0.0
    follows_weight: float = 0.0
    tagged_weight: float = 0.0
    max_people: int = 2_000
    max_tags: int = 1_000


class LinearAutoencoder:
    """Predicts each track from a person's other tracks; no track predicts itself.

    The solution takes 8 bytes x the square of the smaller of rows and columns, and about three
    times as much while it is solved: with 20,000 tracks and 2,000 people's columns 3.6 GiB, and
    11 GiB for some minutes.

    Attributes:
        covers: tracks that have scores, shape (n_tracks,) bool: the most heard `max_tracks`, and
            heard at all.
        knows: people of whom there is anything to go by, shape (n_users,) bool.
    """

    def __init__(self, graph: SocialGraph, settings: LinearSettings) -> None:
        """Solve it."""
        listeners = graph.listener_count()
        most_heard = torch.argsort(listeners, descending=True, stable=True)[: settings.max_tracks]
        self.covers = torch.zeros(len(listeners), dtype=torch.bool)
        self.covers[most_heard[listeners[most_heard] > 0]] = True
        n_users, n_tracks = len(graph.nodes.users), int(self.covers.sum())
        self._known = _known(graph, self.covers, settings)
        self._rows = self._known[:, :n_tracks].tocsr()  # without the people's columns
        self._columns = csc_array(self._rows)  # learning asks for a part of the tracks
        self.knows = torch.from_numpy(np.diff(self._known.indptr)[:n_users] > 0)
        self._is_by_columns = self._known.shape[1] <= self._known.shape[0]
        solved = _column_side if self._is_by_columns else _row_side
        self._solution, self._diagonal = solved(self._known, self._rows, settings.l2)

    def score(self, users: Tensor, tracks: Tensor | None = None) -> Tensor:
        """Scores of the tracks, 0 outside `covers`.

        Args:
            users: positions, shape (batch,).
            tracks: positions, shape (n,); every track when left out.

        Returns:
            Shape (batch, n).
        """
        rows = users.cpu().numpy()
        is_covered = self.covers if tracks is None else self.covers[tracks.cpu()]
        columns = slice(None) if tracks is None else self._columns_of(tracks.cpu()[is_covered])
        if self._is_by_columns:
            by_inverse = self._known[rows] @ self._solution[:, columns]
        else:
            by_inverse = (self._columns[:, columns].T @ self._solution[:, rows]).T
        own = self._rows[rows][:, columns].toarray()
        scores = torch.zeros(len(users), len(is_covered))
        scores[:, is_covered] = torch.from_numpy(
            (own - by_inverse / self._diagonal[columns]).astype(np.float32)
        )
        return scores.to(users.device)

    def votes(self, users: Tensor) -> Tensor:
        """Whether it can say anything, shape (batch, n_tracks) bool."""
        return self.knows.to(users.device)[users, None] & self.covers.to(users.device)

    def _columns_of(self, covered: Tensor) -> NDArray[np.int64]:
        """Columns of covered tracks, shape (n,)."""
        columns: NDArray[np.int64] = (torch.cumsum(self.covers, 0) - 1)[covered].numpy()
        return columns


def _known(graph: SocialGraph, covers: Tensor, settings: LinearSettings) -> csr_array:
    """Rows are people, then tags; columns are covered tracks, then people."""
    heard = _heard_matrix(graph, covers, settings)
    people = _ties_matrix(graph, settings)
    tags = _tags_matrix(graph, covers, settings)
    return csr_array(block_array([[heard, people], [tags, None]], format="csr"))


def _heard_matrix(graph: SocialGraph, covers: Tensor, settings: LinearSettings) -> csr_array:
    """X, shape (n_users, covered tracks)."""
    column_of = torch.cumsum(covers, 0) - 1
    pairs = graph.listened.where(covers[graph.listened.tracks])
    listeners = graph.listener_count()[pairs.tracks].double()
    entries = pairs.weight.double().pow(settings.listened_power)
    values = _of_mean(entries * listeners.pow(-settings.popularity_power), 1.0)
    places = (pairs.users.numpy(), column_of[pairs.tracks].numpy())
    return csr_array((values, places), shape=(len(graph.nodes.users), int(covers.sum())))


def _ties_matrix(graph: SocialGraph, settings: LinearSettings) -> csr_array:
    """Who is tied to whom, and who has a column to themselves: shape (n_users, people)."""
    n_users = len(graph.nodes.users)
    ties = graph.ties()
    if not settings.follows_weight or not len(ties):
        return csr_array((n_users, 0))
    n_ties = torch.bincount(ties.target, minlength=n_users)
    most_tied = torch.argsort(n_ties, descending=True, stable=True)[: settings.max_people]
    most_tied = most_tied[n_ties[most_tied] > 0]
    column_of = torch.full((n_users,), -1)
    column_of[most_tied] = torch.arange(len(most_tied))
    ties = ties.where(column_of[ties.target] >= 0)
    rows = torch.cat([ties.source, most_tied])
    people = torch.cat([ties.target, most_tied])
    entries = n_ties[people].double().pow(-settings.popularity_power)
    places = (rows.numpy(), column_of[people].numpy())
    values = _of_mean(entries, settings.follows_weight)
    return csr_array((values, places), shape=(n_users, len(most_tied)))


def _tags_matrix(graph: SocialGraph, covers: Tensor, settings: LinearSettings) -> csr_array:
    """Which tag which track has, shape (tags, covered tracks)."""
    tagged = graph.tagged.where(covers[graph.tagged.source])
    if not settings.tagged_weight or not len(tagged):
        return csr_array((0, int(covers.sum())))
    n_tracks_of = torch.bincount(tagged.target, minlength=len(graph.nodes.tags))
    most_used = torch.argsort(n_tracks_of, descending=True, stable=True)[: settings.max_tags]
    most_used = most_used[n_tracks_of[most_used] > 0]
    row_of = torch.full((len(n_tracks_of),), -1)
    row_of[most_used] = torch.arange(len(most_used))
    tagged = tagged.where(row_of[tagged.target] >= 0)
    listeners = graph.listener_count()[tagged.source].double()
    values = _of_mean(listeners.pow(-settings.popularity_power), settings.tagged_weight)
    column_of = torch.cumsum(covers, 0) - 1
    places = (row_of[tagged.target].numpy(), column_of[tagged.source].numpy())
    return csr_array((values, places), shape=(len(most_used), int(covers.sum())))


def _of_mean(entries: Tensor, mean: float) -> NDArray[np.float64]:
    """Entries scaled to a mean; weights of 0, of listens all skipped at once, stay."""
    scaled: NDArray[np.float64] = (entries * (mean / entries.mean().clamp(min=1e-12))).numpy()
    return scaled


def _column_side(
    known: csr_array, heard: csr_array, l2: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The tracks' columns of P, shape (columns, tracks), and their diagonal."""
    inverse = _inverse((known.T @ known).toarray(), l2)
    n_tracks = heard.shape[1]
    return inverse[:, :n_tracks], np.diag(inverse)[:n_tracks]


def _row_side(
    known: csr_array, heard: csr_array, l2: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K, and the tracks' diagonal of P: (1 - x_j' K x_j) / l2 for column x_j."""
    inverse = _inverse((known @ known.T).toarray(), l2)
    quadratic = heard.multiply(heard.T.dot(inverse).T).sum(axis=0)
    return inverse, (1 - np.asarray(quadratic).ravel()) / l2


def _inverse(gram: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """(gram + l2 I)^-1; `gram` is overwritten, because there may be no room for a third one."""
    gram[np.diag_indices_from(gram)] += l2
    found: NDArray[np.float64] = linalg.inv(gram, overwrite_a=True, check_finite=False)
    return found
