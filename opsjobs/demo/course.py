"""The course of a simulation: every series with its value every two minutes, as frozen values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsjobs.demo.noise import Floats

STEP = 120
"""Seconds between two samples."""

PLACES = 6
"""Decimal places of values that are not whole."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Curve:
    """One series: a value for each time of the course, and whether it is exposed then."""

    name: str
    labels: Mapping[str, str]
    """Without `job` and `instance`."""
    values: Floats
    present: Flags
    whole: bool = False
    counts: bool = False
    """Whether it grows between two times of the course; a gauge has its value for the whole step that ends there."""


@dataclass(frozen=True, eq=False, slots=True)
class Family:
    """The series of one metric on one instance. `job` is empty for what Prometheus makes by itself."""

    name: str
    type: str
    about: str
    job: str
    instance: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Course:
    """All series on one grid of times, Unix seconds, `STEP` apart."""

    times: NDArray[np.int64]
    families: tuple[Family, ...]
    up: Mapping[tuple[str, str], Curve]
    """Whether a target can be scraped, by job and instance."""

    def value(self, curve: Curve, time: float) -> float | None:
        """The value at any time of the course; None where the series is not exposed."""
        elapsed = time - int(self.times[0])
        index = min(max(math.ceil(elapsed / STEP), 1), len(self.times) - 1)
        if not curve.present[index]:
            return None
        value = float(curve.values[index])
        if curve.counts:
            before = float(curve.values[index - 1])
            value = before + (value - before) * min(max(elapsed / STEP - index + 1, 0), 1)
        return float(math.floor(value)) if curve.whole else round(value, PLACES)
