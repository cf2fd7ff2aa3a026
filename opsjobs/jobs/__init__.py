"""The stories, readable top to bottom: each takes a `Context` and tells a `Result`.

    context.py    what a job is handed, and what it gives back
    inquiry.py    everything that the daily report asks
    evidence.py   how each number came about, so that it can be asked again by hand
    figures.py    what databases are asked for the indicators that come from them
    sentry.py     what a Sentry is asked for a day, and how that came about
    asides.py     what an indicator's own past says of its value, and what to remember of that
    sections.py   what was found out, as the parts of a report
    drift.py      where what runs is not as the profile declares it
    observation.py what is found out of a day, before it is said
    daily.py      the health and the business of one day, against their limits and their own past
    weekly.py     the seven days of a week on one page, each judged as its daily report does
    week.py       what was found out of those days, as the parts of their report
    costs.py      what the system costs, why that changed, where the month is going
    reckoning.py  what was found out of the money of a week, before it is said
    bill.py       what is asked for the money of each day, and the lines that come of it
    prospects.py  what is asked beside the money for advice: requests by the hour, and how busy capacities are
    series.py     which series nothing asks for, where series are paid for
    usage.py      who the money is spent on: what the database is asked, and how it is told
    accounts.py   what was found out about money, as the parts of a report
    actions.py    what to do about it, and what came of what was done
    concerns.py   what of it needs a person, and what is not known
    reconciliation.py  the same beside what was expected and what was billed

    inspection.py what a live Prometheus has of what a profile declares; no job of its own
    panels.py     whether the panels that are rendered have an answer; no job either
    draft.py      a profile to start from, made of what a live Prometheus has; no job either

To add a job: a file here with a `run(context) -> Result`, a line in `JOBS`, a command in `opsjobs.cli`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsjobs.jobs import costs, daily, weekly
from opsjobs.jobs.context import Context, Result

JOBS: Mapping[str, Callable[[Context], Result]] = {
    "daily": daily.run,
    "weekly": weekly.run,
    "costs": costs.run,
}

__all__ = ["JOBS", "Context", "Result"]
