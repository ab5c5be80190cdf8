"""The commands about models: `evensong models`, `promote` and `demote`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

import typer
from rich.console import Console

from dags.command.printed_text import print_line, ticked
from feature_store.settings import Settings, load_settings

Version = Annotated[
    str,
    typer.Argument(help="The model's version, or its first 4 or more characters; see `models`."),
]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the decision.")]
Actor = Annotated[str, typer.Option(help="Who decides.")]
FirstNight = Annotated[
    datetime | None,
    typer.Option(
        "--as-of", formats=["%Y-%m-%d"], help="First night that it holds for; without it today's."
    ),
]


def models(
    task: Annotated[str | None, typer.Option(help="Only models of this training task.")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="As the night of this date knows them; or today's."
        ),
    ] = None,
) -> None:
    """Print each task's models with test metric and lead over the champion, and people's decisions.

    Decisions for nights after the date are listed too, as `not yet`.
    """
    from dags.command.model_table import print_models

    day = _day(as_of, datetime.now(UTC))
    print_models(load_settings().lake, day, task, Console())


def promote(
    version: Version,
    reason: Reason,
    as_of: FirstNight = None,
    actor: Actor = "command line",
    *,
    despite_segments: Annotated[
        bool,
        typer.Option("--despite-segments", help="Although some listeners would get worse lists."),
    ] = False,
) -> None:
    """Let nights use a model, before all models that were promoted earlier."""
    _decide(version, "promote", reason, as_of, actor, accept_losing_segments=despite_segments)


def demote(
    version: Version, reason: Reason, as_of: FirstNight = None, actor: Actor = "command line"
) -> None:
    """Let nights no longer use a model; they take the one promoted before it, or train one.

    Without another one a night ends with an error if its training would give the same model again.
    """
    _decide(version, "demote", reason, as_of, actor)


def _decide(
    version: str,
    decision: Literal["promote", "demote"],
    reason: str,
    as_of: datetime | None,
    actor: str,
    *,
    accept_losing_segments: bool = False,
) -> None:
    from feature_store.runs.promotions import decide

    settings, now = load_settings(), datetime.now(UTC)
    recorded = decide(
        settings.lake,
        version,
        decision,
        as_of=_day(as_of, now),
        actor=actor,
        reason=reason,
        now=now,
        accept_losing_segments=accept_losing_segments,
    )
    print_line(
        ticked(
            f"{recorded.family} {recorded.model_version} is {decision}d for "
            f"{recorded.training_task} from the night of {recorded.as_of} on"
        )
    )
    if recorded.ended_by is not None:
        later = recorded.ended_by
        print_line(
            f"  until the night of {later['decision_as_of_date']}, from which {later['actor']} has "
            f"{later['decision']}d it: {later['reason']}"
        )
    for difference in recorded.losing_segments:
        print_line(f"  accepted: worse for {difference}")
    if not_affected := _why_no_night_is_affected(settings, recorded.as_of):
        print_line(f"  {not_affected}")
    for day in sorted({recorded.as_of, max(recorded.as_of, now.date())}):
        print_line(f"  {_what_a_night_does(settings, recorded.training_task, day)}")


def _why_no_night_is_affected(settings: Settings, as_of: date) -> str:
    """Text for a decision that counts from after the lake's newest night on; empty otherwise."""
    from feature_store.publishing.snapshot import events

    newest = max((event.as_of for event in events(settings.lake)), default=None)
    if newest is None or as_of <= newest:
        return ""
    return (
        f"no night of the lake is affected yet: the newest is that of {newest}; to decide for it "
        f"too, give --as-of {newest} and run that night again"
    )


def _what_a_night_does(settings: Settings, task: str, day: date) -> str:
    """Which model the night of a date uses by what has been decided so far."""
    from feature_store.runs.promotions import read_if_exists, standing
    from feature_store.tables.runs import RUN_MODELS, RUN_PROMOTIONS

    rows = read_if_exists(settings.lake, RUN_MODELS)
    promoted = standing(rows, read_if_exists(settings.lake, RUN_PROMOTIONS), day).get(task)
    if not promoted:
        return (
            f"no model of {task} is promoted: the night of {day} trains one, or ends with "
            "NoModelError if its inputs give a demoted model again (--retrain always does not help "
            "then); promote a model (evensong promote VERSION), or set another family in "
            "training.families"
        )
    champion = promoted[0]
    name = f"{champion.family} {champion.model_version}"
    checked = max(
        row["checked_as_of_date"]
        for row in rows
        if row["model_version"] == champion.model_version and row["checked_as_of_date"] <= day
    )
    uses = f"the night of {day} uses {name} for {task}"
    max_age_days = settings.training.max_age_days(task)
    if (day - checked).days <= max_age_days:
        return uses
    return (
        f"{uses} if its inputs are unchanged, and else trains {champion.family} again: they were "
        f"checked on {checked}, more than {max_age_days} days before (training.max_model_age_days)"
    )


def _day(given: datetime | None, now: datetime) -> date:
    return (given or now).date()
