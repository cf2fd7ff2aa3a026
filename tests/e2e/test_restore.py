"""`opsjobs dashboards restore`, `diff`, `drill` and `pack` as people use them: real processes against a Grafana."""

import json
import os
import pty
import random
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import orjson
import pytest

from tests.contract.test_restore import SECRET, serving, stock
from tests.grafana.double import TOKEN

STAGING = "glsa_canary_of_staging"
SECRETS = (TOKEN, SECRET, STAGING)


class Place:
    """A folder with an opsjobs.yml that knows one Grafana, or two."""

    def __init__(self, folder, url, staging=""):
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        more = f"    grafanas: {{staging: {{url: '{staging}', token_file: staging}}}}\n" if staging else ""
        (folder / "opsjobs.yml").write_text(
            "systems:\n  shop:\n    profile: pratikoai\n"
            f"    grafana: {{url: '{url}', token_file: token, timeout: 10}}\n"
            f"{more}storage: {{root: state}}\n"
        )
        (folder / "token").write_text(TOKEN)
        (folder / "staging").write_text(STAGING)

    def command(self, *words):
        return {"args": [sys.executable, "-m", "opsjobs", *words], "cwd": self.folder, "env": self.environment}

    def run(self, *words, **known):
        done = subprocess.run(
            **self.command("dashboards", *words),
            **{"stdin": subprocess.DEVNULL, **known},
            capture_output=True,
            timeout=120,
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        for secret in SECRETS:
            assert secret not in done.stdout + done.stderr
        assert "has a fault" not in done.stderr, done.stderr
        return done

    def backup(self):
        done = self.run("backup", "--json")
        assert done.returncode == 0, done.stdout
        # Backups are named by the second.
        time.sleep(1.05)
        return json.loads(done.stdout)["backups"][0]["id"]

    def write(self, name, document):
        content = document if isinstance(document, bytes) else orjson.dumps(document)
        (self.folder / name).write_bytes(content)
        return name


@contextmanager
def opened(folder, version="9.4.0", **known):
    with serving(version, **known) as server:
        yield server, Place(folder, server.url)


@pytest.fixture
def place(tmp_path):
    """A stocked Grafana 9.4, backed up."""
    with opened(tmp_path) as (server, found):
        stock(server.double)
        found.backup()
        server.double.wipe()
        found.server, found.double = server, server.double
        yield found


def board(uid="new", title="New", **more):
    return {"uid": uid, "title": title, "panels": [], **more}


def broken(double):
    return double.add_dashboard({"panels": []}, uid="overview", title="Overview", folder="platform")


# What is asked, and what is said.


def test_a_dry_run_and_a_no_write_nothing(place):
    broken(place.double)
    dry = place.run("restore", "--dry-run")
    assert dry.returncode == 0 and "~ overwrite dashboard Overview (overview)" in dry.stdout
    assert place.run("restore", stdin=None, input=b"n\n").returncode == 130
    assert place.double.writes == []
    said = place.run("restore", stdin=None, input=b"y\n")
    assert said.returncode == 0 and "Change 1 object in shop, grafana?" in said.stderr
    assert "1 of 1 done and read back as they were kept" in said.stdout
    assert len(place.double.writes) == 1


def test_without_a_terminal_and_without_yes_nothing_is_written(place):
    broken(place.double)
    done = place.run("restore")
    assert done.returncode == 64 and place.double.writes == []
    assert "Change 1 object " in done.stderr and "Give --yes" in done.stderr


def test_what_was_there_before_comes_back_by_the_name_that_is_printed(place):
    broken(place.double)
    done = place.run("restore", "--yes")
    assert done.returncode == 0
    name = done.stdout.split("opsjobs dashboards restore ")[1].split()[0]
    assert name.endswith("-before")
    back = place.run("restore", name, "--yes")
    assert back.returncode == 0, back.stdout
    assert json.loads(place.double.org().dashboards["overview"].data)["panels"] == []
    assert name in place.run("list").stdout


def test_json_says_the_plan_and_what_became_of_it(place):
    refused = place.run("restore", "--json")
    assert refused.returncode == 64 and "--json cannot ask" in refused.stderr and place.double.writes == []
    broken(place.double)
    dry = json.loads(place.run("restore", "--json", "--dry-run").stdout)
    (over,) = [each for each in dry["plan"] if each["action"] == "overwrite"]
    assert over["uid"] == "overview" and over["differences"] and not over["done"] and dry["saved"] is None
    made = json.loads(place.run("restore", "--json", "--yes").stdout)
    (over,) = [each for each in made["plan"] if each["action"] == "overwrite"]
    assert over["done"] and over["error"] is None and made["saved"].endswith("-before")


def test_a_second_restore_has_nothing_to_do_and_the_diff_tells_only_of_secrets(place):
    place.double.clear()
    first = place.run("restore", "--yes")
    assert first.returncode == 0 and "enter again in Grafana: data source Prometheus: httpHeaderValue1" in first.stdout
    assert "contact point ops: password" in first.stdout.replace("url, ", "").replace(", url", "")
    place.double.wipe()
    second = place.run("restore", "--yes")
    assert second.returncode == 0 and place.double.writes == []
    assert " unchanged" in second.stdout and "create" not in second.stdout
    diff = place.run("diff", "--json")
    assert diff.returncode == 1
    assert {each["kind"] for each in json.loads(diff.stdout)["changes"]} == {"data-source"}


def test_a_server_that_dies_is_told_of_and_the_next_restore_goes_on(place):
    for writes, lost in ((0, False), (2, True), (5, False)):
        place.double.clear()
        place.double.faults.die(writes, lost_answer=lost)
        first = place.run("restore", "--yes")
        assert first.returncode == 1 and "CRITICAL" in first.stdout
        assert "cannot be reached" in first.stdout and "Run it again when the cause is gone" in first.stdout
        place.server.listen()
        place.double.faults.heal()
        assert place.run("restore", "--yes").returncode == 0
        assert place.run("restore", "--dry-run").stdout.count("create") == 0


@pytest.mark.parametrize("version", ["9.4.0", "13.0.0"])
def test_killed_at_any_moment_it_is_simply_run_again(version, tmp_path):
    with opened(tmp_path, version) as (server, place):
        server.double.fill(60, 2, folders=4)
        place.backup()
        dice = random.Random(3)  # noqa: S311 - which moments are tried, the same ones each time
        for _ in range(4):
            server.double.clear()
            server.double.wipe()
            after = dice.randrange(64)
            with subprocess.Popen(
                **place.command("dashboards", "restore", "--yes"), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
            ) as killed:
                deadline = time.monotonic() + 30
                while len(server.double.writes) < after and killed.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.001)
                killed.kill()
            done = place.run("restore", "--yes")
            assert done.returncode == 0, done.stdout
            found = place.run("diff")
            assert found.returncode == 0 and "nothing is different" in found.stdout
            assert len(server.double.org().dashboards) == 60


