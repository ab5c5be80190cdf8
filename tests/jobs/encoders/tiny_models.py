"""Models of transformers with random weights, a few kB each, saved as a published one is."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dark", "night", "bright", "day"]


def save_bert(
    folder: Path, *, cls_pooling: bool = False, max_seq_length: int | None = None
) -> Path:
    """A BERT of 8 dimensions and 32 positions, with the files of sentence-transformers."""
    torch.manual_seed(3)
    config = BertConfig(vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=32)  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": cls_pooling, "pooling_mode_mean_tokens": not cls_pooling}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if max_seq_length:
        published = {"max_seq_length": max_seq_length}
        (folder / "sentence_bert_config.json").write_text(json.dumps(published))
    return folder


def save_wav2vec(folder: Path, sampling_rate: int = 16_000) -> Path:
    """A wav2vec 2.0 of one layer and 16 dimensions."""
    torch.manual_seed(3)
    config = Wav2Vec2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(16, 16), conv_kernel=(10, 8), conv_stride=(160, 2), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, vocab_size=8)  # fmt: skip
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=sampling_rate).save_pretrained(folder)
    return folder


def save_clap(folder: Path) -> Path:
    """A CLAP at 48 kHz; its vector of audio has 8 numbers."""
    torch.manual_seed(3)
    audio = ClapAudioConfig(window_size=8, patch_size=4, hidden_size=16, depths=[1, 1], num_attention_heads=[1, 2], num_hidden_layers=2, patch_embeds_hidden_size=8, projection_dim=8, spec_size=256, num_mel_bins=64)  # fmt: skip
    text = ClapTextConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, projection_dim=8)  # fmt: skip
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=8)
    ClapModel(config).save_pretrained(folder)
    ClapFeatureExtractor(sampling_rate=48_000, truncation="rand_trunc").save_pretrained(folder)
    return folder


def save_vit(folder: Path) -> Path:
    """A ViT of 32 x 32 pixels and 16 dimensions."""
    torch.manual_seed(3)
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8)  # fmt: skip
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
