"""MusiCNN with its published weights, on real recordings, and how it cuts patches."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.decoding import audio_file
from jobs.encoders.audio.musicnn import encoder as musicnn
from jobs.encoders.audio.spectrograms import musicnn_mel
from tests.jobs.encoders.audio.recordings import RECORDINGS


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
    music = encoder.encode([audio_file.decode(file.read_bytes(), 15.0)])
    best = [musicnn.TAGS[index] for index in np.argsort(-music.tag_probabilities)[:5]]
    assert expected <= set(best)
    assert not absent & set(best)


ORIGINAL = {
    "Hungarian": ([0.68528, -0.03288, -0.09226, 0.16678], [0.79945, 0.60801, 0.00126, 0.00599]),
    "Karissa": ([0.60347, -0.03288, 0.69081, 0.0809], [0.00227, 0.01525, 0.02298, 0.26399]),
    "198-209": ([1.18608, 0.14698, -0.04763, 0.42458], [0.01721, 0.01118, 0.01739, 0.17918]),
}
"""Features 0 to 3 and the tags classical, strings, piano, vocal, by the original graph.

How they were made: musicnn 0.1.0's models.define_model with its checkpoint MTT_musicnn, under
tensorflow-cpu 2.15.1, fed with the patches of the middle 9 s below; mean over three patches.
"""


@pytest.mark.parametrize("name", ORIGINAL)
def test_it_equals_the_original_graph_on_real_audio(encoder, name):
    """Over all 200 features and 50 tags of the nine patches the largest difference was 9e-6."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings of librosa-cc-audio are not in {RECORDINGS}")
    [file] = RECORDINGS.glob(f"{name}*.ogg")
    features, tags = ORIGINAL[name]
    encoding = encoder.encode([audio_file.decode(file.read_bytes(), 9.0)])
    assert encoding.embedding[:4] == pytest.approx(features, abs=1e-4)
    chosen = [musicnn.TAGS.index(tag) for tag in ("classical", "strings", "piano", "vocal")]
    assert encoding.tag_probabilities[chosen] == pytest.approx(tags, abs=1e-4)


def test_there_are_fifty_different_tags():
    assert len(set(musicnn.TAGS)) == len(musicnn.TAGS) == 50


def test_an_encoding_has_the_published_sizes_and_probabilities(encoder):
    music = encoder.encode([noise(4, seed=1)])
    assert (music.embedding.shape, music.tag_probabilities.shape) == ((200,), (50,))
    assert music.tag_probabilities.min() >= 0
    assert music.tag_probabilities.max() <= 1


def test_an_encoding_does_not_depend_on_earlier_recordings(encoder):
    """Bit for bit: feature rows are compared by hash."""
    first = encoder.encode([noise(7, seed=1)])
    encoder.encode([noise(4, seed=2)])
    again = encoder.encode([noise(7, seed=1)])
    assert (first.embedding == again.embedding).all()
    assert (first.tag_probabilities == again.tag_probabilities).all()


def test_an_encoding_is_the_mean_over_patches(encoder):
    """Frames 0..186 and 187..373 are two patches; each alone is what the network gets."""
    import torch

    samples = noise(6, seed=3)
    frames = musicnn_mel.log_mel(samples)[: 2 * 187].reshape(2, 187, 96)
    with torch.inference_mode():
        alone = [encoder._network(torch.from_numpy(patch[None]))[0][0].numpy() for patch in frames]
    encoding = encoder.encode([samples])
    np.testing.assert_allclose(encoding.embedding, (alone[0] + alone[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(encoding.embedding_max, np.maximum(*alone), atol=1e-6)


def test_windows_are_cut_into_patches_one_by_one(encoder):
    """No patch crosses from one window into the next: two windows of 4 s are two patches."""
    one, other = noise(4, seed=4), noise(4, seed=5)
    both = encoder.encode([one, other])
    alone = [encoder.encode([window]) for window in (one, other)]
    np.testing.assert_allclose(
        both.tag_probabilities,
        np.mean([each.tag_probabilities for each in alone], axis=0),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        both.tag_probabilities_max, np.max([each.tag_probabilities for each in alone], axis=0)
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
