"""What a backup owes: everything that a Grafana has, in every version, and no good word where something is missing."""

import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from opsjobs.backup.collect import Order, back_up
from opsjobs.backup.manifest import Purpose, Verdict
from opsjobs.backup.remote import Remote
from opsjobs.backup.shelf import Shelf
from opsjobs.backup.store import Folder
from opsjobs.errors import AccessDenied, BadAnswer, SourceError, Unreachable
from opsjobs.objects import KINDS
from opsjobs.sources.grafana.inventory import Inventory
from tests.conftest import connection
from tests.grafana.double import TOKEN, VERSIONS, Double
from tests.grafana.filling import v2_spec
from tests.grafana.server import Server
from tests.grafana.wire import Answer, dumps

ALERTING = {"contact-point", "template", "mute-timing", "policy", "rule-group"}
CANARY = "canary-7f3a"
"""Begins every secret that is planted."""


class Whole(Double):
    """A double that also says, as a Grafana does to its pages, what an organisation is called in the new API."""

    def _routed(self, method, segments, query, headers, body):
        if segments == ["api", "frontend", "settings"]:
            number = self._org_of(self._identify(headers), headers)
            return Answer(200, dumps({"namespace": "default" if number == 1 else f"org-{number}"}))
        return super()._routed(method, segments, query, headers, body)


@contextmanager
def serving(version="9.4.0", **known):
    with Server(Whole(version, **known)) as server:
        yield server


def furnish(double):
    """One of everything that this version has, with every secret that it takes; how many there are of each kind."""
    double.add_folder("Platform", uid="platform")
    double.add_folder("Shop", uid="shop")
    there = {"folder": 2, "data-source": 2, "dashboard": 3, "playlist": 1}
    inner = "shop"
    if double.nested:
        double.add_folder("Checkout", uid="checkout", parent="shop")
        double.add_folder("Payments", uid="payments", parent="checkout")
        there["folder"], inner = 4, "payments"
    double.add_data_source(
        "Metrics",
        uid="metrics",
        url=f"http://reader:{CANARY}-of-url@prometheus:9090/path",
        basicAuth=True,
        basicAuthPassword=f"{CANARY}-basic",
        password=f"{CANARY}-password",
        jsonData={"httpMethod": "POST", "apiKey": f"{CANARY}-in-json", "clientSecret": f"{CANARY}-in-json-too"},
        secureJsonData={"httpHeaderValue1": f"{CANARY}-secure"},
    )
    double.add_data_source("Logs", "loki", uid="logs", readOnly=True)
    double.add_dashboard({"panels": [{"id": 1, "type": "text"}]}, uid="root", title="At the root")
    double.add_dashboard({"panels": [], "weird": {"kept": [1, None, 0.5]}}, uid="inside", title="Inside", folder=inner)
    double.add_dashboard(uid="file", title="Of a file", folder="platform", provisioned="a.json")
    wall = {"id": 1, "uid": "wall", "name": "Wall", "interval": "5m"}
    items = [{"type": "dashboard_by_tag", "value": "ops", "title": "ops", "order": 1}]
    double.org().playlists["wall" if double.since(9, 1) else "1"] = {**wall, "items": items}
    if double.since(8):
        double.add_library_panel("Shared", {"type": "text", "title": "Shared"}, uid="shared", folder="platform")
        double.add_library_panel("Nowhere", {"type": "text", "title": "Nowhere"}, uid="nowhere")
        there["library-panel"] = 2
    if double.since(9, 1):
        there |= alerting(double)
    if double.since(12):
        double.add_v2_dashboard(v2_spec(7), uid="tabs", folder=inner)
        there["dashboard"] += 1
    return there


