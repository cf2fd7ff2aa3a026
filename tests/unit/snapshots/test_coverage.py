"""What a snapshot lacks is told, and what Prometheus removes by its own rules is not."""

from dataclasses import replace

import pytest

from opsjobs.backup.coverage import lacking
from opsjobs.backup.snapshot import Block, File
from tests.unit.snapshots.around import HOUR, Bench


@pytest.fixture
def before(tmp_path):
    made = Bench(tmp_path, {"01HVAAA": (0, 10, 1000)}).take().snapshot

    def with_blocks(*spans):
        return replace(made, blocks=blocks(*spans), files=(File(path="A/index", size=1000, sha256="0" * 64),))

    return with_blocks


def blocks(*spans):
    return tuple(
        Block(name=f"B{number}", start=int(start * HOUR), end=int(end * HOUR), samples=samples, series=1)
        for number, (start, end, samples) in enumerate(spans)
    )


def told(before, new, retention="60d", *, size=1000, head=True):
    return list(lacking(before, new, size, retention, head=head))


def test_blocks_that_were_compacted_into_one_lack_nothing(before):
    assert told(before((0, 2, 10), (2, 4, 10), (4, 6, 10)), blocks((0, 6, 30), (6, 8, 5)), size=500) == []


def test_the_head_of_then_is_covered_by_the_block_that_it_became(before):
    assert told(before((0, 2, 10), (2.3, 3.7, 7)), blocks((0, 2, 10), (2, 4, 10))) == []


def test_a_hole_in_the_middle_is_told(before):
    (said,) = told(before((0, 2, 10), (2, 4, 1), (4, 6, 20)), blocks((0, 2, 10), (4, 8, 40)))
    assert said.startswith("2.0 hours are missing")
    assert "1970-01-01 02:00 UTC and 1970-01-01 04:00 UTC" in said


def test_the_newest_hours_that_are_gone_are_told(before):
    assert "4.0 hours" in told(before((0, 10, 10)), blocks((0, 6, 10)))[0]


def test_a_time_of_its_own_that_is_gone_is_told_wherever_it_lay(before):
    then = before((0, 5, 1), (20, 25, 1), (40, 45, 1))
    for kept in ([(20, 25, 9), (40, 45, 9)], [(0, 5, 9), (40, 45, 9)], [(0, 5, 9), (20, 25, 9), (60, 61, 9)]):
        (said,) = told(then, blocks(*kept))
        assert said.startswith("5.0 hours are missing")
    assert told(then, blocks((0, 5, 9), (20, 25, 9), (40, 45, 9), (60, 61, 9))) == []
    assert told(then, blocks((0, 50, 9))) == []


def test_without_the_head_three_hours_may_be_missing_at_the_end(before):
    then = before((0, 6, 10), (6, 8.9, 90))
    assert told(then, blocks((0, 6, 10)), head=False) == []
    assert "2.9 hours" in told(then, blocks((0, 6, 10)), head=True)[0]
    assert "4.0 hours" in told(before((0, 6, 10), (6, 10, 90)), blocks((0, 6, 10)), head=False)[0]


def test_what_is_older_than_the_retention_may_go(before):
    then = before((0, 10, 10), (10, 20, 10), (20, 30, 10))
    assert told(then, blocks((20, 34, 10)), "14h") == []
    assert "10.0 hours" in told(then, blocks((20, 34, 10)), "1d")[0]
    assert told(then, blocks((10, 34, 30)), "1d0h0m") == []


def test_a_block_that_straddles_the_retention_may_have_become_one_that_is_older(before):
    assert told(before((2.3, 4.05, 10), (4, 20, 10)), blocks((4, 20, 10)), "16h") == []


def test_an_emptied_prometheus_is_told_whatever_its_retention(before):
    then = before((0, 100, 1000))
    new = blocks((99.9, 100.1, 1))
    assert told(then, new, "15d", size=10)
    assert told(then, new, "10GiB", size=10)
    assert told(then, new, "15d or 10GiB", size=10)
    assert told(then, new, "", size=10)


def test_the_oldest_blocks_may_go_by_size(before):
    then = before((0, 50, 50), (50, 100, 50))
    assert told(then, blocks((50, 110, 60)), "10GiB", size=900) == []
    assert told(then, blocks((50, 110, 60)), "60d or 10GiB", size=900) == []
    assert told(then, blocks((50, 110, 60)), "", size=900) == []
    assert "499 bytes where" in told(then, blocks((50, 110, 60)), "10GiB", size=499)[0]


def test_the_same_time_with_far_fewer_values_is_told(before):
    then = before((0, 100, 1000))
    assert "899 measured values where" in told(then, blocks((0, 102, 899)))[0]
    assert told(then, blocks((0, 102, 900))) == []


def test_a_prometheus_that_was_off_for_longer_than_its_retention_lacks_nothing(before):
    assert told(before((0, 100, 1000)), blocks((1000, 1001, 3)), "15d") == []
