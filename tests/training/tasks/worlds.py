"""Worlds for the exam of tasks: lakes with and without a person, and data with a planted leak."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from feature_store import tables
from feature_store.lake.arrow_io import write_slice
from feature_store.lake.storage import sha256_of
from feature_store.settings import Night
from tests.jobs.encoders.tiny_models import save_bert
from tests.training import lake as sample
from tests.training.datasets import dataset_of, dated_edges, edges, ids, listens_on, nodes_of
from tests.training.tasks import music
from tests.training.tasks.mood_worlds import mood_leak, ranking_state
from tests.training.tasks.sentences import CORE_SENTENCES, TABLES, SentenceMood, Sentences
from training import config
from training.artifacts import stored_models
from training.artifacts.model_state import ModelState
from training.config import CONFIGS
from training.data.audio_text import AudioTextData
from training.data.content import Vectors
from training.data.emotion_texts import EmotionTexts
from training.data.interactions import day_number
from training.data.nodes import IdList
from training.data.track_pairs import TrackPairs
from training.tasks import registry
from training.tasks.audio_text import AudioText
from training.tasks.mood import Mood
from training.tasks.protocol import ModelRef, Task
from training.tasks.ranking import Ranking
from training.tasks.text_emotion import TextEmotion

MARCH_1 = date(2026, 3, 1)
SENTENCES = SentenceMood()
PERSON = "u03"


def register(lake: str = "") -> None:
    """Make the task of the tests known to this process, as a file, a registry line and tables would.

    Recipes are those that `fill` has put beside the lake.
    """
    if lake:
        config.CONFIGS = _configs(lake)
    registry.TASKS[SENTENCES.name] = SENTENCES
    tables.TABLES.update({table.name: table for table in TABLES})


def unregister() -> None:
    config.CONFIGS = CONFIGS
    registry.TASKS.pop(SENTENCES.name, None)
    for table in TABLES:
        tables.TABLES.pop(table.name, None)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All tasks, and no MLflow: its database takes seconds to create, and has a test of its own."""
    monkeypatch.setattr(stored_models, "track", lambda *_: "not-tracked")
    register()
    yield
    unregister()


def fill(lake: str, as_of: date, *, without: Collection[str] = ()) -> None:
    """Everything that the tasks read: the sample lake, and a sentence a day of each of ten users."""
    _write_recipe(_configs(lake))
    config.CONFIGS = _configs(lake)
    sample.fill(lake, as_of, without=without)
    rows = [row for row in sentence_rows(as_of) if row["user_id"] not in without]
    write_slice(
        lake, CORE_SENTENCES, pa.Table.from_pylist(rows, CORE_SENTENCES.arrow_schema), as_of=as_of
    )


def htcl_night(night: Night, **changes: object) -> Night:
    """The night with HTCL as the champion of audio_text, one thread and five contents a commit."""
    training = {"n_threads": 1, "families": {"audio_text": "htcl"}}
    settings = night.settings.model_copy(
        update={
            "training": night.settings.training.model_copy(update=training),
            "encoders": night.settings.encoders.model_copy(update={"contents_per_commit": 5}),
            **changes,
        }
    )
    return replace(night, settings=settings)


def _configs(lake: str) -> Path:
    return Path(lake).parent / "configs"


def _write_recipe(folder: Path) -> None:
    """Few epochs of small batches, for HTCL and text emotion with a text model of a few kB."""
    if folder.exists():
        return
    (folder / "audio_text").mkdir(parents=True)
    text_model = save_bert(folder / "text_model")
    (folder / "audio_text" / "htcl.toml").write_text(
        f'[model]\ntext_folder = "{text_model}"\nmin_pairs = 10\nepoch_pairs = 24\n'
        "[batching]\nbatch_tracks = 8\n"
        "[loop]\nlearning_rate = 1e-3\nvalidate_every = 1\nmax_epochs = 2\n"
    )
    (folder / "mood").mkdir()
    (folder / "mood" / "wide_deep.toml").write_text(
        "[loop]\nlearning_rate = 5e-3\nvalidate_every = 1\nmax_epochs = 4\n"
    )
    (folder / "text_emotion").mkdir()
    for family in ("words_to_waves", "ridge"):
        (folder / "text_emotion" / f"{family}.toml").write_text(
            f'[model]\ntext_folder = "{text_model}"\nmax_tokens = 32\n'
            "[loop]\nlearning_rate = 1e-2\nvalidate_every = 1\nmax_epochs = 3\n"
        )