def alerting(double):
    double.add_alert_rule(rule("slow"), interval=300)
    double.add_alert_rule(rule("failing"), interval=300)
    double.add_alert_rule({**rule("other"), "ruleGroup": "a/b & c"})
    slack = {"url": f"https://hooks.slack.example/services/{CANARY}-slack", "token": f"{CANARY}-token"}
    double.add_contact_point({"uid": "cp-slack", "name": "Slack", "type": "slack", "settings": slack})
    hook = {"url": f"https://user:{CANARY}-hook-user@hook.example/{CANARY}-path?key={CANARY}-query"}
    hook |= {"password": f"{CANARY}-hook-password"}
    double.add_contact_point({"uid": "cp-hook", "name": "Hook", "type": "webhook", "settings": hook})
    where = double.org().alerting
    where.templates["mail"] = {"name": "mail", "template": '{{ define "mail" }}x{{ end }}'}
    where.timings["nights"] = {"name": "nights", "time_intervals": [{"times": []}]}
    return {"rule-group": 2, "contact-point": 3, "template": 1, "mute-timing": 1, "policy": 1}


def rule(uid):
    return {
        "uid": uid,
        "orgID": 1,
        "title": uid,
        "folderUID": "shop",
        "ruleGroup": "checkout",
        "condition": "A",
        "data": [{"refId": "A", "datasourceUid": "metrics", "model": {"expr": "up"}}],
        "noDataState": "NoData",
        "execErrState": "Error",
        "for": "5m",
    }


class Days:
    """A clock that is an hour later each time that it is looked at."""

    def __init__(self):
        self.at = datetime(2026, 11, 1, 3, tzinfo=UTC)

    def __call__(self):
        self.at += timedelta(hours=1)
        return self.at


CLOCK = Days()


def make(server, folder, *, who=TOKEN, clock=CLOCK, known=None, **order):
    """A backup of a double into a folder."""
    asked = connection(server.url, **{"name": "Grafana", "key": "systems.shop.grafana", "token": who, **(known or {})})
    order = Order(**{"system": "shop", "target": "grafana", "made_by": "opsjobs test", "clock": clock, **order})
    with Inventory(asked) as source:
        return back_up(source, Shelf(Folder(folder)), order)


def shelf(folder):
    return Shelf(Folder(folder))


def files(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "objects").rglob("*") if path.is_file()}


def saved(backup):
    return {kind: count.saved for kind, count in backup.counts.items() if count.saved}


@contextmanager
def furnished(version="9.4.0", **known):
    with serving(version, **known) as server:
        furnish(server.double)
        yield server


# Everything, in every version.


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_that_a_version_has_is_in_its_backup_and_a_second_one_writes_nothing_anew(version, tmp_path):
    with serving(version) as server:
        there = furnish(server.double)
        first = make(server, tmp_path)
        before = files(tmp_path)
        second = make(server, tmp_path)
        assert server.double.writes == []
    assert (first.failures, first.missing, first.notes) == ((), (), ())
    assert first.verdict is second.verdict is Verdict.COMPLETE
    assert saved(first) == there
    assert {kind: count.listed for kind, count in first.counts.items() if count.listed} == there
    older = {"library-panel"} if version.startswith("6") else set()
    absent = older | ALERTING if version.startswith("6") else set()
    assert set(first.absent) == absent and set(first.counts) == set(KINDS) - absent
    assert [each.sha256 for each in second.entries] == [each.sha256 for each in first.entries]
    assert files(tmp_path) == before and len(before) == len({each.sha256 for each in first.entries})
    assert shelf(tmp_path).verify(second.entries) == []
    assert shelf(tmp_path).latest() == second
    assert first.server.version == version and first.server.organisation_name == "Main Org."


@pytest.mark.parametrize("version", VERSIONS)
def test_each_object_is_kept_as_it_was_with_its_place_and_without_what_is_counted(version, tmp_path):
    with furnished(version) as server:
        backup = make(server, tmp_path)
        nested, resources = server.double.nested, server.double.since(12)
    kept = shelf(tmp_path)
    boards = backup.of("dashboard")
    assert boards["root"].folder == "" and boards["inside"].folder == ("payments" if nested else "shop")
    assert [uid for uid, each in boards.items() if each.provisioned] == ["file"]
    content = kept.content(boards["inside"])
    model = content["spec"] if resources else content
    assert model["weird"] == {"kept": [1, None, 0.5]} and model["title"] == "Inside"
    homes = {uid: each.folder for uid, each in backup.of("folder").items()}
    assert homes == {"platform": "", "shop": ""} | ({"checkout": "shop", "payments": "checkout"} if nested else {})
    wall = kept.content(backup.of("playlist")["Wall"])
    assert wall["interval"] == "5m" and [each["value"] for each in wall["items"]] == ["ops"]
    if "rule-group" in backup.counts:
        group = kept.content(backup.of("rule-group")["shop/checkout"])
        assert group["interval"] == 300 and {each["uid"] for each in group["rules"]} == {"slow", "failing"}
        assert kept.content(backup.of("rule-group")["shop/a/b & c"])["title"] == "a/b & c"


