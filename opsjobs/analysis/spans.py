"""Spans of time in a day's points: where there are none, and where they were beyond a limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

from opsjobs.model import Episode, Outage, Sample, Status, Threshold, Window

_LOOKBACK = 300
"""Seconds for which Prometheus goes on serving a series that ended."""


def holes(samples: Sequence[Sample], window: Window, step: int, longest: int) -> tuple[Outage, ...]:
    """Spans of more than `longest` seconds without a point; the one at the end of the window is not `ended`."""
    present = {round(sample.time) for sample in samples}
    start = window.start.timestamp()
    grid = [start + step * number for number in range(1, int(window.seconds // step) + 1)]
    found = []
    for there, points in groupby(grid, key=lambda time: round(time) in present):
        times = list(points)
        if not there and len(times) * step > longest:
            ended = times[-1] != grid[-1]
            found.append(Outage(start=moment(times[0] - step), end=moment(times[-1]), known=False, ended=ended))
    return tuple(found)


def within(hole: Outage, outages: Sequence[Outage], step: int) -> bool:
    """Whether an outage explains a hole: it lies within it, but for a step and the time that old samples are served."""
    slack = step + _LOOKBACK
    return any(
        outage.known
        and hole.start.timestamp() >= outage.start.timestamp() - slack
        and hole.end.timestamp() <= outage.end.timestamp() + slack
        for outage in outages
    )


def episodes(
    samples: Sequence[Sample], threshold: Threshold, step: int, held: int | None, end: datetime
) -> tuple[Episode, ...]:
    """Spans of at least `held` seconds beyond a limit; those beyond critical take the place of those beyond warning."""
    if held is None:
        return ()
    found: list[Episode] = []
    for status, limit in ((Status.CRITICAL, threshold.critical), (Status.WARNING, threshold.warning)):
        marked = [(_is_beyond(sample, threshold, limit), sample) for sample in samples]
        for beyond, points in groupby(marked, key=itemgetter(0)):
            run = [(sample.time, sample.value) for _, sample in points if sample.value is not None]
            if not beyond or (run[-1][0] - run[0][0]) + step < held:
                continue
            start, last = moment(run[0][0] - step), moment(run[-1][0])
            if any(start < other.end and last > other.start for other in found):
                continue
            values = [value for _, value in run]
            worst = max(values) if threshold.beyond(max(values), limit) else min(values)
            ended = end.timestamp() - run[-1][0] >= step
            found.append(Episode(start=start, end=last, status=status, worst=worst, ended=ended))
    return tuple(sorted(found, key=lambda episode: episode.start))


def moment(timestamp: float) -> datetime:
    """A Unix time in seconds as an aware time."""
    return datetime.fromtimestamp(timestamp, UTC)


def _is_beyond(sample: Sample, threshold: Threshold, limit: float | None) -> bool:
    return sample.value is not None and threshold.beyond(sample.value, limit)
