"""What the double of Grafana owes: what real ones answered to the same calls, and that its faults do what they say."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests

from opsjobs.http import Deadline
from opsjobs.sources.grafana import Grafana
from tests.conftest import connection
from tests.grafana.double import ADMIN, TOKEN, VERSIONS, Double
from tests.grafana.filling import v2_spec
from tests.grafana.recording import accounts, ask, comparable, learn, load
from tests.grafana.server import serving

NEW = "/apis/dashboard.grafana.app"
PROVISIONING = "/api/v1/provisioning"


class Client:
    """Somebody who asks the double, on one connection."""

    def __init__(self, server, who=TOKEN):
        self.url = server.url
        self.session = requests.Session()
        self.session.trust_env = False
        if isinstance(who, tuple):
            self.session.auth = who
        elif who:
            self.session.headers["Authorization"] = f"Bearer {who}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()

    def ask(self, method, path, body=None, timeout=5, **headers):
        return self.session.request(
            method, self.url + path, json=body, headers=headers, timeout=timeout, allow_redirects=False
        )

    def get(self, path, **known):
        answer = self.ask("GET", path, **known)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def status(self, method, path, body=None, **headers):
        return self.ask(method, path, body, **headers).status_code

    def said(self, method, path, body=None, **headers):
        answer = self.ask(method, path, body, **headers)
        return answer.status_code, answer.json().get("message")

    def save(self, dashboard, **known):
        return self.ask("POST", "/api/dashboards/db", {"dashboard": dashboard, **known})


@contextmanager
def grafana(version="9.4.0", who=TOKEN, **known):
    with serving(version, **known) as server, Client(server, who) as client:
        yield server.double, client


def uids(rows):
    return [each["uid"] for each in rows]


# What real servers answered.


def differences(url, recording, people, setups):
    """The calls of a recording to which a server answers something else, with both answers."""
    minted, found = {}, []
    for call in recording["calls"]:
        request = call["request"]
        if call.get("setup"):
            setups(call, lambda request=request: ask(url, request, people, minted))
            continue
        answered = ask(url, request, people, minted)
        if request["method"] == "POST":
            learn(call["response"]["body"], answered["body"], minted)
        expected, got = comparable(call["response"], minted), comparable(answered, {})
        if expected != got:
            found.append((request["method"], request["path"], call["note"], expected, got))
    return found


def test_every_call_that_was_put_to_a_real_6_5_1_is_answered_as_it_was_there():
    recording = load("recorded-6.5.1.json")
    names = {"no credentials": "none", "bad password": "bad password", "bad token": "bad token"}
    for call in recording["calls"]:
        asked = call["request"]
        asked["auth"] = names.get(call["note"], "none" if asked["auth"] == "none" else "admin")
    # With the numbers of that server: nothing but moments is left out of the comparison.
    with serving("6.5.1", first_id=1022) as server:
        found = differences(server.url, recording, accounts(*ADMIN), None)
        assert found == []
        assert len(server.double.calls) == len(recording["calls"]) == 40


@contextmanager
def double_of_9_4():
    """Provisioned as the server was that was recorded; what was set up there with calls is set up here without."""
    with serving("9.4.0-pre") as server:
        double = server.double
        double.add_folder("Provisioned", uid="provisioned", by="Anonymous")
        content = {"panels": [], "schemaVersion": 37, "tags": ["p"]}
        double.add_dashboard(
            content, uid="prov-dash", title="Provisioned dash", folder="provisioned", provisioned="a.json"
        )
        double.add_data_source("ProvDS", uid="prov-ds", url="http://localhost:9090", readOnly=True)
        double.add_user("viewer", "pw-viewer")
        double.add_user("editor", "pw-editor", role="Editor")

        def setup(call, _):
            if call["note"] == "hide the folder from viewers and editors":
                for who in ("viewer", "editor"):
                    double.restrict(who, {"", *double.org().folders} - {"hidden"})

        yield server.url, accounts(*ADMIN), setup


@contextmanager
def real_9_4():
    """A fresh server that runs, provisioned as the recording says."""
    if not (url := os.environ.get("OPSJOBS_TEST_GRAFANA")):
        pytest.skip("no real Grafana: OPSJOBS_TEST_GRAFANA names none")
    parts = urlsplit(url)
    yield f"http://{parts.hostname}:{parts.port}", accounts(parts.username, parts.password), lambda _, put: put()


@pytest.mark.parametrize("which", [double_of_9_4, real_9_4], ids=["the double", "a real one"])
def test_every_call_that_was_put_to_a_real_9_4_is_answered_as_it_was_there(which):
    recording = load("recorded-9.4.0.json")
    assert sum(1 for call in recording["calls"] if not call.get("setup")) > 340
    with which() as (url, people, setup):
        assert differences(url, recording, people, setup) == []


# Versions.


def test_a_server_that_hides_its_version_says_only_that_its_database_is_well():
    with grafana("12.1.0", None) as (_, client):
        assert client.get("/api/health")["version"] == "12.1.0"
    with grafana("12.1.0", None, hide_version=True) as (_, client):
        assert client.get("/api/health") == {"database": "ok"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_search_goes_through_pages_and_refuses_more_than_5000_at_once(version):
    with grafana(version) as (double, client):
        double.fill(2345, 0, folders=3)
        pages = [client.get(f"/api/search?type=dash-db&limit=1000&page={page}") for page in (1, 2, 3, 4)]
        assert [len(page) for page in pages] == [1000, 1000, 345, 0]
        assert len({each["uid"] for page in pages for each in page}) == 2345
        assert len(client.get("/api/search?type=dash-db")) == 1000
        assert len(client.get("/api/search?type=dash-folder")) == 3
        status, message = client.said("GET", "/api/search?limit=5001")
        assert status == 422 and message.startswith("Limit is above maximum allowed (5000)")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dashboard_that_is_sent_without_a_folder_moves_to_the_root(version):
    with grafana(version) as (double, client):
        number = double.add_folder("Platform", uid="platform").id
        assert client.save({"uid": "x", "title": "X"}, folderId=number).status_code == 200
        assert client.get("/api/search?type=dash-db")[0]["folderUid"] == "platform"
        assert client.save({"uid": "x", "title": "X"}, overwrite=True).status_code == 200
        assert "folderUid" not in client.get("/api/search?type=dash-db")[0]


def test_the_meta_of_a_dashboard_names_the_uid_of_its_folder_only_from_version_8_on():
    for version, named in (("6.5.1", False), ("7.5.0", False), ("8.0.0", True), ("13.0.0", True)):
        with grafana(version) as (double, client):
            double.add_folder("Platform", uid="platform")
            double.add_dashboard(uid="x", folder="platform")
            meta = client.get("/api/dashboards/uid/x")["meta"]
            assert (meta.get("folderUid") == "platform") is named
            assert meta["folderUrl"] == "/dashboards/f/platform/platform"


def test_a_title_belongs_to_one_dashboard_of_a_folder_until_11_3():
    same = {"uid": "second", "title": "Overview"}
    with grafana("11.2.0") as (double, client):
        double.add_dashboard(uid="first", title="Overview")
        assert client.save(same).json()["status"] == "name-exists"
        # Who overwrites takes the uid that is there: his own is lost.
        assert client.save(same, overwrite=True).json()["uid"] == "first"
        assert uids(client.get("/api/search")) == ["first"]
    with grafana("11.3.0") as (double, client):
        double.add_dashboard(uid="first", title="Overview")
        assert client.save(same).json()["uid"] == "second"
        assert sorted(uids(client.get("/api/search"))) == ["first", "second"]


def test_a_refresh_below_the_shortest_one_is_raised_without_a_word_from_version_7_on():
    for version, kept in (("6.5.1", "1s"), ("9.4.0", "30s"), ("12.1.0", "30s")):
        with grafana(version, min_refresh="30s") as (_, client):
            assert client.save({"uid": "x", "title": "X", "refresh": "1s"}).status_code == 200
            assert client.save({"uid": "y", "title": "Y", "refresh": "1m"}).status_code == 200
            assert client.get("/api/dashboards/uid/x")["dashboard"]["refresh"] == kept
            assert client.get("/api/dashboards/uid/y")["dashboard"]["refresh"] == "1m"


def test_the_history_is_a_list_before_12_and_an_object_with_a_token_in_12():
    for version, wrapped in (("9.0.0", False), ("9.4.0", False), ("11.4.0", False), ("12.1.0", True)):
        with grafana(version) as (double, client):
            double.add_dashboard(uid="x", title="One")
            double.add_dashboard(uid="x", title="Two", message="renamed")
            said = client.get("/api/dashboards/uid/x/versions")
            assert isinstance(said, dict) is wrapped
            rows = said["versions"] if wrapped else said
            assert [(each["version"], each["message"]) for each in rows] == [(2, "renamed"), (1, "Initial save")]
            assert client.get("/api/dashboards/uid/x/versions/1")["data"]["title"] == "One"


def test_before_version_9_a_dashboard_has_a_history_only_by_its_number():
    with grafana("8.5.0") as (double, client):
        number = double.add_dashboard(uid="x").id
        assert len(client.get(f"/api/dashboards/id/{number}/versions")) == 1
        assert client.status("GET", "/api/dashboards/uid/x/versions") == 404


@pytest.mark.parametrize(
    ("version", "statuses"),
    [
        ("6.5.1", {"list": 500, "group": 500, "points": 500, "put": 404}),
        ("8.5.0", {"list": 404, "group": 404, "points": 404, "put": 404}),
        ("9.3.6", {"list": 404, "group": 200, "points": 200, "put": 200}),
        ("9.4.0", {"list": 200, "group": 200, "points": 200, "put": 200}),
        ("13.0.0", {"list": 200, "group": 200, "points": 200, "put": 200}),
    ],
)
def test_alerting_is_provisioned_from_version_9_on_and_lists_its_rules_from_9_4_on(version, statuses):
    with grafana(version) as (double, client):
        double.add_folder("A", uid="a")
        double.add_alert_rule(rule())
        group = f"{PROVISIONING}/folder/a/rule-groups/g"
        assert client.status("GET", f"{PROVISIONING}/alert-rules") == statuses["list"]
        assert client.status("GET", group) == statuses["group"]
        assert client.status("GET", f"{PROVISIONING}/contact-points") == statuses["points"]
        assert client.status("PUT", group, {"interval": 60, "rules": [rule()]}) == statuses["put"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_version_does_not_have_is_no_path_of_it(version):
    with grafana(version) as (double, client):
        found = {
            path: client.status("GET", path) == 200
            for path in ("/api/library-elements", "/api/datasources/uid/p", NEW, f"{NEW}/v1")
            if double.add_data_source("P" + path, uid="p")
        }
        number = int(version.split(".")[0])
        assert found == {
            "/api/library-elements": number >= 8,
            "/api/datasources/uid/p": number >= 9,
            NEW: number >= 12,
            f"{NEW}/v1": number >= 13,
        }


# Who asks.


def test_organisations_have_nothing_in_common_and_a_token_has_but_one():
    with grafana() as (double, client):
        second = double.add_org("Second")
        double.add_dashboard(uid="x", title="Of the first")
        double.add_dashboard(uid="x", title="Of the second", org=second)
        double.add_token("glsa_second", role="Admin", org=second)
        path, header = "/api/dashboards/uid/x", {"X-Grafana-Org-Id": str(second)}
        assert client.get(path, **header)["dashboard"]["title"] == "Of the first"
        with Client(client, "glsa_second") as other, Client(client, ADMIN) as admin:
            assert other.get(path)["dashboard"]["title"] == "Of the second"
            assert admin.get(path)["dashboard"]["title"] == "Of the first"
            assert admin.get(path, **header)["dashboard"]["title"] == "Of the second"
            assert [each["name"] for each in admin.get("/api/orgs")] == ["Main Org.", "Second"]
        assert client.status("GET", "/api/orgs") == 403


@pytest.mark.parametrize("version", VERSIONS)
def test_viewers_read_editors_write_dashboards_and_admins_everything(version):
    with serving(version) as server:
        double, statuses = server.double, {}
        double.add_dashboard(uid="x", title="X")
        for role in ("Viewer", "Editor", "Admin"):
            double.add_token(role, role=role)
            with Client(server, role) as client:
                source = {"name": role, "type": "prometheus", "access": "proxy"}
                statuses[role] = (
                    client.status("GET", "/api/dashboards/uid/x"),
                    client.save({"uid": role, "title": role}).status_code,
                    client.status("POST", "/api/folders", {"title": f"F {role}"}),
                    client.status("POST", "/api/datasources", source),
                )
        assert statuses == {"Viewer": (200, 403, 403, 403), "Editor": (200, 200, 200, 403), "Admin": (200,) * 4}
        assert set(double.org().dashboards) == {"x", "Editor", "Admin"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_that_loses_rights_sees_less_without_being_told(version):
    with grafana(version) as (double, client):
        for name in ("a", "b"):
            double.add_folder(name, uid=name)
            double.add_dashboard(uid=f"in-{name}", title=f"In {name}", folder=name)
        double.add_dashboard(uid="at-root", title="At the root")
        everything = "/api/search?type=dash-db"
        assert len(client.get(everything)) == 3
        double.restrict(TOKEN, ["a"])
        assert uids(client.get(everything)) == ["in-a"]
        assert uids(client.get("/api/folders")) == ["a"]
        assert client.status("GET", "/api/dashboards/uid/in-b") == 403
        double.restrict(TOKEN, [])
        assert client.get(everything) == []
        double.restrict(TOKEN, None)
        assert len(client.get(everything)) == 3
        double.revoke(TOKEN)
        assert client.status("GET", everything) == 401


def test_rights_can_be_lost_between_two_requests_of_a_run():
    with grafana() as (double, client):
        double.add_dashboard(uid="x")
        double.faults.before(lambda: double.restrict(TOKEN, []), path="/api/search", after=1)
        assert [len(client.get("/api/search")) for _ in range(3)] == [1, 0, 0]


# Folders in folders.


def test_from_11_on_a_list_of_folders_has_only_those_that_lie_directly_there():
    with grafana("11.4.0") as (_, client):
        for uid, parent in (("a", ""), ("b", "a"), ("c", "b"), ("d", "c")):
            made = {"uid": uid, "title": uid, **({"parentUid": parent} if parent else {})}
            assert client.status("POST", "/api/folders", made) == 200
        assert uids(client.get("/api/folders")) == ["a"]
        assert uids(client.get("/api/folders?parentUid=a")) == ["b"]
        assert client.get("/api/folders?parentUid=d") == []
        assert len(client.get("/api/search?type=dash-folder")) == 4
        found = client.get("/api/folders/c")
        assert found["parentUid"] == "b" and uids(found["parents"]) == ["a", "b"]
        assert client.status("POST", "/api/folders", {"uid": "e", "title": "e", "parentUid": "d"}) == 400
        assert client.status("POST", "/api/folders", {"uid": "e", "title": "e", "parentUid": "nope"}) == 404


def test_a_folder_moves_by_a_call_of_its_own_and_not_into_itself():
    with grafana("12.1.0") as (double, client):
        double.add_folder("A", uid="a")
        double.add_folder("B", uid="b", parent="a")
        double.add_folder("C", uid="c")
        assert client.status("PUT", "/api/folders/c", {"title": "C", "overwrite": True, "parentUid": "b"}) == 200
        assert double.org().folders["c"].parent == ""
        assert client.status("POST", "/api/folders/c/move", {"parentUid": "b"}) == 200
        assert double.org().folders["c"].parent == "b"
        assert client.said("POST", "/api/folders/a/move", {"parentUid": "b"}) == (400, "circular reference detected")
        assert client.status("POST", "/api/folders/a/move", {"parentUid": "c"}) == 400
        assert client.status("POST", "/api/folders/c/move", {"parentUid": ""}) == 200
        assert uids(client.get("/api/folders")) == ["a", "c"]


def test_a_folder_goes_with_all_that_is_in_it_but_not_with_alert_rules_unless_forced():
    with grafana("11.4.0") as (double, client):
        double.add_folder("A", uid="a")
        double.add_folder("B", uid="b", parent="a")
        double.add_dashboard(uid="deep", folder="b")
        double.add_dashboard(uid="beside")
        double.add_alert_rule({**rule(), "folderUID": "b"})
        assert client.said("DELETE", "/api/folders/a") == (
            400,
            "folder cannot be deleted: folder contains alert rules",
        )
        assert client.status("DELETE", "/api/folders/a?forceDeleteRules=true") == 200
        org = double.org()
        assert (list(org.folders), list(org.dashboards), list(org.alerting.rules)) == ([], ["beside"], [])


def test_whoever_may_see_a_folder_sees_what_lies_deeper_in_it():
    with grafana("11.4.0") as (double, client):
        double.add_folder("A", uid="a")
        double.add_folder("B", uid="b", parent="a")
        double.add_folder("C", uid="c")
        double.restrict(TOKEN, ["a"])
        assert sorted(uids(client.get("/api/search"))) == ["a", "b"]


# Secrets and alerting.


def rule(**known):
    query = {"refId": "A", "datasourceUid": "__expr__", "model": {"type": "math", "expression": "1 == 1"}}
    return {
        "uid": "r",
        "title": "R",
        "folderUID": "a",
        "ruleGroup": "g",
        "condition": "A",
        "data": [query],
        "for": "5m",
        "noDataState": "NoData",
        "execErrState": "Error",
        **known,
    }


@pytest.mark.parametrize("version", ["9.4.0", "12.1.0"])
def test_the_secret_of_a_contact_point_never_comes_back_and_stays_when_it_is_sent_as_it_was_shown(version):
    with grafana(version) as (double, client):
        point = {
            "uid": "hook",
            "name": "Hook",
            "type": "webhook",
            "settings": {"url": "http://x", "password": "canary"},
        }
        assert client.status("POST", f"{PROVISIONING}/contact-points", point) == 202
        shown = client.get(f"{PROVISIONING}/contact-points?name=Hook")[0]
        assert shown["settings"]["password"] == "[REDACTED]"
        shown["settings"]["url"] = "http://y"
        assert client.status("PUT", f"{PROVISIONING}/contact-points/hook", shown) == 202
        assert double.secret("hook", "password") == "canary"
        # A new one is taken by its word.
        again = {**shown, "uid": "again"}
        assert client.status("POST", f"{PROVISIONING}/contact-points", again) == 202
        assert double.secret("again", "password") == "[REDACTED]"
        exported = client.ask("GET", f"{PROVISIONING}/contact-points/export?decrypt=true")
        assert ("canary" in exported.text) is (version == "12.1.0")


def test_the_secrets_of_a_data_source_go_in_and_only_that_they_are_there_comes_out():
    with grafana() as (double, client):
        source = {"name": "P", "uid": "p", "type": "prometheus", "access": "proxy"}
        assert client.status("POST", "/api/datasources", {**source, "secureJsonData": {"password": "canary"}}) == 200
        found = client.ask("GET", "/api/datasources/uid/p")
        assert found.json()["secureJsonFields"] == {"password": True} and "canary" not in found.text
        assert client.status("PUT", "/api/datasources/uid/p", {**source, "url": "http://x"}) == 200
        assert double.secret("p", "password") == "canary"


def test_a_new_default_data_source_takes_that_from_the_one_before():
    with grafana() as (double, client):
        double.add_data_source("Old", uid="old", isDefault=True)
        new = {"name": "New", "uid": "new", "type": "prometheus", "access": "proxy", "isDefault": True}
        assert client.status("POST", "/api/datasources", new) == 200
        assert {each["uid"]: each["isDefault"] for each in client.get("/api/datasources")} == {
            "new": True,
            "old": False,
        }


def test_the_header_against_provenance_counts_for_groups_only_from_version_10_on():
    for version, marked in (("9.4.0", True), ("11.4.0", False)):
        with grafana(version) as (double, client):
            double.add_folder("A", uid="a")
            double.add_alert_rule(rule())
            body = {"interval": 60, "rules": [rule(title="New")]}
            header = {"X-Disable-Provenance": "false"}
            assert client.status("PUT", f"{PROVISIONING}/folder/a/rule-groups/g", body, **header) == 200
            assert ("provenance" in client.get(f"{PROVISIONING}/alert-rules/r")) is marked


def test_a_group_takes_rules_that_are_not_there_only_from_version_10_on():
    for version, status, there in (("9.4.0", 500, ["r"]), ("11.4.0", 200, ["new"])):
        with grafana(version) as (double, client):
            double.add_folder("A", uid="a")
            double.add_alert_rule(rule(), interval=300)
            path = f"{PROVISIONING}/folder/a/rule-groups/g"
            assert client.get(path)["interval"] == 300
            assert client.status("PUT", path, {"interval": 120, "rules": [rule(uid="new", title="N")]}) == status
            assert list(double.org().alerting.rules) == there
            assert client.get(path)["interval"] == (300 if status == 500 else 120)


def test_playlists_are_known_by_number_before_9_1_and_by_uid_from_then_on():
    wall = {"name": "Wall", "interval": "5m", "items": [{"type": "dashboard_by_tag", "value": "ops", "title": "ops"}]}
    for version, key in (("6.5.1", "id"), ("9.0.0", "id"), ("9.4.0", "uid"), ("12.1.0", "uid")):
        with grafana(version) as (_, client):
            made = client.ask("POST", "/api/playlists", wall).json()
            assert ("uid" in made) is (key == "uid")
            path = f"/api/playlists/{made[key]}"
            assert client.get(path)["items"][0]["value"] == "ops"
            assert client.status("PUT", path, {**wall, "name": "Other"}) == 200
            assert client.get("/api/playlists")[0]["name"] == "Other"
            assert client.status("DELETE", path) == 200
            assert client.status("GET", path) == 404


# The newer API.


def resource(name, spec, **metadata):
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def at(version, name="", namespace="default"):
    path = f"{NEW}/{version}/namespaces/{namespace}/dashboards"
    return f"{path}/{name}" if name else path


def test_the_new_api_says_which_versions_it_serves():
    for version, served in (
        ("12.1.0", {"v0alpha1", "v1beta1", "v2alpha1", "v2beta1"}),
        ("13.0.0", {"v1", "v2"}),
    ):
        with grafana(version) as (_, client):
            said = client.get(NEW)
            assert said["kind"] == "APIGroup" and {each["version"] for each in said["versions"]} == served
            assert client.get("/apis")["groups"][0]["name"] == said["name"] == "dashboard.grafana.app"
            assert client.status("GET", at("v9")) == 404
            assert all(client.status("GET", at(each)) == 200 for each in served)


@pytest.mark.parametrize(("version", "old", "new"), [("12.1.0", "v1beta1", "v2beta1"), ("13.0.0", "v1", "v2")])
def test_a_v2_dashboard_is_whole_only_where_it_is_read_in_v2(version, old, new):
    spec = v2_spec(7)
    with grafana(version) as (double, client):
        assert client.status("POST", at(new), resource("tabs", spec)) == 201
        whole = client.get(at(new, "tabs"))
        assert whole["spec"] == spec and "conversion" not in whole["status"]
        converted = client.get(at(old, "tabs"))
        assert converted["status"]["conversion"] == {"failed": False, "storedVersion": new}
        legacy = client.get("/api/dashboards/uid/tabs")["dashboard"]
        for lost in (converted["spec"], legacy):
            assert "layout" not in lost and "TabsLayout" not in json.dumps(lost)
            assert [each["title"] for each in lost["panels"]] == ["Jobs 1", "Jobs 2"]
        assert double.org().dashboards["tabs"].stored == new


def test_to_write_a_converted_copy_over_a_v2_dashboard_destroys_it():
    with grafana("12.1.0") as (double, client):
        double.add_v2_dashboard(v2_spec(7), uid="tabs")
        copy = client.get(at("v1beta1", "tabs"))
        assert client.status("PUT", at("v1beta1", "tabs"), copy) == 200
        now = client.get(at("v2beta1", "tabs"))
        assert now["status"]["conversion"]["storedVersion"] == "v1beta1"
        assert now["spec"]["layout"]["kind"] == "GridLayout" != v2_spec(7)["layout"]["kind"]


def test_the_legacy_api_refuses_what_is_in_the_v2_format():
    with grafana("13.0.0") as (double, client):
        double.add_v2_dashboard(v2_spec(7), uid="tabs")
        status, message = client.said("POST", "/api/dashboards/db", {"dashboard": {**v2_spec(7), "uid": "tabs"}})
        assert status == 400 and message.startswith("dashboard appears to be in v2 format")
        assert client.get(at("v2", "tabs"))["spec"] == v2_spec(7)


def test_some_12_refuse_to_convert_for_the_legacy_api():
    with grafana("12.0.0", refuses_v2=True) as (double, client):
        double.add_v2_dashboard(v2_spec(7), uid="tabs")
        double.add_dashboard(uid="classic")
        status, message = client.said("GET", "/api/dashboards/uid/tabs")
        assert status == 406 and "/v2beta1/namespaces/default/dashboards/tabs instead" in message
        assert client.status("GET", "/api/dashboards/uid/classic") == 200


def test_an_update_needs_the_version_of_the_resource_that_it_replaces():
    with grafana("12.1.0") as (_, client):
        assert client.status("POST", at("v1beta1"), resource("x", {"title": "One"})) == 201
        assert client.ask("POST", at("v1beta1"), resource("x", {"title": "One"})).json()["reason"] == "AlreadyExists"
        first = client.get(at("v1beta1", "x"))
        first["spec"]["title"] = "Two"
        assert client.status("PUT", at("v1beta1", "x"), first) == 200
        first["spec"]["title"] = "Three"
        conflict = client.ask("PUT", at("v1beta1", "x"), first)
        assert conflict.status_code == 409 and conflict.json()["reason"] == "Conflict"
        assert client.status("PUT", at("v1beta1", "x"), resource("x", {"title": "Three"})) == 422
        now = client.get(at("v1beta1", "x"))
        assert (now["spec"]["title"], now["metadata"]["generation"]) == ("Two", 2)
        assert client.status("DELETE", at("v1beta1", "x")) == 200
        assert client.ask("GET", at("v1beta1", "x")).json()["reason"] == "NotFound"


def test_the_folder_of_a_resource_stands_in_its_annotations():
    with grafana("12.1.0") as (double, client):
        double.add_folder("A", uid="a")
        note = {"annotations": {"grafana.app/folder": "a", "grafana.app/message": "restored"}}
        assert client.status("POST", at("v1beta1"), resource("x", {"title": "X"}, **note)) == 201
        assert client.get("/api/dashboards/uid/x")["meta"]["folderUid"] == "a"
        assert client.get(at("v1beta1", "x"))["metadata"]["annotations"]["grafana.app/folder"] == "a"
        assert client.get("/api/dashboards/uid/x/versions")["versions"][0]["message"] == "restored"
        note["annotations"]["grafana.app/folder"] = "nope"
        assert client.status("POST", at("v1beta1"), resource("y", {"title": "Y"}, **note)) == 404


def pages(client, query=""):
    found, token = [], ""
    while True:
        said = client.get(f"{at('v1beta1')}?continue={token}{query}")
        found.append([each["metadata"]["name"] for each in said["items"]])
        token = said["metadata"].get("continue", "")
        if not token:
            return found


def test_a_list_of_the_new_api_ends_its_pages_at_the_limit_and_by_their_size():
    with grafana("12.1.0", page_bytes=100_000) as (double, client):
        double.fill(30, 20)
        by_size = pages(client)
        assert len(by_size) >= 10 and max(len(page) for page in by_size) <= 4
        by_limit = pages(client, "&limit=2")
        assert [len(page) for page in by_limit] == [2] * 15
        every = [f"dash-{number:05d}" for number in range(30)]
        assert [name for page in by_size for name in page] == [name for page in by_limit for name in page] == every


def test_a_namespace_is_that_of_an_organisation():
    with grafana("12.1.0") as (double, client):
        second = double.add_org("Second")
        double.add_dashboard(uid="x", title="Of the second", org=second)
        double.add_token("glsa_second", role="Editor", org=second)
        with Client(client, "glsa_second") as other:
            assert other.get(at("v1beta1", "x", "org-2"))["spec"]["title"] == "Of the second"
            assert other.status("GET", at("v1beta1", "x")) == 403
        assert client.status("GET", at("v1beta1", "x", "org-2")) == 403


# What goes wrong.


@pytest.mark.parametrize("status", [403, 404, 500])
def test_one_dashboard_can_fail_while_all_others_answer(status):
    with grafana("12.1.0") as (double, client):
        double.add_dashboard(uid="x")
        double.add_dashboard(uid="y", title="Y")
        double.faults.fail(status, "as it was told", uid="x")
        assert client.said("GET", "/api/dashboards/uid/x") == (status, "as it was told")
        assert client.said("GET", at("v1beta1", "x")) == (status, "as it was told")
        assert client.save({"uid": "x", "title": "X"}, overwrite=True).status_code == status
        assert client.save({"uid": "y", "title": "Y"}, overwrite=True).status_code == 200
        assert client.status("GET", "/api/dashboards/uid/y") == 200
        double.faults.heal()
        assert client.status("GET", "/api/dashboards/uid/x") == 200
        assert double.org().dashboards["x"].version == 1


def test_too_many_requests_are_refused_so_often_as_was_said():
    with grafana() as (double, client):
        double.faults.limit(2, retry_after=7)
        refused = [client.ask("GET", "/api/search") for _ in range(3)]
        assert [each.status_code for each in refused] == [429, 429, 200]
        assert [each.headers.get("Retry-After") for each in refused] == ["7", "7", None]


def test_a_dashboard_can_stay_silent_until_the_client_gives_up():
    with grafana() as (double, client):
        double.add_dashboard(uid="x")
        double.faults.hang(uid="x", times=1)
        with pytest.raises(requests.ReadTimeout):
            client.ask("GET", "/api/dashboards/uid/x", timeout=0.2)
        assert client.status("GET", "/api/dashboards/uid/x") == 200


def test_an_answer_can_be_late_or_come_in_drips_while_others_are_served():
    with grafana() as (double, client):
        double.add_dashboard(uid="x")
        double.faults.slow(0.4, uid="x", times=1)
        double.faults.drip(0.4, uid="x", times=1, after=1)
        for _ in ("late", "in drips"):
            took = {}

            def slowly(took=took):
                began = time.monotonic()
                took["status"] = requests.get(
                    f"{client.url}/api/dashboards/uid/x", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=5
                ).status_code
                took["seconds"] = time.monotonic() - began

            asking = threading.Thread(target=slowly)
            asking.start()
            assert client.status("GET", "/api/search") == 200
            assert asking.is_alive()
            asking.join(5)
            assert took["status"] == 200 and took["seconds"] >= 0.35
        assert double.faults.active == []


def test_an_answer_can_break_off_in_its_middle():
    with grafana() as (double, client):
        double.add_dashboard(uid="x")
        double.faults.cut(uid="x", times=1)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            client.ask("GET", "/api/dashboards/uid/x")
        assert client.status("GET", "/api/dashboards/uid/x") == 200


def test_a_proxy_can_answer_with_a_page_of_its_own_or_send_the_client_elsewhere():
    with grafana() as (double, client):
        double.faults.proxy_page(502, times=1)
        double.faults.proxy_page(200, b"<html>Sign in</html>", times=1)
        double.faults.redirect("https://login.example.org/", times=1)
        page, login, redirect = (client.ask("GET", "/api/search") for _ in range(3))
        assert (page.status_code, page.headers["Content-Type"]) == (502, "text/html; charset=UTF-8")
        assert (login.status_code, login.text) == (200, "<html>Sign in</html>")
        assert (redirect.status_code, redirect.headers["Location"]) == (302, "https://login.example.org/")
        assert client.get("/api/search") == []


def test_a_dashboard_can_come_or_go_between_two_listings():
    with grafana() as (double, client):
        double.add_dashboard(uid="a", title="A")
        double.faults.before(lambda: double.add_dashboard(uid="b", title="B"), path="/api/search", after=1)
        double.faults.before(lambda: double.remove_dashboard("a"), path="/api/search", after=2)
        assert [uids(client.get("/api/search")) for _ in range(3)] == [["a"], ["a", "b"], ["b"]]


@pytest.mark.parametrize("lost", [False, True])
def test_a_server_can_die_at_a_write_and_come_back_with_what_was_written(lost):
    with serving() as server, Client(server) as client:
        double = server.double
        double.faults.die(2, lost_answer=lost)
        assert client.save({"uid": "a", "title": "A"}).status_code == 200
        assert client.get("/api/search")
        assert client.save({"uid": "b", "title": "B"}).status_code == 200
        with pytest.raises(requests.ConnectionError):
            client.save({"uid": "c", "title": "C"})
        with pytest.raises(requests.ConnectionError):
            client.get("/api/search")
        assert ("c" in double.org().dashboards) is lost
        server.listen()
        assert uids(client.get("/api/search")) == (["a", "b", "c"] if lost else ["a", "b"])
        assert client.save({"uid": "d", "title": "D"}).status_code == 200


def test_a_double_that_died_answers_nothing_more_to_whoever_is_still_connected():
    double, headers = Double(), {"authorization": f"Bearer {TOKEN}"}
    double.faults.die(0)
    assert double.answer("GET", "/api/search", headers).status == 200
    assert double.answer("POST", "/api/folders", headers, b'{"title": "A"}').dies
    assert double.answer("GET", "/api/search", headers).dies
    assert double.org().folders == {}
    double.faults.heal()
    assert double.answer("GET", "/api/search", headers).status == 200


def test_a_server_that_refuses_takes_no_connection_until_it_listens_again():
    with serving() as server, Client(server) as client:
        assert client.get("/api/search") == []
        server.refuse()
        with pytest.raises(requests.ConnectionError):
            client.get("/api/search")
        server.listen()
        assert client.get("/api/search") == []


# The server and its log.


def test_the_log_has_every_request_in_order_and_what_was_written():
    with grafana() as (double, client):
        client.save({"uid": "x", "title": "X"})
        client.ask("GET", "/api/dashboards/uid/x")
        client.ask("GET", "/api/dashboards/uid/x")
        client.ask("DELETE", "/api/dashboards/uid/nope")
        seen = [(each.method, each.path, each.status) for each in double.calls]
        assert seen == [
            ("POST", "/api/dashboards/db", 200),
            ("GET", "/api/dashboards/uid/x", 200),
            ("GET", "/api/dashboards/uid/x", 200),
            ("DELETE", "/api/dashboards/uid/nope", 404),
        ]
        assert double.count("GET", "/api/dashboards") == 2 and double.count() == 4
        assert [each.json for each in double.writes] == [{"dashboard": {"uid": "x", "title": "X"}}, None]
        double.wipe()
        assert double.calls == []


def test_an_answer_that_was_kept_is_not_given_again_after_a_change():
    with grafana() as (double, client):
        path = "/api/dashboards/uid/x"
        double.add_dashboard(uid="x", title="One")
        assert [client.get(path)["dashboard"]["title"] for _ in range(3)] == ["One"] * 3
        double.add_dashboard(uid="x", title="Two")
        assert client.get(path)["dashboard"]["title"] == "Two"
        client.save({"uid": "x", "title": "Three"}, overwrite=True)
        assert client.get(path)["dashboard"]["title"] == "Three"
        double.faults.fail(500, path=path, times=1)
        assert client.status("GET", path) == 500
        assert double.count("GET", path) == 6


def test_all_requests_of_a_client_go_over_one_connection():
    with serving() as server, Client(server) as client:
        for _ in range(5):
            client.get("/api/search")
            client.save({"uid": "x", "title": "X"}, overwrite=True)
        assert len(server.talks) == 1


def test_a_grafana_below_a_path_of_a_proxy_has_nothing_beside_it():
    with serving("9.4.0", prefix="/grafana") as server, Client(server) as client:
        server.double.add_dashboard(uid="x", title="X")
        assert client.url.endswith("/grafana")
        assert client.get("/api/search")[0]["url"] == "/grafana/d/x/x"
        client.url = client.url.removesuffix("/grafana")
        assert client.status("GET", "/api/search") == 404


def test_it_is_filled_with_the_same_dashboards_of_the_size_that_they_have_in_life():
    first, second = Double("9.4.0"), Double("9.4.0")
    for double in (first, second):
        double.fill(40, 20)
    assert first.org().dashboards == second.org().dashboards
    sizes = [len(each.data) for each in first.org().dashboards.values()]
    assert min(sizes) > 30_000 and max(sizes) < 50_000
    assert len({each.data for each in first.org().dashboards.values()}) == 40
    assert len(json.loads(first.org().dashboards["dash-00007"].data)["panels"]) == 20


def test_12345_dashboards_are_there_in_a_moment():
    double = Double("11.4.0")
    began = time.process_time()
    double.fill(12_345, 1)
    assert time.process_time() - began < 2
    assert len(double.org().dashboards) == 12_345


def test_it_runs_as_a_process_of_its_own_until_it_is_told_to_end():
    command = [
        sys.executable,
        "-m",
        "tests.grafana.server",
        "--version",
        "6.5.1",
        "--dashboards",
        "25",
        "--panels",
        "2",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(process.stdout.readline())
        headers = {"Authorization": f"Bearer {said['token']}"}
        url = f"http://127.0.0.1:{said['port']}"
        assert requests.get(f"{url}/api/health", timeout=5).json()["version"] == "6.5.1"
        assert len(requests.get(f"{url}/api/search?type=dash-db", headers=headers, timeout=5).json()) == 25
        assert said["pid"] == process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()


def test_as_a_process_it_can_be_told_to_die_at_a_write():
    command = [sys.executable, "-m", "tests.grafana.server", "--die-after-writes", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(process.stdout.readline())
        who, url = (said["user"], said["password"]), f"{said['url']}/api/folders"
        assert requests.post(url, json={"title": "A"}, auth=who, timeout=5).status_code == 200
        with pytest.raises(requests.ConnectionError):
            requests.post(url, json={"title": "B"}, auth=who, timeout=5)
        with pytest.raises(requests.ConnectionError):
            requests.get(url, auth=who, timeout=5)
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


# The project's own source.


@pytest.mark.parametrize("version", ["9.4.0", "11.4.0", "12.1.0"])
def test_the_source_of_dashboards_finds_all_that_is_there(version):
    with serving(version) as server:
        double = server.double
        double.fill(7, 1)
        double.add_folder("A", uid="a")
        double.add_alert_rule(rule())
        double.add_library_panel("Lib", {"type": "text", "title": "only in the library"}, uid="lib")
        with Grafana(connection(server.url, name="Grafana", token=TOKEN)) as source:
            facts = source.facts(Deadline(10))
            texts = list(source.texts(Deadline(10)))
        assert facts.version == version and facts.sources == ()
        assert sum('"uid":"dash-' in text for text in texts) == 7
        assert any("only in the library" in text for text in texts) and any("1 == 1" in text for text in texts)