@pytest.mark.parametrize("version", ["12.1.0", "13.0.0"])
def test_a_dashboard_in_schema_2_is_kept_in_schema_2(version, tmp_path):
    with furnished(version) as server:
        backup = make(server, tmp_path)
    entry = backup.of("dashboard")["tabs"]
    content = shelf(tmp_path).content(entry)
    assert content["apiVersion"].rpartition("/")[2].startswith("v2") and "/v2" in entry.api
    assert content["spec"] == v2_spec(7)
    others = {uid: each.api for uid, each in backup.of("dashboard").items() if uid != "tabs"}
    assert not any("/v2" in api for api in others.values())


@pytest.mark.parametrize("version", [each for each in VERSIONS if not each.startswith("6")])
def test_a_grafana_that_hides_its_version_is_backed_up_as_whole(version, tmp_path):
    with serving(version, hide_version=True) as server:
        there = furnish(server.double)
        backup = make(server, tmp_path)
    assert backup.failures == () and backup.verdict is Verdict.COMPLETE
    assert saved(backup) == there and backup.server.version == ""


def test_all_pages_are_read_and_each_object_once(tmp_path):
    with serving("12.1.0", page_bytes=20_000) as server:
        server.double.fill(700, 1, folders=3)
        for number in range(230):
            server.double.add_library_panel(f"Panel {number}", {"type": "text"}, uid=f"panel-{number}")
        backup = make(server, tmp_path)
    assert saved(backup)["dashboard"] == 700 and saved(backup)["library-panel"] == 230
    assert backup.verdict is Verdict.COMPLETE


@pytest.mark.parametrize("path", ["/api/search", "/api/library-elements", "/api/folders"])
def test_a_server_that_gives_the_same_page_for_every_number_is_read_to_its_end(path, tmp_path):
    with furnished() as server:
        said = {}

        def same(answer):
            # One object below that path is no page.
            page = b'"elements"' in answer.body or path != "/api/library-elements"
            return replace(answer, body=said.setdefault("body", answer.body)) if page else answer

        server.double.faults._add(change=same, path=path)
        backup = make(server, tmp_path)
        assert server.double.count("GET", path) < 30
    assert backup.verdict is Verdict.COMPLETE and saved(backup)["dashboard"] == 3


def test_what_is_listed_twice_is_kept_once_and_counted_once(tmp_path):
    with furnished() as server:

        def doubled(answer):
            rows = orjson.loads(answer.body)
            return replace(answer, body=orjson.dumps([*rows, *rows]))

        server.double.faults._add(change=doubled, path="/api/search")
        backup = make(server, tmp_path)
    count = backup.counts["dashboard"]
    assert (count.listed, count.saved, count.failed) == (3, 3, 0) and backup.verdict is Verdict.COMPLETE


def test_kinds_that_are_left_out_are_not_asked_for_and_are_no_failure(tmp_path):
    with furnished() as server:
        server.double.faults.fail(403, path="/api/datasources")
        backup = make(server, tmp_path, left_out=("data-source", "contact-point"))
        assert server.double.count("GET", "/api/datasources") == 0
    assert backup.verdict is Verdict.COMPLETE and backup.left_out == ("data-source", "contact-point")
    assert {"data-source", "contact-point"}.isdisjoint(each.kind for each in backup.entries)


# What is missed.


