"""rec_similar_tracks: cosines by hand and by brute force over the modalities that both tracks have."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_TRACK_HTCL, FEAT_TRACK_TAGS
from jobs.recommendations import similar_tracks
from tests.jobs.features.worlds import encoders, frame, tracks
from tests.jobs.recommendations.catalogues import brute_force, random_catalogue, recall

IDENTITY = EncoderIdentity("encoder", "w", "p")
TAGS = {"t0": [1.0, 0.0], "t1": [0.0, 1.0], "t2": [1.0, 1.0], "t3": [50.0, 70.0]}
WITHDRAWN = "t3"


def neighbours(spark, night, *, audio, tags, more_audio=(), trained=()):
    """(score, modalities) of each pair; t0 to t3 have the audio named, and t3 is withdrawn."""
    vectors = [
        {
            "as_of_date": night.as_of,
            "track_id": track,
            "vector_kind": "audio",
            "track_vector": vector,
            "family": "htcl",
            "model_version": "v",
            "run_id": night.run_id,
        }
        for track, vector in dict(trained).items()
    ]
    contents = [{"audio_hash": f"t{n}" if f"t{n}" in audio else None} for n in range(4)]
    contents[3]["is_available"] = False
    encoder = asdict(IDENTITY)
    encoded = [{"content_hash": t, "audio_embedding": v, **encoder} for t, v in audio.items()]
    tagged = [
        {"as_of_date": night.as_of, "track_id": t, "mean_tag_embedding": v, **encoder}
        for t, v in tags.items()
    ]
    found = similar_tracks.build(
        tracks(spark, night, *contents),
        encoders(spark, night, {FEAT_AUDIO: IDENTITY}),
        frame(spark, FEAT_AUDIO, [*encoded, *more_audio]),
        frame(spark, FEAT_LYRICS, []),
        frame(spark, FEAT_TRACK_TAGS, tagged),
        frame(spark, FEAT_TRACK_HTCL, vectors),
        night=night,
    ).collect()
    rows = {(row.track_id, row.similar_track_id): (row.score, row.modalities) for row in found}
    assert len(rows) == len(found)
    return rows


def test_tracks_without_content_are_compared_by_their_tags(spark, night):
    """The available tracks' mean is (2/3, 2/3); tags of the withdrawn track do not count.

    Centred vectors are (1, -2) / 3, (-2, 1) / 3, (1, 1) / 3: cosines -4/5 and twice -1/sqrt(10).
    """
    found = neighbours(spark, night, audio={}, tags=TAGS)

    assert found == {
        pair: (pytest.approx(score, abs=1e-4), ["tags"])
        for first, second, score in (
            ("t0", "t1", -0.8),
            ("t0", "t2", -0.3162),
            ("t1", "t2", -0.3162),
        )
        for pair in ((first, second), (second, first))
    }


def test_the_score_is_the_mean_over_modalities_that_both_tracks_have(spark, night):
    """Two centred recordings are opposite: (-1 - .8) / 2; t2 has tags only."""
    found = neighbours(spark, night, audio={"t0": [1.0, 0.0], "t1": [0.0, 1.0]}, tags=TAGS)

    assert found["t0", "t1"] == (pytest.approx(-0.9, abs=1e-4), ["audio", "tags"])
    assert found["t0", "t2"] == (pytest.approx(-0.3162, abs=1e-4), ["tags"])


def test_vectors_of_htcl_count_alone_and_as_they_are(spark, night):
    """t2 has none; the withdrawn track is nobody's neighbour. Uncentred, .8 is the cosine itself."""
    trained = {"t0": [1.0, 0.0], "t1": [0.8, 0.6], WITHDRAWN: [1.0, 0.0]}

    found = neighbours(spark, night, audio={"t0": [1.0, 0.0]}, tags=TAGS, trained=trained)

    score = (pytest.approx(0.8, abs=1e-4), ["trained"])
    assert found == {("t0", "t1"): score, ("t1", "t0"): score}


def test_a_track_with_neither_content_nor_tags_has_no_neighbours(spark, night):
    found = neighbours(spark, night, audio={}, tags={"t0": TAGS["t0"], "t2": TAGS["t2"]})

    assert found.keys() == {("t0", "t2"), ("t2", "t0")}


