"""The runbook has a section for every alert and every gate rule, and no other section."""

from __future__ import annotations

import re
from pathlib import Path

from feature_store.publishing.snapshot import events
from jobs.publishing import feed_rules

RUNBOOK = (Path(__file__).parents[2] / "infra" / "runbook.md").read_text()
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))


def test_the_sections_are_the_alerts_and_the_gate_rules_of_a_real_night(nights):
    from dags.policy.alerts import ALERTS

    rules = {gate["rule"] for gate in events(nights.before_next_day)[0].gates}

    assert len(rules) > 10
    of_sources = {name for name in SECTIONS if "<source>" in name}
    for rule in rules - set(SECTIONS):
        assert any(re.fullmatch(name.replace("<source>", r"\w+"), rule) for name in of_sources), (
            rule
        )
    assert set(SECTIONS) - of_sources == (rules & set(SECTIONS)) | set(ALERTS)


def test_every_gate_of_a_feed_has_a_section():
    text = Path(feed_rules.__file__).read_text()

    named = {f"{name}_<source>" for name in re.findall(r'f"(\w+)_\{source\}"', text)} - {
        "raw_<source>"
    }

    assert len(named) == 4
    assert named <= set(SECTIONS)


def test_every_section_has_a_meaning_and_an_action():
    for rule, text in SECTIONS.items():
        assert "**Means:**" in text, rule
        assert "**Do:**" in text, rule


def test_every_setting_that_the_runbook_names_exists():
    from feature_store.settings import load_settings

    settings = load_settings()
    named = set(re.findall(r"`((?:gates|lists|maintenance)\.\w+)`", RUNBOOK))

    assert len(named) >= 6
    for name in named:
        group, setting = name.split(".")
        assert hasattr(getattr(settings, group), setting), name
