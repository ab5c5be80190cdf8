"""The registry finds encoders by the ids in the settings."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from feature_store.setting_groups import EncoderSettings
from jobs.encoders import registry
from jobs.encoders.transformer_folder import ModelFolderError
from tests.jobs.encoders.openl3_file import write_openl3
from tests.jobs.encoders.tiny_models import save_bert, save_gpt2, save_vit, save_wav2vec

SAVE = {"audio": save_wav2vec, "lyrics": save_bert, "cover": save_vit, "semantics": save_gpt2}
"""A model of each modality."""
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_the_default_settings_name_registered_encoders():
    """The id in the settings is the id in the rows."""
    settings = EncoderSettings()
    assert registry.audio_identity(settings).encoder_id == settings.audio
    assert registry.lyrics_identity(settings).encoder_id == settings.lyrics
    assert registry.cover_identity(settings).encoder_id == settings.cover


def test_an_unknown_encoder_is_refused_with_the_known_ones():
    with pytest.raises(
        registry.UnknownEncoder,
        match=re.escape(
            "encoders.audio = 'openl3' names no encoder; there are: musicnn-mtt-v1, openl3-"
        ),
    ):
        registry.audio_identity(EncoderSettings(audio="openl3"))


def test_lyrics_and_tags_have_one_encoder_and_an_identity_each():
    """Lyrics have descriptors beside the embedding, tags have none."""
    settings = EncoderSettings()
    lyrics, tags = registry.lyrics_identity(settings), registry.tags_identity(settings)

    assert (lyrics.encoder_id, lyrics.weights_sha256) == (tags.encoder_id, tags.weights_sha256)
    assert lyrics.preprocessing_id != tags.preprocessing_id
    vectors = [
        registry.text_encoder(settings, lyrics).encode("rock"),
        registry.tag_encoder(settings, tags).encode("rock"),
    ]
    assert (vectors[0] == vectors[1]).all()
    with pytest.raises(registry.EncoderDiffers):
        registry.tag_encoder(settings, lyrics)


def test_an_encoder_is_loaded_once_per_process():
    settings = EncoderSettings()
    identity = registry.cover_identity(settings)

    assert registry.image_encoder(settings, identity) is registry.image_encoder(settings, identity)


def test_a_machine_with_other_weights_than_the_job_was_planned_with_is_refused():
    """Their vectors would stand under the name of the other weights for good."""
    settings = EncoderSettings()
    planned = replace(registry.cover_identity(settings), weights_sha256="0" * 64)

    with pytest.raises(
        registry.EncoderDiffers, match=r"was planned with 0{12} and .*; install the"
    ):
        registry.image_encoder(settings, planned)


def refused(modality, named):
    """What a job says of this setting before it runs; doctor says the same."""
    settings = EncoderSettings(**{modality: named})
    with pytest.raises((ModelFolderError, registry.UnknownEncoder)) as raised:
        getattr(registry, f"{modality}_identity")(settings)
    assert registry.setting_fault(modality, settings) == str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("modality", SAVE)
def test_a_folder_without_a_model_is_refused_with_its_setting(tmp_path, modality):
    """Before a job runs, with all parts that it lacks, or what is wrong with the path."""
    there, file = tmp_path / "there", tmp_path / "file"
    there.mkdir()
    file.touch()
    for path, fault in {
        there: r"the folder .*/there has no config\.json, no \*\.safetensors or .*; give",
        file: r"/.*/file is no folder on this machine; give one that transformers has saved",
        tmp_path / "no": r"/.*/no does not exist on this machine; give one that transformers",
        "models/mine": r"the relative path 'models/mine' cannot be used, .* begins with /",
        "": "the relative path '.' cannot be used",
    }.items():
        named = f"transformers:{path}"
        setting = re.escape(f"settings: encoders.{modality} = {named!r}: ")
        assert re.match(setting + fault, refused(modality, named))


@pytest.mark.parametrize("modality", SAVE)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_pointer_of_git_lfs_is_refused_in_place_of_a_file(tmp_path, modality, name):
    """A clone without Git LFS has the pointers alone."""
    folder = SAVE[modality](tmp_path / "model")
    (folder / "vocab.txt").touch()
    (folder / name).write_text(LFS_POINTER)

    message = refused(modality, f"transformers:{folder}")

    assert message.startswith(f"settings: encoders.{modality} = 'transformers:{folder}': ")
    assert f"{folder / name} is a pointer of Git LFS and not the file; run git lfs pull" in message


@pytest.mark.parametrize(
    ("modality", "name", "content", "fault"),
    [
        ("audio", "preprocessor_config.json", "sampling", "is no JSON in UTF-8: Expecting value"),
        ("audio", "preprocessor_config.json", "[" * 99_999, "is no JSON in UTF-8: maximum recur"),
        ("audio", "preprocessor_config.json", "[]", "holds [], not a JSON object"),
        ("audio", "preprocessor_config.json", '{"sampling_rate": "16k"}', 'has sampling_rate = "16k", not a positive'),
        ("audio", "preprocessor_config.json", '{"sampling_rate": true}', "has sampling_rate = true, not"),
        ("audio", "preprocessor_config.json", '{"sampling_rate": -16000}', "has sampling_rate = -16000, not"),
        ("audio", "preprocessor_config.json", '{"feature_extractor": 5}', "has feature_extractor = 5, not a JSON"),
        ("lyrics", "config.json", '"bert"', 'holds "bert", not a JSON object'),
        ("lyrics", "config.json", '{"text_config": []}', "has text_config = [], not a JSON object"),
        ("lyrics", "config.json", '{"max_position_embeddings": "512"}', 'has max_position_embeddings = "512"'),
        ("lyrics", "sentence_bert_config.json", '{"max_seq_length": 1.5}', "has max_seq_length = 1.5, not"),
        ("lyrics", "modules.json", '["Pooling"]', 'holds ["Pooling"], not a list of JSON objects'),
        ("lyrics", "modules.json", "{}", "holds {}, not a list of JSON objects"),
        ("semantics", "config.json", "null", "holds null, not a JSON object"),
        ("semantics", "config.json", '{"n_positions": [4096]}', "has n_positions = [4096], not a positive"),
    ],
)  # fmt: skip
def test_an_odd_configuration_is_refused_with_setting_file_and_value(
    tmp_path, modality, name, content, fault
):
    folder = SAVE[modality](tmp_path / "model")
    (folder / name).write_text(content)

    message = refused(modality, f"transformers:{folder}")

    assert message.startswith(
        f"settings: encoders.{modality} = 'transformers:{folder}': {folder / name} {fault}"
    )
    assert message.endswith("; copy the file again from where the model comes from")


def test_a_fault_that_a_worker_finds_names_the_setting_too(tmp_path):
    """A folder of a text model with what an audio model has: only loading tells."""
    folder = save_bert(tmp_path / "model")
    (folder / "preprocessor_config.json").write_text('{"sampling_rate": 16000}')
    settings = EncoderSettings(audio=f"transformers:{folder}")

    assert registry.setting_fault("audio", settings) == ""
    with pytest.raises(ModelFolderError, match=r"settings: encoders\.audio = .*cannot be used"):
        registry.audio_encoder(settings, registry.audio_identity(settings))


@pytest.mark.parametrize("modality", SAVE)
def test_an_encoder_that_a_night_takes_has_no_fault(tmp_path, modality, monkeypatch):
    """Found without a hash of its weights, which may be gigabytes."""
    chosen = EncoderSettings(**{modality: f"transformers:{SAVE[modality](tmp_path / 'model')}"})

    assert registry.setting_fault(modality, EncoderSettings()) == ""
    monkeypatch.setattr("jobs.encoders.transformer_folder.encoder_identity", None)
    assert registry.setting_fault(modality, chosen) == ""


def test_the_weights_of_openl3_are_read_for_a_fault(tmp_path):
    """A text file is there, and yet no night could use it."""
    text, weights = tmp_path / "text.h5", write_openl3(tmp_path / "weights.h5")
    text.write_text("weights")
    chosen = EncoderSettings(audio="openl3-env-mel256-512", openl3_weights=str(text))

    assert "cannot be read as HDF5" in registry.setting_fault("audio", chosen)
    right = chosen.model_copy(update={"openl3_weights": str(weights)})
    assert registry.setting_fault("audio", right) == ""
