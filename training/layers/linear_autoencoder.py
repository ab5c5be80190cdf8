"""EASE in closed form, solved in whichever of people and tracks there are fewer.

Reference: Steck 2019, arXiv:1905.03375. With X the matrix of people by tracks, P = (X'X + l2 I)^-1,
the weights are B = I - P / diag(P) and the scores X B. Because X P = K X with K = (X X' + l2 I)^-1,
the same scores come out of K, which is the smaller matrix when there are fewer people than tracks.

In the paper X is 0 or 1. Here an entry is weight^listened_power x listeners^-popularity_power, over
the mean of all entries: a much heard track is much less news than its listeners are many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.data.graph import SocialGraph


class LinearAutoencoder:
    """Predicts each track from a person's other tracks; no track predicts itself.

    Attributes:
        covers: tracks that have scores, shape (n_tracks,) bool: the most heard `max_tracks`, and
            heard at all.
    """

    def __init__(
        self,
        graph: SocialGraph,
        *,
        l2: float,
        max_tracks: int,
        listened_power: float = 0.0,
        popularity_power: float = 0.0,
    ) -> None:
        """Solve it.

        Args:
            graph: who listened to what.
            l2: ridge penalty, in listeners.
            max_tracks: bounds the matrix that is inverted at max_tracks squared.
            listened_power: of a pair's weight; 0 counts every pair alike.
            popularity_power: of a track's listeners; 0 counts every track alike.
        """
        listeners = graph.listener_count()
        most_heard = torch.argsort(listeners, descending=True, stable=True)[:max_tracks]
        self.covers = torch.zeros(len(listeners), dtype=torch.bool)
        self.covers[most_heard[listeners[most_heard] > 0]] = True
        self._heard = _heard_matrix(graph, self.covers, listened_power, popularity_power)
        self._is_by_tracks = self._heard.shape[1] <= self._heard.shape[0]
        solved = _track_side if self._is_by_tracks else _user_side
        self._solution, self._diagonal = solved(self._heard, l2)

    def score(self, users: Tensor) -> Tensor:
        """Scores of every track, shape (batch, n_tracks); 0 outside `covers`."""
        rows = users.cpu().numpy()
        known = self._heard[rows]
        if self._is_by_tracks:
            by_inverse = known @ self._solution
        else:
            by_inverse = (self._heard.T @ self._solution[:, rows]).T
        scores = torch.zeros(len(users), len(self.covers))
        scores[:, self.covers] = torch.from_numpy(
            (known.toarray() - by_inverse / self._diagonal).astype(np.float32)
        )
        return scores.to(users.device)


def _heard_matrix(
    graph: SocialGraph, covers: Tensor, listened_power: float, popularity_power: float
) -> csr_array:
    """X, shape (n_users, covered tracks)."""
    column_of = torch.cumsum(covers, 0) - 1
    pairs = graph.listened.where(covers[graph.listened.tracks])
    listeners = graph.listener_count()[pairs.tracks].double()
    entries = pairs.weight.double().pow(listened_power) * listeners.pow(-popularity_power)
    entries = entries / entries.mean().clamp(min=1e-12)  # all listens skipped at once: weights of 0
    places = (pairs.users.numpy(), column_of[pairs.tracks].numpy())
    shape = (len(graph.nodes.users), int(covers.sum()))
    return csr_array((entries.numpy(), places), shape=shape)


def _track_side(heard: csr_array, l2: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P of shape (tracks, tracks) and its diagonal."""
    inverse = np.linalg.inv((heard.T @ heard).toarray() + l2 * np.eye(heard.shape[1]))
    return inverse, np.diag(inverse)


def _user_side(heard: csr_array, l2: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """K of shape (users, users), and the diagonal of P: (1 - x_j' K x_j) / l2 for column x_j."""
    inverse = np.linalg.inv((heard @ heard.T).toarray() + l2 * np.eye(heard.shape[0]))
    quadratic = heard.multiply(heard.T.dot(inverse).T).sum(axis=0)
    return inverse, (1 - np.asarray(quadratic).ravel()) / l2
