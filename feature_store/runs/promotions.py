"""Promotion of models: what trainings and people decided, and which models a day's night may use.

A training promotes by a row of run_models, a person by a row of run_promotions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import pyarrow as pa

from feature_store.contract import Table
from feature_store.lake.arrow_io import append, read_table
from feature_store.lake.delta_tables import exists
from feature_store.runs.challenger_tests import Difference, newest_test
from feature_store.tables.runs import RUN_MODELS, RUN_PROMOTIONS
from feature_store.tables.scores import SCORE_EVALUATION

Rows = Sequence[Mapping[str, Any]]

MIN_PREFIX = 4  # hexadecimal digits of a version
TRAINING = "training"


class PromotionRefused(ValueError):
    """A model cannot be promoted or demoted as asked."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """A model that nights may use.

    Attributes:
        promoted_as_of_date: first as_of of the newest promotion.
        by: the person, or `training`.
    """

    training_task: str
    family: str
    model_version: str
    promoted_as_of_date: date
    decided_at_utc: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A recorded decision.

    Attributes:
        as_of: first as_of that it holds for.
        losing_segments: differences that a promotion accepted.
        ended_by: the first decision for later nights that counts and says the opposite.
    """

    training_task: str
    family: str
    model_version: str
    decision: str
    as_of: date
    losing_segments: tuple[Difference, ...]
    ended_by: Mapping[str, Any] | None


def decide(
    lake: str,
    version: str,
    decision: Literal["promote", "demote"],
    *,
    as_of: date,
    actor: str,
    reason: str,
    now: datetime,
    accept_losing_segments: bool = False,
) -> Decision:
    """Record that `actor` promotes or demotes a model for nights from `as_of` on.

    Args:
        lake: where the tables are.
        version: a model version, or its first characters, at least `MIN_PREFIX`.
        decision: what is decided; a component may be promoted too.
        as_of: first as_of that the decision holds for.
        actor: who decides.
        reason: why; it is kept.
        now: when it is decided.
        accept_losing_segments: promote even if the newest champion-challenger test of the model
            found a segment of listeners for which it is worse.

    Raises:
        PromotionRefused: no reason; no such model, or several; no data behind it; trained after
            `as_of`; losing segments; a demotion of a model that is not promoted on that date; a
            promotion that is recorded for that date and stands.
    """
    if not reason.strip():
        raise PromotionRefused(
            f"{RUN_PROMOTIONS.name}: the reason is empty, and every {decision} needs one; give "
            "--reason"
        )
    models = read_if_exists(lake, RUN_MODELS)
    model = _model_called(models, version)
    _check_date(model, as_of)
    losing: tuple[Difference, ...] = ()
    decisions = read_if_exists(lake, RUN_PROMOTIONS)
    if decision == "promote":
        _check_is_new(models, decisions, model, as_of)
        losing = _losing_segments(lake, model, accept_untested=accept_losing_segments)
        if losing and not accept_losing_segments:
            raise _loses(model, losing)
    else:
        _check_is_promoted(models, decisions, model, as_of)
    identity = {name: model[name] for name in ("training_task", "family", "model_version")}
    row = identity | {
        "decision": decision,
        "decision_as_of_date": as_of,
        "actor": actor,
        "reason": reason,
        "recorded_at_utc": now,
    }
    rows = pa.Table.from_pylist([row], schema=RUN_PROMOTIONS.arrow_schema)
    append(lake, RUN_PROMOTIONS, rows, commit_note=decision)
    later = _later_decisions(decisions, model, as_of)
    return Decision(
        **identity,
        decision=decision,
        as_of=as_of,
        losing_segments=losing,
        ended_by=next((each for each in later if each["decision"] != decision), None),
    )


