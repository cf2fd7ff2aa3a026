"""A profile drafted from a live Prometheus: it loads, all of it is there, and a report can be made of it at once."""

import re
from datetime import UTC, datetime

import pytest

from opsjobs import promql
from opsjobs.declaration import parse
from opsjobs.errors import BadAnswer, SourceError
from opsjobs.http import Deadline
from opsjobs.jobs import Context, daily
from opsjobs.jobs.draft import draft
from opsjobs.jobs.inspection import inspect
from opsjobs.model import Quality
from opsjobs.report import render
from opsjobs.sources.prometheus import Prometheus
from opsjobs.system import System
from opsjobs.system.families import filled, known, queries
from opsjobs.vocabulary import names
from tests.conftest import connection, prometheus_with
from tests.unit.shop import DAY, days

END = int(days().window.end.timestamp())
NOW = datetime.fromtimestamp(END, UTC)
HOSTILE = (
    'a"b\\c',
    "line\nbreak",
    "- x: [",
    "$job $step",
    "{{ 7*7 }}",
    "<script>",
    "\u2028# !!python/none",
    "服务",
    "yes",
)


def over_time(value, growing=False):
    """A day and a half of samples, a minute apart."""
    return [(END - 60 * back, value * (1 + (2160 - back) * growing)) for back in range(2160, -1, -1)]


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def exporters():
    """What exporters of every family say, as they are written by those that many have."""
    node, database, cache = (f'job="{job}",instance="{job}:1"' for job in ("node", "postgres", "redis"))
    gauges = {
        **{
            f'up{{job="{job}",instance="{job}:1"}}': 1
            for job in ("node", "postgres", "redis", "blackbox", "api", "old")
        },
        f"node_memory_MemAvailable_bytes{{{node}}}": 40,
        f"node_memory_MemTotal_bytes{{{node}}}": 100,
        f'node_filesystem_avail_bytes{{{node},mountpoint="/",fstype="ext4"}}': 30,
        f'node_filesystem_size_bytes{{{node},mountpoint="/",fstype="ext4"}}': 100,
        f"pg_up{{{database}}}": 1,
        f'pg_stat_database_numbackends{{{database},datname="shop"}}': 20,
        f"pg_settings_max_connections{{{database}}}": 100,
        f'pg_database_size_bytes{{{database},datname="shop"}}': 5e9,
        f"redis_up{{{cache}}}": 1,
        f"redis_memory_used_bytes{{{cache}}}": 50,
        f"redis_memory_max_bytes{{{cache}}}": 100,
        f"redis_connected_clients{{{cache}}}": 5,
        f"redis_config_maxclients{{{cache}}}": 10000,
        'probe_success{job="blackbox",instance="https://shop.example.com"}': 1,
        'probe_duration_seconds{job="blackbox",instance="https://shop.example.com"}': 0.2,
        'probe_ssl_earliest_cert_expiry{job="blackbox",instance="https://shop.example.com"}': END + 40 * 86400,
    }
    counters = {
        f'node_cpu_seconds_total{{{node},cpu="0",mode="idle"}}': 60,
        **{
            f'pg_stat_database_{name}{{{database},datname="shop"}}': 10
            for name in ("blks_hit", "blks_read", "deadlocks")
        },
        **{f'pg_stat_database_xact_{name}{{{database},datname="shop"}}': 10 for name in ("commit", "rollback")},
        **{f"redis_{name}_total{{{cache}}}": 10 for name in ("keyspace_hits", "keyspace_misses", "evicted_keys")},
        **{
            f'http_request_duration_milliseconds_bucket{{job="api",instance="api:1",code="200",le="{le}"}}': 10
            for le in ("100.0", "+Inf")
        },
        'http_request_duration_milliseconds_count{job="api",instance="api:1",code="200"}': 10,
        'http_requests_total{job="old",instance="old:1",status="200"}': 10,
        'http_requests_total{job="nobody",instance="gone",status="200"}': 10,
    }
    return {
        **{name: over_time(value) for name, value in gauges.items()},
        **{name: over_time(value, growing=True) for name, value in counters.items()},
    }