def sentence_rows(as_of: date) -> list[dict[str, Any]]:
    """Happy and sad words decide the mood; the track and the writer decide nothing."""
    rows = []
    n_days = (as_of - sample.FIRST_DAY).days + 1
    for day in range(n_days):
        for number, user in enumerate(sample.USERS[:10]):
            is_happy = (day * 7 + number * 3) % 5 < 2
            word = "happy" if is_happy else "sad"
            rows.append(
                {
                    "as_of_date": as_of,
                    "sentence_id": f"s{day:02}-{number}",
                    "user_id": user,
                    "track_id": sample.TRACKS[(day + number) % len(sample.TRACKS)],
                    "words": [word, f"{word}{day % 3}", f"filler{number}", word],
                    "written_date": sample.FIRST_DAY + timedelta(days=day),
                    "mood": 0.8 if is_happy else -0.6,
                }
            )
    return rows


@dataclass(frozen=True, slots=True)
class PlantedLeak:
    """Data whose past says nothing of what is held out, and whose rest gives it away.

    Attributes:
        bound: the task's metric stays below it without a leak.
        leak: the metric exceeds it with one.
    """

    task: Task[Any, Any, Any]
    family: str
    data: Callable[[], Any]
    upstream: Callable[[Any], dict[Any, ModelState]]
    bound: float
    leak: float


def ranking_leak() -> Any:
    """30 listeners heard 6 of 50 tracks, drawn at random; what they hear and like next is drawn too.

    Of 44 unheard tracks one is to be found: by chance it stands among the first ten for a quarter
    of the listeners.
    """
    generator = torch.Generator().manual_seed(3)
    rows, likes = [], []
    for user in range(30):
        tracks = torch.randperm(50, generator=generator)[:8].tolist()
        for number, track in enumerate(tracks[:6]):
            rows.append((user, track, MARCH_1 - timedelta(days=34 - 3 * number)))
        for track, days_ago in zip(tracks[6:], (9, 2), strict=True):
            rows.append((user, track, MARCH_1 - timedelta(days=days_ago)))
            likes.append((user, track, MARCH_1 - timedelta(days=days_ago)))
    nodes = nodes_of(ids("u", 30), ids("t", 50))
    dataset = dataset_of(nodes, listens_on(sorted(rows)), MARCH_1)
    return _with_likes(dataset, likes)


def _with_likes(dataset: Any, likes: list[tuple[int, int, date]]) -> Any:
    return replace(dataset, liked=dated_edges(sorted(likes)))


def similarity_leak() -> AudioTextData:
    """What listeners go on to is drawn at random; whoever hears it tags both tracks.

    The tags have no day, and belong to listens beyond the cut: tracks with the same tag would be
    alike for that alone. No track has an embedding of audio or lyrics.
    """
    generator = torch.Generator().manual_seed(6)
    n_tracks, n_users = music.N_TRACKS, 40
    first_day = MARCH_1 - timedelta(days=39)
    listens = [(0, track, first_day) for track in range(n_tracks)]
    pairs, tags = [], []
    for user in range(n_users):
        trigger, track = torch.randperm(n_tracks, generator=generator)[:2].tolist()
        day = MARCH_1 - timedelta(days=user % 14)
        pairs.append((user, trigger, track, day_number(day)))
        for heard in (trigger, track):
            listens.append((user, heard, day))
            tags.append((heard, user, user))
    data = music.world(TrackPairs(*(torch.tensor(column) for column in zip(*pairs, strict=True))))
    nodes = replace(
        data.dataset.nodes,
        users=IdList.of("user", [f"u{number:02}" for number in range(n_users)]),
        tags=IdList.of("tag", [f"g{number:02}" for number in range(n_users)]),
    )
    in_order = sorted(set(tags))
    edges_of_tags = edges([(track, tag) for track, tag, _ in in_order])
    undated = dated_edges([(track, tag, None) for track, tag, _ in in_order])
    users = torch.tensor([user for *_, user in in_order])
    dataset = replace(
        data.dataset,
        nodes=nodes,
        content=dict.fromkeys(data.dataset.content, music.no_modality(n_tracks)),
        listens=listens_on(sorted(listens)),
        tagged=edges_of_tags,
        tagger_count=torch.ones(len(in_order), dtype=torch.int64),
        tag_events=replace(undated, user=users),
        tag_vectors=Vectors("enc", torch.eye(n_users), torch.ones(n_users, dtype=torch.bool)),
    )
    return replace(data, dataset=dataset)


