"""Image models of transformers: their pooled vector."""

from __future__ import annotations

import numpy as np
import torch
from transformers import ViTModel

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry
from jobs.encoders.image.transformer_image import TransformerImage
from tests.jobs.encoders.tiny_models import save_vit


def plain(*rgb):
    return np.full((60, 80, 3), rgb, dtype=np.uint8)


def test_the_vector_is_the_model_s_pooled_one(tmp_path):
    folder = save_vit(tmp_path / "vit")
    encoder = TransformerImage(folder)

    vector = encoder.encode(plain(200, 10, 10))

    pixels = torch.full((1, 3, 32, 32), 10 / 255)
    pixels[:, 0] = 200 / 255
    expected = ViTModel.from_pretrained(folder)(pixel_values=(pixels - 0.5) / 0.5).pooler_output
    np.testing.assert_allclose(vector, expected[0].detach().numpy(), atol=1e-5)
    assert vector.dtype == np.float32
    assert np.abs(vector - encoder.encode(plain(10, 10, 200))).max() > 1e-3


def test_the_identity_names_the_folder(tmp_path):
    settings = EncoderSettings(cover=f"transformers:{save_vit(tmp_path / 'vit')}")

    assert registry.cover_identity(settings).encoder_id == "transformers:vit"
    encoder = registry.image_encoder(settings, registry.cover_identity(settings))
    assert encoder.encode(plain(0, 0, 0)).shape == (16,)


def test_a_pooler_without_weights_is_not_read(tmp_path):
    """A classifier is saved without one, and its random numbers would differ in each worker."""
    folder = save_vit(tmp_path / "vit", as_classifier=True)
    red = plain(200, 10, 10)

    vector = TransformerImage(folder).encode(red)

    assert (TransformerImage(folder).encode(red) == vector).all()
    pixels = torch.full((1, 3, 32, 32), 10 / 255)
    pixels[:, 0] = 200 / 255
    model = ViTModel.from_pretrained(folder, add_pooling_layer=False)
    patches = model(pixel_values=(pixels - 0.5) / 0.5).last_hidden_state[0].detach()
    np.testing.assert_allclose(vector, patches.mean(dim=0), atol=1e-5)