def test_two_restores_do_not_run_at_once(place):
    place.double.clear()
    place.double.faults.slow(8, method="POST", times=1)
    with subprocess.Popen(**place.command("dashboards", "restore", "--yes"), stdout=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 30
        while not place.double.writes and time.monotonic() < deadline:
            time.sleep(0.01)
        assert place.run("restore", "--yes").returncode == 75
        assert place.run("restore", "--dry-run").returncode == 0, "to look is always allowed"
        assert first.wait(60) == 0


# Parts, and files.


def test_one_object_or_one_folder_comes_alone(place):
    place.double.clear()
    place.double.add_data_source("Prometheus", uid="prom")
    assert place.run("restore", "--uid", "overview", "--yes").returncode == 0
    assert set(place.double.org().dashboards) == {"overview"} and set(place.double.org().folders) == {"platform"}
    wrong = place.run("restore", "--uid", "overwiew", "--yes")
    assert wrong.returncode == 64 and "did you mean 'overview'?" in wrong.stderr
    assert place.run("restore", "--folder", "sub", "--yes").returncode == 0
    assert set(place.double.org().dashboards) == {"overview", "inner-board"}
    assert place.run("restore", "--folder", "nope", "--dry-run").returncode == 64
    both = place.run("restore", "--uid", "overview", "--prune", "--dry-run")
    assert both.returncode == 64


def test_prune_removes_what_is_not_kept_after_keeping_it(place):
    double = place.double
    double.add_dashboard({"panels": [{"id": 1, "title": "precious"}]}, uid="stray", title="Stray")
    double.add_data_source("Other", uid="other")
    dry = place.run("restore", "--prune", "--dry-run")
    assert "- remove    dashboard Stray (stray)" in dry.stdout and "Other" not in dry.stdout and double.writes == []
    done = place.run("restore", "--prune", "--yes")
    assert done.returncode == 0 and "stray" not in double.org().dashboards
    name = done.stdout.split("opsjobs dashboards restore ")[1].split()[0]
    assert place.run("restore", name, "--yes").returncode == 0
    assert b"precious" in double.org().dashboards["stray"].data


@pytest.mark.parametrize("shape", ["api", "plain", "resource"])
def test_a_file_is_restored_in_each_shape_that_it_may_have(place, shape):
    content = board(panels=[{"id": 1, "title": "x"}])
    document = {
        "api": {"meta": {"folderUid": "platform", "version": 3}, "dashboard": {**content, "id": 77, "version": 3}},
        "plain": {**content, "id": 77},
        "resource": {
            "apiVersion": "dashboard.grafana.app/v1beta1",
            "kind": "Dashboard",
            "metadata": {"name": "new", "annotations": {"grafana.app/folder": "platform"}},
            "spec": {key: value for key, value in content.items() if key != "uid"},
        },
    }[shape]
    name = place.write("a.json", document)
    done = place.run("restore", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    made = place.double.org().dashboards["new"]
    assert made.folder == ("" if shape == "plain" else "platform") and b'"title":"x"' in made.data
    assert place.run("restore", name, "--yes", "--into", "sub").returncode == 0
    assert place.double.org().dashboards["new"].folder == "sub"
    place.double.wipe()
    if shape == "plain":
        assert place.run("restore", name, "--yes").returncode == 0 and place.double.writes == []


def test_a_file_of_an_exported_tree_is_restored_where_its_dashboard_is(place):
    assert place.run("backup", "--export", "tree").returncode == 0
    (path,) = (place.folder / "tree").rglob("*overview.json")
    broken(place.double)
    place.double.wipe()
    done = place.run("restore", str(path), "--yes")
    assert done.returncode == 0, done.stdout
    assert place.double.org().dashboards["overview"].folder == "platform"
    assert place.run("diff").returncode == 0


def exported(*plugins, **more):
    return {
        "__inputs": [
            {"name": f"DS_{each.upper()}", "label": each, "type": "datasource", "pluginId": each} for each in plugins
        ]
        + [{"name": "VAR_HOST", "type": "constant", "value": "db-1"}],
        "__requires": [{"type": "grafana", "version": "9.4.0"}],
        "__elements": {
            "lib": {
                "uid": "lib",
                "name": "Lib",
                "kind": 1,
                "model": {"type": "stat", "datasource": {"uid": f"${{DS_{plugins[0].upper()}}}"}},
            }
        },
        "id": None,
        "title": "Exported",
        "panels": [
            {
                "id": 1,
                "title": "${VAR_HOST}",
                "datasource": {"type": plugins[0], "uid": f"${{DS_{plugins[0].upper()}}}"},
            },
            {"id": 2, "libraryPanel": {"uid": "lib", "name": "Lib"}},
        ],
        **more,
    }


def test_an_export_is_filled_by_the_only_data_source_that_fits(place):
    name = place.write("a.json", exported("prometheus"))
    done = place.run("restore", name, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "note: the file names no uid" in done.stdout
    (made,) = [each for each in place.double.org().dashboards.values() if each.title == "Exported"]
    model = json.loads(made.data)
    assert model["panels"][0]["datasource"]["uid"] == "prom" and model["panels"][0]["title"] == "db-1"
    assert not [key for key in model if key.startswith("__")]
    assert place.double.org().panels["lib"]["model"]["datasource"] == {"uid": "prom"}
    place.double.wipe()
    assert place.run("restore", name, "--yes").returncode == 0 and place.double.writes == [], "it is the same one"


def test_where_several_data_sources_fit_or_none_somebody_has_to_say_which(place):
    place.double.add_data_source("Second", uid="second")
    name = place.write("a.json", exported("prometheus"))
    several = place.run("restore", name, "--yes")
    assert several.returncode == 64 and "there are prom, second" in several.stderr
    assert "--datasource DS_PROMETHEUS=UID" in several.stderr
    none = place.run("restore", place.write("b.json", exported("loki")), "--yes")
    assert none.returncode == 64 and "there is none of the kind loki" in none.stderr
    wrong = place.run("restore", name, "--yes", "--datasource", "DS_PROMETHEUS=third")
    assert wrong.returncode == 64 and "There is prom, second" in wrong.stderr
    assert place.double.writes == []
    assert place.run("restore", name, "--yes", "--datasource", "DS_PROMETHEUS=Second").returncode == 0
    (made,) = [each for each in place.double.org().dashboards.values() if each.title == "Exported"]
    assert json.loads(made.data)["panels"][0]["datasource"]["uid"] == "second"


def on_a_terminal(place, *words, answers):
    """What a command says on a terminal, when somebody answers its questions."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        **place.command("dashboards", *words), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        said, waiting = b"", list(answers)
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
            if waiting and waiting[0][0].encode() in said:
                os.write(master, waiting.pop(0)[1].encode())
        code = process.wait(60)
    os.close(master)
    return code, said.decode(errors="replace")


def test_on_a_terminal_it_is_asked_which_data_source_is_meant(place):
    place.double.add_data_source("Second", uid="second")
    name = place.write("a.json", exported("prometheus"))
    asked = (("Which data source is prometheus", "second\n"), ("Change 2 objects", "y\n"))
    code, said = on_a_terminal(place, "restore", name, answers=asked)
    assert code == 0, said
    assert place.double.org().panels["lib"]["model"]["datasource"] == {"uid": "second"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
        (b"[1, 2]", "holds no dashboard"),
        (b'"text"', "holds no dashboard"),
        (b"{}", "has no title, or no panels"),
        (b'{"title": "A"}', "has no title, or no panels"),
        (b'{"panels": []}', "has no title, or no panels"),
        (b'{"title": 7, "panels": []}', "has no title, or no panels"),
        (b'{"apiVersion": "dashboard.grafana.app/v1", "spec": {}}', "without metadata.name or spec"),
        (b'{"title": "A", "panels": [], "uid": "a", "x": "' + b"x" * (65 << 20) + b'"}', "65 MB"),
    ],
    ids=["empty", "no text", "list", "string", "object", "no panels", "no title", "numeric title", "no name", "65 MB"],
)
def test_what_is_no_dashboard_is_told_in_words(place, content, said):
    done = place.run("restore", place.write("a.json", content), "--yes")
    assert done.returncode == 1 and said in done.stderr and place.double.writes == []


def test_what_is_not_there_is_told_in_words(place):
    missing = place.run("restore", "nothing.json", "--yes")
    assert missing.returncode == 64 and "there is no file nothing.json" in missing.stderr
    assert "no backup is called '2019-01-01'" in place.run("restore", "2019-01-01", "--yes").stderr
    into = place.run("restore", "latest", "--into", "platform", "--yes")
    assert into.returncode == 64 and "--into goes with a file" in into.stderr
    assert place.run("restore", "--datasource", "prom", "--yes").returncode == 64
    assert place.double.writes == []


# Another Grafana.


@pytest.fixture
def pair(tmp_path):
    """Two of them: the first is backed up, the other has a data source of its own."""
    with serving("9.4.0") as main, serving("9.4.0") as staging:
        staging.double.add_token(STAGING, role="Admin")
        main.double.add_data_source("Main", uid="prom-main")
        panels = [{"id": 1, "title": "x", "datasource": {"type": "prometheus", "uid": "prom-main"}}]
        main.double.add_folder("Platform", uid="platform")
        main.double.add_dashboard({"panels": panels}, uid="a", title="A", folder="platform")
        staging.double.add_data_source("Theirs", uid="prom-staging")
        place = Place(tmp_path, main.url, staging.url)
        # Of the other one nobody has made a dashboard yet.
        assert place.run("backup", "--fewer-expected").returncode == 0
        for each in (main, staging):
            each.double.wipe()
        yield place, main.double, staging.double


def test_one_grafana_is_restored_to_another_asking_its_data_sources(pair):
    place, main, staging = pair
    words = ("restore", "--target", "staging", "--from", "grafana", "--uid", "a")
    lost = place.run(*words, "--yes")
    assert lost.returncode == 3 and "--datasource prom-main=UID" in lost.stdout
    assert "a" not in staging.org().dashboards
    done = place.run(*words, "--yes", "--datasource", "prom-main=Theirs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(staging.org().dashboards["a"].data)["panels"][0]["datasource"]["uid"] == "prom-staging"
    assert staging.org().dashboards["a"].folder == "platform"
    assert len(staging.org().sources) == 1 and main.writes == []
    wrong = place.run("restore", "--target", "staging", "--from", "stagin", "--dry-run")
    assert wrong.returncode == 64 and "did you mean 'staging'?" in wrong.stderr


def test_two_grafanas_are_compared_in_both_orders(pair):
    place, *_ = pair
    there = json.loads(place.run("diff", "live", "staging:live", "--json").stdout)
    back = json.loads(place.run("diff", "staging:live", "live", "--json").stdout)
    assert (there["before"], there["after"]) == ("grafana live", "staging live")
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(each["kind"], each["uid"], turned[each["change"]]) for each in there["changes"]} == {
        (each["kind"], each["uid"], each["change"]) for each in back["changes"]
    }
    assert ("dashboard", "a", "removed") in {(each["kind"], each["uid"], each["change"]) for each in there["changes"]}


# Differences.


def test_a_difference_says_what_who_and_when(place):
    content = {"panels": [{"id": 1, "title": "New panel"}]}
    place.double.add_dashboard(content, uid="at-root", title="Überblick ☂ / 総覧", message="by mistake")
    done = place.run("diff")
    assert done.returncode == 1
    assert "~ dashboard Überblick ☂ / 総覧 (at-root), saved by admin" in done.stdout
    assert "panel 'New panel'" in done.stdout and ": by mistake" in done.stdout
    other = place.run("diff", "live", "latest")
    assert other.returncode == 1 and "grafana live → grafana 20" in other.stdout


def test_nothing_different_is_0_and_a_side_that_is_not_whole_is_3(place):
    assert place.run("diff").returncode == 0
    place.double.faults.fail(500, uid="overview", method="GET")
    done = place.run("diff")
    assert done.returncode == 3 and "grafana live is incomplete" in done.stdout
    assert "nothing is different" not in done.stdout


def test_the_page_of_a_difference_runs_nothing_that_a_title_says(place):
    hostile = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    place.double.add_dashboard({"panels": [{"id": 1, "title": hostile}]}, uid="at-root", title=hostile)
    done = place.run("diff", "--html", "page.html")
    assert done.returncode == 1
    page = (place.folder / "page.html").read_text()
    assert "&lt;script&gt;alert(1)" in page and "<script>alert(1)" not in page and "<img src=x" not in page
    assert place.run("diff", "--html", "no/such/page.html").returncode == 1
    for secret in SECRETS:
        assert secret not in page


# Drills.


def test_a_drill_is_made_told_and_written_down(place):
    before = (dict(place.double.org().folders), dict(place.double.org().dashboards), set(place.double.org().panels))
    dry = place.run("drill", "--dry-run")
    assert dry.returncode == 0 and "4 objects of " in dry.stdout and place.double.writes == []
    done = place.run("drill")
    assert done.returncode == 0 and "4 objects were restored for trial and came back as they were kept" in done.stdout
    assert (place.double.org().folders, place.double.org().dashboards, set(place.double.org().panels)) == before
    runs = subprocess.run(**place.command("runs", "list", "--json"), capture_output=True, text=True, check=True).stdout
    (run,) = [each for each in json.loads(runs)["runs"] if each["job"] == "drill"]
    assert run["outcome"] == "succeeded"


def test_a_drill_that_loses_something_says_so(place):
    place.double.faults.fail(500, "no room", path="/api/library-elements", method="POST")
    done = place.run("drill")
    assert done.returncode == 1 and "1 objects did not come back" in done.stdout
    assert "library-panel Shared (shared)" in done.stdout
    assert not [uid for uid in place.double.org().dashboards if uid.startswith("opsjobs-drill")]


def test_who_may_not_write_hears_it_and_nothing_changes(place):
    place.double.demote(TOKEN, "Viewer")
    done = place.run("drill")
    assert done.returncode == 1 and "403" in done.stderr
    assert not [uid for uid in place.double.org().folders if uid.startswith("opsjobs-drill")]


# Archives.


def test_a_backup_goes_to_another_machine_in_one_file(place, tmp_path_factory):
    done = place.run("pack", "latest", "all.tar.gz")
    assert done.returncode == 0 and "objects" in done.stdout
    path = place.folder / "all.tar.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    for secret in SECRETS:
        assert secret.encode() not in path.read_bytes()
    assert place.run("pack", "latest", "all.zip").returncode == 64
    with serving("9.4.0") as server:
        other = Place(tmp_path_factory.mktemp("other"), server.url)
        shutil.copy(path, other.folder / "all.tar.gz")
        back = other.run("restore", "all.tar.gz", "--yes")
        assert back.returncode == 0, back.stdout
        assert set(server.double.org().dashboards) == set(place.double.org().dashboards)


# Secrets.


def test_no_secret_is_in_anything_that_is_said_or_kept(place):
    login = "canary-password"
    place.double.add_data_source(
        "Db", uid="db", kind="mysql", url=f"http://admin:{login}@db:3306", jsonData={"token": login}
    )
    place.double.faults.fail(500, f"Authorization: Bearer {TOKEN}", uid="overview", method="POST")
    place.double.org().dashboards.pop("overview")
    words = (("--debug", "dashboards", "restore", "--yes"), ("--debug", "dashboards", "diff", "--html", "page.html"))
    words += (("--debug", "dashboards", "drill"), ("--debug", "dashboards", "restore", "--dry-run", "--json"))
    for each in words:
        done = subprocess.run(**place.command(*each), capture_output=True, stdin=subprocess.DEVNULL)
        said = (done.stdout + done.stderr).decode()
        assert said
        for secret in (*SECRETS, login):
            assert secret not in said
    place.double.faults.heal()
    place.run("backup")
    place.run("pack", "latest", "all.tar.gz")
    kept = [
        path.read_bytes()
        for path in place.folder.rglob("*")
        if path.is_file() and path.name not in {"token", "staging"}
    ]
    assert len(kept) > 20
    for content in kept:
        for secret in (*SECRETS, login):
            assert secret.encode() not in content


# What the command line got wrong.


def test_no_title_speaks_to_the_terminal_or_makes_a_line_of_its_own(place):
    title = "\x1b]52;c;ZXZpbA==\x1b\\\x1b[2J\x1b[8mtitle\n● OK  everything is well"
    place.double.add_dashboard({"panels": []}, uid="overview", title=title, folder="platform")
    place.double.add_dashboard({"panels": []}, uid="stray", title=title)
    for words in (("diff",), ("restore", "--dry-run", "--prune")):
        said = place.run(*words).stdout
        assert "everything is well" in said and "\x1b]" not in said
        assert not any(line.startswith("● OK  everything") for line in said.splitlines())
        _, shown = on_a_terminal(place, *words, answers=())
        for sequence in ("\x1b]", "\x1b[2J", "\x1b[8m"):
            assert sequence not in shown


def test_prune_needs_a_backup_that_holds_everything(place):
    broken(place.double)
    name = place.run("restore", "--yes").stdout.split("opsjobs dashboards restore ")[1].split()[0]
    place.double.wipe()
    refused = place.run("restore", name, "--prune", "--yes")
    assert refused.returncode == 64 and place.double.writes == []


def test_what_goes_with_a_backup_is_refused_for_a_file(place):
    name = place.write("a.json", board())
    for words in (("--uid", "x"), ("--folder", "platform"), ("--prune",), ("--from", "grafana")):
        refused = place.run("restore", name, "--yes", *words)
        assert refused.returncode == 64 and place.double.writes == []


def test_an_expression_needs_no_data_source(place):
    name = place.write("a.json", exported("__expr__", __elements={}, panels=[{"datasource": "${DS___EXPR__}"}]))
    done = place.run("restore", name, "--yes")
    assert done.returncode == 0, done.stderr


def test_a_data_source_that_is_mapped_by_its_name_is_asked_by_uid_and_not_made(pair):
    place, _, staging = pair
    words = ("restore", "--target", "staging", "--from", "grafana", "--yes", "--datasource", "Main=Theirs")
    done = place.run(*words)
    assert done.returncode == 0, done.stdout
    assert json.loads(staging.org().dashboards["a"].data)["panels"][0]["datasource"]["uid"] == "prom-staging"
    assert [each["name"] for each in staging.org().sources.values()] == ["Theirs"]


def test_who_may_save_dashboards_and_not_see_data_sources_restores_a_file(place):
    place.double.faults.fail(403, path="/api/datasources")
    done = place.run("restore", place.write("a.json", board()), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(place.double.writes) == 1
