"""Who may do what in Airflow's pages: roles, their users, and the passwords that `up` makes.

Every role reads everything. What a role may start, clear or mark is decided DAG by DAG: the DAG's
`access_control` names the role, and the role holds the right to act on runs and tasks at all.
Airflow asks for both.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VIEWER, RUNNER, PUBLISHER, PRIVACY_OFFICER, ADMIN = (
    "Viewer",
    "Runner",
    "Publisher",
    "PrivacyOfficer",
    "Admin",
)
ACTING_ROLES = (RUNNER, PUBLISHER, PRIVACY_OFFICER)

USERS = {
    "viewer": (VIEWER,),
    "runner": (RUNNER,),
    "publisher": (RUNNER, PUBLISHER),
    "privacy": (PRIVACY_OFFICER,),
    "admin": (ADMIN,),
}
"""One user a role; whoever publishes by hand also runs nights."""

_ACTIONS = (
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_edit", "Task Instances"),
)


def may_act(*roles: str) -> dict[str, dict[str, set[str]]]:
    """The `access_control` of a DAG that these roles start and clear."""
    return {role: {"DAGs": {"can_read", "can_edit"}} for role in roles}


def make_access(passwords: dict[str, str]) -> None:
    """Make roles and users in Airflow's database; a user who is there gets the password again.

    Before any DAG is parsed: Airflow refuses a DAG whose `access_control` names a missing role.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        builder.add_permissions(update_perms=True)
        manager = builder.sm
        manager.sync_roles()
        allowed = [*manager.VIEWER_PERMISSIONS, *_ACTIONS]
        manager.bulk_sync_roles([{"role": role, "perms": allowed} for role in ACTING_ROLES])
        for name, roles in USERS.items():
            _make_user(manager, name, roles, passwords[name])


def kept_passwords(file: Path, names: Iterable[str] = USERS) -> dict[str, str]:
    """The passwords in `file`, which only its owner may read; those missing are made up now."""
    known = json.loads(file.read_text()) if file.exists() else {}
    passwords = {name: known.get(name) or secrets.token_urlsafe(12) for name in names}
    keep_secret(file, json.dumps(passwords, indent=1) + "\n")
    return passwords


def keep_secret(file: Path, text: str) -> None:
    """Write a file that nobody but its owner could read at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}-{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    beside.replace(file)


def _make_user(manager: Any, name: str, roles: Iterable[str], password: str) -> None:
    user = manager.find_user(username=name)
    if user:
        manager.reset_password(user.id, password)
        return
    manager.add_user(
        username=name,
        first_name=name.title(),
        last_name="Evensong",
        email=f"{name}@localhost",
        role=[manager.find_role(role) for role in roles],
        password=password,
    )
