"""Ranges of a configuration's values, declared beside the values and checked when one is made.

A field names its range in its type: `masked_bands: Annotated[float, SHARE] = 0.0`. Its dataclass
calls `check_ranges` in `__post_init__`, so that a changed copy is checked as well as a file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class OutOfRangeError(ValueError):
    """A value of a configuration lies outside what it may be."""


@dataclass(frozen=True, slots=True)
class Between:
    """Finite numbers from `low` to `high`.

    Attributes:
        low, high: both are allowed, but for what the others say.
        has_low, has_high: whether they are.
    """

    low: float
    high: float = math.inf
    has_low: bool = True
    has_high: bool = True

    def allows(self, value: float | str) -> bool:
        """Whether the value is one of them; NaN, infinity and names are not."""
        if isinstance(value, str):
            return False
        is_high_enough = value >= self.low if self.has_low else value > self.low
        is_low_enough = value <= self.high if self.has_high else value < self.high
        return math.isfinite(value) and is_high_enough and is_low_enough

    def __str__(self) -> str:
        low = f"{self.low:g} or more" if self.has_low else f"more than {self.low:g}"
        if math.isinf(self.high):
            return f"a finite number, {low}"
        high = f"at most {self.high:g}" if self.has_high else f"less than {self.high:g}"
        return f"{low} and {high}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Some names."""

    names: tuple[str, ...]

    def allows(self, value: float | str) -> bool:
        """Whether the value is one of them."""
        return value in self.names

    def __str__(self) -> str:
        return f"one of {', '.join(self.names)}"


SHARE = Between(0, 1, has_high=False)
"""Of something of which a part must be left, such as dropout."""
NOT_NEGATIVE = Between(0)
"""Counts, weights and rates that may be 0."""
POSITIVE = Between(0, has_low=False)
AT_LEAST_ONE = Between(1)
AT_LEAST_TWO = Between(2)
UNIT = Between(0, 1)


def check_ranges(config: DataclassInstance) -> None:
    """Check each field whose type names a range.

    Raises:
        OutOfRangeError: a value lies outside; names the configuration, key, value and range.
    """
    hints = get_type_hints(type(config), include_extras=True)
    for field in fields(config):
        hint = hints[field.name]
        if get_origin(hint) is not Annotated:
            continue
        value = getattr(config, field.name)
        for allowed in get_args(hint)[1:]:
            if not allowed.allows(value):
                raise OutOfRangeError(
                    f"{type(config).__name__}: {field.name} = {value!r} is out of range; set "
                    f"{allowed}"
                )
