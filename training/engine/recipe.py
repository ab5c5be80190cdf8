"""Recipe: everything that decides how a family is trained, except the data and the seed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from training.engine.loop_config import LoopConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """Configuration of a family.

    Attributes:
        model: the family's own dataclass.
        batching: the task's dataclass of settings of its batches.
        loop: hyperparameters of the training loop.
    """

    task: str
    family: str
    model: Any  # the family's dataclass, which only its file knows
    batching: Any  # the task's
    loop: LoopConfig = field(default_factory=LoopConfig)

    def as_json(self) -> str:
        """The whole recipe, defaults written out, keys sorted: what a model version hashes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)
