"""Audio models of transformers: windows, sample rates, and models of one vector or of frames."""

from __future__ import annotations

import json

import numpy as np
import pytest
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry
from jobs.encoders.audio.transformer_audio import TransformerAudio
from jobs.encoders.transformer_folder import ModelFolderError
from tests.jobs.encoders.tiny_models import save_clap, save_wav2vec

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def wav2vec(tmp_path_factory):
    return save_wav2vec(tmp_path_factory.mktemp("wav2vec"))


def test_frames_are_averaged_and_pieces_too(wav2vec):
    """12 s are two pieces of 6 s."""
    samples = RNG.normal(size=12 * 16_000).astype(np.float32) / 5
    encoder = TransformerAudio(wav2vec)

    encoding = encoder.encode([samples])

    extract = Wav2Vec2FeatureExtractor.from_pretrained(wav2vec)
    model = Wav2Vec2Model.from_pretrained(wav2vec).eval()
    means = []
    for window in (samples[:96_000], samples[96_000:]):
        values = extract(window, sampling_rate=16_000, return_tensors="pt")
        means.append(model(**values).last_hidden_state[0].mean(dim=0).detach().numpy())
    np.testing.assert_allclose(encoding.embedding, np.mean(means, axis=0), atol=1e-6)
    assert encoding.embedding.dtype == np.float32
    assert encoding.tag_probabilities is None
    assert (encoder.encode([samples]).embedding == encoding.embedding).all()


@pytest.mark.parametrize("end_s", [0.05, 0.6, 5.0])
def test_an_end_counts_by_its_length(wav2vec, end_s):
    """10 s of a tone, then noise: no piece is shorter than another."""
    tone = np.sin(np.arange(160_000) * 0.2).astype(np.float32)
    end = RNG.normal(size=round(end_s * 16_000)).astype(np.float32)
    encoder, lengths = TransformerAudio(wav2vec), []
    encode_piece = encoder._encode_piece

    def measured(piece):
        lengths.append(len(piece))
        return encode_piece(piece)

    encoder._encode_piece = measured
    encoder.encode([np.concatenate([tone, end])])

    assert max(lengths) - min(lengths) <= 1
    assert (len(lengths), sum(lengths)) == (2, len(tone) + len(end))


@pytest.mark.parametrize("longest_s", [3, 7, 10])
def test_the_same_recording_has_the_same_vector_whatever_the_model_takes(tmp_path, longest_s):
    """CLAP's extractor cuts what is longer than it takes at random."""
    folder = save_clap(tmp_path / "clap")
    file = folder / "preprocessor_config.json"
    config = json.loads(file.read_text())
    config |= {"max_length_s": longest_s, "nb_max_samples": longest_s * 48_000}
    file.write_text(json.dumps(config))
    encoder = TransformerAudio(folder)
    samples = RNG.normal(size=12 * 48_000).astype(np.float32) / 5

    first, *others = (encoder.encode([samples]).embedding for _ in range(3))

    assert all((other == first).all() for other in others)


def test_a_model_of_whole_recordings_gives_its_own_vector(tmp_path):
    encoder = TransformerAudio(save_clap(tmp_path / "clap"))
    samples = RNG.normal(size=10 * 48_000).astype(np.float32) / 5

    encoding = encoder.encode([samples])

    assert encoder.sample_rate_hz == 48_000
    assert encoding.embedding.shape == (8,)
    assert np.isfinite(encoding.embedding).all()
    assert np.abs(encoding.embedding - encoder.encode([samples / 3]).embedding).max() > 1e-4


def test_the_registry_finds_it_by_its_folder(wav2vec):
    """With the seconds that are read in its identity, as for every audio encoder."""
    settings = EncoderSettings(audio=f"transformers:{wav2vec}")
    first = registry.audio_identity(settings)
    shorter = registry.audio_identity(settings.model_copy(update={"max_audio_s": 30.0}))

    assert first.encoder_id == f"transformers:{wav2vec.name}"
    assert first != shorter
    assert isinstance(registry.audio_encoder(settings, first), TransformerAudio)


def test_a_model_that_does_not_name_its_sample_rate_is_refused(tmp_path):
    folder = save_wav2vec(tmp_path / "wav2vec")
    (folder / "preprocessor_config.json").write_text("{}")

    with pytest.raises(ModelFolderError, match="name no sampling_rate; add it"):
        registry.audio_identity(EncoderSettings(audio=f"transformers:{folder}"))