@pytest.mark.parametrize("version", VERSIONS)
def test_one_that_cannot_be_read_is_named_and_the_backup_does_not_count(version, tmp_path):
    with furnished(version) as server:
        good = make(server, tmp_path)
        server.double.faults.fail(500, "database is locked", uid="inside")
        worse = make(server, tmp_path, fewer=True)
    assert [(each.kind, each.uid) for each in worse.failures] == [("dashboard", "inside")]
    assert "database is locked" in worse.failures[0].reason
    assert worse.verdict is Verdict.INCOMPLETE and shelf(tmp_path).latest() == good
    assert shelf(tmp_path).latest(good=False) == worse
    count = worse.counts["dashboard"]
    assert (count.listed, count.saved, count.failed) == (count.listed, count.listed - 1, 1)


REFUSED = {
    "/api/folders": "folder",
    "/api/datasources": "data-source",
    "/api/library-elements": "library-panel",
    "/api/search": "dashboard",
    "/api/v1/provisioning/contact-points": "contact-point",
    "/api/v1/provisioning/policies": "policy",
    "/api/v1/provisioning/alert-rules": "rule-group",
    "/api/playlists": "playlist",
}


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("status", [403, 500])
def test_a_kind_that_may_not_be_listed_makes_a_first_backup_incomplete(path, status, tmp_path):
    with furnished("11.4.0") as server:
        server.double.faults.fail(status, path=path)
        backup = make(server, tmp_path)
    assert backup.verdict is Verdict.INCOMPLETE
    lost = [each for each in backup.failures if not each.uid]
    assert {each.kind for each in lost} == {REFUSED[path]} and "cannot be listed" in lost[0].reason
    assert REFUSED[path] not in backup.absent


def test_a_list_that_breaks_off_is_a_failure_and_what_was_listed_before_is_kept(tmp_path):
    with serving() as server:
        server.double.fill(3, 1, folders=0)
        for number in range(150):
            server.double.add_library_panel(f"Panel {number:03d}", {"type": "text"}, uid=f"panel-{number:03d}")
        server.double.faults.fail(500, path="/api/library-elements", after=1, times=1)
        backup = make(server, tmp_path)
    assert backup.verdict is Verdict.INCOMPLETE and saved(backup)["library-panel"] == 150
    assert [each.kind for each in backup.failures] == ["library-panel"]


def test_what_is_in_a_folder_that_may_not_be_seen_is_kept_but_not_complete(tmp_path):
    with furnished() as server:

        def without(answer):
            rows = [each for each in orjson.loads(answer.body) if each["uid"] != "shop"]
            return replace(answer, body=orjson.dumps(rows))

        server.double.faults._add(change=without, path="/api/folders")
        backup = make(server, tmp_path)
    assert backup.verdict is Verdict.INCOMPLETE and backup.of("dashboard").keys() >= {"inside"}
    assert {each.uid for each in backup.failures} == {"inside", "shop/checkout", "shop/a/b & c"}
    assert all("its folder shop" in each.reason for each in backup.failures)


# Who asks sees less than before.


@pytest.mark.parametrize("version", ["9.4.0", "12.1.0"])
def test_a_token_that_sees_only_some_folders_any_more_makes_a_shrunk_backup(version, tmp_path):
    with serving(version) as server:
        server.double.fill(60, 1, folders=6)
        good = make(server, tmp_path)
        server.double.restrict(TOKEN, {"", "folder-000"})
        worse = make(server, tmp_path)
        expected = make(server, tmp_path, fewer=True)
    assert good.verdict is Verdict.COMPLETE and worse.verdict is Verdict.SHRUNK
    assert any("dashboards where the backup of" in each and good.id in each for each in worse.missing)
    assert expected.verdict is Verdict.COMPLETE and expected.missing == ()


def test_a_shrunk_backup_does_not_become_the_one_that_the_next_is_compared_with(tmp_path):
    with serving() as server:
        server.double.fill(40, 1, folders=4)
        good = make(server, tmp_path)
        server.double.restrict(TOKEN, {""})
        worse = [make(server, tmp_path).verdict for _ in range(3)]
        assert shelf(tmp_path).latest() == good
        server.double.restrict(TOKEN, None)
        assert make(server, tmp_path).verdict is Verdict.COMPLETE
    assert worse == [Verdict.SHRUNK] * 3


