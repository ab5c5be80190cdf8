"""EASE in closed form: a linear autoencoder over listens, and optionally follows and tags.

Reference: Steck 2019, arXiv:1905.03375. With X the matrix of users by tracks, P = (X'X + l2 I)^-1,
the weights are B = I - P / diag(P) and the scores X B. Because X P = K X with K = (X X' + l2 I)^-1,
the same scores come out of K, which is the smaller matrix when there are fewer rows than columns.

In the paper X is 0 or 1. Here an entry is weight^listened_power x listeners^-popularity_power, over
the mean of all entries: a popular track tells less about a listener than a rare one.

Tags are further rows, as if each tag were a listener who heard its tracks (CEASE: Jeunen, Van
Balen, Goethals 2020, doi:10.1145/3383313.3418480). Follows are further columns: a listener is
like a track, heard by themselves and by every listener with a follow tie to them.
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
        max_tracks: the most heard ones have columns; bounds the matrix that is inverted.
        listened_power: of a pair's weight; 0 gives every pair the same weight.
        popularity_power: of a track's listeners or a listener's ties; 0 gives all the same weight.
        follows_weight: mean entry of the listeners' columns; 0 leaves them out.
        tagged_weight: mean entry of the tags' rows; 0 leaves them out.
        max_users: those with the most ties have a column.
        max_tags: those of the most tracks have a row.
    """

    l2: float
    max_tracks: int
    listened_power: float = 0.0
    popularity_power: float = 0.0
    follows_weight: float = 0.0
    tagged_weight: float = 0.0
    max_users: int = 2_000
    max_tags: int = 1_000


class LinearAutoencoder:
    """Predicts each track from a listener's other tracks; no track predicts itself.

    The solution takes 8 bytes x the square of the smaller of rows and columns, and about three
    times as much while it is solved: with 20,000 tracks and 2,000 listeners' columns 3.6 GiB, and
    11 GiB for some minutes.

    Attributes:
        covered_tracks: tracks that have scores, shape (n_tracks,) bool: the most heard
            `max_tracks`, without unheard ones.
        known_users: users with an entry, shape (n_users,) bool.
    """

    def __init__(self, graph: SocialGraph, settings: LinearSettings) -> None:
        """Solve it."""
        listeners = graph.listener_count()
        most_listened = torch.argsort(listeners, descending=True, stable=True)[
            : settings.max_tracks
        ]
        self.covered_tracks = torch.zeros(len(listeners), dtype=torch.bool)
        self.covered_tracks[most_listened[listeners[most_listened] > 0]] = True
        n_users, n_tracks = len(graph.nodes.users), int(self.covered_tracks.sum())
        self._matrix = _input_matrix(graph, self.covered_tracks, settings)
        self._rows = self._matrix[:, :n_tracks].tocsr()  # without the listeners' columns
        self._columns = csc_array(self._rows)  # training scores a part of the tracks
        self.known_users = torch.from_numpy(np.diff(self._matrix.indptr)[:n_users] > 0)
        self._is_by_columns = self._matrix.shape[1] <= self._matrix.shape[0]
        solved = _column_side if self._is_by_columns else _row_side
        self._solution, self._diagonal = solved(self._matrix, self._rows, settings.l2)

    def score(self, users: Tensor, tracks: Tensor | None = None) -> Tensor:
        """Scores of the tracks, 0 outside `covered_tracks`.

        Args:
            users: positions, shape (batch,).
            tracks: positions, shape (n,); every track when left out.

        Returns:
            Shape (batch, n).
        """
        rows = users.cpu().numpy()
        is_covered = self.covered_tracks if tracks is None else self.covered_tracks[tracks.cpu()]
        columns = slice(None) if tracks is None else self._columns_of(tracks.cpu()[is_covered])
        if self._is_by_columns:
            by_inverse = self._matrix[rows] @ self._solution[:, columns]
        else:
            by_inverse = (self._columns[:, columns].T @ self._solution[:, rows]).T
        own = self._rows[rows][:, columns].toarray()
        scores = torch.zeros(len(users), len(is_covered))
        scores[:, is_covered] = torch.from_numpy(
            (own - by_inverse / self._diagonal[columns]).astype(np.float32)
        )
        return scores.to(users.device)

    def coverage_mask(self, users: Tensor) -> Tensor:
        """Known users times covered tracks, shape (batch, n_tracks) bool."""
        return self.known_users.to(users.device)[users, None] & self.covered_tracks.to(users.device)

    def _columns_of(self, covered: Tensor) -> NDArray[np.int64]:
        """Columns of covered tracks, shape (n,)."""
        columns: NDArray[np.int64] = (torch.cumsum(self.covered_tracks, 0) - 1)[covered].numpy()
        return columns


