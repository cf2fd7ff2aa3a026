"""Midnight, and the two nights of a year on which clocks change, in the zone of each system, on a real Prometheus."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsjobs import system as profiles
from opsjobs.demo.stage import Stage
from opsjobs.http import Deadline
from opsjobs.jobs import Context, daily
from opsjobs.model import Quality, Status, Window
from opsjobs.sources.prometheus import Prometheus
from tests.conftest import connection, prometheus_with
from tests.unit.shop import PROFILE, system

MINUTE, HOUR = 60, 3600
ZONES = sorted({profiles.read(name, Path()).zone for name in profiles.shipped()})
# The last years in which each of these zones changed its clocks; in Brazil midnight itself was skipped, and came twice.
NIGHTS = {
    "Europe/Rome": [(date(2026, 3, 29), 23), (date(2025, 10, 26), 25)],
    "America/Sao_Paulo": [(date(2018, 11, 4), 23), (date(2019, 2, 16), 25)],
}
DAYS = [
    *((zone, date(2026, 11, 18), 24) for zone in ZONES),
    *((zone, night, hours) for zone in ZONES for night, hours in NIGHTS.get(zone, [])),
]
COUNTING = PROFILE.replace(
    "query: orders, unit: count, healthy: above, target: 20, warning: 10, critical: 5, step: 1h",
    "query: 'sum(increase(paid[$step]))', unit: count, healthy: above, summary: sum, step: 5m",
)


def history(day, zone, down):
    """Eleven days around the day: one order paid each minute, and an API that was down in these seconds."""
    start = int(Window.day(day - timedelta(days=9), zone).start.timestamp())
    end = int(Window.day(day + timedelta(days=1), zone).end.timestamp())
    times = range(start, end + MINUTE, MINUTE)
    return {
        'up{job="api",instance="a"}': [
            (time, float(not any(since <= time < until for since, until in down))) for time in times
        ],
        'db_up{instance="db"}': [(time, 1.0) for time in times],
        "paid": [(time, float(number)) for number, time in enumerate(times)],
        **{name: [(time, 30.0) for time in times] for name in ("orders", "stock")},
        "tried": [(time, float(number)) for number, time in enumerate(times)],
    }


def report_on(url, day, zone):
    profile = system(COUNTING.replace("zone: Europe/Rome", f"zone: {zone.key}"))
    now = Window.day(day, zone).end + timedelta(hours=30)
    with Prometheus(connection(url)) as metrics:
        return daily.run(Context(name="shop", system=profile, metrics=metrics, day=day, now=now, deadline=Deadline(60)))


@pytest.mark.parametrize(("name", "day", "hours"), DAYS, ids=lambda value: str(value).replace("/", "-"))
def test_each_minute_of_a_local_day_is_counted_once(binaries, tmp_path, name, day, hours):
    zone = ZoneInfo(name)
    begin, end = (int(moment.timestamp()) for moment in (Window.day(day, zone).start, Window.day(day, zone).end))
    # From half an hour before the day until half an hour into it, and again around its end.
    down = [(begin - HOUR // 2, begin + HOUR // 2), (end - HOUR // 2, end + HOUR // 2)]
    with prometheus_with(binaries, tmp_path / "prometheus", history(day, zone, down)) as server:
        results = [report_on(server.url, day + timedelta(days=number), zone) for number in (-1, 0, 1)]

    lengths = [result.report.window.seconds for result in results]
    assert lengths[1] == hours * HOUR
    for result, length in zip(results, lengths, strict=True):
        orders = next(each for each in result.indicators if each.id == "orders")
        assert orders.measurement.quality is Quality.OK and orders.coverage == 1
        assert orders.measurement.value == pytest.approx(length / MINUTE)
    details = [
        finding.detail for result in results for finding in result.report.findings if finding.subject == "component:api"
    ]
    # Where midnight was skipped, the day began at one.
    first = f"{datetime.fromtimestamp(begin, zone):%H}"
    assert details == [
        "Down since 23:30 (30 min).",
        f"Down from {first}:00 to {first}:30 (30 min); down since 23:30 (30 min).",
        "Down from 00:00 to 00:30 (30 min).",
    ]


@pytest.mark.parametrize(
    ("name", "day"), [("pratikoai", date(2025, 10, 26)), ("pytake", date(2018, 11, 4))], ids=["autumn", "no midnight"]
)
def test_a_quiet_night_on_which_clocks_change_is_quiet(binaries, name, day):
    profile = profiles.read(name, Path())
    now = Window.day(day, ZoneInfo(profile.zone)).end + timedelta(hours=9)
    with (
        Stage(name, "quiet", now=now.astimezone(UTC), binaries=binaries) as stage,
        Prometheus(connection(stage.url)) as metrics,
    ):
        result = daily.run(Context(name=name, system=profile, metrics=metrics, day=day, now=now, deadline=Deadline(60)))
    assert (result.report.status, result.report.complete, result.report.findings) == (Status.OK, True, ())
    assert {each.coverage for each in result.indicators} == {1.0}