@pytest.mark.parametrize(("gone", "verdict"), [(1, Verdict.COMPLETE), (4, Verdict.COMPLETE), (5, Verdict.SHRUNK)])
def test_some_that_were_removed_are_nothing_and_more_than_a_tenth_is(gone, verdict, tmp_path):
    with serving() as server:
        server.double.fill(40, 1, folders=0)
        make(server, tmp_path)
        for number in range(gone):
            server.double.remove_dashboard(f"dash-{number:05d}")
        assert make(server, tmp_path).verdict is verdict


def test_a_token_that_sees_nothing_makes_an_empty_backup(tmp_path):
    with serving("6.5.1") as server:
        server.double.fill(5, 1, folders=2)
        good = make(server, tmp_path)
        server.double.restrict(TOKEN, ())
        empty = make(server, tmp_path)
        again = make(server, tmp_path, fewer=True)
    assert empty.verdict is again.verdict is Verdict.EMPTY and shelf(tmp_path).latest() == good


def test_rights_that_are_lost_while_the_backup_is_made_are_noticed(tmp_path):
    with serving() as server:
        server.double.fill(60, 1, folders=6)
        make(server, tmp_path)
        seen = {"", *(f"folder-{number:03d}" for number in range(3))}
        path = "/api/dashboards/uid/"
        server.double.faults.before(lambda: server.double.restrict(TOKEN, seen), path=path, after=5)
        backup = make(server, tmp_path)
    assert backup.verdict in {Verdict.SHRUNK, Verdict.INCOMPLETE}


# What cannot be asked.


def test_a_token_that_is_not_known_any_more_ends_it_in_words(tmp_path):
    with furnished() as server:
        server.double.revoke(TOKEN)
        with pytest.raises(AccessDenied, match="refused the credentials") as told:
            make(server, tmp_path)
    assert "token_file" in told.value.advice and "systems.shop.grafana" in told.value.advice
    assert shelf(tmp_path).names() == []


def test_a_token_that_is_revoked_half_way_makes_the_backup_incomplete(tmp_path):
    with serving() as server:
        server.double.fill(30, 1, folders=0)
        good = make(server, tmp_path)
        server.double.faults.before(lambda: server.double.revoke(TOKEN), path="/api/dashboards/uid/", after=28)
        backup = make(server, tmp_path, fewer=True)
    assert backup.verdict is Verdict.INCOMPLETE and shelf(tmp_path).latest() == good


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (lambda faults: faults.redirect("https://login.example/?next=x"), BadAnswer, "redirects to https://login"),
        (lambda faults: faults.proxy_page(502), SourceError, "502 Bad Gateway"),
        (lambda faults: faults.proxy_page(200, b"<html>Log in</html>"), BadAnswer, "in a form that is not known"),
        (lambda faults: faults.fail(401), AccessDenied, "refused the credentials"),
    ],
)
def test_what_stands_before_grafana_is_told_in_words(fault, error, says, tmp_path):
    with furnished() as server:
        fault(server.double.faults)
        with pytest.raises(error, match=says) as told:
            make(server, tmp_path, known={"timeout": 3})
    assert "<html" not in told.value.message
    assert shelf(tmp_path).names() == []


def test_an_address_that_is_no_grafana_is_told_in_words(tmp_path):
    with serving(prefix="/grafana") as server:
        asked = {"name": "Grafana", "key": "systems.shop.grafana", "token": TOKEN}
        wrong = connection(server.url.removesuffix("/grafana"), **asked)
        order = Order(system="shop", target="grafana", made_by="x", clock=CLOCK)
        with Inventory(wrong) as source, pytest.raises(BadAnswer, match="404"):
            back_up(source, shelf(tmp_path), order)
        assert make(server, tmp_path).server.version == "9.4.0"
        server.refuse()
        with pytest.raises(Unreachable, match="cannot be reached"):
            make(server, tmp_path)


