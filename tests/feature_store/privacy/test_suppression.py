"""Suppression: keyed hashes, a private key, and a guard against stale writers."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_store.lake.storage import open_storage
from feature_store.privacy import suppression
from feature_store.settings import SettingsError, load_settings
from jobs.privacy.erasure import request_erasure

KEY = "k" * 32
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_the_list_matches_an_erased_person_without_storing_the_id(settings):
    """The id has letters after f, so no hexadecimal hash can contain it by chance."""
    suppression.suppress(settings, "yvonne")

    erased_people = suppression.load_suppression_list(settings)

    assert erased_people.matches("yvonne")
    assert not erased_people.matches("ben")
    files = [file for file in Path(settings.lake).rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if "yvonne" in file.name or b"yvonne" in file.read_bytes()]


def test_suppressing_twice_gives_one_entry(settings):
    suppression.suppress(settings, "ada")
    suppression.suppress(settings, "ada")

    assert len(suppression.suppression_digests(settings.lake)) == 1


def test_the_key_is_generated_once_and_only_its_owner_can_read_it(settings):
    suppression.suppress(settings, "ada")
    key_file = settings.state / "privacy.key"

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    generated = key_file.read_text()
    suppression.suppress(settings, "ben")
    assert key_file.read_text() == generated


def test_a_list_without_its_key_raises_except_for_readers(settings, tmp_path):
    suppression.suppress(settings, "ada")
    elsewhere = load_settings(lake=settings.lake, state=tmp_path / "elsewhere")

    with pytest.raises(suppression.PrivacyKeyMissing, match="EVENSONG_PRIVACY_KEY"):
        suppression.load_suppression_list(elsewhere)
    with pytest.raises(suppression.PrivacyKeyMissing, match="copy privacy"):
        suppression.suppress(elsewhere, "ben")
    assert not suppression.reader_suppression_list(elsewhere)


def test_another_key_is_refused_and_the_message_does_not_show_it(settings, monkeypatch):
    suppression.suppress(settings, "ada")
    monkeypatch.setenv("EVENSONG_PRIVACY_KEY", KEY)
    other = load_settings(lake=settings.lake, state=settings.state)

    with pytest.raises(suppression.PrivacyKeyMissing, match="another key") as refused:
        suppression.load_suppression_list(other)
    assert KEY not in str(refused.value)
    assert KEY not in repr(other)


def test_a_short_key_is_refused(settings):
    """Of a setting before anything is read, and of the file when it is used."""
    with pytest.raises(SettingsError, match=r"privacy_key: .*6 characters and needs 32") as refused:
        load_settings(lake=settings.lake, state=settings.state, privacy_key="secret")
    assert "secret" not in str(refused.value).replace("import secrets; print(secrets.", "")

    keyless = load_settings(lake=settings.lake, state=settings.state / "keyless")
    keyless.state.mkdir(parents=True)
    (keyless.state / "privacy.key").write_text("secret\n")
    with pytest.raises(suppression.PrivacyKeyMissing, match=r"privacy.key: .* 6 characters"):
        suppression.suppress(keyless, "ada")


def test_a_run_that_read_before_an_erasure_may_not_write_after_it(settings):
    check_no_erasure = suppression.erasure_guard(settings.lake)
    check_no_erasure()

    suppression.suppress(settings, "ada")

    with pytest.raises(suppression.ErasedDuringRun, match="clear the task"):
        check_no_erasure()


def test_a_run_that_read_between_two_attempts_of_an_erasure_may_not_write_after_the_second(
    settings,
):
    """The first attempt added ada to the list and failed, so only the mark is new in the second."""
    suppression.suppress(settings, "ada")
    check_no_erasure = suppression.erasure_guard(settings.lake)
    check_no_erasure()

    suppression.suppress(settings, "ada")
    suppression.mark_rewritten(settings.lake)

    with pytest.raises(suppression.ErasedDuringRun):
        check_no_erasure()
    suppression.erasure_guard(settings.lake)()


def test_on_s3_no_key_is_generated_and_the_error_names_the_variable(
    settings, bucket, monkeypatch, tmp_path
):
    """A key in the folder of one machine would be missing on all others."""
    on_s3 = load_settings(lake=f"s3://{bucket}/lake", state=tmp_path / "state")

    with pytest.raises(suppression.PrivacyKeyMissing, match=r"EVENSONG_PRIVACY_KEY is not set.*set the variable on every machine"):  # fmt: skip
        suppression.suppress(on_s3, "ada")
    with pytest.raises(suppression.PrivacyKeyMissing, match="EVENSONG_PRIVACY_KEY is not set"):
        request_erasure(on_s3, "ada", actor="officer", now=NOON, even_unknown=True)

    assert not (on_s3.state / "privacy.key").exists()
    assert list(open_storage(on_s3.lake).list("privacy")) == []  # no request, and no list entry
    monkeypatch.setenv("EVENSONG_PRIVACY_KEY", KEY)
    with_key = load_settings(lake=on_s3.lake, state=on_s3.state)
    suppression.suppress(with_key, "ada")
    assert suppression.load_suppression_list(with_key).matches("ada")
    assert not (on_s3.state / "privacy.key").exists()