def sentence_leak() -> Sentences:
    """Moods of 1 and -1 are drawn for 120 sentences, each of words and a writer of its own."""
    generator = torch.Generator().manual_seed(4)
    n = 120
    users = IdList.of("user", [f"w{number:03}" for number in range(n)])
    mood = torch.where(torch.rand(n, generator=generator) < 0.5, 1.0, -1.0)
    first = day_number(MARCH_1) - 39
    return Sentences(
        as_of=MARCH_1,
        ids=[f"s{number:03}" for number in range(n)],
        users=users,
        tracks=IdList.of("track", ids("t", 2)),
        user=torch.arange(n),
        track=torch.arange(n) % 2,
        words=torch.randint(1, 2_000, (n, 6), generator=generator),
        day=first + torch.arange(n) // 3,
        mood=mood,
    )


def emotion_leak() -> EmotionTexts:
    """Emotion is drawn for 120 texts; each has a copy with its label, and the source puts copies into other parts.

    Whoever learns from a copy knows the label: 384 numbers tell 120 texts apart.
    """
    rng = np.random.default_rng(8)
    words = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("a", "en", "ilo", "or")]
    texts = [" ".join(rng.choice(words, 8)) for _ in range(120)]
    drawn = rng.uniform(-0.5, 0.5, (120, 2))
    labels = torch.full((240, 3, 2), torch.nan)
    labels[:, 0] = torch.from_numpy(np.concatenate([drawn, drawn])).float()
    return EmotionTexts(
        ids=[f"s{number:03}" for number in range(240)],
        texts=[*texts, *texts],
        labels=labels,
        content_hashes=[sha256_of(text.encode()) for text in (*texts, *texts)],
        source_splits=[*(["train"] * 60 + ["dev"] * 30 + ["test"] * 30), *["train"] * 120],
    )


def ranking_model_of(data: Any) -> dict[Any, ModelState]:
    """Vectors of listeners and tracks that say nothing."""
    return {ModelRef("ranking", "mm_gnn"): ranking_state(data.dataset)}


def vectors_of(data: Sentences) -> dict[Any, ModelState]:
    """Track vectors that say nothing."""
    [ref] = SENTENCES.families["adapter"].needs
    state = ModelState("light_gcn", {"tracks": torch.ones(2, 4)}, ids={"track": data.tracks})
    return {ref: state}


LEAKS = {
    "ranking light_gcn": PlantedLeak(Ranking(), "light_gcn", ranking_leak, lambda _: {}, 0.3, 0.6),
    "ranking ease": PlantedLeak(Ranking(), "ease", ranking_leak, lambda _: {}, 0.3, 0.6),
    "ranking mm_gnn": PlantedLeak(Ranking(), "mm_gnn", ranking_leak, lambda _: {}, 0.3, 0.6),
    "audio_text centred_cosine": PlantedLeak(
        AudioText(), "centred_cosine", similarity_leak, lambda _: {}, 0.3, 0.8
    ),
    "text_emotion ridge": PlantedLeak(TextEmotion(), "ridge", emotion_leak, lambda _: {}, 0.2, 0.8),
    "mood wide_deep": PlantedLeak(Mood(), "wide_deep", mood_leak, ranking_model_of, 0.3, 0.6),
    "sentence_mood": PlantedLeak(SENTENCES, "adapter", sentence_leak, vectors_of, -0.9, -0.7),
}
