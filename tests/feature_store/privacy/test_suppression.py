"""Suppression: keyed hashes, requests that only their owner reads, and no way back for a person."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_store.privacy import requests, suppression
from feature_store.settings import load_settings

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
KEY = "k" * 32


def test_the_list_knows_a_person_again_and_does_not_hold_the_id(settings):
    """The id has letters beyond f: no hash in hexadecimal can hold it by chance."""
    suppression.suppress(settings, "yvonne")

    listed = suppression.suppressed(settings)

    assert listed.is_meant("yvonne")
    assert not listed.is_meant("ben")
    kept = [file for file in Path(settings.lake).rglob("*") if file.is_file()]
    assert not [file for file in kept if "yvonne" in file.name or b"yvonne" in file.read_bytes()]


def test_suppressing_twice_gives_one_entry(settings):
    suppression.suppress(settings, "ada")
    suppression.suppress(settings, "ada")

    assert len(suppression.suppressed_digests(settings.lake)) == 1


def test_the_key_is_drawn_once_and_only_its_owner_reads_it(settings):
    suppression.suppress(settings, "ada")
    key_file = settings.state / "privacy.key"

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    drawn = key_file.read_text()
    suppression.suppress(settings, "ben")
    assert key_file.read_text() == drawn


def test_a_list_without_its_key_stops_whoever_must_apply_it(settings, tmp_path):
    suppression.suppress(settings, "ada")
    elsewhere = load_settings(lake=settings.lake, state=tmp_path / "elsewhere")

    with pytest.raises(suppression.PrivacyKeyMissing, match="EVENSONG_PRIVACY_KEY"):
        suppression.suppressed(elsewhere)
    with pytest.raises(suppression.PrivacyKeyMissing, match="copy privacy"):
        suppression.suppress(elsewhere, "ben")
    assert not suppression.readers_suppression(elsewhere)


def test_another_key_is_refused_and_the_message_does_not_show_it(settings, monkeypatch):
    suppression.suppress(settings, "ada")
    monkeypatch.setenv("EVENSONG_PRIVACY_KEY", KEY)
    other = load_settings(lake=settings.lake, state=settings.state)

    with pytest.raises(suppression.PrivacyKeyMissing, match="another key") as refused:
        suppression.suppressed(other)
    assert KEY not in str(refused.value)
    assert KEY not in repr(other)


def test_a_short_key_is_refused(settings):
    weak = load_settings(lake=settings.lake, state=settings.state, privacy_key="secret")

    with pytest.raises(suppression.PrivacyKeyMissing, match="6 characters and needs 32"):
        suppression.suppress(weak, "ada")


def test_a_request_is_readable_by_its_owner_alone_and_goes_when_forgotten(settings):
    request = requests.record_request(settings, "ada", actor="officer", now=NOON)
    [file] = Path(settings.lake, "privacy", "requests").iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ada" not in file.name
    assert "ada" not in repr(request)
    assert requests.request_called(settings, request.request_id) == request

    requests.forget_request(settings, request.request_id)

    with pytest.raises(requests.UnknownRequest, match="evensong erase --status"):
        requests.request_called(settings, request.request_id)


@pytest.mark.parametrize(("user_id", "actor"), [(" ", "officer"), ("ada", "for ada")])
def test_a_request_that_would_not_erase_is_refused(user_id, actor, settings):
    """A blank id, and an actor whose name holds the id and would stay in the evidence."""
    with pytest.raises(ValueError, match="erase: the"):
        requests.record_request(settings, user_id, actor=actor, now=NOON)


def test_who_read_before_an_erasure_does_not_write_after_it(settings):
    refuse_old_people = suppression.unchanged_people(settings.lake)
    refuse_old_people()

    suppression.suppress(settings, "ada")

    with pytest.raises(suppression.ErasedMeanwhile, match="clear the task"):
        refuse_old_people()


def test_who_read_between_two_attempts_of_an_erasure_does_not_write_after_the_second(settings):
    """The first attempt suppressed ada and failed: the list says nothing new when the second rewrites."""
    suppression.suppress(settings, "ada")
    refuse_old_people = suppression.unchanged_people(settings.lake)
    refuse_old_people()

    suppression.suppress(settings, "ada")
    suppression.mark_rewritten(settings.lake)

    with pytest.raises(suppression.ErasedMeanwhile):
        refuse_old_people()
    suppression.unchanged_people(settings.lake)()
