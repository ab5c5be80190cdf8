"""Airflow as `evensong up` runs it, and its pages in a real Chromium, as a person uses them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from playwright.sync_api import Locator, Page, expect

from tests.support.processes import ENDS_WITH_US

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
WINDOW = {"width": 1400, "height": 1000}
EVENSONG = [sys.executable, "-c", "from dags.command.cli import main; main()"]
ROOT = Path(__file__).parents[2]

_STARTED_WITHIN_S = 300
_NIGHT_WITHIN_S = 900
_LOOK_EVERY_S = 15
_BANNER_WITHIN_MS = 3_000


@dataclass
class RunningAirflow:
    """`evensong up` as a child of the test."""

    process: subprocess.Popen[str]
    address: str
    lake: str
    state: Path

    @property
    def passwords(self) -> dict[str, str]:
        return json.loads((self.state / "server" / "passwords.json").read_text())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def api(self, user: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call of Airflow's REST API as a user; raises HTTPError as urllib does."""
        login = {"username": user, "password": self.passwords[user]}
        token = self._call("POST", "/auth/token", login, {})["access_token"]
        return self._call(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {token}"})

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310  our own address
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  our own address
            return json.load(answer)


def start_airflow(folder: Path, **variables: str) -> RunningAirflow:
    """Start `evensong up` and wait until it says where it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lake, state = folder / "lake", folder / "state"
    places = {"EVENSONG_LAKE": str(lake), "EVENSONG_STATE": str(state), "PYTHONPATH": str(ROOT)}
    log = folder / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*ENDS_WITH_US, *EVENSONG, "up", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,  # where tasks look for evensong.toml
            env=_from_outside(os.environ) | places | variables,
        )
    deadline = time.monotonic() + _STARTED_WITHIN_S
    while "Airflow is at" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(1)
    return RunningAirflow(process, f"http://127.0.0.1:{port}", str(lake), state)


def _from_outside(variables: Any) -> dict[str, str]:
    """What is no setting: other tests may have prepared an Airflow of theirs in this process."""
    ours = ("AIRFLOW", "EVENSONG_")
    return {name: value for name, value in variables.items() if not name.startswith(ours)}


def processes_of(running: RunningAirflow) -> list[int]:
    """Processes that were told this state's folder, Airflow's and Spark's alike."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EVENSONG_STATE") == str(running.state):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # ended, or somebody else's
    return found


@dataclass
class Pages:
    """What a person does in Airflow's pages; every step leaves a screenshot."""

    page: Page
    airflow: RunningAirflow
    screenshots: Path
    _shot: int = 0

    def log_in(self, user: str) -> None:
        self.page.goto(self.airflow.address)
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill(self.airflow.passwords[user])
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("link", name="Dags")).to_be_visible()
        self.keep("logged-in")

    def open_dag(self, dag_id: str, tab: str = "") -> None:
        self.page.goto(f"{self.airflow.address}/dags/{dag_id}{tab}")
        expect(self.page.get_by_role("tab", name="Overview").or_(
            self.page.get_by_role("link", name="Overview")).first).to_be_visible()  # fmt: skip

    def read_the_manual(self) -> str:
        """What the page says about the DAG."""
        self.page.get_by_label("Dag Docs").click()
        said = self.page.get_by_role("dialog")
        expect(said).to_contain_text("To backfill")
        self.keep("manual")
        text = said.inner_text()
        self.page.keyboard.press("Escape")
        return text

    def switch_on(self) -> None:
        """Unpause the DAG that is open."""
        self.page.locator("[data-scope=switch][data-part=control][data-state=unchecked]").click()
        expect(self.page.locator("[data-part=control][data-state=checked]").first).to_be_visible()

    def backfill(self, first: date, last: date, *, publish: str | None = None) -> None:
        """Trigger → Backfill from the start of `first` to the end of `last`.

        Airflow lets one backfill of a DAG run at a time, and clearing a run reopens its backfill.
        """
        deadline = time.monotonic() + _NIGHT_WITHIN_S
        while self._backfill_is_at_work():
            assert time.monotonic() < deadline, "the backfill before does not end"
            time.sleep(_LOOK_EVERY_S)
        self.page.get_by_role("button", name="Trigger Dag").click()
        form = self.page.get_by_role("dialog").filter(has_text="evensong_nightly")
        form.get_by_text("Backfill", exact=True).click()
        days = form.get_by_test_id("datetime-input")
        self._fill_moment(days.nth(0), f"{first:%Y/%m/%d}", "00:00")
        self._fill_moment(days.nth(1), f"{last:%Y/%m/%d}", "23:59")
        if publish:
            field = form.locator("input[name=element_publish]").locator("xpath=..")
            field.get_by_role("combobox").fill(publish)
            self.page.keyboard.press("Enter")
            expect(form.locator("input[name=element_publish]")).to_have_value(publish)
            # Without it the page sends no parameters at all, whatever the fields show.
            form.get_by_text("Override parameters on existing runs").click()
        n_days = (last - first).days + 1
        runs = f"{n_days} run{'s' if n_days > 1 else ''} will be triggered"
        expect(form.get_by_text(runs)).to_be_visible()
        self.keep("backfill-form")
        form.get_by_role("button", name="Run Backfill").click()
        expect(form).to_be_hidden()

    def _backfill_is_at_work(self) -> bool:
        self.open_dag("evensong_nightly")
        self.page.wait_for_timeout(_BANNER_WITHIN_MS)
        return self.page.get_by_text("Backfill in progress").is_visible()

    def clear(self, run_id: str) -> None:
        """Clear every task of a run."""
        self.page.goto(f"{self.airflow.address}/dags/evensong_nightly/runs/{quote(run_id)}")
        self.page.get_by_label("Press shift+c to clear").click()
        form = self.page.get_by_role("dialog")
        expect(form.get_by_text(re.compile(r"Affected Tasks: [1-9]\d"))).to_be_visible()
        self.keep("clear-run")
        form.get_by_role("button", name="Confirm").click()
        expect(form).to_be_hidden()

    def wait_for(self, state: str, *run_ids: str, dag_id: str = "evensong_nightly") -> None:
        """Watch the list of runs until each of these is in `state`."""
        deadline = time.monotonic() + _NIGHT_WITHIN_S * len(run_ids)
        while (seen := self._states(dag_id, run_ids)) != dict.fromkeys(run_ids, state):
            assert state == "Failed" or "Failed" not in seen.values(), seen
            assert time.monotonic() < deadline, seen
            time.sleep(_LOOK_EVERY_S)
        self.open_dag(dag_id, "/runs")
        self.keep(f"runs-{state.lower()}")

    def keep(self, what: str) -> None:
        """Keep what the page looks like."""
        self._shot += 1
        self.page.screenshot(path=self.screenshots / f"{self._shot:02d}-{what}.png")

    def _states(self, dag_id: str, run_ids: tuple[str, ...]) -> dict[str, str]:
        self.open_dag(dag_id, "/runs")
        rows = self.page.get_by_role("row")
        found = {}
        for run_id in run_ids:
            row = rows.filter(has_text=run_id)
            expect(row).to_be_visible(timeout=60_000)
            [found[run_id]] = re.findall(r"Success|Failed|Running|Queued", row.inner_text())
        self.page.goto("about:blank")  # the page draws all the while, and the night needs the cores
        return found

    def _fill_moment(self, field: Locator, day: str, at: str) -> None:
        opened = self.page.get_by_placeholder("YYYY/MM/DD").locator("visible=true")
        field.click()
        opened.fill(day)
        self.page.get_by_placeholder("HH:mm").locator("visible=true").fill(at)
        self.page.keyboard.press("Escape")
        expect(opened).to_have_count(0)  # it fades, and the next one looks the same