def standing(models: Rows, decisions: Rows, as_of: date) -> dict[str, list[Promoted]]:
    """The promoted models of each task on a day, newest promotion first: the first is champion.

    A training promotes from promoted_as_of_date on. Of a person's decisions about a model the one
    with the greatest (decision_as_of_date, recorded_at_utc) by that day counts: a demotion ends
    every promotion, also one by a later training.

    Args:
        models: rows of run_models.
        decisions: rows of run_promotions.
        as_of: the day; what is dated later is not known.
    """
    decided = newest_decisions(decisions, as_of)
    by_people = [
        _promoted(row, row["decision_as_of_date"], row["actor"])
        for row in decided.values()
        if row["decision"] == "promote"
    ]
    promotions = sorted([*_by_trainings(models, as_of), *by_people], key=_by_promotion)
    newest = {(each.training_task, each.family, each.model_version): each for each in promotions}
    by_task: dict[str, list[Promoted]] = defaultdict(list)
    for identity, promoted in newest.items():
        if identity not in decided or decided[identity]["decision"] == "promote":
            by_task[promoted.training_task].append(promoted)
    return {
        task: sorted(promoted, key=_by_promotion, reverse=True)
        for task, promoted in by_task.items()
    }


def newest_decisions(decisions: Rows, as_of: date) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """The person's decision that counts on a day, by (task, family, version)."""
    known = [row for row in decisions if row["decision_as_of_date"] <= as_of]
    return {identity_of(row): row for row in sorted(known, key=_by_day)}


def read_if_exists(lake: str, table: Table) -> list[dict[str, Any]]:
    """Every row of a table; none when the table does not exist yet."""
    return read_table(lake, table).to_pylist() if exists(lake, table) else []


def _later_decisions(
    decisions: Rows, model: Mapping[str, Any], as_of: date
) -> list[Mapping[str, Any]]:
    """Decisions about a model for nights after `as_of`, in their order; of a night the last one."""
    by_night = {
        each["decision_as_of_date"]: each
        for each in sorted(decisions, key=_by_day)
        if identity_of(each) == identity_of(model) and each["decision_as_of_date"] > as_of
    }
    return list(by_night.values())


def _by_trainings(models: Rows, as_of: date) -> list[Promoted]:
    """Promotions by trainings; of repeated rows the first, which tells when it was decided."""
    first: dict[tuple[tuple[str, str, str], date], Promoted] = {}
    for row in sorted(models, key=lambda row: row["recorded_at_utc"]):
        since = row["promoted_as_of_date"]
        if since is not None and max(since, row["trained_as_of_date"]) <= as_of:
            first.setdefault((identity_of(row), since), _promoted(row, since, TRAINING))
    return list(first.values())


def _promoted(row: Mapping[str, Any], since: date, by: str) -> Promoted:
    return Promoted(*identity_of(row), since, row["recorded_at_utc"], by)


