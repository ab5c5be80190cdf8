"""Audio of the sample world: synthesised chords, bass, lead voice and drums.

Genre sets tempo, scale, timbre and drums. Valence picks the bright or the dark scale; arousal
moves tempo, loudness and drums; style moves brightness, note density and attack. Each voice reads
a periodic wavetable at a frequency that is constant within a step, so one lookup makes a voice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.rng import generator

Signal = NDArray[np.float32]  # one value per sample, shape (n_samples,)
Steps = NDArray[np.float64]  # one value per sixteenth note, shape (n_steps,)

STEPS_PER_BAR = 16
STEPS_PER_BEAT = 4
_TABLE_SIZE = 2048
_A2_HZ = 110.0
_CHORD_DEGREES = (0, 2, 4)  # of the scale, a triad
_PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (0, 2, 3, 4))
_FADE_S = 0.02
_LONG_AGO_STEPS = 10_000  # no envelope lasts that long


@dataclass(frozen=True, slots=True)
class _Score:
    """The grid of sixteenth-note steps and the chord of each step."""

    step_of_sample: NDArray[np.int64]  # (n_samples,)
    age_s: Signal  # seconds since the step began
    step_s: float
    n_steps: int
    root_hz: float
    scale: tuple[int, ...]
    chord_of_step: NDArray[np.int64]  # (n_steps,) scale degree of the chord's root


def synthesise(track: Track, *, seed: int, clip_s: float, sample_rate_hz: int) -> Signal:
    """A mono clip of the track, shape (round(clip_s * sample_rate_hz),), peak below 1."""
    rng = generator(seed, "audio", track.position)
    score = _write_score(track, rng, round(clip_s * sample_rate_hz), sample_rate_hz)
    energy = (track.arousal + 1) / 2
    mix = 0.5 * _chords(track, score) + 0.5 * _bass(score) + 0.7 * _lead(track, score, rng)
    drum_level = track.artist.genre.drum_level * (0.5 + energy)
    if drum_level > 0:
        mix += drum_level * _drums(track, score, rng)
    return _master(mix, level=0.15 + 0.6 * energy, sample_rate_hz=sample_rate_hz)


def _write_score(
    track: Track, rng: np.random.Generator, n_samples: int, sample_rate_hz: int
) -> _Score:
    genre = track.artist.genre
    tempo_bpm = genre.tempo_bpm * (1 + 0.12 * track.arousal + 0.03 * rng.normal())
    step_s = 60 / tempo_bpm / STEPS_PER_BEAT
    seconds = np.arange(n_samples) / sample_rate_hz
    step_of_sample = (seconds / step_s).astype(np.int64)
    n_steps = int(step_of_sample[-1]) + 1
    progression = np.array(_PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))])
    bars = np.arange(n_steps) // STEPS_PER_BAR
    return _Score(
        step_of_sample=step_of_sample,
        age_s=(seconds - step_of_sample * step_s).astype(np.float32),
        step_s=step_s,
        n_steps=n_steps,
        root_hz=_A2_HZ * 2 ** (int(rng.integers(-5, 7)) / 12),
        scale=genre.bright_scale if track.valence >= 0 else genre.dark_scale,
        chord_of_step=progression[bars % len(progression)],
    )


def _chords(track: Track, score: _Score) -> Signal:
    """A soft triad held through each bar."""
    table = _wave_table((1.0, 0.4, 0.2, 0.1), brightness=float(track.style[0]))
    voices = [
        _wave(table, _hz_of_degrees(score, score.chord_of_step + degree), score)
        for degree in _CHORD_DEGREES
    ]
    triad: Signal = np.mean(voices, axis=0, dtype=np.float32)
    return triad


def _bass(score: _Score) -> Signal:
    """The chord's root an octave lower, on every beat."""
    table = _wave_table((1.0, 0.3, 0.1), brightness=0.0)
    hertz = _hz_of_degrees(score, score.chord_of_step) / 2
    on_beat = np.arange(score.n_steps) % STEPS_PER_BEAT == 0
    since_hit_s = _since_hit_s(on_beat, score)
    envelope = np.exp(-since_hit_s / (2 * score.step_s))
    bass: Signal = _wave(table, hertz, score) * envelope
    return bass


