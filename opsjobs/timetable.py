"""The operator's schedule (opsjobs.yml): which job runs when, how late it may still begin, how long it may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from opsjobs.declaration import Declared
from opsjobs.schedule.slots import Cron
from opsjobs.vocabulary import Length, Zone

JobName = Literal["daily", "weekly", "costs", "health", "backup", "compare", "drill", "snapshot", "prune"]


def _line(value: str) -> str:
    return str(Cron(value))


CronLine = Annotated[str, AfterValidator(_line)]


class Timing(Declared):
    """When a job runs."""

    cron: CronLine = ""
    """Minute, hour, day of the month, month, weekday by name: `0 9 * * mon-fri`. Default: as opsjobs has it."""
    zone: Zone | None = None
    """The zone of the line. Default: that of the system."""
    late: Length | None = None
    """How late it may still begin, such as after the machine was off; what is later is missed."""
    limit: Length | None = None
    """How long it may take before it is ended."""
    off: bool = False
    """Whether it does not run by itself."""


def _timing(value: Any) -> Any:
    """A line for itself is its cron line; `off` is read by YAML as false."""
    if value is False or value == "off":
        return {"off": True}
    return {"cron": value} if isinstance(value, str) else value


Timings = dict[JobName, Annotated[Timing, BeforeValidator(_timing)]]

DEFAULTS: Mapping[JobName, Timing] = {
    "daily": Timing(cron="0 9 * * *", late="12h", limit="30m"),
    "weekly": Timing(cron="30 9 * * mon", late="2d", limit="30m", off=True),
    "costs": Timing(cron="0 10 * * mon", late="2d", limit="30m"),
    # What an old look would have found, the next one finds.
    "health": Timing(cron="0 */6 * * *", late="1h", limit="10m"),
    "backup": Timing(cron="30 3 * * *", late="20h", limit="2h"),
    "compare": Timing(cron="0 8 * * fri", late="2d", limit="1h"),
    "drill": Timing(cron="0 5 1 * *", late="7d", limit="2h"),
    "snapshot": Timing(cron="0 4 * * sun", late="2d", limit="4h", off=True),
    "prune": Timing(cron="15 4 * * *", late="20h", limit="1h"),
}
"""What holds where the configuration says nothing else."""


class ScheduleSpec(Declared):
    """When the jobs of all systems run, and how many at once."""

    jobs: Timings = Field(default_factory=dict)
    """By job: a cron line, `off`, or when and how."""
    spread: Length | None = None
    """Over which time the systems of one slot are spread."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many systems are looked at by one process, one after the other."""
    at_once: Annotated[int, Field(ge=1, le=100)] = 4
    """How many processes at once."""
