"""What a restore owes to each version of Grafana: everything back as it was, and nothing else touched."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import orjson
import pytest

from opsjobs.backup import archive, changes, drill, references, restore, wishes
from opsjobs.backup import plan as plans
from opsjobs.backup.collect import Order, back_up
from opsjobs.backup.plan import Action, Aim
from opsjobs.backup.shelf import Shelf
from opsjobs.backup.store import Folder
from opsjobs.errors import BackupError, SourceError
from opsjobs.objects import TRIAL
from opsjobs.sources.grafana.inventory import Inventory
from tests.conftest import connection
from tests.grafana.double import TOKEN, VERSIONS
from tests.grafana.filling import model, v2_spec
from tests.grafana.server import Server
from tests.grafana.server import serving as serving_double
from tests.grafana.wire import Request, Route

SECRET = "canary-of-a-data-source"
STRICT = ("6.5.1", "9.4.0")
"""Versions in which a title belongs to one dashboard of a folder."""
_SECONDS = count()


def settings(asked: Request):
    number = asked.org.id
    return {"namespace": "default" if number == 1 else f"org-{number}"}


@contextmanager
def serving(version, **known):
    """A double that also says its namespace, as each Grafana does to the pages that it shows."""
    with serving_double(version, **known) as server:
        teach(server)
        yield server


def teach(server: Server):
    routes = server.double._routes.setdefault(("GET", 3), [])
    if not any(each.segments == ("api", "frontend", "settings") for each in routes):
        routes.append(Route("GET", ("api", "frontend", "settings"), settings, role=None))


def clock():
    """Each moment is a second after the one before: backups are named by theirs."""
    return datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=next(_SECONDS))


@contextmanager
def asked(server):
    with Inventory(connection(server.url, name="Grafana", key="systems.shop.grafana", token=TOKEN)) as source:
        yield source


def shelf_at(folder):
    return Shelf(Folder(folder))


def kept(source, shelf):
    return back_up(source, shelf, Order(system="shop", target="grafana", made_by="tests", clock=clock))


def aim(shelf, backup, *, prune=False, **known):
    everything = wishes.of(shelf, backup)
    kinds = frozenset(backup.counts) if prune else frozenset()
    return Aim(wishes=everything, dangling=wishes.dangling(backup, everything), prune=kinds, **known)


SIGNED = restore.Signature(system="shop", target="grafana", made_by="tests", clock=clock)


def restored(source, shelf, wanted):
    """Plan, keep, do: what became of it."""
    steps = plans.make(source, wanted)
    restore.save(source, shelf, steps, SIGNED)
    return restore.apply(source, wanted, steps)


def actions(source, wanted):
    return {(each.kind, each.uid): each.action for each in plans.make(source, wanted)}


def errors(done):
    return [f"{each.step.kind} {each.step.uid}: {each.error}" for each in done if each.error]


def different(source, shelf, backup, folder):
    """What is live now and was not kept so, or the other way round; secrets are a matter for people."""
    other = shelf_at(folder)
    live = kept(source, other)
    sides = (
        changes.Side(shelf=shelf, backup=backup, label="kept"),
        changes.Side(shelf=other, backup=live, label="live"),
    )
    assert changes.unknown(*sides) == []
    return [
        (each.change.value, each.kind, each.uid, [str(one) for one in each.differences])
        for each in changes.between(*sides)
    ]


def make_playlist(double):
    body = {"name": "Wall", "interval": "5m", "items": [{"type": "dashboard_by_tag", "value": "shop", "title": "shop"}]}
    answer = double.answer("POST", "/api/playlists", {"authorization": f"Bearer {TOKEN}"}, orjson.dumps(body))
    assert answer.status == 200, answer.body


def stock(double):
    """At least one of everything that the version has; the dashboards `overview` and `inner-board` are in folders."""
    new, prom = double.since(7), {"type": "prometheus", "uid": "prom"}
    asks = prom if new else "Prometheus"
    double.add_folder("Platform", uid="platform")
    double.add_folder("Inner", uid="sub", parent="platform" if double.nested else "")
    double.add_data_source(
        "Prometheus",
        uid="prom",
        url="http://prometheus:9090",
        isDefault=True,
        secureJsonData={"httpHeaderValue1": SECRET},
    )
    panel = {"id": 1, "type": "graph", "title": "Requests", "datasource": asks, "targets": [{"refId": "A"}]}
    shown = []
    if double.since(8):
        double.add_library_panel("Shared", {"type": "stat", "datasource": prom}, uid="shared", folder="platform")
        shown = [{"id": 2, "type": "library-panel-ref", "libraryPanel": {"uid": "shared", "name": "Shared"}}]
    double.add_dashboard(
        {**model(1, 2), "panels": [panel, *shown]}, uid="overview", title="Overview", folder="platform"
    )
    double.add_dashboard({"panels": [panel], "refresh": "1m"}, uid="inner-board", title="Overview", folder="sub")
    double.add_dashboard({"panels": [panel]}, uid="at-root", title="Überblick ☂ / 総覧")
    if double.since(12):
        double.add_v2_dashboard(v2_spec(7), uid="tabs", folder="sub")
    if double.since(9, 1):
        double.add_contact_point(
            {"uid": "ops", "name": "ops", "type": "webhook", "settings": {"url": "http://hook", "password": SECRET}}
        )
        alerting = double.org().alerting
        alerting.timings["nights"] = {"name": "nights", "time_intervals": [{"weekdays": ["saturday"]}]}
        alerting.templates["shop"] = {"name": "shop", "template": '{{ define "shop" }}hello{{ end }}'}
        alerting.policies = {"receiver": "ops", "group_by": ["alertname"], "routes": [{"receiver": "ops"}]}
        data = [{"refId": "A", "datasourceUid": "prom", "model": {"expr": "up"}, "relativeTimeRange": {"from": 60}}]
        for number in (1, 2):
            double.add_alert_rule(
                {
                    "uid": f"rule-{number}",
                    "title": f"Down {number}",
                    "folderUID": "platform",
                    "ruleGroup": "minutely",
                    "condition": "A",
                    "for": "2m",
                    "data": data,
                },
                interval=120,
            )
    make_playlist(double)


@pytest.fixture(params=VERSIONS)
def stocked(request, tmp_path):
    """A filled Grafana of each version, asked, with a complete backup of it."""
    with serving(request.param) as server, asked(server) as source:
        stock(server.double)
        shelf = shelf_at(tmp_path / "shelf")
        backup = kept(source, shelf)
        assert backup.good, (backup.verdict, backup.failures)
        server.double.wipe()
        yield server, source, shelf, backup


def nothing_to_do(source, wanted):
    return set(actions(source, wanted).values()) == {Action.UNCHANGED}


# Everything comes back.


def test_after_a_wipe_everything_comes_back_and_the_second_time_there_is_nothing_to_do(stocked, tmp_path):
    server, source, shelf, backup = stocked
    wanted = aim(shelf, backup)
    assert nothing_to_do(source, wanted)
    server.double.clear()
    done = restored(source, shelf, wanted)
    assert errors(done) == []
    assert nothing_to_do(source, wanted)
    found = different(source, shelf, backup, tmp_path / "live")
    expected = ("changed", "data-source", "prom" if server.double.since(7) else "Prometheus")
    assert [each[:3] for each in found] == [expected], "only that its secret is not set"
    assert "httpHeaderValue1" in found[0][3][0]
    asked_for = {each.step.uid: each.step.secrets for each in done if each.step.secrets}
    assert asked_for.get("prom", asked_for.get("Prometheus")) == ("httpHeaderValue1",)
    server.double.wipe()
    assert restored(source, shelf, wanted) == [] and server.double.writes == []


def test_every_dashboard_comes_back_into_its_own_folder(stocked):
    server, source, shelf, backup = stocked
    before = {uid: each.folder for uid, each in server.double.org().dashboards.items()}
    parents = {uid: each.parent for uid, each in server.double.org().folders.items()}
    server.double.clear()
    assert errors(restored(source, shelf, aim(shelf, backup))) == []
    assert {uid: each.folder for uid, each in server.double.org().dashboards.items()} == before
    assert {uid: each.parent for uid, each in server.double.org().folders.items()} == parents
    assert parents["sub"] == ("platform" if server.double.nested else "")


def test_no_dashboard_is_sent_with_a_number_of_the_server_that_it_was_read_from(stocked):
    server, source, shelf, backup = stocked
    server.double.clear()
    restored(source, shelf, aim(shelf, backup))
    sent = [call.json for call in server.double.writes if call.path.endswith(("/dashboards/db", "/dashboards"))]
    assert len(sent) == sum(each.kind == "dashboard" for each in backup.entries)
    for document in sent:
        if "dashboard" in document:
            assert document["dashboard"]["id"] is None and document["overwrite"] is False
            continue
        assert "id" not in document["spec"]
        alien = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace"}
        assert alien.isdisjoint(document["metadata"])
        assert not any("deprecatedInternalID" in name for name in document["metadata"]["labels"])


def test_an_overwritten_one_keeps_its_number_and_gains_a_version(stocked):
    server, source, shelf, backup = stocked
    double = server.double
    old = double.org().dashboards["overview"]
    double.add_dashboard({"panels": []}, uid="overview", title="Overview", folder="platform")
    wanted = aim(shelf, backup)
    assert actions(source, wanted)["dashboard", "overview"] is Action.OVERWRITE
    assert errors(restored(source, shelf, wanted)) == []
    now = double.org().dashboards["overview"]
    assert (now.id, now.folder, now.version) == (old.id, "platform", old.version + 2)
    assert nothing_to_do(source, wanted)


# Schema 2.


@pytest.mark.parametrize("version", ["12.1.0", "13.0.0"])
def test_a_dashboard_of_schema_2_comes_back_in_schema_2_byte_for_byte(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        server.double.add_v2_dashboard(v2_spec(3), uid="tabs")
        before = server.double.org().dashboards["tabs"]
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf))
        server.double.clear()
        server.double.wipe()
        assert errors(restored(source, shelf, wanted)) == []
        after = server.double.org().dashboards["tabs"]
        assert after.spec == before.spec and after.spec
        assert after.stored == before.stored and after.stored.startswith("v2")
        assert server.double.count("POST", "/api/dashboards/db") == 0
        # Over one that was changed, too.
        server.double.add_v2_dashboard(v2_spec(4), uid="tabs")
        assert errors(restored(source, shelf, wanted)) == []
        assert server.double.org().dashboards["tabs"].spec == before.spec


def test_a_dashboard_of_schema_2_is_never_pushed_through_the_old_api(tmp_path):
    shelf = shelf_at(tmp_path)
    with serving("13.0.0") as server, asked(server) as source:
        server.double.add_v2_dashboard(v2_spec(3), uid="tabs")
        wanted = aim(shelf, kept(source, shelf))
    with serving("9.4.0") as server, asked(server) as source:
        done = restored(source, shelf, wanted)
        assert server.double.org().dashboards == {} and server.double.writes == []
        assert not [each for each in done if not each.error]


def test_a_resource_of_the_first_schema_goes_onto_an_older_grafana_by_the_old_api(tmp_path):
    shelf = shelf_at(tmp_path)
    with serving("12.1.0") as server, asked(server) as source:
        server.double.add_folder("Platform", uid="platform")
        server.double.add_dashboard({"panels": [{"id": 1, "title": "A"}]}, uid="a", title="A board", folder="platform")
        wanted = aim(shelf, kept(source, shelf))
    for version in ("6.5.1", "9.4.0", "11.4.0", "13.0.0"):
        with serving(version) as server, asked(server) as source:
            wishes_of_boards = [each for each in wanted.wishes if each.kind in {"folder", "dashboard"}]
            boards = replace(wanted, wishes=wishes_of_boards)
            assert errors(restored(source, shelf, boards)) == []
            made = server.double.org().dashboards["a"]
            assert (made.title, made.folder) == ("A board", "platform")
            assert orjson.loads(made.data)["panels"] == [{"id": 1, "title": "A"}]
            assert nothing_to_do(source, boards)


# The plan.


def file_of(document, into=None):
    return Aim(wishes=wishes.exported(orjson.dumps(document), "a.json", into).wishes)


def board(uid="new", title="New", **more):
    return {"uid": uid, "title": title, "panels": [], **more}


def only(source, wanted):
    (step,) = plans.make(source, wanted)
    return step


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plan_writes_nothing_and_says_of_each_what_becomes_of_it(version):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_folder("Platform", uid="platform")
        double.add_dashboard({"panels": []}, uid="same", title="Same")
        double.add_dashboard({"panels": [{"id": 1, "title": "x"}]}, uid="other", title="Other")
        double.add_dashboard({"panels": [{"id": 1}]}, uid="filed", title="Filed", provisioned="filed.json")
        assert only(source, file_of(board())).action is Action.CREATE
        assert only(source, file_of(board("same", "Same"))).action is Action.UNCHANGED
        over = only(source, file_of(board("other", "Other")))
        assert over.action is Action.OVERWRITE and "panel 'x'" in str(over.differences[0])
        filed = only(source, file_of(board("filed", "Filed")))
        assert filed.action is Action.PROVISIONED and "a file of the server" in filed.reason
        lost = only(source, file_of(board(), into="nowhere"))
        assert lost.action is Action.CONFLICT and "folder nowhere" in lost.reason
        asks = board(panels=[{"id": 1, "datasource": {"uid": "gone"}}])
        missing = only(source, file_of(asks))
        assert missing.action is Action.MISSING and "--datasource gone=UID" in missing.reason
        assert double.writes == []


@pytest.mark.parametrize("version", STRICT)
@pytest.mark.parametrize("title", ["Overview", "OVERVIEW"])
def test_a_dashboard_of_others_with_the_same_title_is_a_conflict_and_never_adopted(version, title, tmp_path):
    with serving(version) as server, asked(server) as source:
        server.double.add_dashboard({"panels": [{"id": 1, "title": "theirs"}]}, uid="theirs", title="Overview")
        before = server.double.org().dashboards["theirs"]
        step = only(source, file_of(board("ours", title)))
        assert step.action is Action.CONFLICT and "theirs" in step.reason
        # Even if it came after the plan was made.
        forced = replace(step, action=Action.CREATE)
        (done,) = restore.apply(source, file_of(board("ours", title)), [forced])
        assert done.error
        assert server.double.org().dashboards == {"theirs": before}


def test_a_kind_that_the_version_does_not_have_is_impossible(tmp_path):
    shelf = shelf_at(tmp_path)
    with serving("9.4.0") as server, asked(server) as source:
        stock(server.double)
        wanted = aim(shelf, kept(source, shelf))
    with serving("6.5.1") as server, asked(server) as source:
        found = actions(source, wanted)
        new = ("library-panel", "contact-point", "template", "mute-timing", "policy", "rule-group")
        assert {action for (kind, _), action in found.items() if kind in new} == {Action.IMPOSSIBLE}
        assert found["folder", "platform"] is Action.CREATE


def test_a_data_source_that_was_missing_when_it_was_kept_is_not_missed(tmp_path):
    with serving("9.4.0") as server, asked(server) as source:
        server.double.add_dashboard({"panels": [{"id": 1, "datasource": {"uid": "long-gone"}}]}, uid="a", title="A")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf))
        server.double.clear()
        assert errors(restored(source, shelf, wanted)) == []
        assert "a" in server.double.org().dashboards


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_a_mapping_is_written_into_every_reference(version):
    with serving(version) as server, asked(server) as source:
        server.double.add_data_source("Here", uid="here")
        panels = [{"id": 1, "datasource": {"type": "prometheus", "uid": "there"}, "targets": [{"datasource": "there"}]}]
        wanted = replace(file_of(board(panels=panels)), sources={"there": "here"})
        assert only(source, wanted).action is Action.CREATE
        assert errors(restored(source, None, wanted)) == []
        model_now = orjson.loads(server.double.org().dashboards["new"].data)
        assert references.sources(model_now) == {"here"}
        assert nothing_to_do(source, wanted)


# Folders.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_without_a_folder_leaves_the_dashboard_where_it_is(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        server.double.add_folder("Platform", uid="platform")
        server.double.add_dashboard({"panels": [{"id": 1, "title": "x"}]}, uid="a", title="A", folder="platform")
        wanted = file_of(board("a", "A"))
        step = only(source, wanted)
        assert step.action is Action.OVERWRITE
        assert not any(each.what == "folder" for each in step.differences)
        assert errors(restored(source, shelf_at(tmp_path), wanted)) == []
        assert server.double.org().dashboards["a"].folder == "platform"
        assert orjson.loads(server.double.org().dashboards["a"].data)["panels"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_into_moves_it_and_the_plan_says_so(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        server.double.add_folder("Platform", uid="platform")
        server.double.add_folder("Other", uid="other")
        server.double.add_dashboard({"panels": []}, uid="a", title="A", folder="platform")
        wanted = file_of(board("a", "A"), into="other")
        step = only(source, wanted)
        (moved,) = step.differences
        assert (moved.what, moved.before, moved.after) == ("folder", "platform", "other")
        assert errors(restored(source, shelf_at(tmp_path), wanted)) == []
        assert server.double.org().dashboards["a"].folder == "other"


# What is overwritten is kept first.


def test_what_is_overwritten_is_kept_first_and_comes_back_by_its_name(stocked):
    server, source, shelf, backup = stocked
    double = server.double
    double.add_dashboard({"panels": [{"id": 9, "title": "by hand"}]}, uid="overview", title="By hand", folder="sub")
    mine = double.org().dashboards["overview"]
    wanted = aim(shelf, backup)
    steps = plans.make(source, wanted)
    saved = restore.save(source, shelf, steps, SIGNED)
    assert [each.key for each in saved.entries] == [("dashboard", "overview")]
    assert double.writes == [], "nothing is written before it is kept"
    assert errors(restore.apply(source, wanted, steps)) == []
    assert double.org().dashboards["overview"].title == "Overview"
    found = shelf.chosen(saved.id)
    assert errors(restored(source, shelf, aim(shelf, found))) == []
    now = double.org().dashboards["overview"]
    assert (now.title, now.folder) == ("By hand", "sub")
    assert orjson.loads(now.data)["panels"] == orjson.loads(mine.data)["panels"]


def test_nothing_is_overwritten_when_it_cannot_be_kept(stocked, monkeypatch):
    server, source, shelf, backup = stocked
    server.double.add_dashboard({"panels": []}, uid="overview", title="Changed", folder="platform")
    steps = plans.make(source, aim(shelf, backup))

    def full(*_):
        raise BackupError("no space left")

    monkeypatch.setattr(shelf.store, "put", full)
    with pytest.raises(BackupError, match="no space left"):
        restore.save(source, shelf, steps, SIGNED)
    monkeypatch.undo()
    server.double.faults.fail(500, uid="overview", method="GET")
    with pytest.raises(SourceError):
        restore.save(source, shelf, steps, SIGNED)
    assert server.double.writes == []


def test_what_was_kept_and_does_not_read_back_is_not_overwritten(stocked, monkeypatch):
    server, source, shelf, backup = stocked
    server.double.add_dashboard({"panels": []}, uid="overview", title="Changed", folder="platform")
    steps = plans.make(source, aim(shelf, backup))
    put = shelf.store.put
    monkeypatch.setattr(shelf.store, "put", lambda name, content: put(name, content[:-9]))
    names = shelf.names()
    with pytest.raises(BackupError, match="cannot be kept"):
        restore.save(source, shelf, steps, SIGNED)
    assert shelf.names() == names and server.double.writes == []


def test_what_somebody_changed_after_the_plan_is_not_overwritten(stocked):
    server, source, shelf, backup = stocked
    double = server.double
    wanted = aim(shelf, backup)
    double.add_dashboard({"panels": []}, uid="overview", title="Changed", folder="platform")
    double.add_dashboard({"panels": []}, uid="at-root", title="Changed, too")
    steps = plans.make(source, wanted)
    theirs = double.add_dashboard({"panels": [{"id": 5, "title": "just now"}]}, uid="overview", folder="platform")
    with pytest.raises(BackupError, match="changed since the plan"):
        restore.save(source, shelf, steps, SIGNED)
    done = {each.step.uid: each.error for each in restore.apply(source, wanted, steps)}
    assert "changed since the plan" in done["overview"] and not done["at-root"]
    assert double.org().dashboards["overview"] == theirs


@pytest.mark.parametrize("version", VERSIONS[:3])
def test_what_is_changed_in_the_very_moment_is_refused_by_its_version(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_dashboard({"panels": [{"id": 1}]}, uid="a", title="A")
        wanted = file_of(board("a", "A"))
        steps = plans.make(source, wanted)
        change = {"panels": [{"id": 5, "title": "just now"}]}
        double.faults.before(lambda: double.add_dashboard(change, uid="a", title="A"), method="POST")
        (done,) = restore.apply(source, wanted, steps)
        assert "changed by someone else" in done.error
        assert b"just now" in double.org().dashboards["a"].data


# A server that goes away.


@pytest.mark.parametrize("lost", [False, True], ids=["not done", "done and not told"])
@pytest.mark.parametrize("writes", [0, 1, 3, 6])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_restore_that_was_cut_off_goes_on_where_it_was(version, writes, lost, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        stock(double)
        shelf = shelf_at(tmp_path / "shelf")
        backup = kept(source, shelf)
        wanted = aim(shelf, backup)
        double.clear()
        double.wipe()
        steps = plans.make(source, wanted)
        double.faults.die(writes, lost_answer=lost)
        first = restore.apply(source, wanted, steps)
        made = sum(len(each) for each in (double.org().folders, double.org().dashboards, double.org().sources))
        todo = [each for each in steps if each.action.writes]
        assert {id(each.step) for each in first} == {id(each) for each in todo}, "of each is said what became of it"
        assert errors(first)
        assert sum(not each.error for each in first) <= writes
        server.listen()
        double.faults.heal()
        assert errors(restored(source, shelf, wanted)) == []
        assert nothing_to_do(source, wanted)
        assert {each[1] for each in different(source, shelf, backup, tmp_path / "live")} == {"data-source"}
        assert made <= writes + lost


def test_after_three_that_could_not_be_reached_the_rest_is_not_tried(tmp_path):
    with serving("9.4.0") as server, asked(server) as source:
        source.concurrency = 1
        wanted = Aim(wishes=[*(file_of(board(f"d{each}", f"D {each}")).wishes[0] for each in range(20))])
        steps = plans.make(source, wanted)
        server.refuse()
        done = restore.apply(source, wanted, steps)
    assert sum("not tried" in each.error for each in done) == 17


@pytest.mark.parametrize("version", VERSIONS)
def test_one_that_grafana_refuses_costs_the_others_nothing(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        boards = [file_of(board(f"d{each}", f"D {each}")).wishes[0] for each in range(5)]
        server.double.faults.fail(500, "the disk is full", uid="d2", method="POST")
        wanted = Aim(wishes=boards)
        done = restored(source, None, wanted)
        assert [each.split(":")[0] for each in errors(done)] == ["dashboard d2"]
        assert set(server.double.org().dashboards) == {"d0", "d1", "d3", "d4"}


def test_what_grafana_took_and_kept_otherwise_is_not_called_done():
    with serving("9.4.0") as server, asked(server) as source:
        double = server.double
        wanted = file_of(board("a", "A", panels=[{"id": 1, "title": "kept"}]))
        steps = plans.make(source, wanted)
        path = "/api/dashboards/uid/a"
        double.faults.before(lambda: double.add_dashboard({"panels": []}, uid="a", title="A"), method="GET", path=path)
        (done,) = restore.apply(source, wanted, steps)
        assert "reads back otherwise" in done.error and "panel 'kept'" in done.error
        double.clear()
        double.faults.before(lambda: double.remove_dashboard("a"), method="GET", path="/api/search")
        (done,) = restore.apply(source, wanted, steps)
        assert done.error == "Grafana took it, and it is not there"


# Parts of a backup.


@pytest.mark.parametrize("version", VERSIONS)
def test_one_object_comes_with_what_it_needs_which_is_not_overwritten_where_it_is_there(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        stock(double)
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        picked = replace(
            aim(shelf, backup), wishes=plans.chosen(wishes.of(shelf, backup), uids=("overview",), folder="")
        )
        needed = {each.uid for each in picked.wishes if each.dependency}
        assert needed == ({"platform", "shared"} if double.since(8) else {"platform"})
        double.clear()
        double.add_data_source("Prometheus", uid="prom")
        assert errors(restored(source, shelf, picked)) == []
        assert set(double.org().dashboards) == {"overview"} and set(double.org().folders) == {"platform"}
        assert set(double.org().panels) == needed - {"platform"}
        # What is only needed is left as others made it.
        double.add_folder("Renamed by others", uid="platform")
        if double.since(8):
            double.add_library_panel("Theirs", {"type": "text"}, uid="shared", folder="platform")
        double.add_dashboard({"panels": []}, uid="overview", title="Broken", folder="platform")
        double.wipe()
        assert errors(restored(source, shelf, picked)) == []
        assert double.org().folders["platform"].title == "Renamed by others"
        assert {each["name"] for each in double.org().panels.values()} <= {"Theirs"}
        assert double.org().dashboards["overview"].title == "Overview" and len(double.writes) == 1


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_a_folder_comes_with_those_in_it_and_without_its_neighbours(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        stock(double)
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        everything = wishes.of(shelf, backup)
        inner = {each.uid for each in plans.chosen(everything, uids=(), folder="sub") if not each.dependency}
        assert inner == {"sub", "inner-board"} | ({"tabs"} if double.since(12) else set())
        outer = {each.uid for each in plans.chosen(everything, uids=(), folder="platform") if not each.dependency}
        assert outer == inner | {"platform", "overview", "shared", "platform/minutely"}


@pytest.mark.parametrize("version", ["9.4.0", "11.4.0", "13.0.0"])
def test_what_a_program_has_made_comes_back_and_stays_that_programs(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_folder("Platform", uid="platform")
        query = {"refId": "A", "datasourceUid": "__expr__", "model": {"type": "math", "expression": "1"}}
        rule = {"uid": "high", "title": "High", "ruleGroup": "made", "folderUID": "platform", "for": "5m"}
        rule |= {"condition": "A", "data": [query], "noDataState": "OK", "execErrState": "OK", "orgID": 1}
        point = {"uid": "hook", "name": "Hook", "type": "webhook", "settings": {"url": "https://hooks.example.com"}}

        def program(method, path, body):
            # Without the header by which people may go on editing it.
            known = {"authorization": f"Bearer {TOKEN}"}
            answer = double.answer(method, f"/api/v1/provisioning/{path}", known, orjson.dumps(body))
            assert answer.status < 300, answer.body

        program("POST", "alert-rules", rule)
        program("POST", "contact-points", point)
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        program("PUT", "alert-rules/high", rule | {"title": "Higher"})
        program("PUT", "contact-points/hook", point | {"disableResolveMessage": True})
        done = restored(source, shelf, aim(shelf, backup))
        assert {each.step.kind for each in done} == {"rule-group", "contact-point"} and errors(done) == []
        assert different(source, shelf, backup, tmp_path / "live") == []
        assert double.org().alerting.points["hook"]["provenance"] == "api"


# Pruning.


def test_what_is_not_in_the_backup_goes_with_prune_and_comes_back_from_what_was_kept(stocked, tmp_path):
    server, source, shelf, backup = stocked
    double = server.double
    double.add_folder("Extra", uid="extra")
    double.add_dashboard({"panels": []}, uid="extra-board", title="Extra board", folder="extra")
    double.add_dashboard({"panels": []}, uid="stray", title="Stray")
    double.add_data_source("Other", uid="other")
    if double.since(8):
        double.add_library_panel("Unused", {"type": "text"}, uid="unused")
    before = different(source, shelf, backup, tmp_path / "one")
    wanted = aim(shelf, backup, prune=True)
    steps = [each for each in plans.make(source, wanted) if each.action is Action.REMOVE]
    gone = {"extra", "extra-board", "stray", *(["unused"] if double.since(8) else [])}
    assert {each.uid for each in steps} == gone, "never a data source, never the policies"
    assert [each.kind for each in steps][-1] == "folder"
    saved = restore.save(source, shelf, steps, SIGNED)
    assert {each.uid for each in saved.entries} == gone
    assert errors(restore.apply(source, wanted, steps)) == []
    assert "extra" not in double.org().folders and gone.isdisjoint(double.org().dashboards)
    assert "Other" in {each["name"] for each in double.org().sources.values()}
    assert nothing_to_do(source, aim(shelf, backup))
    assert errors(restored(source, shelf, aim(shelf, saved))) == []
    assert different(source, shelf, backup, tmp_path / "two") == before


@pytest.mark.parametrize("version", VERSIONS)
def test_without_prune_nothing_is_removed(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        stock(server.double)
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        server.double.add_dashboard({"panels": []}, uid="stray", title="Stray")
        assert Action.REMOVE not in actions(source, aim(shelf, backup)).values()
        assert restored(source, shelf, aim(shelf, backup)) == []
        assert "stray" in server.double.org().dashboards


# Drills.


def drilled(source, shelf, backup):
    return drill.run(source, shelf, backup, clock())


def everything(double):
    org = double.org()
    return (dict(org.folders), dict(org.dashboards), orjson.dumps([sorted(org.panels), sorted(org.playlists)]))


def test_a_drill_restores_all_and_leaves_nothing_behind(stocked):
    server, source, shelf, backup = stocked
    double = server.double
    before = everything(double)
    proof = drilled(source, shelf, backup)
    boards = sum(each.kind in {"dashboard", "library-panel"} for each in backup.entries)
    assert proof.held and proof.failures == () and proof.left == ()
    assert (proof.restored, proof.read) == (boards, len(backup.entries))
    assert everything(double) == before, "nothing else was touched, and nothing is left"
    made = [call for call in double.writes if call.method == "POST"]
    assert len(made) >= boards + 1
    for call in double.writes:
        assert TRIAL in (call.path if call.method == "DELETE" else call.body.decode())
    assert not any("provisioning" in call.path or "datasources" in call.path for call in double.writes)
    assert drill.history(shelf).held_at == proof.at and drill.history(shelf).lost == ""


def test_a_drill_that_was_killed_is_cleaned_up_by_the_next_and_never_backed_up(stocked):
    server, source, shelf, backup = stocked
    double = server.double
    before = everything(double)
    double.faults.die(3)
    with pytest.raises(SourceError):
        drilled(source, shelf, backup)
    server.listen()
    double.faults.heal()
    left = [uid for uid in (*double.org().folders, *double.org().dashboards) if uid.startswith(TRIAL)]
    assert left
    again = kept(source, shelf)
    assert [each.key for each in again.entries] == [each.key for each in backup.entries]
    assert drilled(source, shelf, backup).held
    assert everything(double) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_a_drill_says_what_does_not_come_back(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        stock(double)
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        good = drilled(source, shelf, backup)
        trial = TRIAL + _digest("dashboard/overview")
        double.faults.fail(500, "the disk is full", uid=trial, method="POST")
        proof = drilled(source, shelf, backup)
        assert not proof.held and [each.uid for each in proof.failures] == ["overview"]
        assert proof.failures[0].reason.startswith("the disk is full") or "500" in proof.failures[0].reason
        told = drill.history(shelf)
        assert told.held_at == good.at and told.lost.startswith("dashboard Overview (overview)")
        assert not any(uid.startswith(TRIAL) for uid in (*double.org().folders, *double.org().dashboards))


def _digest(text):
    from opsjobs.backup.manifest import digest

    return digest(text.encode())[:24]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refresh_that_the_server_raises_is_no_failure_of_a_drill(version, tmp_path):
    with serving(version, min_refresh="1m") as server, asked(server) as source:
        server.double.add_dashboard({"panels": [], "refresh": "1s"}, uid="fast", title="Fast")
        shelf = shelf_at(tmp_path)
        assert drilled(source, shelf, kept(source, shelf)).held


@pytest.mark.parametrize("version", VERSIONS)
def test_dashboards_of_one_title_in_several_folders_do_not_meet_in_a_drill(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        for number in range(3):
            server.double.add_folder(f"Team {number}", uid=f"team-{number}")
            title = "Overview" if number else "OVERVIEW"
            server.double.add_dashboard({"panels": []}, uid=f"d{number}", title=title, folder=f"team-{number}")
        shelf = shelf_at(tmp_path)
        proof = drilled(source, shelf, kept(source, shelf))
        assert proof.held and proof.restored == 3
        assert len(server.double.org().folders) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_who_may_not_make_folders_hears_that_the_drill_was_not_made(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        server.double.add_dashboard({"panels": []}, uid="a", title="A")
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        server.double.demote(TOKEN, "Viewer")
        before = everything(server.double)
        with pytest.raises(SourceError):
            drilled(source, shelf, backup)
        assert everything(server.double) == before
        assert drill.history(shelf).held_at is None


def test_a_damaged_file_is_a_failure_of_the_drill_and_is_not_restored(tmp_path):
    with serving("9.4.0") as server, asked(server) as source:
        server.double.add_dashboard({"panels": []}, uid="a", title="A")
        server.double.add_dashboard({"panels": []}, uid="b", title="B")
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        damaged = backup.of("dashboard")["a"].sha256
        (tmp_path / "objects" / damaged[:2] / f"{damaged}.json").write_bytes(b"{}")
        proof = drilled(source, shelf, backup)
        assert not proof.held and [each.uid for each in proof.failures] == ["a"]
        assert proof.restored == 1 and server.double.count("POST", "/api/dashboards/db") == 1


# Archives.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backup_in_one_file_brings_everything_back_elsewhere(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        stock(server.double)
        shelf = shelf_at(tmp_path / "shelf")
        backup = kept(source, shelf)
        archive.pack(shelf, backup, tmp_path / "all.tar.gz")
    with serving(version) as server, asked(server) as source:
        with archive.opened(tmp_path / "all.tar.gz") as (other, same):
            assert same == backup
            assert errors(restored(source, other, aim(other, same))) == []
            assert nothing_to_do(source, aim(other, same))


# Differences.


def test_kinds_that_one_side_left_out_are_not_called_removed(stocked, tmp_path):
    _server, source, shelf, backup = stocked
    other = shelf_at(tmp_path / "less")
    order = Order(system="shop", target="grafana", made_by="", clock=clock, left_out=("dashboard", "playlist"))
    less = back_up(source, other, order)
    sides = [
        changes.Side(shelf=shelf, backup=backup, label="all"),
        changes.Side(shelf=other, backup=less, label="less"),
    ]
    for pair in (sides, sides[::-1]):
        assert changes.between(*pair) == []
        assert changes.unknown(*pair) == ["dashboards: less leaves them out", "playlists: less leaves them out"]


def test_what_could_not_be_read_is_neither_removed_nor_added(stocked, tmp_path):
    server, source, shelf, backup = stocked
    server.double.faults.fail(403, uid="overview", method="GET")
    other = shelf_at(tmp_path / "less")
    less = kept(source, other)
    assert not less.good
    sides = [
        changes.Side(shelf=shelf, backup=backup, label="all"),
        changes.Side(shelf=other, backup=less, label="less"),
    ]
    assert changes.between(*sides) == changes.between(*sides[::-1]) == []
    assert changes.lost(sides[0]) is None and "incomplete" in str(changes.lost(sides[1]))


def test_a_difference_says_who_saved_it_and_each_save_since(stocked, tmp_path):
    server, source, shelf, backup = stocked
    for number in range(2):
        content = {"panels": [{"id": 1, "title": f"take {number}"}]}
        server.double.add_dashboard(content, uid="overview", title="Overview", folder="platform", message=f"m{number}")
    other = shelf_at(tmp_path / "live")
    before = changes.Side(shelf=shelf, backup=backup, label="kept")
    after = changes.Side(shelf=other, backup=kept(source, other), label="live")
    (change,) = changes.signed(changes.between(before, after), source, backup)
    assert change.change is changes.Kind.CHANGED and change.uid == "overview" and change.folder == "Platform"
    assert [each.message for each in change.edits] == ["m1", "m0"]
    assert change.at and change.by.endswith("admin")


# What a restore got wrong.


def pruned_folder(shelf, backup, folder):
    everything = wishes.of(shelf, backup)
    picked = plans.chosen(everything, uids=(), folder=folder)
    return Aim(wishes=picked, prune=frozenset(backup.counts), within=folder)


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_what_is_in_a_folder_that_is_removed_is_kept_first(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        stock(server.double)
        shelf = shelf_at(tmp_path)
        backup = kept(source, shelf)
        server.double.add_folder("New", uid="new", parent="platform")
        server.double.add_dashboard({"panels": []}, uid="precious", title="Precious", folder="new")
        wanted = pruned_folder(shelf, backup, "platform")
        steps = plans.make(source, wanted)
        saved = restore.save(source, shelf, steps, SIGNED)
        restore.apply(source, wanted, steps)
        assert "precious" in server.double.org().dashboards or ("dashboard", "precious") in {
            each.key for each in saved.entries
        }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_folder_stays_that_holds_what_prune_does_not_remove(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_folder("A", uid="a")
        shelf = shelf_at(tmp_path)
        # As where the configuration leaves dashboards out.
        wanted = replace(aim(shelf, kept(source, shelf)), prune=frozenset({"folder"}))
        double.add_folder("New", uid="new")
        double.add_dashboard({"panels": []}, uid="precious", title="Precious", folder="new")
        assert errors(restored(source, shelf, wanted)) == []
        assert "precious" in double.org().dashboards and "new" in double.org().folders


@pytest.mark.parametrize("version", VERSIONS)
def test_what_came_into_a_folder_after_the_plan_does_not_go_with_it(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_folder("A", uid="a")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf), prune=True)
        double.add_folder("New", uid="new")
        steps = plans.make(source, wanted)
        restore.save(source, shelf, steps, SIGNED)
        double.add_dashboard({"panels": []}, uid="precious", title="Precious", folder="new")
        (done,) = restore.apply(source, wanted, steps)
        assert "not empty" in done.error and "precious" in double.org().dashboards


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_changed_after_it_was_kept_is_not_removed(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_dashboard({"panels": []}, uid="keep", title="Keep")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf), prune=True)
        double.add_dashboard({"panels": []}, uid="stray", title="Stray")
        steps = plans.make(source, wanted)
        restore.save(source, shelf, steps, SIGNED)
        double.add_dashboard({"panels": [{"id": 1, "title": "new work"}]}, uid="stray", title="Stray")
        (done,) = restore.apply(source, wanted, steps)
        assert "changed since the plan" in done.error and b"new work" in double.org().dashboards["stray"].data


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_file_of_the_server_makes_is_not_removed(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        server.double.add_dashboard({"panels": []}, uid="keep", title="Keep")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf), prune=True)
        server.double.add_dashboard({"panels": []}, uid="filed", title="Filed", provisioned="filed.json")
        assert actions(source, wanted)["dashboard", "filed"] is Action.PROVISIONED
        server.double.wipe()
        assert restored(source, shelf, wanted) == [] and server.double.writes == []


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_a_folder_is_made_before_those_in_it_whatever_they_are_called(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        for uid, parent in (("z", ""), ("m", "z"), ("a", "m")):
            double.add_folder(uid.upper(), uid=uid, parent=parent)
        double.add_dashboard({"panels": []}, uid="d", title="D", folder="a")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf))
        double.clear()
        assert errors(restored(source, shelf, wanted)) == []
        assert {uid: each.parent for uid, each in double.org().folders.items()} == {"z": "", "m": "z", "a": "m"}


@pytest.mark.parametrize("version", VERSIONS[:3])
def test_a_schema_that_the_server_does_not_know_is_impossible(version, tmp_path):
    shelf = shelf_at(tmp_path)
    with serving("13.0.0") as server, asked(server) as source:
        server.double.add_v2_dashboard(v2_spec(3), uid="tabs")
        wanted = aim(shelf, kept(source, shelf))
    with serving(version) as server, asked(server) as source:
        (step,) = [each for each in plans.make(source, wanted) if each.kind == "dashboard"]
        assert step.action is Action.IMPOSSIBLE and "schema v2" in step.reason


@pytest.mark.parametrize("version", ["12.1.0", "13.0.0"])
def test_a_resource_that_is_changed_in_the_very_moment_is_not_overwritten(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        double = server.double
        double.add_v2_dashboard(v2_spec(1), uid="a")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf))
        stored = double.add_v2_dashboard(v2_spec(2), uid="a").stored
        steps = plans.make(source, wanted)
        path = f"/apis/dashboard.grafana.app/{stored}/namespaces/default/dashboards/a"
        theirs = v2_spec(99)
        double.faults.before(lambda: double.add_v2_dashboard(theirs, uid="a"), method="GET", path=path, after=1)
        done = [each for each in restore.apply(source, wanted, steps) if each.step.uid == "a"]
        assert done[0].error and orjson.loads(double.org().dashboards["a"].spec) == theirs


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_what_asks_a_data_source_that_cannot_be_made_is_missing_it(version, tmp_path):
    shelf = shelf_at(tmp_path)
    with serving(version) as server, asked(server) as source:
        server.double.add_data_source("Prometheus", uid="here")
        server.double.add_dashboard({"panels": [{"id": 1, "datasource": {"uid": "here"}}]}, uid="a", title="A")
        wanted = aim(shelf, kept(source, shelf))
    with serving(version) as server, asked(server) as source:
        server.double.add_data_source("Prometheus", uid="there")
        found = actions(source, wanted)
        assert found["data-source", "here"] is Action.CONFLICT and found["dashboard", "a"] is Action.MISSING


def test_what_is_in_a_folder_that_cannot_be_made_is_a_conflict_too(tmp_path):
    with serving("9.4.0") as server, asked(server) as source:
        server.double.add_folder("Team", uid="f")
        server.double.add_dashboard({"panels": []}, uid="a", title="A", folder="f")
        shelf = shelf_at(tmp_path)
        wanted = aim(shelf, kept(source, shelf))
        server.double.clear()
        server.double.add_folder("Team", uid="other")
        found = actions(source, wanted)
        assert found["folder", "f"] is found["dashboard", "a"] is Action.CONFLICT


def test_two_restores_within_a_second_keep_what_both_overwrote(tmp_path):
    with serving("9.4.0") as server, asked(server) as source:
        server.double.add_dashboard({"panels": [{"id": 1, "title": "one"}]}, uid="a", title="A")
        shelf, now = shelf_at(tmp_path), clock()
        signed = replace(SIGNED, clock=lambda: now)
        names = set()
        for title in ("two", "three"):
            wanted = file_of(board("a", "A", panels=[{"id": 1, "title": title}]))
            steps = plans.make(source, wanted)
            names.add(restore.save(source, shelf, steps, signed).id)
            restore.apply(source, wanted, steps)
        assert names == set(shelf.names()) and len(names) == 2
        for name in names:
            assert shelf.chosen(name).id == name, "a whole name is that of one backup"


def test_what_asked_a_missing_data_source_before_a_restore_comes_back_with_it(tmp_path):
    with serving("9.4.0") as server, asked(server) as source:
        server.double.add_dashboard({"panels": [{"id": 1, "datasource": {"uid": "gone"}}]}, uid="a", title="A")
        shelf = shelf_at(tmp_path)
        wanted = file_of(board("a", "A"))
        steps = plans.make(source, wanted)
        saved = restore.save(source, shelf, steps, SIGNED)
        restore.apply(source, wanted, steps)
        assert errors(restored(source, shelf, aim(shelf, saved))) == []
        assert b'"gone"' in server.double.org().dashboards["a"].data


@pytest.mark.parametrize("version", STRICT)
def test_titles_that_are_one_in_addresses_do_not_meet_in_a_drill(version, tmp_path):
    with serving(version) as server, asked(server) as source:
        for number, title in enumerate(("CPU & Disk", "CPU and Disk", "cpu-and-disk")):
            server.double.add_folder(f"Team {number}", uid=f"team-{number}")
            server.double.add_dashboard({"panels": []}, uid=f"d{number}", title=title, folder=f"team-{number}")
        shelf = shelf_at(tmp_path)
        assert drilled(source, shelf, kept(source, shelf)).failures == ()


def resource(**metadata):
    head = {"apiVersion": "dashboard.grafana.app/v1", "kind": "Dashboard"}
    return {**head, "metadata": {"name": "a", **metadata}, "spec": {"title": "A", "panels": []}}


def test_a_resource_without_a_folder_stays_where_it_is(tmp_path):
    with serving("13.0.0") as server, asked(server) as source:
        server.double.add_folder("Platform", uid="platform")
        server.double.add_dashboard({"panels": [{"id": 1}]}, uid="a", title="A", folder="platform")
        assert errors(restored(source, shelf_at(tmp_path), file_of(resource()))) == []
        assert server.double.org().dashboards["a"].folder == "platform"


def test_of_a_resource_nothing_is_sent_that_belongs_to_the_server_it_came_from():
    with serving("13.0.0") as server, asked(server) as source:
        alien = {"uid": "1", "resourceVersion": "55", "namespace": "org-9", "generation": 3, "managedFields": []}
        assert errors(restored(source, None, file_of(resource(**alien)))) == []
        assert alien.keys().isdisjoint(server.double.writes[-1].json["metadata"])


def test_on_an_old_grafana_a_mapped_name_stays_a_name():
    with serving("6.5.1") as server, asked(server) as source:
        server.double.add_data_source("Here")
        wanted = replace(file_of(board(panels=[{"id": 1, "datasource": "There"}])), sources={"There": "Here"})
        assert errors(restored(source, None, wanted)) == []
        assert orjson.loads(server.double.org().dashboards["new"].data)["panels"][0]["datasource"] == "Here"


def test_a_backup_of_what_was_overwritten_is_compared_only_by_what_is_in_it(stocked):
    server, source, shelf, _ = stocked
    server.double.add_dashboard({"panels": []}, uid="at-root", title="Broken")
    wanted = file_of(board("at-root", "Whole"))
    saved = restore.save(source, shelf, plans.make(source, wanted), SIGNED)
    sides = [changes.Side(shelf=shelf, backup=each, label="x") for each in (saved, kept(source, shelf))]
    assert changes.between(*sides) == changes.between(*sides[::-1]) == []
