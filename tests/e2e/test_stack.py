"""The stack for real: promtool, amtool and a parser of compose files take it, it starts, tells, and drifts."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from opsjobs import system
from opsjobs.model import Status
from opsjobs.running import folder as folders
from opsjobs.running import programs, tools
from opsjobs.stack import Plan, render
from tests.unit.stack.plans import NAMES, planned
from tests.unit.test_http import reply, serving

pytestmark = pytest.mark.xdist_group("stack")


def needed(*names):
    """A program of that name on the PATH: without it, skipped by name at home and failed in CI."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{names[0]} is not on the PATH")
    return found or pytest.skip(f"{names[0]} is not on the PATH")


@pytest.fixture(scope="module", autouse=True)
def path(binaries):
    """Prometheus and promtool on the PATH, wherever they came from."""
    if binaries.container:
        pytest.skip("Prometheus is only here as a container")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(binaries.prometheus).parent}{os.pathsep}{os.environ['PATH']}")
        needed("amtool")
        yield


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@pytest.fixture(scope="module", params=NAMES)
def rendered(request, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    folders.put(render(planned(request.param)), place)
    return place


class TestTheToolsOfTheirMakers:
    def test_take_what_is_rendered_and_its_alerts_pass_their_tests(self, rendered):
        found = list(tools.check(rendered))
        assert [(each.name, each.text) for each in found if each.status is not Status.OK] == []
        assert {each.name.split()[0] for each in found} == {"promtool", "amtool"} and len(found) >= 3

    @pytest.mark.parametrize(
        ("was", "becomes"),
        [
            (r"expr: (indicator:\w+) > ", r"expr: \1 >= "),
            (r"(expr: indicator:\w+ [<>] )(\S+)", r"\g<1>1e300"),
            (r"severity: critical", "severity: info"),
            (r"for: \w+", "for: 7h"),
            (r"absent\(", "sum("),
        ],
        ids=["at the limit", "another limit", "another severity", "another duration", "absence"],
    )
    def test_find_an_alert_that_is_not_as_declared(self, rendered, tmp_path, was, becomes):
        broken = tmp_path / "stack"
        shutil.copytree(rendered, broken)
        rules = broken / "prometheus/rules/alerts.yml"
        text = rules.read_text()
        changed = re.sub(was, becomes, text, count=1)
        if changed == text:
            pytest.skip("this system has no such alert")
        rules.write_text(changed)
        (tested,) = [each for each in tools.check(broken) if "test rules" in each.name]
        assert tested.status is Status.CRITICAL and "FAILED" in tested.text

    def test_are_named_when_they_are_not_there(self, rendered, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        assert {(each.status, each.text) for each in tools.check(rendered)} == {
            (Status.UNKNOWN, "promtool is not on the PATH"),
            (Status.UNKNOWN, "amtool is not on the PATH"),
        }

    def test_a_parser_of_compose_files_takes_the_file(self, rendered):
        compose = needed("docker-compose")
        done = subprocess.run([compose, "-f", rendered / "compose.yml", "config"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "127.0.0.1" in done.stdout


def on_free_ports(name, place):
    """The profile of a system whose stack is on ports that nobody uses."""
    profile = system.read(name, Path())
    ports = dict(zip(profile.stack.parts.values(), free_ports(len(profile.stack.parts)), strict=True))
    text = (Path(system.__file__).parents[1] / "systems" / f"{name}.yml").read_text()
    for old, new in ports.items():
        text = re.sub(rf"(?<=[: ]){old}(?=\D)", str(new), text)
    file = place / f"{name}.yml"
    file.write_text(text)
    return file


class Native:
    """A stack of programs of this machine, by the command line."""

    def __init__(self, place):
        self.place = place
        profile = on_free_ports("pratikoai", place)
        self.parts = system.read(str(profile), place).stack.parts
        (place / "opsjobs.yml").write_text(
            f"systems:\n  pratikoai:\n    profile: {profile.name}\n"
            f"    prometheus: {{url: 'http://127.0.0.1:{self.parts['prometheus']}'}}\n"
            f"    alertmanager: {{url: 'http://127.0.0.1:{self.parts['alertmanager']}'}}\n"
            "storage: {root: state}\n"
        )
        self.folder = place / "state" / "stack" / "pratikoai"

    def opsjobs(self, *words, **more):
        return subprocess.run(
            [sys.executable, "-m", "opsjobs", "stack", *words],
            cwd=self.place,
            env={**os.environ, "HOME": str(self.place), **more},
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def native(tmp_path_factory, path):
    needed("prometheus-alertmanager", "alertmanager")
    made = Native(tmp_path_factory.mktemp("native"))
    started = made.opsjobs("up", "--native")
    assert started.returncode == 3, started.stderr
    made.said = started.stdout
    yield made
    made.opsjobs("down", "--native")


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class TestPrograms:
    def test_what_is_there_runs_and_what_is_missing_is_said(self, native):
        assert f"http://127.0.0.1:{native.parts['prometheus']}" in native.said
        assert "Grafana              not started: it comes as a container only" in native.said
        assert answers(native.parts["alertmanager"])

    def test_a_second_start_is_refused(self, native):
        again = native.opsjobs("up", "--native")
        assert again.returncode == 1 and "run already" in again.stderr

    def test_a_port_that_is_taken_is_said_and_nothing_is_left_running(self, native):
        other = native.opsjobs("up", "--native", "--out", "other")
        assert other.returncode == 1 and "is taken by another program" in other.stderr
        assert native.opsjobs("down", "--native", "--out", "other").stdout.startswith("Nothing")

    def test_what_was_just_started_does_not_differ(self, native):
        done = native.opsjobs("drift")
        assert done.returncode == 0, done.stdout
        assert "pratikoai: as declared." in done.stdout
        assert "Grafana was not asked" in done.stdout

    @pytest.mark.parametrize(
        ("file", "was", "becomes", "told"),
        [
            ("prometheus/rules/alerts.yml", "user_cost > 2.5", "user_cost > 9", "rule:HighUserCost"),
            ("prometheus/rules/recording.yml", "max(user", "min(user", "rule:indicator:costliest_user"),
            ("alertmanager/alertmanager.yml", "group_wait: 30m", "group_wait: 2h", "route"),
            ("alertmanager/alertmanager.yml", "'#pratikoai-alerts'", "'#other'", "receiver:slack"),
        ],
    )
    def test_what_was_changed_by_hand_is_found_and_only_that(self, native, file, was, becomes, told):
        changed = native.folder / file
        text = changed.read_text()
        assert was in text
        pid = json.loads((native.folder / "running.json").read_text())[file.split("/")[0]]["pid"]
        try:
            changed.write_text(text.replace(was, becomes, 1))
            os.kill(pid, 1)
            done = waited(lambda: native.opsjobs("drift", "--json"), lambda done: done.returncode == 1)
            document = json.loads(done.stdout)
            assert [each["subject"] for each in document["differences"]] == [told]
        finally:
            changed.write_text(text)
            os.kill(pid, 1)
        assert waited(lambda: native.opsjobs("drift"), lambda done: done.returncode == 0).returncode == 0

    def test_the_daily_report_says_it_where_it_is_wanted(self, native):
        settings = native.place / "opsjobs.yml"
        (native.place / "drift.yml").write_text(
            settings.read_text().replace("    alertm", "    drift: true\n    alertm")
        )
        rules = native.folder / "prometheus/rules/alerts.yml"
        text = rules.read_text()
        pid = json.loads((native.folder / "running.json").read_text())["prometheus"]["pid"]
        try:
            rules.write_text(text.replace("for: 2m", "for: 3m", 1))
            os.kill(pid, 1)
            waited(lambda: native.opsjobs("drift"), lambda done: done.returncode == 1)
            made = report(native.place, "--config", "drift.yml", "--out", "reports")
        finally:
            rules.write_text(text)
            os.kill(pid, 1)
        (section,) = [each for each in made["sections"] if each["id"] == "drift"]
        rows = {row["title"]: row["value"] for block in section["blocks"] for row in block["states"]}
        assert rows == {
            "Prometheus": "1 difference",
            "Alertmanager": "as declared: routes, receivers, inhibitions and hours",
        }
        (finding,) = [each for each in made["findings"] if each["subject"].startswith("drift")]
        assert (finding["subject"], finding["status"]) == ("drift:prometheus", "WARNING")
        assert "HighUserCost: how long it waits is not as declared" in finding["detail"]
        assert "drift" not in {each["id"] for each in report(native.place, "--out", "without")["sections"]}

    def test_a_prometheus_that_cannot_be_asked_is_told_once_in_the_report(self, tmp_path):
        (tmp_path / "opsjobs.yml").write_text(
            "systems:\n  portfolio:\n    prometheus: {url: 'http://127.0.0.1:9', timeout: 2}\n    drift: true\n"
        )
        made = report(tmp_path, "--out", "reports")
        assert [each["title"] for each in made["findings"]] == ["Prometheus could not be asked"]

    def test_a_server_that_cannot_be_asked_is_unknown_and_never_as_declared(self, tmp_path):
        (tmp_path / "opsjobs.yml").write_text("systems:\n  portfolio:\n    prometheus: {url: 'http://127.0.0.1:9'}\n")
        done = subprocess.run(
            [sys.executable, "-m", "opsjobs", "stack", "drift"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 3
        assert "could not be asked" in done.stdout and "portfolio: as declared" not in done.stdout

    def test_a_program_that_ends_at_once_is_told_with_its_last_words(self, tmp_path, monkeypatch):
        (tmp_path / "bin").mkdir()
        lame = tmp_path / "bin" / "prometheus"
        lame.write_text("#!/bin/sh\necho cannot read the stars\nexit 4\n")
        lame.chmod(0o755)
        other = Native(tmp_path)
        done = other.opsjobs("up", "--native", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
        assert done.returncode == 1
        assert "Prometheus ended with 4" in done.stderr and "cannot read the stars" in done.stderr
        assert not (other.folder / "running.json").exists()

    def test_an_old_number_of_a_process_is_not_signalled(self, tmp_path):
        innocent = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
        try:
            known = {"prometheus": {"pid": innocent.pid, "began": "12345"}}
            (tmp_path / "running.json").write_text(json.dumps(known))
            assert programs.stop(tmp_path) == []
            assert innocent.poll() is None
        finally:
            innocent.kill()
            innocent.wait()

    @pytest.mark.parametrize("text", ["", "[]", "3", '{"prometheus": "x"}', '{"prometheus": null}', '{"prometheus": {'])
    def test_what_runs_is_never_forgotten_because_its_file_is_damaged(self, tmp_path, text):
        (tmp_path / "running.json").write_text(text)
        done = Native.opsjobs(
            SimpleNamespace(place=tmp_path), "down", "--native", "--out", ".", "--system", "portfolio"
        )
        assert done.returncode == 1 and "does not say what runs" in done.stderr
        assert (tmp_path / "running.json").read_text() == text

    def test_containers_are_not_started_over_programs_that_run(self, native):
        before = (native.folder / "prometheus/prometheus.yml").read_text()
        done = native.opsjobs("up")
        assert done.returncode == 1 and "run already" in done.stderr and "--native` ends them" in done.stderr
        assert (native.folder / "prometheus/prometheus.yml").read_text() == before

    def test_what_a_program_started_ends_with_it(self, tmp_path):
        (tmp_path / "bin").mkdir()
        wrapper = tmp_path / "bin" / "prometheus"
        wrapper.write_text("#!/bin/sh\nsleep 600 &\necho $! > child\nexit 3\n")
        wrapper.chmod(0o755)
        other = Native(tmp_path)
        assert other.opsjobs("up", "--native", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin").returncode == 1
        child = int((other.folder / "child").read_text())
        state = waited(lambda: programs._state(child)[:1], lambda state: state in ([], ["Z"]), 5)
        assert state in ([], ["Z"])

    def test_all_of_it_ends_and_what_it_gathered_stays(self, native):
        done = native.opsjobs("down", "--native")
        assert done.returncode == 0 and "Prometheus" in done.stdout
        assert not any(answers(port) for port in native.parts.values())
        assert any((native.folder / "data" / "prometheus").iterdir())


def report(place, *words):
    """The report of yesterday as its JSON file has it."""
    day = datetime.now(UTC).astimezone(ZoneInfo("Europe/Rome")).date() - timedelta(days=1)
    done = subprocess.run(
        [sys.executable, "-m", "opsjobs", "daily", "--date", day.isoformat(), "--json", *words],
        cwd=place,
        env={**os.environ, "HOME": str(place), "OPSJOBS_HOME": str(place / "home")},
        capture_output=True,
        text=True,
    )
    ((run,), failed) = json.loads(done.stdout).values()
    assert not failed
    return json.loads(Path(run["files"]["report.json"]).read_text())


def waited(ask, wanted, seconds=20):
    until = time.monotonic() + seconds
    while not wanted(found := ask()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def exposing(text):
    # Closed after each answer, so that nobody is served on an open connection once the server is gone.
    return serving(reply(200, text.encode(), Content_Type="text/plain", Connection="close"))


class TestAPlantedFault:
    """A real Prometheus sees it, a real Alertmanager routes it, and the right receivers get it."""

    @pytest.fixture
    def told(self):
        with serving(reply(200)) as (url, requests):
            yield url, requests

    def plan(self, place, url, api, database):
        """PratikoAI with a webhook for each channel, and hours that are not now."""
        profile = system.read("pratikoai", Path())
        parts = dict(zip(("prometheus", "alertmanager"), free_ports(2), strict=True))
        names = {"api": api, "postgresql": database}
        components = {
            name: spec.model_copy(
                update={"scrape": spec.scrape.model_copy(update={"targets": (names[name].removeprefix("http://"),)})}
            )
            for name, spec in profile.components.items()
            if name in names
        }
        channels = {
            name: spec.model_copy(update={"kind": "webhook", "url": f"{url}/{name}", "token": False})
            for name, spec in profile.channels.items()
        }
        far = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
        changed = profile.model_copy(
            update={
                "components": profile.components | components,
                "channels": channels,
                "escalations": (),
                "hours": {name: spec.model_copy(update={"days": (far,)}) for name, spec in profile.hours.items()},
                "stack": profile.stack.model_copy(update={"parts": parts}),
            }
        )
        return Plan(name="pratikoai", system=changed, grafana="", runbooks="https://x.example.com", folder=str(place))

    def started(self, plan, place):
        # What takes minutes takes a second here; everything else is as rendered.
        quick = {r"for: \w+": "for: 1s", r"group_wait: \w+": "group_wait: 1s", r"interval: \d+\w": "interval: 1s"}
        files = render(plan)
        for name in [name for name in files if name.endswith(".yml")]:
            for was, becomes in quick.items():
                files[name] = re.sub(was, becomes, files[name])
        folders.put(files, place)
        return programs.start(plan, place, os.environ, lambda _: None)

    def got(self, requests):
        """Who was told of which alerts that fire."""
        found = {}
        for _, path, body in requests:
            for alert in json.loads(body)["alerts"]:
                if alert["status"] == "firing":
                    found.setdefault(alert["labels"]["alertname"], {}).setdefault(path, alert)
        return found

    def test_fires_the_right_alert_and_reaches_the_right_receivers(self, tmp_path, told):
        needed("prometheus-alertmanager", "alertmanager")
        url, requests = told
        page = "pg_up 1\npg_stat_activity_count 90\npg_settings_max_connections 100\n"
        with exposing(page) as (database, _):
            with exposing("active_users 1\n") as (api, _):
                plan = self.plan(tmp_path, url, api, database)
                self.started(plan, tmp_path)
                try:
                    # A warning, outside of its hours: mail waits, nobody is paged.
                    found = waited(lambda: self.got(requests), lambda found: "HighDBConnections" in found, 60)
                    time.sleep(2)
                    found = self.got(requests)
                    assert set(found["HighDBConnections"]) == {"/slack", "/webhook"}
                    alert = found["HighDBConnections"]["/slack"]
                    assert alert["labels"]["team"] == "engineering" and alert["labels"]["system"] == "pratikoai"
                    assert alert["annotations"]["description"].startswith("It is 90%; the limit is 80 %")
                    assert alert["annotations"]["runbook_url"] == "https://x.example.com#highdbconnections"
                    assert "SystemDown" not in found
                except BaseException:
                    programs.stop(tmp_path)
                    raise
            try:
                # The API is gone: critical, every channel, at once.
                wanted = {"/email", "/slack", "/webhook", "/pagerduty"}
                found = waited(lambda: self.got(requests), lambda found: set(found.get("SystemDown", ())) == wanted, 60)
                assert set(found["SystemDown"]) == wanted
                assert found["SystemDown"]["/email"]["annotations"]["summary"].endswith("PratikoAI API is down")
                # It explains what it took away: nobody is told that its metrics are missing.
                silent = [
                    path for path, alert in found.get("NoData", {}).items() if alert["labels"].get("component") == "api"
                ]
                assert silent == []
            finally:
                programs.stop(tmp_path)


class TestOnTheCommandLine:
    def opsjobs(self, place, *words, **more):
        return subprocess.run(
            [sys.executable, "-m", "opsjobs", "stack", *words],
            cwd=place,
            env={**os.environ, "HOME": str(place), "OPSJOBS_HOME": str(place / "home"), **more},
            capture_output=True,
            text=True,
        )

    def test_a_folder_can_be_kept_and_compared(self, tmp_path):
        first = self.opsjobs(tmp_path, "render", "--system", "portfolio", "--out", "kept")
        assert first.returncode == 0 and "new      compose.yml" in first.stdout
        assert "slack-webhook-url" in first.stdout
        words = ("render", "--system", "portfolio", "--out", "kept", "--dry-run")
        assert self.opsjobs(tmp_path, *words).returncode == 0
        (tmp_path / "kept/compose.yml").write_text("by hand")
        (tmp_path / "kept/grafana/dashboards/old.json").write_text("{}")
        done = self.opsjobs(tmp_path, *words)
        assert done.returncode == 1
        assert "changed  compose.yml" in done.stdout and "left     grafana/dashboards/old.json" in done.stdout
        assert (tmp_path / "kept/compose.yml").read_text() == "by hand"

    def test_check_says_what_was_checked(self, tmp_path):
        done = self.opsjobs(tmp_path, "check", "--system", "portfolio", "--json")
        document = json.loads(done.stdout)
        assert done.returncode == 0 and {each["status"] for each in document["checks"]} == {"OK"}
        without = self.opsjobs(tmp_path, "check", "--system", "portfolio", PATH="/nowhere")
        assert without.returncode == 3 and "UNKNOWN" in without.stdout

    def test_panels_without_an_answer_are_listed(self, tmp_path):
        empty = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
        with serving(reply(200, empty, Content_Type="application/json")) as (url, _):
            (tmp_path / "opsjobs.yml").write_text(f"systems:\n  portfolio:\n    prometheus: {{url: '{url}'}}\n")
            done = self.opsjobs(tmp_path, "check", "--live")
        assert done.returncode == 1
        assert "WARNING  panel:cache/Hit rate: it shows nothing" in done.stdout
        assert "portfolio: 0 of 18 panels have an answer." in done.stdout

    def test_containers_are_refused_without_their_secrets_and_without_docker(self, tmp_path):
        bare = self.opsjobs(tmp_path, "up", "--system", "portfolio", PATH="/nowhere")
        assert bare.returncode == 1 and "neither `docker compose` nor docker-compose" in bare.stderr
        (tmp_path / "bin").mkdir()
        docker = tmp_path / "bin" / "docker"
        docker.write_text('#!/bin/sh\necho "$@" >> "$HOME/asked"\n')
        docker.chmod(0o755)
        done = self.opsjobs(tmp_path, "up", "--system", "portfolio", PATH=f"{tmp_path / 'bin'}:/bin")
        assert done.returncode == 1 and "slack-webhook-url: the address of the incoming webhook" in done.stderr
        secrets = tmp_path / "home/stack/portfolio/secrets"
        password = secrets / "grafana-admin-password"
        assert len(password.read_text()) >= 24 and password.read_text() not in done.stdout + done.stderr
        assert secrets.stat().st_mode & 0o077 == 0
        assert (tmp_path / "asked").read_text() == "compose version\n"
        for name in ("postgres-exporter-password", "redis-exporter-password", "slack-webhook-url", "email-password"):
            (secrets / name).write_text("x")
        stopped = self.opsjobs(tmp_path, "down", "--system", "portfolio", PATH=f"{tmp_path / 'bin'}:/bin")
        assert stopped.returncode == 0
        asked = (tmp_path / "asked").read_text().splitlines()[-1]
        assert asked.startswith("compose --project-name portfolio-monitoring") and asked.endswith("down")

    def test_several_systems_have_to_be_told_apart(self, tmp_path):
        (tmp_path / "opsjobs.yml").write_text("systems: {portfolio: {}, pytake: {}}\n")
        done = self.opsjobs(tmp_path, "check")
        assert done.returncode == 64 and "portfolio, pytake" in done.stderr