def _input_matrix(graph: SocialGraph, covered: Tensor, settings: LinearSettings) -> csr_array:
    """Rows are listeners, then tags; columns are covered tracks, then listeners."""
    heard = _listen_matrix(graph, covered, settings)
    users = _ties_matrix(graph, settings)
    tags = _tags_matrix(graph, covered, settings)
    return csr_array(block_array([[heard, users], [tags, None]], format="csr"))


def _listen_matrix(graph: SocialGraph, covered: Tensor, settings: LinearSettings) -> csr_array:
    """X, shape (n_users, covered tracks)."""
    column_of = torch.cumsum(covered, 0) - 1
    pairs = graph.listened.where(covered[graph.listened.tracks])
    listeners = graph.listener_count()[pairs.tracks].double()
    entries = pairs.weight.double().pow(settings.listened_power)
    values = _of_mean(entries * listeners.pow(-settings.popularity_power), 1.0)
    coordinates = (pairs.users.numpy(), column_of[pairs.tracks].numpy())
    return csr_array((values, coordinates), shape=(len(graph.nodes.users), int(covered.sum())))


def _ties_matrix(graph: SocialGraph, settings: LinearSettings) -> csr_array:
    """Follow ties, and each column's user with themselves; shape (n_users, columns of users)."""
    n_users = len(graph.nodes.users)
    ties = graph.ties()
    if not settings.follows_weight or not len(ties):
        return csr_array((n_users, 0))
    n_ties = torch.bincount(ties.target, minlength=n_users)
    most_tied = torch.argsort(n_ties, descending=True, stable=True)[: settings.max_users]
    most_tied = most_tied[n_ties[most_tied] > 0]
    column_of = torch.full((n_users,), -1)
    column_of[most_tied] = torch.arange(len(most_tied))
    ties = ties.where(column_of[ties.target] >= 0)
    rows = torch.cat([ties.source, most_tied])
    users = torch.cat([ties.target, most_tied])
    entries = n_ties[users].double().pow(-settings.popularity_power)
    coordinates = (rows.numpy(), column_of[users].numpy())
    values = _of_mean(entries, settings.follows_weight)
    return csr_array((values, coordinates), shape=(n_users, len(most_tied)))


def _tags_matrix(graph: SocialGraph, covered: Tensor, settings: LinearSettings) -> csr_array:
    """Which tag which track has, shape (tags, covered tracks)."""
    tagged = graph.tagged.where(covered[graph.tagged.source])
    if not settings.tagged_weight or not len(tagged):
        return csr_array((0, int(covered.sum())))
    n_tracks_of = torch.bincount(tagged.target, minlength=len(graph.nodes.tags))
    most_used = torch.argsort(n_tracks_of, descending=True, stable=True)[: settings.max_tags]
    most_used = most_used[n_tracks_of[most_used] > 0]
    row_of = torch.full((len(n_tracks_of),), -1)
    row_of[most_used] = torch.arange(len(most_used))
    tagged = tagged.where(row_of[tagged.target] >= 0)
    listeners = graph.listener_count()[tagged.source].double()
    values = _of_mean(listeners.pow(-settings.popularity_power), settings.tagged_weight)
    column_of = torch.cumsum(covered, 0) - 1
    coordinates = (row_of[tagged.target].numpy(), column_of[tagged.source].numpy())
    return csr_array((values, coordinates), shape=(len(most_used), int(covered.sum())))


def _of_mean(entries: Tensor, mean: float) -> NDArray[np.float64]:
    """Entries scaled to a mean; weights of 0, of listens all skipped at once, stay."""
    scaled: NDArray[np.float64] = (entries * (mean / entries.mean().clamp(min=1e-12))).numpy()
    return scaled


def _column_side(
    matrix: csr_array, heard: csr_array, l2: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The tracks' columns of P, shape (columns, tracks), and their diagonal."""
    inverse = _inverse((matrix.T @ matrix).toarray(), l2)
    n_tracks = heard.shape[1]
    return inverse[:, :n_tracks], np.diag(inverse)[:n_tracks]


def _row_side(
    matrix: csr_array, heard: csr_array, l2: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K, and the tracks' diagonal of P: (1 - x_j' K x_j) / l2 for column x_j."""
    inverse = _inverse((matrix @ matrix.T).toarray(), l2)
    quadratic = heard.multiply(heard.T.dot(inverse).T).sum(axis=0)
    return inverse, (1 - np.asarray(quadratic).ravel()) / l2


def _inverse(gram: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """(gram + l2 I)^-1; `gram` is overwritten, because there may be no room for a third one."""
    gram[np.diag_indices_from(gram)] += l2
    found: NDArray[np.float64] = linalg.inv(gram, overwrite_a=True, check_finite=False)
    return found