def drafted(url):
    with Prometheus(connection(url)) as metrics:
        text = draft(metrics, NOW, Deadline(60), title="Shop", zone="Europe/Rome")
        profile = parse(text, System, context=names, name="draft.yml")
        return text, profile, inspect(profile, metrics, NOW, Deadline(60))


@pytest.fixture(scope="module")
def every_family(binaries, tmp_path_factory):
    with prometheus_with(binaries, tmp_path_factory.mktemp("draft"), exporters()) as server:
        yield server, *drafted(server.url)


def test_every_family_that_is_there_is_drafted_and_answers(every_family):
    _, text, profile, found = every_family
    assert found.remarks == ()
    assert set(profile.groups) == {
        "machines",
        "postgresql",
        "redis",
        "probes",
        "api_requests",
        "old_requests",
        "scraped",
    }
    declared = {each.id for each in profile.indicators}
    assert declared >= {id_ for family in known().values() if not family.each for id_ in family.indicators}
    assert declared >= {"api_time", "api_success", "api_rate", "old_success", "old_rate", "targets"}
    assert set(profile.slos) == {"probes", "api_requests", "old_requests"}
    assert "Known and not there" not in text


def test_a_part_behind_an_exporter_is_a_component_of_its_own(every_family):
    _, _, profile, _ = every_family
    assert {name: spec.up for name, spec in profile.components.items() if name.endswith("_server")} == {
        "postgresql_server": "pg_up",
        "redis_server": "redis_up",
        "probes_server": "probe_success",
    }


def test_milliseconds_become_seconds_and_remarks_say_what_was_measured(every_family):
    _, text, profile, _ = every_family
    (time,) = (each.spec for each in profile.indicators if each.id == "api_time")
    assert time.query.endswith("/ 1000") and time.unit == "seconds"
    assert re.search(r"# 60\.0 % when drafted\n +machine_memory:", text)


def test_a_job_that_is_not_scraped_here_is_not_drafted(every_family):
    _, text, _, _ = every_family
    assert "nobody" not in text


def test_a_report_of_the_draft_has_a_number_for_each_indicator(every_family):
    server, _, profile, _ = every_family
    with Prometheus(connection(server.url)) as metrics:
        made = daily.run(Context(name="shop", system=profile, metrics=metrics, day=DAY, now=NOW, deadline=Deadline(60)))
    assert {each.id for each in made.indicators if each.measurement.quality is not Quality.OK} == set()


def test_hostile_jobs_are_drafted_as_what_they_are(binaries, tmp_path):
    series = {
        f'{name}{{job="{escaped(job)}",instance="i",status="200"}}': over_time(1, growing=name != "up")
        for job in HOSTILE
        for name in ("up", "http_requests_total")
    }
    with prometheus_with(binaries, tmp_path / "hostile", series) as server:
        _, profile, found = drafted(server.url)
        with Prometheus(connection(server.url)) as metrics:
            made = daily.run(
                Context(name="shop", system=profile, metrics=metrics, day=DAY, now=NOW, deadline=Deadline(60))
            )
    assert {spec.title for spec in profile.components.values()} == set(HOSTILE)
    assert found.remarks == () and found.looked_at["component"] == (len(HOSTILE), len(HOSTILE))
    assert len({*profile.components}) == len(HOSTILE) and all(
        re.fullmatch(r"[a-z0-9_]+", id_) for id_ in profile.components
    )
    assert b"<script>" not in render(made.report).files["report.html"].replace(b"<script>\n", b"")


def test_a_prometheus_that_scrapes_nothing_gives_no_draft(binaries, tmp_path):
    with prometheus_with(binaries, tmp_path / "empty", {"orders": over_time(1)}) as server:
        with pytest.raises(BadAnswer, match="scrapes nothing"):
            drafted(server.url)


def test_one_that_cannot_be_asked_gives_none_either():
    with pytest.raises(SourceError):
        drafted("http://127.0.0.1:9")


def test_every_query_of_every_family_is_promql():
    found = {"name": "a", "job": '"a"', "metric": "m", "status": "code", "scale": " / 1000"}
    for family in known().values():
        for spec in (*family.indicators.values(), *([family.slo] if family.slo else [])):
            for query in queries(filled(spec, found)):
                promql.check(promql.over(query, 300))
