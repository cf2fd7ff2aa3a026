"""The stage: a system that lives for as long as the `with` block lasts, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from zoneinfo import ZoneInfo

from opsjobs import system as profiles
from opsjobs.demo import books, databases
from opsjobs.demo import scenario as scenarios
from opsjobs.demo import simulation as simulations
from opsjobs.demo.access import Access
from opsjobs.demo.binaries import Binaries, obtain
from opsjobs.demo.course import Course
from opsjobs.demo.exposition import Exporter, write_history
from opsjobs.demo.programs import Programs
from opsjobs.demo.prometheus import Prometheus, Scrape, import_history
from opsjobs.demo.scenario import Planted, Scenario
from opsjobs.demo.simulation import Simulation
from opsjobs.demo.weaver import weave
from opsjobs.errors import DemoError

DAYS = 40
"""How much history there is: a report reads 30 days back from each of the 8 that it covers, and yesterday is one."""

# Frequent, so that nobody waits for the first one.
_SCRAPE_SECONDS = 5
_AHEAD = timedelta(days=1)


class Stage:
    """A simulated system with a real Prometheus, and with `databases` a real PostgreSQL and Redis too.

    `scenario` is the name of one that ships with the system, or a path; `now` is aware, and should be the present for
    live samples to follow the history. Without `folder` all files are temporary; a folder that is given must be empty
    or not exist, and stays. `progress` is told what happens, also that a database cannot be had. Entering raises
    `ConfigError` or `DemoError`.
    """

    def __init__(
        self,
        system: str = "pratikoai",
        scenario: str = "quiet",
        *,
        now: datetime,
        folder: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
        binaries: Binaries | None = None,
        databases: bool = False,
    ) -> None:
        if now.tzinfo is None:
            raise ValueError("a stage needs an aware time")
        self.system = system
        self.samples = 0
        """How many samples of history were loaded."""
        self._scenario_name = scenario
        self._now = now
        self._given_folder = folder
        self._progress = progress
        self._binaries = binaries
        self._with_databases = databases
        self._stack = ExitStack()
        self.databases: Mapping[str, Access] = {}
        """How opsjobs is let into those that live: `postgresql` and `redis`."""

    scenario: Scenario
    """What is planted, with what a report must say about it."""
    folder: Path
    url: str
    """Address of Prometheus."""
    exporter_url: str
    """Address of the exporter; its pages are at `/metrics/<job>`."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _set_up(self, stack: ExitStack) -> None:
        profile = profiles.read(self.system, Path())
        simulation = simulations.read(self.system)
        self.scenario = scenarios.read(self._scenario_name, self.system, simulation, profile)
        binaries = self._binaries or obtain(progress=self._progress)
        # Only PratikoAI's databases are known.
        has_books = {metric for metric, _, _ in simulation.metrics} >= books.NEEDED
        found = databases.obtain(self._progress) if self._with_databases and has_books else {}
        self.scenario = self.scenario.having(found)
        self.folder = self._made(stack)

        zone = ZoneInfo(profile.zone)
        today = self._now.astimezone(zone).date()
        story = _Story(simulation, self.scenario.planted(today, zone), today, zone)
        began = time.monotonic()

        def clock() -> float:
            return self._now.timestamp() + time.monotonic() - began

        self._progress(f"Simulating {DAYS} days of {profile.title}: {self.scenario.title.lower()}")
        lived = story.until(clock())
        history = self.folder / "history.om"
        stack.callback(history.unlink, missing_ok=True)
        self.samples = write_history(lived, history, clock())

        coming = self._databases(found, stack, lambda: books.keep(lived, clock(), zone))
        targets = list(lived.up)
        exporter = stack.enter_context(Exporter(story.until, clock))
        self.exporter_url = f"http://{exporter.address}"
        prometheus = Prometheus(
            binaries,
            self.folder,
            scrape=[
                Scrape(job=job, instance=name, address=exporter.address, path=f"/metrics/{job}/{name}")
                for job, name in targets
                # A member that vanished is not looked for either.
                if lived.value(lived.up[job, name], clock()) is not None
            ],
            interval=_SCRAPE_SECONDS,
        )
        self._progress(f"Loading {self.samples:,} samples into Prometheus")
        import_history(binaries, history, prometheus.storage)
        history.unlink()
        self._progress("Starting Prometheus")
        stack.enter_context(prometheus)
        self.url = prometheus.url
        self._progress("Waiting for the first scrapes")
        prometheus.wait_for_scrapes()
        self._let_in(coming)
        self._progress(f"{profile.title} lives: Prometheus is at {self.url}")

    def _databases(
        self, found: Mapping[str, Programs], stack: ExitStack, kept: Callable[[], books.Books]
    ) -> databases.Databases | None:
        """Those of which there are programs, starting; None where there is none."""
        if not found:
            return None
        self._progress(f"Starting {' and '.join(databases.TITLES[name] for name in found)}")
        starting = databases.Databases(found, self.folder, books=kept(), states=self.scenario.states)
        return stack.enter_context(starting)

    def _let_in(self, coming: databases.Databases | None) -> None:
        """Wait for the databases, and tell of those that did not come."""
        lives = {}
        for name, access in coming.wait().items() if coming else ():
            if isinstance(access, DemoError):
                self._progress(databases.without(databases.TITLES[name], access))
            else:
                lives[name] = access
        self.databases = lives
        self.scenario = self.scenario.having(lives)

    def _made(self, stack: ExitStack) -> Path:
        folder = self._given_folder
        if folder is None:
            # Prometheus may still be closing a file when it is killed.
            made = TemporaryDirectory(prefix="opsjobs-demo-", ignore_cleanup_errors=True)
            return Path(stack.enter_context(made)).absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise DemoError(f"{folder} is not empty", advice="name an empty folder, or one that does not exist")
        except OSError as error:
            raise DemoError(f"{folder} cannot be used: {error.strerror}") from error
        return folder.absolute()


class _Story:
    """The course of this demonstration, computed again with a later end when time has passed the old one."""

    def __init__(self, simulation: Simulation, planted: tuple[Planted, ...], today: date, zone: ZoneInfo) -> None:
        self._simulation = simulation
        self._planted = planted
        self._today = today
        self._zone = zone
        self._course: Course | None = None

    def until(self, instant: float) -> Course:
        """The course up to at least this Unix time."""
        if self._course is None or instant > self._course.times[-1]:
            first = self._today - timedelta(days=DAYS)
            self._course = weave(
                self._simulation,
                self._planted,
                start=datetime(first.year, first.month, first.day, tzinfo=self._zone),
                end=datetime.fromtimestamp(instant, self._zone) + _AHEAD,
                today=datetime(self._today.year, self._today.month, self._today.day, tzinfo=self._zone),
                zone=self._zone,
            )
        return self._course
