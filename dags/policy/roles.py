"""Airflow roles, their users, and the passwords that `evensong up` creates.

Every role reads everything. To start, clear or mark a run, Airflow asks for two permissions: the
DAG's `access_control` names the role, and the role may act on runs and tasks in general.
"""

from __future__ import annotations

import json
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
"""One user for each role; the publisher also runs nights."""

_ACTIONS = (
    ("can_create", "DAG Runs"),
    ("can_edit", "DAG Runs"),
    ("can_edit", "Task Instances"),
)


def access_control_for(*roles: str) -> dict[str, dict[str, set[str]]]:
    """Return the `access_control` of a DAG that these roles may start and clear."""
    return {role: {"DAGs": {"can_read", "can_edit"}} for role in roles}


def create_roles_and_users(passwords: dict[str, str]) -> None:
    """Create roles and users in Airflow's database; an existing user gets the given password.

    Call it before Airflow parses a DAG: Airflow refuses an `access_control` with a missing role.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        builder.add_permissions(update_perms=True)
        manager = builder.sm
        manager.sync_roles()
        allowed = [*manager.VIEWER_PERMISSIONS, *_ACTIONS]
        manager.bulk_sync_roles([{"role": role, "perms": allowed} for role in ACTING_ROLES])
        for name, roles in USERS.items():
            _create_user(manager, name, roles, passwords[name])


def load_or_create_passwords(file: Path, names: Iterable[str] = USERS) -> dict[str, str]:
    """Load the passwords in `file`, create missing ones, and write the file for its owner only."""
    from feature_store.lake.private_files import write_private_file

    known = json.loads(file.read_text()) if file.exists() else {}
    passwords = {name: known.get(name) or secrets.token_urlsafe(12) for name in names}
    write_private_file(file, json.dumps(passwords, indent=1) + "\n")
    return passwords


def _create_user(manager: Any, name: str, roles: Iterable[str], password: str) -> None:
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