def test_a_page_of_a_proxy_in_the_place_of_one_dashboard_is_no_dashboard(tmp_path):
    with furnished() as server:
        server.double.faults.proxy_page(200, b"<html>Log in</html>", uid="inside")
        backup = make(server, tmp_path)
    assert [each.uid for each in backup.failures] == ["inside"]
    assert "inside" not in backup.of("dashboard") and backup.verdict is Verdict.INCOMPLETE


def test_a_redirect_is_not_followed_with_the_token(tmp_path):
    with serving() as elsewhere, furnished() as server:
        server.double.faults.redirect(f"{elsewhere.url}/api/search", path="/api/search")
        backup = make(server, tmp_path)
        assert elsewhere.double.calls == []
    assert backup.verdict is Verdict.INCOMPLETE


def test_who_is_told_to_come_later_comes_later_and_the_backup_is_complete(tmp_path):
    with furnished() as server:
        server.double.faults.limit(2, 1, path="/api/search")
        server.double.faults.limit(4, 1, path="/api/dashboards/uid/")
        began = time.monotonic()
        backup = make(server, tmp_path)
        took = time.monotonic() - began
        limited = [each for each in server.double.calls if each.status == 429]
    assert backup.verdict is Verdict.COMPLETE and backup.failures == () and len(limited) == 6
    assert took >= 3, "two seconds for the list and one for dashboards that are read at once"


def test_a_moment_of_an_overloaded_proxy_costs_nothing(tmp_path):
    with furnished() as server:
        server.double.faults.proxy_page(503, times=1, path="/api/dashboards/uid/")
        server.double.faults.cut(times=1, path="/api/folders")
        assert make(server, tmp_path).verdict is Verdict.COMPLETE


@pytest.mark.parametrize("how", ["slow", "drip"])
def test_an_answer_that_takes_too_long_is_given_up_at_the_timeout(how, tmp_path):
    with furnished() as server:
        getattr(server.double.faults, how)(60, uid="inside")
        began = time.monotonic()
        backup = make(server, tmp_path, known={"timeout": 2})
        took = time.monotonic() - began
    assert took < 6 and backup.verdict is Verdict.INCOMPLETE
    assert [each.uid for each in backup.failures] == ["inside"]
    assert "did not answer within 2 s" in backup.failures[0].reason


def test_a_server_that_dies_half_way_is_given_up_within_seconds(tmp_path):
    with serving() as server:
        server.double.fill(2000, 1, folders=3)
        server.double.faults.before(server.vanish, path="/api/dashboards/uid/", after=100)
        began = time.monotonic()
        backup = make(server, tmp_path)
        took = time.monotonic() - began
    assert took < 40
    assert backup.verdict is Verdict.INCOMPLETE and backup.counts["dashboard"].saved >= 90
    count = backup.counts["dashboard"]
    assert count.saved + len([e for e in backup.failures if e.kind == "dashboard" and e.uid]) == 2000
    assert sum("not tried" in each.reason for each in backup.failures) > 1500


# What comes and goes meanwhile.


@pytest.mark.parametrize("version", ["9.4.0", "12.1.0"])
def test_a_dashboard_that_is_removed_while_the_backup_is_made_is_noted_and_no_failure(version, tmp_path):
    with furnished(version) as server:
        server.double.faults.before(lambda: server.double.remove_dashboard("inside"), uid="inside")
        backup = make(server, tmp_path)
    assert backup.failures == () and backup.verdict is Verdict.COMPLETE
    assert [note for note in backup.notes if "inside" in note and "was removed while" in note]
    assert "inside" not in backup.of("dashboard")
    count = backup.counts["dashboard"]
    assert count.listed == count.saved == len(backup.of("dashboard"))


@pytest.mark.parametrize("version", ["9.4.0", "12.1.0"])
def test_a_dashboard_that_comes_while_the_backup_is_made_is_in_it(version, tmp_path):
    with furnished(version) as server:

        def come():
            server.double.add_folder("New", uid="new-folder")
            server.double.add_dashboard(uid="newcomer", title="Newcomer", folder="new-folder")

        server.double.faults.before(come, path="/api/playlists")
        backup = make(server, tmp_path)
    assert "newcomer" in backup.of("dashboard") and "new-folder" in backup.of("folder")
    assert backup.failures == () and backup.verdict is Verdict.COMPLETE
    assert any("Newcomer" in note and "came while" in note for note in backup.notes)
    count = backup.counts["dashboard"]
    assert count.listed == count.saved == len(backup.of("dashboard"))


