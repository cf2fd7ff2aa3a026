"""Chance that repeats itself: drawn in blocks of fixed instants, each from a generator of its own.

Seed, key and instant decide every draw, so that the same minute has the same noise however long the course is.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BLOCK = 96
_BOUND = 2.0
# No step of a rare event holds more; it ends the search where rounding would not.
_MOST_EVENTS = 100


def walk(seed: int, key: str, times: Floats, spacing: int) -> Floats:
    """Values from -2 to 2, a straight line from each multiple of `spacing` seconds to the next."""
    places = times / spacing
    blocks = range(int(places[0]) // _BLOCK, (int(places[-1]) + 1) // _BLOCK + 1)
    knots = np.concatenate([_draws(seed, key, spacing, block).standard_normal(_BLOCK) for block in blocks])
    line: Floats = np.interp(places, np.arange(len(knots)) + blocks[0] * _BLOCK, np.clip(knots, -_BOUND, _BOUND))
    return line


def events(seed: int, key: str, times: NDArray[np.int64], step: int, mean: Floats) -> Floats:
    """How many events each step holds, when `mean` are expected in it: a Poisson process.

    Each step has one draw, read through the inverse of the distribution: another mean in one step changes no other.
    """
    places = times // step
    blocks = range(int(places[0]) // _BLOCK, int(places[-1]) // _BLOCK + 1)
    draws = np.concatenate([_draws(seed, key, step, block).random(_BLOCK) for block in blocks])
    draw = draws[int(places[0]) - blocks[0] * _BLOCK :][: len(places)]
    chance: Floats = np.exp(-mean)
    reached = chance.copy()
    number = np.zeros(len(mean))
    for count in range(1, _MOST_EVENTS):
        more = draw > reached
        if not more.any():
            break
        number += more
        chance = chance * mean / count
        reached += chance
    return number


def _draws(seed: int, key: str, spacing: int, block: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(key.encode()), spacing, block])
