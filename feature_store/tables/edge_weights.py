"""Edge weight of a listener and a track, and the organic share of a day's listens.

Spark computes both for the graph_ tables; training computes both again for the listens that a
split leaves. Each formula stands here once. The caller passes the arithmetic of its engine and its
own kind of number: Spark columns or tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from feature_store.tables.graph import RECENCY_HALF_LIFE_DAYS


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Functions of one engine that Python's operators do not offer, element by element.

    Attributes:
        log1p: ln(1 + x).
        exp: e ^ x.
        floor_divide: the whole number of times that the second integer fits into the first.
    """

    log1p: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    floor_divide: Callable[[Any, Any], Any]


def edge_weight(
    arithmetic: Arithmetic, listen_count: Any, completion_permille: Any, age_days: Any
) -> Any:
    """ln(1 + listens) x mean completion x 0.5 ^ (age / half-life).

    Example: 3 listens, completion 2,000 of 3,000 permille, the last 60 days ago: ln 4 x 2/3 x 1/2.

    Args:
        arithmetic: of the engine.
        listen_count: listens of the pair, at least 1.
        completion_permille: sum of the listens' completion in thousandths.
        age_days: days since the pair's last listen; 0 for a pair of counts without times alone.
    """
    mean_completion = completion_permille / (1000 * listen_count)
    decay = arithmetic.exp(-math.log(2) * age_days / RECENCY_HALF_LIFE_DAYS)
    return arithmetic.log1p(listen_count) * mean_completion * decay


def organic_completion(
    arithmetic: Arithmetic, completion_permille: Any, organic_count: Any, listen_count: Any
) -> Any:
    """The completion of a day's organic listens: an equal share of the sum, rounded down.

    Example: 3 listens with 2,000 permille, 2 of them organic: 1,333.
    """
    return arithmetic.floor_divide(completion_permille * organic_count, listen_count)
