"""OpenL3 as an encoder: reference numbers, windows, identity, and settings that lack the weights."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry
from jobs.encoders.audio.openl3.encoder import OpenL3, cut_seconds
from jobs.encoders.audio.openl3.weights_file import WeightsFileError
from tests.jobs.encoders.audio.spectrograms.test_openl3_mel import half_a_second
from tests.jobs.encoders.openl3_file import write_openl3

MUSIC_512, MUSIC_6144 = "openl3-music-mel256-512", "openl3-music-mel256-6144"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_openl3(tmp_path_factory.mktemp("openl3") / "weights.h5")


@pytest.fixture(scope="module")
def settings(weights):
    return EncoderSettings(audio=MUSIC_512, openl3_weights=str(weights))


@pytest.fixture(scope="module")
def encoder(settings):
    return OpenL3(MUSIC_512, settings)


def noise(n_samples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, n_samples).astype(np.float32)


@pytest.mark.parametrize(
    ("encoder_id", "size", "at", "expected", "mean"),
    [
        (MUSIC_512, 512, (0, 1, 300, 511), (0.5368, 3.3886, 0.1895, 3.0595), 2.24361),
        (MUSIC_6144, 6144, (0, 1, 511, 6143), (0.3179, 2.7072, 1.4994, 2.6228), 1.05021),
    ],
)
def test_an_embedding_is_what_keras_computes(settings, encoder_id, size, at, expected, mean):
    """Half a second of sound is one window, its first half zeros.

    The numbers are those of the published network in tf_keras 2.21 behind kapre 0.1.4's
    Melspectrogram, with the same weights and samples.
    """
    encoding = OpenL3(encoder_id, settings).encode([half_a_second()])

    assert (encoding.embedding.shape, encoding.embedding.dtype) == ((size,), np.float32)
    assert encoding.tag_probabilities is None
    assert [float(encoding.embedding[index]) for index in at] == pytest.approx(expected, abs=5e-4)
    assert encoding.embedding.mean() == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize(
    ("n_samples", "n_windows"),
    [(1, 1), (24_000, 1), (24_001, 2), (72_000, 2), (72_001, 3), (2_880_000, 61)],
)
def test_every_sample_is_in_exactly_one_window(n_samples, n_windows):
    """After half a second of zeros, so a minute takes 61 windows."""
    samples = np.arange(1, n_samples + 1, dtype=np.float32)

    windows = cut_seconds(samples)

    assert windows.shape == (n_windows, 48_000)
    joined = windows.reshape(-1)
    assert (joined[:24_000] == 0).all()
    assert (joined[24_000 : 24_000 + n_samples] == samples).all()
    assert (joined[24_000 + n_samples :] == 0).all()


def test_a_recording_is_the_mean_of_its_windows(encoder):
    """Half a second, as long a silence, half a second: each of two windows begins with zeros.

    So each is the one window of a recording of half a second.
    """
    first, second = noise(24_000, seed=1), half_a_second()
    silence = np.zeros(24_000, np.float32)

    whole = encoder.encode([np.concatenate([first, silence, second])]).embedding

    parts = [encoder.encode([part]).embedding for part in (first, second)]
    np.testing.assert_allclose(whole, np.mean(parts, axis=0), atol=1e-6)
    assert np.abs(parts[0] - parts[1]).max() > 0.1


def test_an_encoding_does_not_depend_on_earlier_recordings(encoder, settings):
    """Bit for bit, and from a second encoder too: feature rows are compared by hash."""
    first = encoder.encode([noise(60_000, seed=1)]).embedding
    encoder.encode([noise(24_000, seed=2)])

    assert (encoder.encode([noise(60_000, seed=1)]).embedding == first).all()
    assert (OpenL3(MUSIC_512, settings).encode([noise(60_000, seed=1)]).embedding == first).all()


def test_the_registry_has_both_contents_and_both_sizes(settings):
    """512 and 6,144 numbers of the same file are two encoders."""
    identities = {}
    for content_type in ("music", "env"):
        for size in (512, 6144):
            encoder_id = f"openl3-{content_type}-mel256-{size}"
            chosen = settings.model_copy(update={"audio": encoder_id})
            identities[encoder_id] = registry.audio_identity(chosen)
            loaded = registry.audio_encoder(chosen, identities[encoder_id])
            assert loaded.sample_rate_hz == 48_000
            assert loaded.encode([half_a_second()]).embedding.shape == (size,)

    assert [identity.encoder_id for identity in identities.values()] == list(identities)
    assert len(set(identities.values())) == 4


def test_the_identity_changes_with_the_weights_and_the_seconds_but_not_with_the_path(
    settings, weights, tmp_path
):
    first = registry.audio_identity(settings)
    elsewhere = shutil.copy(weights, tmp_path / "copied.h5")
    others = write_openl3(tmp_path / "others.h5", seed=4)

    def identity(**changed):
        return registry.audio_identity(settings.model_copy(update=changed))

    assert identity(openl3_weights=str(elsewhere)) == first
    assert identity(openl3_weights=str(others)).weights_sha256 != first.weights_sha256
    assert identity(max_audio_s=30.0).preprocessing_id != first.preprocessing_id
    assert identity(max_audio_s=30.0).weights_sha256 == first.weights_sha256


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "encoders.audio = 'openl3-music-mel256-512' needs a file"),
        ("openl3.h5", "the path must begin with /, because Airflow and Spark run in other folders"),
        ("/no/such/openl3.h5", "there is no such file on this machine"),
    ],
)
def test_a_job_is_not_planned_without_the_weights(path, says):
    """The identity is computed before Spark starts; the message names the setting and what to set."""
    settings = EncoderSettings(audio=MUSIC_512, openl3_weights=path)

    with pytest.raises(
        WeightsFileError,
        match=re.escape(
            f"settings: encoders.openl3_weights = {path!r}: {says}; set EVENSONG_ENCODERS"
        ),
    ):
        registry.audio_identity(settings)


def test_a_job_is_not_planned_with_weights_of_another_network(settings, weights, tmp_path):
    other = shutil.copy(weights, tmp_path / "openl3_audio_mel256_env.h5")

    with pytest.raises(
        WeightsFileError, match="its name says mel256 and env; give openl3_audio_mel"
    ):
        registry.audio_identity(settings.model_copy(update={"openl3_weights": str(other)}))


def test_another_encoder_needs_no_weights_of_openl3():
    assert EncoderSettings(audio="musicnn-mtt-v1").openl3_weights_fault() == ""
    assert EncoderSettings(audio=MUSIC_512).openl3_weights_fault() != ""
