"""Fits of the ranking task on a dataset, as a training would make them, without a lake."""

from __future__ import annotations

from datetime import timedelta

import torch

from feature_store.setting_groups import SplitSettings
from training.data.dataset import Dataset
from training.data.interactions import EPOCH
from training.engine.model_selection import Fitting
from training.evaluation.splits import Cut, Holdout, Split, Unsplit, night_cut
from training.tasks.ranking import Ranking

RANKING_TASK = Ranking()


def fitting_of(dataset: Dataset, device: torch.device) -> Fitting:
    """Without resume files and upstreams."""
    return Fitting(task=RANKING_TASK, data=dataset, device=device)


def split_of(dataset: Dataset, seed: int) -> Split[Holdout] | Unsplit:
    """The split of a night over this dataset; the same for every family."""
    config = SplitSettings()
    generator = torch.Generator().manual_seed(seed)
    return RANKING_TASK.split(dataset, cut_of(dataset, config), config, generator)


def cut_of(dataset: Dataset, config: SplitSettings) -> Cut | None:
    """The cut of a night over this dataset, which all tasks share."""
    days = dataset.listens.day[dataset.listens.is_dated]
    first_day = EPOCH + timedelta(days=int(days.min())) if len(days) else None
    return night_cut(first_day, dataset.as_of, config)
