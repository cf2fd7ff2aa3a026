"""EVALUATE a simulation: weave rates, rhythms, noise and effects into a course. Pure; seed and time decide everything.

Counters count from the start of the course. A sample tells of the step that ends with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import numpy as np
from numpy.typing import NDArray

from opsjobs.demo import noise
from opsjobs.demo.course import PLACES, STEP, Course, Curve, Family, Flags
from opsjobs.demo.noise import Floats
from opsjobs.demo.scenario import Effect, Planted
from opsjobs.demo.simulation import Counter, Gauge, Histogram, Member, Rhythm, Simulation, Target, TimedMember

_HOUR, _DAY = 3600, 86400
_QUARTER = 900
_FRIDAY, _EPOCH_WEEKDAY = 4, 3
_PLACE = np.linspace(-8, 8, 8001)
_NORMAL = np.array([0.5 * (1 + math.erf(place / math.sqrt(2))) for place in _PLACE])

_Concerns = Callable[[Effect], bool]
_Rates = list[tuple[Mapping[str, str], Floats]]


@dataclass(frozen=True, slots=True)
class _Line:
    """One metric with one set of labels on one instance."""

    name: str
    metric: Counter | Gauge | Histogram
    member: Member
    key: str
    """What tells its noise from that of others."""

    @property
    def noise(self) -> float:
        return self.metric.noise if self.member.noise is None else self.member.noise

    @property
    def rhythm(self) -> str:
        return self.member.rhythm or self.metric.rhythm

    def concerned(self, effect: Effect) -> bool:
        return effect.metric == self.name and effect.labels.items() <= self.member.labels.items()


def weave(
    simulation: Simulation, planted: Sequence[Planted], *, start: datetime, end: datetime, today: datetime, zone: tzinfo
) -> Course:
    """The course over a span of time. `today` is the local midnight at which levels are as declared."""
    first = int(start.timestamp()) // STEP * STEP
    times = np.arange(first, int(end.timestamp()) + 1, STEP, dtype=np.int64)
    weaver = _Weaver(simulation, planted, times, today.timestamp(), zone)
    families = tuple(weaver.families())
    return Course(times, families, weaver.up)


class _Weaver:
    """Builds the curves of one course, target by target."""

    def __init__(
        self, simulation: Simulation, planted: Sequence[Planted], times: NDArray[np.int64], today: float, zone: tzinfo
    ) -> None:
        self.simulation = simulation
        self.times = times
        self.effects = [(each.effect, (times > each.start) & (times <= each.end)) for each in planted]
        self.middles: Floats = times.astype(np.float64) - STEP / 2
        self.today = today
        self.age = (self.middles - today) / _DAY
        local = self.middles + _offsets(self.middles, zone)
        self.steady = np.ones(len(times))
        self.rhythms = {"": self.steady} | {name: _beat(each, local) for name, each in simulation.rhythms.items()}
        self.up: dict[tuple[str, str], Curve] = {}

    def families(self) -> Iterator[Family]:
        for job, target in self.simulation.targets.items():
            for instance in target.instances:
                yield from self._target(job, instance, target)
        ups = [
            Curve("up", {"job": job, "instance": instance}, curve.values, curve.present, whole=True)
            for (job, instance), curve in self.up.items()
        ]
        yield Family("up", "gauge", "Whether the target could be scraped.", "", "", tuple(ups))
        yield Family("ALERTS", "gauge", "Alerts that are firing.", "", "", tuple(self._alerts()))

    def _target(self, job: str, instance: str, target: Target) -> Iterator[Family]:
        def concerned(effect: Effect) -> bool:
            return effect.component == target.component and effect.instance in {"", instance}

        down, gone = self._during(concerned, "down"), self._during(concerned, "vanish")
        # Behind an exporter a thing can be down while the target answers.
        answers = ~gone if target.alive else ~(gone | down)
        self.up[job, instance] = Curve("up", {}, answers.astype(np.float64), ~gone, whole=True)
        works = ~(gone | down)
        rates: dict[str, _Rates] = {}
        # Shares of another metric come after it.
        ordered = sorted(target.metrics.items(), key=lambda item: isinstance(item[1], Counter) and bool(item[1].of))
        for name, metric in ordered:
            curves: list[Curve] = []
            for member in metric.series:
                line = _Line(name, metric, member, f"{name}{sorted(member.labels.items())}{job}{instance}")
                present = works & ~self._during(line.concerned, "vanish")
                if isinstance(metric, Gauge):
                    values = self._touched(line, metric.level * self._level(line))
                    values = values + self.today if metric.from_today else values
                    if name == target.alive:
                        values, present = np.where(down, 0.0, values), ~gone
                    values = np.floor(values) if metric.whole else values
                    curves.append(Curve(name, member.labels, values, present, whole=metric.whole))
                else:
                    rate = self._rate(line, metric, rates) / (1 if _shared(metric) else len(target.instances))
                    rate = np.where(works, rate, 0.0)
                    rates.setdefault(name, []).append((member.labels, rate))
                    curves += self._counted(line, metric, rate, present)
            yield Family(name, type(metric).__name__.lower(), metric.about, job, instance, tuple(curves))

    def _alerts(self) -> Iterator[Curve]:
        for name, alert in self.simulation.alerts.items():
            fires = np.zeros(len(self.times), dtype=bool)
            for effect, during in self.effects:
                fires |= during & (effect.alert == name)
            labels = {"alertname": name, "alertstate": "firing", "severity": alert.severity, "team": alert.team}
            yield Curve("ALERTS", {key: text for key, text in labels.items() if text}, self.steady, fires, whole=True)

    def _rate(self, line: _Line, metric: Counter | Histogram, rates: Mapping[str, _Rates]) -> Floats:
        """How much happens per second. The effects on a histogram are on its durations instead."""
        if isinstance(metric, Histogram):
            return metric.per_second * self._level(line)
        if metric.share is None:
            return np.maximum(self._touched(line, metric.per_second * self._level(line)), 0)
        labels = line.member.labels
        alike = [
            rate
            for other, rate in rates[metric.of]
            if all(labels.get(key, text) == text for key, text in other.items())
        ]
        return np.maximum(self._touched(line, metric.share * self._level(line) * np.sum(alike, axis=0)), 0)

    def _counted(self, line: _Line, metric: Counter | Histogram, rate: Floats, present: Flags) -> Iterator[Curve]:
        """The series that count what happens."""
        labels, happened = line.member.labels, rate * STEP
        if isinstance(metric, Counter):
            whole = metric.whole or metric.events
            if metric.events:
                happened = noise.events(self.simulation.seed, line.key, self.times, STEP, happened)
            yield Curve(line.name, labels, _total(happened, whole=whole), present, whole=whole, counts=True)
        elif isinstance(line.member, TimedMember):
            median, spread = self._median(line, line.member.median, metric.strain), line.member.spread
            middle = np.log(median)
            shares = {
                f"{bound:g}": np.interp((math.log(bound) - middle) / spread, _PLACE, _NORMAL)
                for bound in metric.buckets
            }
            for bound, share in (shares | {"+Inf": self.steady}).items():
                count = _total(happened * share, whole=True)
                yield Curve(f"{line.name}_bucket", {**labels, "le": bound}, count, present, whole=True, counts=True)
            yield Curve(f"{line.name}_count", labels, _total(happened, whole=True), present, whole=True, counts=True)
            # The mean of a log-normal distribution.
            mean = median * math.exp(spread**2 / 2)
            yield Curve(f"{line.name}_sum", labels, _total(happened * mean), present, counts=True)

    def _median(self, line: _Line, median: float, strain: float) -> Floats:
        """The median duration in seconds: longer when there is much to do."""
        busy = 1 + strain * (self.rhythms[line.rhythm] - 1)
        walked = 1 + line.noise * noise.walk(self.simulation.seed, f"{line.key} duration", self.middles, _QUARTER)
        return np.maximum(self._touched(line, median * busy * walked), 1e-9)

    def _level(self, line: _Line) -> Floats:
        """Factor on the level of the metric: weight, rhythm, growth and noise."""
        level = line.member.weight * self.rhythms[line.rhythm] * (1 + line.metric.growth) ** self.age
        for size, spacing in ((line.noise, _QUARTER), (line.metric.drift, _DAY)):
            if size:
                level = level * (1 + size * noise.walk(self.simulation.seed, line.key, self.middles, spacing))
        return level

    def _touched(self, line: _Line, values: Floats) -> Floats:
        """The values with what the scenario does to them."""
        for effect, during in self.effects:
            if not line.concerned(effect):
                continue
            if effect.multiply is not None:
                values = np.where(during, values * effect.multiply, values)
            elif effect.add is not None:
                values = np.where(during, values + effect.add, values)
            elif effect.set is not None:
                values = np.where(during, effect.set, values)
        return values

    def _during(self, concerned: _Concerns, what: str) -> Flags:
        """Where an effect that is `down` or `vanish` holds for us."""
        held = np.zeros(len(self.times), dtype=bool)
        for effect, during in self.effects:
            if concerned(effect) and getattr(effect, what):
                held |= during
        return held


def _shared(metric: Counter | Histogram) -> bool:
    """Whether it is a share of a metric that was divided among the instances already."""
    return isinstance(metric, Counter) and bool(metric.of)


def _total(increments: Floats, *, whole: bool = False) -> Floats:
    """What a counter shows: nothing at the start, and never less than before."""
    total = np.cumsum(np.concatenate([[0.0], increments[1:]]))
    return np.floor(total + 1e-9) if whole else np.round(total, PLACES)


def _beat(rhythm: Rhythm, local: Floats) -> Floats:
    """The rhythm at local times; its mean over a weekday is 1."""
    hours = local % _DAY / _HOUR
    wave = rhythm.night + (1 - rhythm.night) * (0.5 + 0.5 * np.cos((hours - rhythm.peak) * (2 * math.pi / 24)))
    weekday = (local // _DAY + _EPOCH_WEEKDAY) % 7
    return np.asarray(wave / (0.5 + 0.5 * rhythm.night) * np.where(weekday > _FRIDAY, rhythm.weekend, 1.0))


def _offsets(times: Floats, zone: tzinfo) -> Floats:
    """Seconds to add to Unix time for local time; clocks change on quarters of an hour."""
    quarters, places = np.unique(times // _QUARTER, return_inverse=True)
    shifts = [datetime.fromtimestamp(quarter * _QUARTER, zone).utcoffset() for quarter in quarters.tolist()]
    return np.array([shift.total_seconds() if shift else 0.0 for shift in shifts])[places]
