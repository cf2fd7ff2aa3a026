"""The stories, readable top to bottom: each takes a `Context` and tells a `Result`.

    context.py    what a job is handed, and what it gives back
    inquiry.py    everything that the daily report asks, and the evidence of it
    sections.py   what was found out, as the parts of a report
    daily.py      the health and the business of one day, against their limits and their own past

To add a job: a file here with a `run(context) -> Result`, a line in `JOBS`, a command in `opsjobs.cli`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsjobs.jobs import daily
from opsjobs.jobs.context import Context, Result

JOBS: Mapping[str, Callable[[Context], Result]] = {"daily": daily.run}

__all__ = ["JOBS", "Context", "Result"]