def test_a_second_preprocessing_of_the_same_recordings_changes_nothing(spark, night):
    """After an upgrade each recording has rows of two identities; each pair still comes once."""
    audio = {"t0": [1.0, 0.0], "t1": [0.0, 1.0]}
    upgraded = asdict(replace(IDENTITY, preprocessing_id="of the next release"))
    second = [{"content_hash": t, "audio_embedding": [9.0, 9.0], **upgraded} for t in audio]

    once = neighbours(spark, night, audio=audio, tags=TAGS)
    twice = neighbours(spark, night, audio=audio, tags=TAGS, more_audio=second)

    assert once == twice
    assert once["t0", "t1"] == (pytest.approx(-0.9, abs=1e-4), ["audio", "tags"])


def similar(spark, night, catalogue, **lists):
    """By track, (neighbour, score) in the order of ranks; the catalogue's rows come as they are."""
    ids, encoder = catalogue.track_ids, asdict(IDENTITY)
    contents = {
        modality: [
            (track_id, vector.tolist())
            for track_id, vector in zip(ids, catalogue.lists(modality), strict=True)
            if vector is not None
        ]
        for modality in catalogue.vectors
    }
    has_audio, has_lyrics = catalogue.has["audio"], catalogue.has["lyrics"]
    hashes = [
        {
            "track_id": track_id,
            "audio_hash": track_id if audio else None,
            "lyrics_hash": track_id if lyrics else None,
        }
        for track_id, audio, lyrics in zip(ids, has_audio, has_lyrics, strict=True)
    ]
    tagged = [
        {"as_of_date": night.as_of, "track_id": t, "mean_tag_embedding": v, **encoder}
        for t, v in contents["tags"]
    ]
    settings = night.settings
    settings = settings.model_copy(update={"lists": settings.lists.model_copy(update=lists)})
    found = similar_tracks.build(
        tracks(spark, night, *hashes),
        encoders(spark, night, {FEAT_AUDIO: IDENTITY, FEAT_LYRICS: IDENTITY}),
        *(
            frame(
                spark,
                table,
                [{"content_hash": t, f"{name}_embedding": v, **encoder} for t, v in contents[name]],
            )
            for name, table in (("audio", FEAT_AUDIO), ("lyrics", FEAT_LYRICS))
        ),
        frame(spark, FEAT_TRACK_TAGS, tagged),
        frame(spark, FEAT_TRACK_HTCL, []),
        night=replace(night, settings=settings),
    ).collect()
    neighbours = {}
    for row in sorted(found, key=lambda row: (row.track_id, row.rank)):
        of_track = neighbours.setdefault(row.track_id, [])
        of_track.append((row.similar_track_id, row.score))
        assert row.rank == len(of_track)
    return neighbours


def test_lists_equal_brute_force_for_every_mixture_of_modalities(spark, night):
    catalogue = random_catalogue(300, missing=0.4)
    assert set(catalogue.patterns) == set(range(8))

    found = similar(spark, night, catalogue, similar_length=7)

    assert found == {track: best for track, best in brute_force(catalogue, 7).items() if best}


def test_the_index_finds_95_of_100_neighbours_and_the_same_ones_in_any_order_of_rows(spark, night):
    """Above the setting tracks are searched through an index, which is trained the same each night."""
    catalogue = random_catalogue(1_500, dims=(12, 16, 8), missing=0.1, n_clusters=30)
    reordered = catalogue.taken(list(range(1_500))[::-1])

    found = similar(spark, night, catalogue, similar_exact_tracks=300)

    assert recall(found, brute_force(catalogue, 10)) >= 0.95
    assert similar(spark, night, reordered, similar_exact_tracks=300) == found


def test_tracks_whose_vectors_are_all_equal_have_no_direction_and_no_neighbours(spark, night):
    """Each less the mean is zero; without audio, t0 and t1 would be neighbours by nothing."""
    assert neighbours(spark, night, audio={}, tags={"t0": [3.0, 1.0], "t1": [3.0, 1.0]}) == {}
