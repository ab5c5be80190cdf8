"""The runbook has a section for everything that can wake a person, and for nothing that cannot."""

from __future__ import annotations

import re
from pathlib import Path

from feature_store.publishing.snapshot import events

RUNBOOK = (Path(__file__).parents[2] / "infra" / "runbook.md").read_text()
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))


def test_every_alert_and_every_rule_of_a_real_night_has_its_section_and_there_is_no_other(nights):
    from dags.policy.alerts import ALERTS

    judged = {gate["rule"] for gate in events(nights.before_next_day)[0].gates}

    assert len(judged) > 10
    assert set(SECTIONS) == judged | set(ALERTS)


def test_every_section_says_what_it_means_and_what_to_do():
    for rule, text in SECTIONS.items():
        assert "**Means:**" in text, rule
        assert "**Do:**" in text, rule


def test_every_setting_that_it_names_is_one():
    from feature_store.settings import load_settings

    settings = load_settings()
    named = set(re.findall(r"`((?:gates|lists|maintenance)\.\w+)`", RUNBOOK))

    assert len(named) >= 6
    for name in named:
        group, setting = name.split(".")
        assert hasattr(getattr(settings, group), setting), name
