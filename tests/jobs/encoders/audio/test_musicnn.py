"""MusiCNN with its published weights, on real recordings, and how it cuts patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jobs.encoders.audio import audio_file, musicnn

RECORDINGS = Path(__file__).resolve().parents[5] / "shared" / "data" / "librosa-cc-audio"


@pytest.fixture(scope="module")
def encoder():
    return musicnn.MusiCNN()


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "expected", "absent"),
    [
        ("Hungarian_Dance_number_5", {"classical", "violin", "strings"}, {"techno", "metal"}),
        ("442789__lena-orsa__happy-music", {"piano", "solo"}, {"violin", "female"}),
        ("198-209-0000", {"female", "woman", "vocal"}, {"male", "piano"}),
        ("3436-172162-0000", {"male", "man", "vocal"}, {"female", "piano"}),
    ],
)
def test_real_recordings_get_plausible_tags(encoder, name, expected, absent):
    """A string orchestra, a ragtime piano, a woman reading, a man reading: among the first five tags."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings of librosa-cc-audio are not in {RECORDINGS}")
    [file] = RECORDINGS.glob(f"{name}*.ogg")
    music = encoder.encode(audio_file.decode(file.read_bytes(), 15.0))
    best = [musicnn.TAGS[index] for index in np.argsort(-music.tag_probabilities)[:5]]
    assert expected <= set(best)
    assert not absent & set(best)


def test_there_are_fifty_different_tags():
    assert len(set(musicnn.TAGS)) == len(musicnn.TAGS) == 50


def test_an_encoding_has_the_published_sizes_and_probabilities(encoder):
    music = encoder.encode(noise(4, seed=1))
    assert (music.embedding.shape, music.tag_probabilities.shape) == ((200,), (50,))
    assert music.tag_probabilities.min() >= 0
    assert music.tag_probabilities.max() <= 1


def test_an_encoding_does_not_depend_on_earlier_recordings(encoder):
    """Bit for bit: feature rows are compared by hash."""
    first = encoder.encode(noise(7, seed=1))
    encoder.encode(noise(4, seed=2))
    again = encoder.encode(noise(7, seed=1))
    assert (first.embedding == again.embedding).all()
    assert (first.tag_probabilities == again.tag_probabilities).all()


def test_an_encoding_is_the_mean_over_patches(encoder):
    """Frames 0..186 and 187..373 are two patches; each alone is what the network gets."""
    import torch

    samples = noise(6, seed=3)
    frames = musicnn.mel.log_mel(samples)[: 2 * 187].reshape(2, 187, 96)
    with torch.inference_mode():
        alone = [encoder._network(torch.from_numpy(patch[None]))[0][0].numpy() for patch in frames]
    np.testing.assert_allclose(
        encoder.encode(samples).embedding, (alone[0] + alone[1]) / 2, atol=1e-6
    )


def test_an_incomplete_last_patch_is_dropped():
    """400 frames hold two patches of 187; the last 26 frames belong to none."""
    frames = np.arange(400, dtype=np.float32)[:, None]
    patches = musicnn.cut_patches(frames)
    assert patches.shape == (2, 187, 1)
    assert (patches[0, 0, 0], patches[1, 0, 0], patches[1, 186, 0]) == (0, 187, 373)


def test_a_short_recording_is_repeated_until_it_fills_a_patch():
    """100 frames: frame 100 of the patch is frame 0 again, and the last one is frame 86."""
    patches = musicnn.cut_patches(np.arange(100, dtype=np.float32)[:, None])
    assert patches.shape == (1, 187, 1)
    assert (patches[0, 100, 0], patches[0, 186, 0]) == (0, 86)


def test_every_filter_reaches_equally_far_to_both_sides(encoder):
    """Silence around one loud frame: it changes 7-frame filters within 3 frames and no farther."""
    import torch

    quiet = torch.zeros(1, 187, 96)
    loud = quiet.clone()
    loud[0, 90] = 1.0
    with torch.inference_mode():
        changed = encoder._network.front_end(loud) != encoder._network.front_end(quiet)
    timbral = changed[0, :408].any(dim=0).nonzero().flatten().tolist()
    assert timbral == list(range(87, 94))
    longest = changed[0, 408:459].any(dim=0).nonzero().flatten().tolist()
    # 128 frames with 63 before and 64 behind: frame 90 changes outputs from 90 - 64 to 90 + 63.
    assert (min(longest), max(longest)) == (26, 153)
