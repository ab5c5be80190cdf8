"""Actions of a user in Airflow's pages, in Chromium."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from tests.support.airflow_server import RunningAirflow

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
WINDOW = {"width": 1400, "height": 1000}

_NIGHT_TIMEOUT_S = 900
_POLL_S = 15
_BANNER_TIMEOUT_MS = 3_000


@dataclass
class Pages:
    """A user's session in Airflow's pages; every step saves a screenshot."""

    page: Page
    airflow: RunningAirflow
    screenshots: Path
    _n_screenshots: int = 0

    def log_in(self, user: str) -> None:
        self.page.goto(self.airflow.address)
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill(self.airflow.passwords[user])
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("link", name="Dags")).to_be_visible()
        self.screenshot("logged-in")

    def open_dag(self, dag_id: str, tab: str = "") -> None:
        self.page.goto(f"{self.airflow.address}/dags/{dag_id}{tab}")
        expect(self.page.get_by_role("tab", name="Overview").or_(
            self.page.get_by_role("link", name="Overview")).first).to_be_visible()  # fmt: skip

    def read_manual(self) -> str:
        """Text of the DAG's documentation."""
        self.page.get_by_label("Dag Docs").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog).to_contain_text("To backfill")
        self.screenshot("manual")
        text = dialog.inner_text()
        self.page.keyboard.press("Escape")
        return text

    def unpause(self) -> None:
        """Unpause the open DAG."""
        self.page.locator("[data-scope=switch][data-part=control][data-state=unchecked]").click()
        expect(self.page.locator("[data-part=control][data-state=checked]").first).to_be_visible()

    def backfill(self, first: date, last: date, *, publish: str | None = None) -> None:
        """Trigger → Backfill from the start of `first` to the end of `last`.

        Airflow lets one backfill of a DAG run at a time, and clearing a run reopens its backfill.
        """
        deadline = time.monotonic() + _NIGHT_TIMEOUT_S
        while self._is_backfill_running():
            assert time.monotonic() < deadline, "the earlier backfill does not end"
            time.sleep(_POLL_S)
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
            # Without this option the page sends no parameters, even if the fields are filled in.
            form.get_by_text("Override parameters on existing runs").click()
        n_days = (last - first).days + 1
        runs = f"{n_days} run{'s' if n_days > 1 else ''} will be triggered"
        expect(form.get_by_text(runs)).to_be_visible()
        self.screenshot("backfill-form")
        form.get_by_role("button", name="Run Backfill").click()
        expect(form).to_be_hidden()

    def _is_backfill_running(self) -> bool:
        self.open_dag("evensong_nightly")
        self.page.wait_for_timeout(_BANNER_TIMEOUT_MS)
        return self.page.get_by_text("Backfill in progress").is_visible()

    def clear(self, run_id: str) -> None:
        """Clear every task of a run."""
        self.page.goto(f"{self.airflow.address}/dags/evensong_nightly/runs/{quote(run_id)}")
        self.page.get_by_label("Press shift+c to clear").click()
        form = self.page.get_by_role("dialog")
        expect(form.get_by_text(re.compile(r"Affected Tasks: [1-9]\d"))).to_be_visible()
        self.screenshot("clear-run")
        form.get_by_role("button", name="Confirm").click()
        expect(form).to_be_hidden()

    def wait_for(self, state: str, *run_ids: str, dag_id: str = "evensong_nightly") -> None:
        """Poll the list of runs until each of these runs is in `state`."""
        deadline = time.monotonic() + _NIGHT_TIMEOUT_S * len(run_ids)
        while (states := self._states(dag_id, run_ids)) != dict.fromkeys(run_ids, state):
            assert state == "Failed" or "Failed" not in states.values(), states
            assert time.monotonic() < deadline, states
            time.sleep(_POLL_S)
        self.open_dag(dag_id, "/runs")
        self.screenshot(f"runs-{state.lower()}")

    def screenshot(self, name: str) -> None:
        """Save a screenshot of the page."""
        self._n_screenshots += 1
        self.page.screenshot(path=self.screenshots / f"{self._n_screenshots:02d}-{name}.png")

    def _states(self, dag_id: str, run_ids: tuple[str, ...]) -> dict[str, str]:
        self.open_dag(dag_id, "/runs")
        rows = self.page.get_by_role("row")
        states = {}
        for run_id in run_ids:
            row = rows.filter(has_text=run_id)
            expect(row).to_be_visible(timeout=60_000)
            [states[run_id]] = re.findall(r"Success|Failed|Running|Queued", row.inner_text())
        self.page.goto("about:blank")  # the page keeps drawing, and the night needs the cores
        return states

    def _fill_moment(self, field: Locator, day: str, at: str) -> None:
        picker = self.page.get_by_placeholder("YYYY/MM/DD").locator("visible=true")
        field.click()
        picker.fill(day)
        self.page.get_by_placeholder("HH:mm").locator("visible=true").fill(at)
        self.page.keyboard.press("Escape")
        expect(picker).to_have_count(0)  # the picker fades out, and the next one looks the same
