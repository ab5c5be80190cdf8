from __future__ import annotations

import pytest
import torch

from feature_store.lake.storage import open_storage
from tests.training.worlds import CPU, three_modalities, two_taste_evidence
from training.artifacts.checkpoints import put_together, read, taken_apart, write
from training.config import load_recipe
from training.data.batches import UserBatch
from training.engine.loop import scoring
from training.models.registry import FAMILIES

EVERYBODY = UserBatch(torch.arange(18))


@pytest.mark.parametrize("family", ["mm_gnn", "concat_twin"])
def test_a_model_read_from_its_files_scores_as_before(family, tmp_path):
    """Heads with weights of their own find them again, in whatever order the files name modalities."""
    evidence = two_taste_evidence(three_modalities(13))
    config = load_recipe(family).model
    torch.manual_seed(6)
    model = FAMILIES[family].model(config, evidence)
    model.blend.weights.copy_(torch.arange(len(model.head_names)) + 1)
    storage = open_storage(str(tmp_path))
    sha256 = write(storage, "model", taken_apart(family, model, evidence), {}, "{}")

    again = put_together(read(storage, "model", sha256), config, evidence, CPU)

    assert again.head_names == model.head_names
    with scoring(model), scoring(again):
        assert torch.equal(again.score(EVERYBODY), model.score(EVERYBODY))