def identity_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Task, family and version: the model that a row of run_models or run_promotions is about."""
    return row["training_task"], row["family"], row["model_version"]


def _by_day(decision: Mapping[str, Any]) -> tuple[date, datetime]:
    return decision["decision_as_of_date"], decision["recorded_at_utc"]


def _by_promotion(promoted: Promoted) -> tuple[date, datetime, str]:
    return promoted.promoted_as_of_date, promoted.decided_at_utc, promoted.model_version


def _model_called(models: Rows, version: str) -> Mapping[str, Any]:
    """The newest row of the one model whose version is, or begins with, `version`."""
    if not models:
        raise PromotionRefused(
            f"{RUN_MODELS.name}: no model is there yet; run `evensong night --as-of DATE` first"
        )
    ordered = sorted(models, key=lambda row: (row["checked_as_of_date"], row["recorded_at_utc"]))
    by_version = {row["model_version"]: row for row in ordered}
    found = [row for name, row in by_version.items() if name.startswith(version)]
    if version in by_version:
        found = [by_version[version]]
    elif len(version) < MIN_PREFIX:
        raise PromotionRefused(
            f"{RUN_MODELS.name}: {version!r} is too short for the beginning of a version (rule: "
            f"at least {MIN_PREFIX} characters); see `evensong models`"
        )
    if not found:
        raise PromotionRefused(
            f"{RUN_MODELS.name}: no model version is or begins with {version!r}; see "
            "`evensong models`"
        )
    if len(found) > 1:
        fitting = ", ".join(sorted(f"{row['model_version']} ({row['family']})" for row in found))
        raise PromotionRefused(
            f"{RUN_MODELS.name}: {len(found)} versions begin with {version!r}: {fitting}; give "
            "more characters"
        )
    if found[0]["model_role"] == "none":
        raise PromotionRefused(
            f"{RUN_MODELS.name}: {version!r} is no model: task {found[0]['training_task']} had no "
            f"data ({found[0]['no_data_reason']}); land what is missing and run a night"
        )
    return found[0]


def _check_date(model: Mapping[str, Any], as_of: date) -> None:
    trained = model["trained_as_of_date"]
    if as_of < trained:
        raise PromotionRefused(
            f"{RUN_PROMOTIONS.name}: {_name(model)} was trained on data up to {trained}, so the "
            f"night of {as_of} must not know it; give --as-of {trained} or a later date"
        )


def _losing_segments(
    lake: str, model: Mapping[str, Any], *, accept_untested: bool
) -> tuple[Difference, ...]:
    """Segments in which the model loses; a candidate without a test may lose in any."""
    differences = newest_test(read_if_exists(lake, SCORE_EVALUATION), model["model_version"])
    if not differences and model["model_role"] == "candidate" and not accept_untested:
        raise PromotionRefused(
            f"{SCORE_EVALUATION.name}: no champion-challenger test of {_name(model)} is there; a "
            "later training of its day has replaced it, or nothing was held out. Train it by hand "
            f"again (python -m training.train {model['training_task']} --family "
            f"{model['family']}), or promote with --despite-segments"
        )
    return tuple(one for one in differences if one.is_losing_segment)


def _loses(model: Mapping[str, Any], losing: Sequence[Difference]) -> PromotionRefused:
    return PromotionRefused(
        f"{SCORE_EVALUATION.name} of {losing[0].as_of}: {_name(model)} is worse than the champion "
        f"for {', '.join(map(str, losing))} (rule: no segment's interval lies below 0); keep the "
        "champion, or promote with --despite-segments"
    )


def _check_is_new(models: Rows, decisions: Rows, model: Mapping[str, Any], as_of: date) -> None:
    """Refuse to record again that a model is promoted, from the same date, while it is champion."""
    decided = newest_decisions(decisions, as_of).get(identity_of(model))
    if decided is None or decided["decision"] != "promote":
        return
    [champion, *_] = standing(models, decisions, as_of)[model["training_task"]]
    if identity_of(model) == (champion.training_task, champion.family, champion.model_version) and (
        decided["decision_as_of_date"] == as_of
    ):
        raise PromotionRefused(
            f"{RUN_PROMOTIONS.name}: {_name(model)} is promoted from {as_of} on already, by "
            f"{decided['actor']} ({decided['reason']}), and is the champion of that night; see "
            "`evensong models` for decisions about later nights"
        )


def _check_is_promoted(
    models: Rows, decisions: Rows, model: Mapping[str, Any], as_of: date
) -> None:
    promoted = standing(models, decisions, as_of).get(model["training_task"], [])
    if model["model_version"] not in {each.model_version for each in promoted}:
        names = ", ".join(f"{each.family} {each.model_version}" for each in promoted) or "none"
        raise PromotionRefused(
            f"{RUN_PROMOTIONS.name}: {_name(model)} is not promoted on {as_of}, so it cannot be "
            f"demoted; promoted for {model['training_task']} on that date: {names}; see "
            f"`evensong models --as-of {as_of}`"
        )


def _name(model: Mapping[str, Any]) -> str:
    return f"{model['family']} {model['model_version']}"