def test_a_dashboard_that_is_listed_twice_and_never_there_is_a_failure(tmp_path):
    with furnished() as server:
        server.double.faults.fail(404, "Dashboard not found", uid="inside")
        backup = make(server, tmp_path)
    assert [each.reason for each in backup.failures] == ["it is listed, but not there"]
    assert backup.verdict is Verdict.INCOMPLETE


def test_two_backups_within_a_second_are_two(tmp_path):
    with furnished() as server:
        made = [make(server, tmp_path, clock=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC)) for _ in range(3)]
    assert [each.id for each in made] == [f"2026-11-21T12-00-00Z{end}" for end in ("", "-2", "-3")]
    assert shelf(tmp_path).latest() == made[2]


def test_what_a_drill_left_behind_is_not_backed_up(tmp_path):
    with furnished() as server:
        server.double.add_folder("Drill", uid="opsjobs-drill-0")
        server.double.add_dashboard(uid="opsjobs-drill-1", title="Drill", folder="opsjobs-drill-0")
        backup = make(server, tmp_path)
    assert backup.verdict is Verdict.COMPLETE
    assert not any(each.uid.startswith("opsjobs-drill") for each in backup.entries)


# What must not be in it.


@pytest.mark.parametrize("version", VERSIONS)
def test_no_secret_of_anything_is_in_any_file_and_which_were_there_is_said(version, tmp_path):
    with furnished(version) as server:
        backup = make(server, tmp_path)
        assert CANARY in repr(server.double.org().sources), "they were planted"
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(kept) > 5
    assert [str(path) for path, content in kept.items() if CANARY.encode() in content] == []
    assert not any(TOKEN.encode() in content for content in kept.values())
    named = backup.of("data-source")["Metrics" if version.startswith("6") else "metrics"].secrets
    assert {"url", "jsonData.apiKey", "jsonData.clientSecret", "httpHeaderValue1"} <= set(named)
    if "contact-point" in backup.counts:
        assert backup.of("contact-point")["cp-hook"].secrets and backup.of("contact-point")["cp-slack"].secrets


HOSTILE = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "a\x00b",
    "x" * 300,
    "\x1b[2J\x1b]0;owned\x07",
    "<script>alert(1)</script>",
    "con\r\nnewline",
    "..",
    ".",
    "\u202egnp.exe",
    "ü" * 300,
    "-rf --help",
    "%2e%2e%2f",
]