def _lead(track: Track, score: _Score, rng: np.random.Generator) -> Signal:
    """A random walk over the scale around the chord; `density` sets how often a note starts."""
    genre = track.artist.genre
    brightness, density, softness = (float(value) for value in track.style)
    is_onset = rng.random(score.n_steps) < 1 / (1 + np.exp(0.8 - 0.6 * density))
    is_onset[0] = True
    walk = np.cumsum(rng.integers(-2, 3, size=score.n_steps)) % 8
    last_onset = np.maximum.accumulate(np.where(is_onset, np.arange(score.n_steps), 0))
    degrees = score.chord_of_step[last_onset] + walk[last_onset]
    since_hit_s = _since_hit_s(is_onset, score)
    attack_s = float(genre.attack_s * np.exp(0.5 * softness))
    envelope: Signal = np.minimum(since_hit_s / attack_s, 1) * np.exp(-since_hit_s / genre.decay_s)
    table = _wave_table(genre.harmonics, brightness)
    return _wave(table, 2 * _hz_of_degrees(score, degrees), score) * envelope


def _drums(track: Track, score: _Score, rng: np.random.Generator) -> Signal:
    genre = track.artist.genre
    noise = rng.standard_normal(len(score.age_s), dtype=np.float32)
    kick_s = _since_hit_s(_pattern(genre.kick, score), score)
    snare_s = _since_hit_s(_pattern(genre.snare, score), score)
    hat_s = _since_hit_s(_pattern(genre.hat, score), score)
    # The kick's pitch falls from 150 Hz to 50 Hz; the phase is that sweep's integral.
    kick_cycles = 50 * kick_s + 100 * 0.03 * (1 - np.exp(-kick_s / 0.03))
    kick = np.sin(2 * np.pi * kick_cycles) * np.exp(-kick_s / 0.12)
    snare = noise * np.exp(-snare_s / 0.07)
    bright_noise = noise - np.roll(noise, 1)  # a high-pass filter
    hat = bright_noise * np.exp(-hat_s / 0.02)
    drums: Signal = kick + 0.3 * snare + 0.15 * hat
    return drums


def _pattern(pattern: str, score: _Score) -> NDArray[np.bool_]:
    hits = np.array([step == "x" for step in pattern])
    return hits[np.arange(score.n_steps) % STEPS_PER_BAR]


def _since_hit_s(hits: NDArray[np.bool_], score: _Score) -> Signal:
    """Seconds since the last hit began; very long before the first hit."""
    steps = np.arange(score.n_steps)
    last_hit = np.maximum.accumulate(np.where(hits, steps, -_LONG_AGO_STEPS))
    since_hit_s = ((steps - last_hit) * score.step_s).astype(np.float32)
    return since_hit_s[score.step_of_sample] + score.age_s


def _hz_of_degrees(score: _Score, degrees: NDArray[np.int64]) -> Steps:
    """Frequencies of scale degrees counted from the root, same shape as `degrees`."""
    octaves, within = np.divmod(degrees, len(score.scale))
    semitones = 12 * octaves + np.array(score.scale)[within]
    hertz: Steps = score.root_hz * 2 ** (semitones / 12)
    return hertz


def _wave_table(harmonics: tuple[float, ...], brightness: float) -> Signal:
    """One period of a sum of partials; brightness strengthens the upper partials."""
    partials = np.arange(1, len(harmonics) + 1)
    amplitudes = np.array(harmonics) * partials ** (0.5 * np.tanh(brightness))
    phase = np.arange(_TABLE_SIZE) / _TABLE_SIZE
    period = amplitudes @ np.sin(2 * np.pi * np.outer(partials, phase))
    table: Signal = (period / np.abs(period).max()).astype(np.float32)
    return table


def _wave(table: Signal, hz_of_step: Steps, score: _Score) -> Signal:
    """The wavetable read at each step's frequency, with continuous phase between steps."""
    cycles_before = np.concatenate([[0.0], np.cumsum(hz_of_step * score.step_s)[:-1]])
    start_phase = (cycles_before % 1).astype(np.float32)[score.step_of_sample]
    cycles = start_phase + hz_of_step.astype(np.float32)[score.step_of_sample] * score.age_s
    return table[(cycles * _TABLE_SIZE).astype(np.int32) % _TABLE_SIZE]


def _master(mix: Signal, level: float, sample_rate_hz: int) -> Signal:
    """The mix scaled to its peak and softly limited, with short fades against clicks."""
    n_fade = min(round(_FADE_S * sample_rate_hz), len(mix) // 2)
    fade = np.ones(len(mix), dtype=np.float32)
    fade[:n_fade] = np.linspace(0, 1, n_fade)
    fade[-n_fade:] = np.linspace(1, 0, n_fade)
    clip: Signal = level * fade * np.tanh(2 * mix / np.abs(mix).max())
    return clip
