"""What a snapshot lacks that the one before it had, and for which Prometheus' own retention is no reason.

Blocks come and go: they are compacted into larger ones, and the oldest are removed by age or by size. So neither their
names nor their bytes are compared, but the time that they cover, and how many measured values are in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from opsjobs.backup.snapshot import Block, Snapshot, moment

_ALWAYS = 1 << 62
_SECOND = 1000
_HOUR = 3600 * _SECOND
_SLACK = _HOUR // 12
"""What a Prometheus may lose that was killed."""
_HEAD = 3 * _HOUR
"""How much is in memory at most before it becomes a block."""
_FEWER = 0.9
"""Which share of the values has to be there still: some series may have been deleted on purpose."""
_HALF = 0.5
"""Which share of the bytes has to be there where old blocks are removed by size."""
_PART = re.compile(r"(\d+)(ms|[ywdhms])")
_UNITS = {
    "y": 365 * 24 * _HOUR,
    "w": 7 * 24 * _HOUR,
    "d": 24 * _HOUR,
    "h": _HOUR,
    "m": 60 * _SECOND,
    "s": _SECOND,
    "ms": 1,
}
Span = tuple[int, int]


def lacking(before: Snapshot, blocks: Sequence[Block], size: int, retention: str, *, head: bool) -> Iterator[str]:
    """What is missing, in words; nothing where all is explained. `size` is that of the new snapshot, in bytes."""
    start, end = min(each.start for each in blocks), max(each.end for each in blocks)
    age, by_size = _read(retention)
    # What is older may be gone, and nobody needs to know why.
    since = max(-_ALWAYS if age is None else end - age, start if by_size else -_ALWAYS)
    due = [each for each in before.blocks if each.end > since]
    gone = _without([(max(each.start, since), each.end) for each in due], [(each.start, each.end) for each in blocks])
    if sum(last - first for first, last in gone) > _SLACK + (0 if head else _HEAD):
        first, last = gone[0][0], gone[-1][1]
        yield (
            f"{sum(last - first for first, last in gone) / _HOUR:.1f} hours are missing that the snapshot {before.id} "
            f"has, between {_said(first)} and {_said(last)}"
        )
    expected = sum(each.samples for each in due if each.start >= since and (head or each.end <= end))
    found = sum(each.samples for each in blocks)
    if found < expected * _FEWER:
        yield f"{found:,} measured values where the snapshot {before.id} has {expected:,} of what should still be there"
    elif by_size and size < before.size * _HALF:
        yield f"{size:,} bytes where the snapshot {before.id} has {before.size:,}"


def _read(retention: str) -> tuple[int | None, bool]:
    """After which time blocks are removed, and whether they may be for another reason: by size, or nobody knows."""
    age, other = None, not retention
    for each in retention.split(" or "):
        if each and not _PART.sub("", each):
            age = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(each))
        else:
            other = True
    return age or None, other


def _without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What of some spans is in none of the others, in order and joined."""
    found: list[Span] = []
    for first, last in _joined(spans):
        at = first
        for start, end in _joined(others):
            found.append((at, min(start, last)))
            at = max(at, end)
        found.append((at, last))
    return [each for each in found if each[0] < each[1]]


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _said(milliseconds: int) -> str:
    return f"{moment(milliseconds):%Y-%m-%d %H:%M} UTC"