@pytest.mark.parametrize("version", ["9.4.0", "12.1.0"])
def test_names_of_files_come_from_hashes_whatever_things_are_called(version, tmp_path):
    home = tmp_path / "shelf"
    with serving(version) as server:
        for number, title in enumerate(HOSTILE):
            server.double.add_folder(title, uid=f"folder-{number}")
            server.double.add_dashboard(uid=f"board-{number}", title=title, folder=f"folder-{number}")
            server.double.add_dashboard(uid=f"{title}{number}"[:200], title=f"{title}!")
        backup = make(server, home)
    assert backup.failures == () and backup.verdict is Verdict.COMPLETE
    assert saved(backup)["dashboard"] == 2 * len(HOSTILE)
    names = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    objects = {f"objects/{each.sha256[:2]}/{each.sha256}.json" for each in backup.entries}
    assert names == objects | {f"manifests/{backup.id}.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["shelf"]
    assert {each.title for each in backup.of("folder").values()} == set(HOSTILE)


def test_the_purpose_of_a_backup_is_a_backup(tmp_path):
    with furnished() as server:
        assert make(server, tmp_path).purpose is Purpose.BACKUP


# Found by these tests.


@pytest.mark.parametrize("version", ["9.4.0", "12.1.0"])
def test_what_was_refused_and_is_not_listed_any_more_is_missed_and_not_taken_for_removed(version, tmp_path):
    with serving(version) as server:
        server.double.fill(60, 1, folders=6)
        seen = {"", *(f"folder-{number:03d}" for number in range(5))}
        path = "/apis/dashboard.grafana.app/" if server.double.since(12) else "/api/dashboards/uid/"
        server.double.faults.before(lambda: server.double.restrict(TOKEN, seen), path=path, after=20)
        backup = make(server, tmp_path)
    assert backup.verdict is Verdict.INCOMPLETE
    lost = {each.uid for each in backup.failures if each.kind == "dashboard"}
    assert "" in lost, "that so many went is told by itself"
    lost -= {""}
    assert lost and lost | set(backup.of("dashboard")) == {f"dash-{number:05d}" for number in range(60)}


def test_a_dashboard_that_cannot_be_written_down_costs_the_others_nothing(tmp_path):
    nested = b'{"dashboard":{"uid":"inside","title":"Inside","deep":' + b"[" * 300 + b"]" * 300 + b'},"meta":{}}'
    with furnished() as server:
        server.double.faults._add(instead=Answer(200, nested), uid="inside")
        backup = make(server, tmp_path)
    assert [each.uid for each in backup.failures] == ["inside"] and backup.verdict is Verdict.INCOMPLETE
    assert {"root", "file"} <= backup.of("dashboard").keys()


def test_two_playlists_of_one_name_are_both_kept(tmp_path):
    with furnished() as server:
        other = {"id": 2, "uid": "other", "name": "Wall", "interval": "9m", "items": []}
        server.double.org().playlists["other"] = other
        backup = make(server, tmp_path)
    kept = [shelf(tmp_path).content(each)["interval"] for each in backup.of("playlist").values()]
    assert sorted(kept) == ["5m", "9m"] and backup.counts["playlist"].listed == 2


def test_a_server_that_hangs_is_given_up_after_a_few_timeouts(tmp_path):
    with serving() as server:
        server.double.fill(100, 1, folders=0)
        server.double.faults.hang(path="/api/", after=25)
        began = time.monotonic()
        backup = make(server, tmp_path, known={"timeout": 1})
        took = time.monotonic() - began
    assert backup.verdict is Verdict.INCOMPLETE and took < 8
    assert {each.kind for each in backup.failures if not each.uid} >= {"playlist", "policy"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/library-elements/", 500),
        ("/api/datasources", 403),
        ("/api/v1/provisioning/policies", 500),
    ],
)
def test_what_is_there_and_cannot_be_read_is_incomplete_and_not_shrunk(path, status, tmp_path):
    with furnished() as server:
        good = make(server, tmp_path)
        server.double.faults.fail(status, path=path)
        backup = make(server, tmp_path)
    assert backup.verdict is Verdict.INCOMPLETE and backup.missing == ()
    assert backup.failures and shelf(tmp_path).latest() == good


def test_one_of_two_backups_of_a_second_can_be_named(tmp_path):
    with furnished() as server:
        made = [make(server, tmp_path, clock=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC)) for _ in range(2)]
    assert [shelf(tmp_path).chosen(each.id).id for each in made] == [each.id for each in made]


def test_a_remote_object_that_was_damaged_is_written_anew_by_the_next_backup(tmp_path):
    there = Shelf(Remote(f"memory://damage-{tmp_path.name}-{time.time_ns()}/shop/grafana"))
    with furnished() as server:

        def again():
            order = Order(system="shop", target="grafana", made_by="opsjobs test", clock=CLOCK)
            known = {"name": "Grafana", "key": "systems.shop.grafana", "token": TOKEN}
            with Inventory(connection(server.url, **known)) as source:
                return back_up(source, Shelf(Remote(there.store.place)), order)

        entry = again().of("dashboard")["inside"]
        name = f"objects/{entry.sha256[:2]}/{entry.sha256}.json"
        content = there.store.get(name)
        there.store.put(name, content[:-3] + b"!" + content[-2:])
        assert [each.uid for each in there.verify([entry])] == ["inside"]
        verdicts = [again().verdict for _ in range(2)]
    assert verdicts[-1] is Verdict.COMPLETE and there.store.get(name) == content
