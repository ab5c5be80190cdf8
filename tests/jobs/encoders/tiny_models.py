"""Models of transformers with random weights, a few kB each, saved as a published one is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

END, UNKNOWN_WORD = "<end>", "<unknown>"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dark", "night", "bright", "day"]


def save_bert(
    folder: Path,
    *,
    pooling: Mapping[str, object] | None = None,
    max_seq_length: int | None = None,
    modules: Sequence[str] = (),
) -> Path:
    """A BERT of 8 dimensions and 32 positions, with what sentence-transformers says of it."""
    torch.manual_seed(3)
    config = BertConfig(vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=32)  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    if pooling:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    if modules:
        named = [{"type": f"sentence_transformers.models.{name}"} for name in modules]
        (folder / "modules.json").write_text(json.dumps(named))
    if max_seq_length:
        published = {"max_seq_length": max_seq_length}
        (folder / "sentence_bert_config.json").write_text(json.dumps(published))
    return folder


def save_gpt2(
    folder: Path,
    follows: Mapping[str, str] | None = None,
    *,
    n_positions: int = 4096,
    chat_template: str | None = None,
) -> Path:
    """A GPT-2 of one block whose words are split at blanks.

    Args:
        folder: where it is saved.
        follows: the word that the model says after each word, whatever stands before; END ends
            its answer. None draws the weights at random.
        n_positions: tokens of its window.
        chat_template: of its tokenizer, in Jinja.
    """
    torch.manual_seed(3)
    words = [END, UNKNOWN_WORD, *sorted({*(follows or {}), *(follows or {}).values(), *WORDS} - {END, UNKNOWN_WORD})]  # fmt: skip
    size = len(words) + len(words) % 2
    config = GPT2Config(vocab_size=len(words), n_embd=size, n_layer=1, n_head=2, n_positions=n_positions, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False)  # fmt: skip
    model = GPT2LMHeadModel(config)
    if follows is not None:
        _say(model, {words.index(word): words.index(after) for word, after in follows.items()})
    model.save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN_WORD))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN_WORD,
        eos_token=END,
        chat_template=chat_template,
    ).save_pretrained(folder)
    return folder


def _say(model: GPT2LMHeadModel, follows: Mapping[int, int]) -> None:
    """Set the weights so that each word gives its follower the highest logit.

    A word's state is its own unit vector, scaled by the last norm; the block and the positions add
    nothing. The head's row of the follower is that unit vector, so its logit alone is positive.
    """
    with torch.no_grad():
        for parameter in (*model.transformer.h.parameters(), model.transformer.wpe.weight):
            parameter.zero_()
        n_words, size = model.transformer.wte.weight.shape
        model.transformer.wte.weight.copy_(torch.eye(n_words, size))
        model.lm_head.weight.zero_()
        for word, after in follows.items():
            model.lm_head.weight[after, word] += 1


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


def save_roberta(folder: Path) -> Path:
    """A RoBERTa of 32 positions, which it counts from 2."""
    torch.manual_seed(3)
    config = RobertaConfig(vocab_size=len(WORDS), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=32, pad_token_id=1)  # fmt: skip
    RobertaModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def save_vit(folder: Path, *, as_classifier: bool = False) -> Path:
    """A ViT of 32 x 32 pixels and 16 dimensions; a classifier is saved without a pooler."""
    torch.manual_seed(3)
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8)  # fmt: skip
    (ViTForImageClassification if as_classifier else ViTModel)(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
