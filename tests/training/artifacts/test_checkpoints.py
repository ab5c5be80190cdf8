from __future__ import annotations

import pytest
import torch

from feature_store.lake.storage import open_storage
from tests.training.datasets import CPU, three_modalities, two_taste_view
from training.artifacts.checkpoints import read, write
from training.config import load_recipe
from training.data.batches import UserBatch
from training.engine.loop import eval_mode
from training.models.registry import RANKING
from training.tasks.ranking import Ranking

ALL_USERS = UserBatch(torch.arange(18))


@pytest.mark.parametrize("family", ["mm_gnn", "concat_twin"])
def test_a_model_read_from_its_files_scores_as_before(family, tmp_path):
    """Heads with weights of their own find them again, in whatever order the files name modalities."""
    view = two_taste_view(three_modalities(13))
    recipe, task = load_recipe("ranking", family), Ranking()
    torch.manual_seed(6)
    model = RANKING[family].model(recipe.model, view)
    model.ensemble.weights.copy_(torch.arange(len(model.head_names)) + 1)
    storage = open_storage(str(tmp_path))
    sha256 = write(storage, "model", task.to_state(family, model, view), {}, "{}")

    again = task.from_state(read(storage, "model", sha256), recipe, view, {}, CPU)

    assert again.head_names == model.head_names
    with eval_mode(model), eval_mode(again):
        assert torch.equal(again.score(ALL_USERS), model.score(ALL_USERS))
