"""The backup of Grafana by the command line, as real processes: verdicts, exit codes, damage, kills, and no secret."""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsjobs.backup.manifest import Purpose
from opsjobs.backup.shelf import Shelf
from opsjobs.backup.store import Folder
from opsjobs.ledger import lock
from tests.contract.test_backup import CANARY, HOSTILE, furnish, serving
from tests.grafana.double import ADMIN, TOKEN

ROOT = Path(__file__).parents[2]


class Place:
    """A folder with an opsjobs.yml that names Grafanas."""

    def __init__(self, folder, more="", **grafanas):
        self.folder = folder
        (folder / "token").write_text(f"{TOKEN}\n")
        (folder / "password").write_text(f"{ADMIN[1]}\n")
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
        lines = ["systems:", "  pratikoai:", "    prometheus: {url: 'http://127.0.0.1:9', timeout: 2}"]
        lines += ["    visits: false"]
        main = grafanas.pop("main")
        lines.append(f"    grafana: {self.server(main)}")
        if grafanas:
            lines.append("    grafanas:")
            lines += [f"      {name}: {self.server(each)}" for name, each in grafanas.items()]
        text = "\n".join([*lines, more, "storage: {root: state}", ""])
        (folder / "opsjobs.yml").write_text(text)

    def server(self, server):
        if isinstance(server, str):
            return server
        return f"{{url: '{server.url}', token_file: token, timeout: 10}}"

    def command(self, *words):
        return {"args": [sys.executable, "-m", "opsjobs", *words], "cwd": self.folder, "env": self.environment}

    def run(self, *words, **known):
        return subprocess.run(
            **self.command("dashboards", *words), **{"capture_output": True, "text": True, "timeout": 300, **known}
        )

    def json(self, *words):
        done = self.run(*words, "--json")
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    def home(self, target="grafana"):
        return self.folder / "state" / "backups" / "pratikoai" / target

    def shelf(self, target="grafana"):
        return Shelf(Folder(self.home(target)))


@contextmanager
def grafana(folder, version="9.4.0", more=""):
    with serving(version) as server:
        yield Place(folder, more, main=server), server.double


def test_a_backup_is_made_listed_shown_and_verified(tmp_path):
    with grafana(tmp_path) as (place, double):
        there = furnish(double)
        made = place.run("backup")
        assert made.returncode == 0, made.stderr
        assert "● OK  COMPLETE" in made.stdout and "pratikoai, grafana (Main Org., Grafana 9.4.0)" in made.stdout
        assert "2 folders, 2 data sources, 2 library panels, 3 dashboards" in made.stdout
        code, again = place.json("backup")
        runs = subprocess.run(**place.command("runs", "list", "--json"), capture_output=True, text=True)
    assert code == 0 and len(again["backups"]) == 1 and again["failed"] == []
    one = again["backups"][0]
    assert {kind: count["saved"] for kind, count in one["counts"].items()} == there
    assert one["verdict"] == "complete" and one["server"]["version"] == "9.4.0"
    listed = place.run("list")
    assert listed.returncode == 0 and listed.stdout.count(" complete ") == 2
    code, rows = place.json("list")
    assert [each["id"] for each in rows["backups"]] == place.shelf().names()
    shown = place.run("show", "latest", "--kind", "dashboard")
    assert "Inside" in shown.stdout and "in shop" in shown.stdout and "Wall" not in shown.stdout
    verified = place.run("verify")
    assert verified.returncode == 0 and "files read back as they were written" in verified.stdout
    last = json.loads(runs.stdout)["runs"][0]
    assert (last["job"], last["outcome"], last["status"]) == ("backup", "succeeded", "OK")


def test_one_of_12345_that_answers_500_is_named_and_the_older_good_one_stays(tmp_path):
    with grafana(tmp_path) as (place, double):
        double.fill(20, 1, folders=20)
        assert place.run("backup").returncode == 0
        (good,) = place.shelf().names()
        double.clear()
        double.fill(12_345, 1, folders=20)
        double.faults.fail(500, "database is locked", uid="dash-06000")
        began = time.monotonic()
        made = place.run("backup")
        took = time.monotonic() - began
    assert made.returncode == 3, made.stderr
    assert "INCOMPLETE" in made.stdout and "12344 dashboards" in made.stdout
    lost = [line for line in made.stdout.splitlines() if "not saved" in line]
    assert len(lost) == 1 and "dash-06000" in lost[0] and "database is locked" in lost[0]
    newest = place.shelf().latest(good=False)
    count = newest.counts["dashboard"]
    assert (count.listed, count.saved, count.failed) == (12_345, 12_344, 1) and newest.id != good
    assert {each.uid for each in newest.failures} == {"dash-06000"} and len(newest.of("dashboard")) == 12_344
    assert place.shelf().latest().id == good
    pruned = place.run("prune", "--yes")
    assert pruned.returncode == 0 and set(place.shelf().names()) == {good, newest.id}
    assert place.shelf().verify(place.shelf().latest().entries) == []
    assert took < 200


MEASURED = """
import resource, subprocess, sys
ended = subprocess.run([sys.executable, "-m", "opsjobs", "dashboards", "backup"], stdout=subprocess.DEVNULL)
print(ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def test_the_memory_that_it_takes_does_not_grow_with_what_there_is(tmp_path):
    peaks = {}
    for count in (200, 2000):
        with serving() as server:
            server.double.fill(count, 20)
            (tmp_path / str(count)).mkdir()
            place = Place(tmp_path / str(count), main=server)
            # Between this process and the backup is a small one: what a process is started from counts as its own.
            known = {**place.command(), "args": [sys.executable, "-c", MEASURED]}
            done = subprocess.run(**known, capture_output=True, text=True, timeout=300)
        code, peaks[count] = map(int, done.stdout.split())
        assert code == 0, done.stderr
        assert place.shelf().latest().counts["dashboard"].saved == count
    # 2,000 dashboards of 45 kB are 90 MB.
    assert peaks[2000] < 200 and peaks[2000] - peaks[200] < 45, peaks


# What is not whole.


def test_a_token_that_lost_rights_shrinks_the_backup_and_the_earlier_one_stays(tmp_path):
    with grafana(tmp_path) as (place, double):
        double.fill(40, 1, folders=4)
        assert place.run("backup").returncode == 0
        (good,) = place.shelf().names()
        double.restrict(TOKEN, {"", "folder-000"})
        shrunk = place.run("backup")
        assert shrunk.returncode == 1 and "CRITICAL  SHRUNK" in shrunk.stdout
        assert f"dashboards where the backup of {good} has 40" in shrunk.stdout and "--fewer-expected" in shrunk.stdout
        assert place.shelf().latest().id == good
        double.restrict(TOKEN, ())
        double.clear()
        # The tree of policies is there always: of this version nobody sees nothing.
        double.faults.fail(403, path="/api/v1/provisioning")
        empty = place.run("backup")
        assert empty.returncode == 1 and "CRITICAL  EMPTY" in empty.stdout and "rights of the token" in empty.stdout
        assert place.run("backup", "--fewer-expected").returncode == 1
        assert place.shelf().latest().id == good
        double.faults.heal()
        double.restrict(TOKEN, None)
        double.fill(5, 1, folders=1)
        assert place.run("backup").returncode == 1
        assert place.run("backup", "--fewer-expected").returncode == 0
        assert place.run("backup").returncode == 0
    assert place.shelf().latest().id == place.shelf().names()[0]
    assert place.run("verify", place.shelf().names()[-2]).returncode == 3, "it was never complete"


def test_what_cannot_be_asked_is_told_in_words_with_advice_and_leaves_no_backup(tmp_path):
    with serving() as server:
        place = Place(tmp_path, main=server)
        server.double.revoke(TOKEN)
        refused = place.run("backup")
        server.double.faults.proxy_page(200, b"<html><body>Log in</body></html>")
        page = place.run("backup")
        server.double.faults.heal()
        server.double.faults.redirect("https://login.example/")
        redirected = place.run("backup")
        server.refuse()
        gone = place.run("backup")
        code, document = place.json("backup")
    for done, words in (
        (refused, "refused the credentials"),
        (page, "in a form that is not known"),
        (redirected, "redirects to https://login.example/"),
        (gone, "cannot be reached"),
    ):
        assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
        assert "systems.pratikoai.grafana" in done.stderr and "<html" not in done.stderr
    assert code == 1 and document["backups"] == [] and "cannot be reached" in document["failed"][0]["error"]
    assert place.shelf().names() == []
    runs = subprocess.run(**place.command("runs", "list", "--json"), capture_output=True, text=True)
    assert {each["outcome"] for each in json.loads(runs.stdout)["runs"]} == {"failed"}


# Killed.


ZYGOTE = """
import os, signal, sys, time
from opsjobs import cli
import opsjobs.backup.collect, opsjobs.runner, opsjobs.ledger, opsjobs.sources.grafana.inventory, opsjobs.cli.dashboards
import opsjobs.cli.telling, opsjobs.config
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["opsjobs", "dashboards", "backup"]
        try:
            cli.main()
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        os._exit(0)
    if line.strip():
        # Until it is waited for, nobody else gets its number.
        time.sleep(float(line))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@contextmanager
def zygote(place):
    """Something that starts backups without starting Python for each; what is killed is the process of the backup."""
    known = place.command()
    known["args"] = [sys.executable, "-c", ZYGOTE]
    with (place.folder / "said").open("wb") as said:
        parent = subprocess.Popen(**known, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)

        def run(after=None):
            """How a backup ended that was killed after so many seconds."""
            parent.stdin.write("\n" if after is None else f"{after}\n")
            parent.stdin.flush()
            return int(parent.stdout.readline())

        try:
            yield run
        finally:
            parent.stdin.close()
            parent.wait(30)
            parent.stdout.close()


def alter(double, number):
    for changed in range(60):
        double.add_dashboard({"panels": [], "round": number}, uid=f"dash-{changed:05d}", title=f"Board {changed}")


def test_killed_at_any_point_there_is_the_old_set_or_the_old_and_the_new_one(tmp_path):
    seed = int(os.environ.get("OPSJOBS_TEST_SEED") or time.time_ns() % 1_000_000)
    sys.stdout.write(f"OPSJOBS_TEST_SEED={seed}\n")
    chance = random.Random(seed)  # noqa: S311 - no secret depends on it
    with grafana(tmp_path) as (place, double), zygote(place) as run:
        double.fill(60, 2, folders=3)
        took = []
        for number in (-3, -2, -1):
            alter(double, number)
            began = time.monotonic()
            assert run() == 0
            took.append(time.monotonic() - began)
        killed, names = 0, place.shelf().names()
        for number in range(100):
            alter(double, number)
            began = time.monotonic()
            ended = run(chance.uniform(0, min(took)))
            assert ended in {0, -signal.SIGKILL}, seed
            if ended:
                killed += 1
            else:
                # The machine has less to do than when it was measured.
                took.append(time.monotonic() - began)
            shelf = place.shelf()
            backups, broken = shelf.backups(tuple(Purpose))
            assert broken == [], seed
            found = [each.id for each in backups]
            assert found[-len(names) :] == names and len(found) - len(names) in {0, 1}, seed
            names = found
            latest = shelf.latest()
            assert latest.id == found[0] and latest.good and len(latest.of("dashboard")) == 60, seed
            assert shelf.verify(latest.entries) == [], seed
            with lock.held(tmp_path / "state" / "locks", "pratikoai", "backup"):
                pass
        left = [path for path in place.home().rglob(".*") if path.is_file()]
        assert run() == 0
        assert [path for path in place.home().rglob(".*") if path.is_file()] == [], left
    assert killed > 60, f"only {killed} were killed before they ended"
    assert place.run("verify").returncode == 0
    listed = place.run("list")
    assert listed.stdout.count("complete") == len(place.shelf().names()) and listed.stderr == ""
    runs = subprocess.run(**place.command("runs", "list", "--json"), capture_output=True, text=True)
    assert "running" not in {each["outcome"] for each in json.loads(runs.stdout)["runs"][1:]}


def test_while_a_backup_is_made_there_is_no_other_and_nothing_is_pruned(tmp_path):
    with grafana(tmp_path) as (place, double):
        double.fill(5, 1, folders=1)
        with lock.held(tmp_path / "state" / "locks", "pratikoai", "backup"):
            assert place.run("backup").returncode == 75
            assert place.run("prune", "--yes").returncode == 75
        assert place.run("backup").returncode == 0


# Damaged.


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [truncated, flipped, Path.unlink])
def test_each_file_that_is_damaged_is_named_and_written_anew_by_the_next_backup(harm, tmp_path):
    with grafana(tmp_path) as (place, double):
        furnish(double)
        assert place.run("backup").returncode == 0
        shelf = place.shelf()
        first = shelf.latest()
        for entry in first.entries:
            path = place.home() / "objects" / entry.sha256[:2] / f"{entry.sha256}.json"
            before = path.read_bytes()
            harm(path)
            same = [each for each in first.entries if each.sha256 == entry.sha256]
            assert [(each.kind, each.uid) for each in shelf.verify(first.entries)] == [each.key for each in same]
            path.write_bytes(before)
        assert shelf.verify(first.entries) == []
        harm(path)
        verified = place.run("verify", first.id)
        assert verified.returncode == 1 and "CRITICAL  1 of" in verified.stdout and entry.title in verified.stdout
        code, document = place.json("verify", "latest")
        assert code == 1 and [each["uid"] for each in document["damaged"]] == [entry.uid]
        assert place.run("backup").returncode == 0
        assert path.read_bytes() == before and place.run("verify", first.id).returncode == 0


def test_a_damaged_object_that_is_not_live_any_more_stays_damaged_and_the_next_backup_is_whole(tmp_path):
    with grafana(tmp_path) as (place, double):
        furnish(double)
        assert place.run("backup").returncode == 0
        first = place.shelf().latest()
        entry = first.of("dashboard")["inside"]
        double.remove_dashboard("inside")
        flipped(place.home() / "objects" / entry.sha256[:2] / f"{entry.sha256}.json")
        assert place.run("backup").returncode == 0
    assert place.run("verify", first.id).returncode == 1 and place.run("verify", "latest").returncode == 0


@pytest.mark.parametrize("harm", [truncated, flipped, lambda path: path.write_bytes(b"")])
def test_a_damaged_manifest_is_told_is_never_the_latest_and_nothing_is_pruned(harm, tmp_path):
    with grafana(tmp_path) as (place, double):
        double.fill(5, 1, folders=1)
        for _ in range(3):
            assert place.run("backup").returncode == 0
            time.sleep(1)
    newest, second, oldest = place.shelf().names()
    harm(place.home() / "manifests" / f"{newest}.json")
    listed = place.run("list")
    assert newest in listed.stderr and "manifest" in listed.stderr
    assert second in listed.stdout and newest not in listed.stdout and "Traceback" not in listed.stderr
    assert place.shelf().latest().id == second
    shown = place.run("show", "latest")
    assert shown.returncode == 0 and second in shown.stdout
    chosen = place.run("show", newest)
    assert chosen.returncode == 1 and "manifest" in chosen.stderr
    before = {path: path.read_bytes() for path in place.home().rglob("*") if path.is_file()}
    pruned = place.run("prune", "--yes")
    assert pruned.returncode == 1 and newest in pruned.stderr
    assert {path: path.read_bytes() for path in place.home().rglob("*") if path.is_file()} == before
    assert oldest in place.shelf().names()


def test_a_manifest_that_somebody_made_up_names_no_file_outside(tmp_path):
    from opsjobs.backup import manifest as manifests

    with grafana(tmp_path) as (place, double):
        double.fill(3, 1, folders=1)
        assert place.run("backup").returncode == 0
    name = place.shelf().names()[0]
    path = place.home() / "manifests" / f"{name}.json"
    said = json.loads(path.read_bytes())["manifest"]
    for member, value in (
        ("sha256", "../../../../../../etc/passwd"),
        ("sha256", "A" * 64),
        ("kind", "../../x"),
        ("size", -1),
        ("size", "1"),
    ):
        forged = json.loads(json.dumps(said))
        forged["entries"][0][member] = value
        sealed = {"manifest": forged, "sha256": manifests.digest(manifests.encoded(forged))}
        path.write_bytes(manifests.encoded(sealed))
        done = place.run("verify", name)
        assert done.returncode == 1 and "cannot be read" in done.stderr and "Traceback" not in done.stderr
        assert "root:" not in done.stdout + done.stderr


# Pruned.


def test_prune_shows_its_plan_and_removes_only_when_told(tmp_path):
    with grafana(tmp_path, more="    backup: {keep: {daily: 1, weekly: 1, monthly: 1}}") as (place, double):
        double.fill(5, 1, folders=1)
        for number in range(3):
            double.add_dashboard({"panels": [], "round": number}, uid="dash-00000", title="Changed")
            assert place.run("backup").returncode == 0
    newest, *older = place.shelf().names()
    before = {path: path.read_bytes() for path in place.home().rglob("*") if path.is_file()}
    dry = place.run("prune", "--dry-run")
    assert dry.returncode == 0 and dry.stdout.count("  remove") == 2 and "the newest complete one" in dry.stdout
    refused = place.run("prune", input="n\n")
    assert refused.returncode != 0
    assert {path: path.read_bytes() for path in place.home().rglob("*") if path.is_file()} == before
    pruned = place.run("prune", "--yes")
    assert pruned.returncode == 0 and "removed 2;" in pruned.stdout
    assert place.shelf().names() == [newest] and len(older) == 2
    assert place.run("verify").returncode == 0
    assert len(place.shelf().store.sizes("objects")) == len({e.sha256 for e in place.shelf().latest().entries})


# What is written and said.


def test_what_is_kept_is_for_its_owner_and_has_no_secret_and_so_has_what_is_said(tmp_path):
    secrets = [CANARY, TOKEN]
    with grafana(tmp_path) as (place, double):
        furnish(double)
        double.faults.fail(500, f"no: Bearer {TOKEN}", uid="inside")
        before = os.umask(0)
        try:
            said = [place.run("backup", "--export", "out")]
        finally:
            os.umask(before)
        double.faults.heal()
        said += [
            place.run(*words)
            for words in (
                ("backup", "--json", "--export", "out"),
                ("list",),
                ("list", "--json"),
                ("show",),
                ("show", "--json"),
                ("verify",),
                ("verify", "--json"),
                ("prune", "--yes"),
            )
        ]
        said.append(subprocess.run(**place.command("--debug", "dashboards", "backup"), capture_output=True, text=True))
    assert said[0].returncode == 3 and all(each.returncode == 0 for each in said[1:])
    for done in said:
        assert not [each for each in secrets if each in done.stdout + done.stderr], done.args
    kept = [path for where in ("state", "out") for path in (tmp_path / where).rglob("*") if path.is_file()]
    assert len(kept) > 30
    assert [path for path in kept for each in secrets if each.encode() in path.read_bytes()] == []
    for path in [place.home(), *place.home().rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_an_exported_folder_has_the_same_bytes_and_a_foreign_one_is_refused(tmp_path):
    def tree():
        return {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    with grafana(tmp_path, "12.1.0") as (place, double):
        furnish(double)
        assert place.run("backup", "--export", "out").returncode == 0
        first = tree()
        double.faults.slow(0.05, path="/apis/dashboard.grafana.app", times=2)
        assert place.run("backup", "--export", "out").returncode == 0
        assert tree() == first and len(first) > 15
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").write_text("mine")
        refused = place.run("backup", "--export", "mine")
    assert refused.returncode == 1 and "holds files that are not from here" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_hostile_names_are_harmless_in_files_and_in_json(tmp_path):
    with grafana(tmp_path) as (place, double):
        for number, title in enumerate(HOSTILE):
            double.add_folder(title, uid=f"folder-{number}")
            double.add_dashboard(uid=f"{title}{number}"[:200], title=title, folder=f"folder-{number}")
        made = place.run("backup", "--export", "out")
        assert made.returncode == 0, made.stderr
    before = {"opsjobs.yml", "token", "password", "state", "out", ".cache", ".config", ".local"}
    assert {path.name for path in tmp_path.iterdir()} <= before
    _, document = place.json("show", "latest")
    assert {each["title"] for each in document["objects"] if each["kind"] == "dashboard"} == set(HOSTILE)
    for path in (tmp_path / "out").rglob("*"):
        assert path.name.isascii() and path.name.isprintable() and len(path.name) < 120


# Several.


def test_each_grafana_has_its_own_verdict_and_one_that_is_away_costs_the_others_nothing(tmp_path):
    with serving("6.5.1") as old, serving("12.1.0") as new, serving() as away:
        old.double.fill(10, 1, folders=1)
        new.double.fill(20, 1, folders=2)
        place = Place(tmp_path, main=away, old=old, new=new)
        away.refuse()
        new.double.faults.fail(500, uid="dash-00003")
        code, document = place.json("backup")
        assert code == 1, "there is no backup of one of them"
        verdicts = {each["target"]: each["verdict"] for each in document["backups"]}
        assert verdicts == {"old": "complete", "new": "incomplete"}
        assert [each["target"] for each in document["failed"]] == ["pratikoai, grafana"]
        told = place.run("backup")
        assert told.returncode == 1 and "pratikoai, grafana: Grafana at" in told.stderr
        assert "OK  COMPLETE" in told.stdout and "UNKNOWN  INCOMPLETE" in told.stdout
        assert place.run("backup", "--target", "old").returncode == 0
        assert place.run("backup", "--target", "new").returncode == 3
        unknown = place.run("backup", "--target", "nwe")
        assert unknown.returncode == 64 and "new" in unknown.stderr
    assert len(place.shelf("old").names()) == 3 and len(place.shelf("new").names()) == 3
    assert place.shelf("grafana").names() == [] and place.shelf("new").latest() is None
    assert len(place.shelf("old").latest().of("dashboard")) == 10
    runs = json.loads(subprocess.run(**place.command("runs", "list", "--json"), capture_output=True, text=True).stdout)[
        "runs"
    ]
    assert {each["job"] for each in runs} == {"backup"}
    assert [(each["outcome"], each["status"]) for each in runs] == [
        ("partial", "WARNING"),
        ("succeeded", "OK"),
        ("failed", "CRITICAL"),
        ("failed", "CRITICAL"),
    ]
    assert place.run("verify", "--target", "old").returncode == 0
    assert place.run("show", "latest", "--target", "new").returncode == 1


def test_each_organisation_is_a_backup_of_its_own(tmp_path):
    with serving() as server:
        double = server.double
        other = double.add_org("Second")
        double.fill(4, 1, folders=1)
        double.add_dashboard(uid="second", title="Of the second", org=other)
        login = f"{{url: '{server.url}', username: {ADMIN[0]}, password_file: password, organisations: [1, {other}]}}"
        place = Place(tmp_path, main=login)
        code, document = place.json("backup")
        assert code == 0, document
        names = {each["target"]: each["server"]["organisation_name"] for each in document["backups"]}
        assert names == {"grafana-org1": "Main Org.", f"grafana-org{other}": "Second"}
        assert set(place.shelf(f"grafana-org{other}").latest().of("dashboard")) == {"second"}
        assert len(place.shelf("grafana-org1").latest().of("dashboard")) == 4
        # One whose folders are gone is said by itself.
        double.clear(1)
        code, document = place.json("backup")
    assert code == 1
    assert {each["target"]: each["verdict"] for each in document["backups"]} == {
        "grafana-org1": "empty",
        f"grafana-org{other}": "complete",
    }


def test_where_backups_are_kept_is_said_by_the_configuration(tmp_path):
    with serving() as server:
        server.double.fill(3, 1, folders=1)
        place = Place(tmp_path, main=server)
        text = (tmp_path / "opsjobs.yml").read_text()
        (tmp_path / "opsjobs.yml").write_text(text.replace("root: state", f"root: state, backups: '{tmp_path}/kept'"))
        assert place.run("backup").returncode == 0
    found = Shelf(Folder(tmp_path / "kept" / "pratikoai" / "grafana"))
    assert found.latest().good and found.verify(found.latest().entries) == []
    assert not (tmp_path / "state" / "backups").exists()
    shutil.rmtree(tmp_path / "kept")
    gone = place.run("verify")
    assert gone.returncode == 1 and "there is no complete backup" in gone.stderr


def test_health_says_how_old_the_backup_is(tmp_path):
    with grafana(tmp_path) as (place, double):
        double.fill(3, 1, folders=1)
        assert place.run("backup").returncode == 0
        done = subprocess.run(**place.command("health", "--json", "--no-send"), capture_output=True, text=True)
    found = {each["id"]: each for each in json.loads(done.stdout)["systems"][0]["checks"]}
    assert found["backup:grafana"]["status"] == "OK" and "3 dashboards" in found["backup:grafana"]["text"]
    assert "never tried" in found["backup:grafana:drill"]["text"]


# Found by these tests.


def test_a_damaged_manifest_is_in_the_document_too(tmp_path):
    with grafana(tmp_path) as (place, double):
        double.fill(3, 1, folders=1)
        assert place.run("backup").returncode == 0
    name = place.shelf().names()[0]
    truncated(place.home() / "manifests" / f"{name}.json")
    _, document = place.json("list")
    assert name in json.dumps(document["broken"]) and document["backups"] == []


def test_a_backup_that_is_not_complete_does_not_take_the_place_of_an_exported_one(tmp_path):
    def tree():
        return {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    with grafana(tmp_path) as (place, double):
        double.fill(40, 1, folders=4)
        assert place.run("backup", "--export", "out").returncode == 0
        before = tree()
        double.restrict(TOKEN, {""})
        shrunk = place.run("backup", "--export", "out")
    assert shrunk.returncode == 1 and "SHRUNK" in shrunk.stdout and "not exported" in shrunk.stderr
    assert tree() == before and len(before) > 40


def test_where_one_grafana_is_away_the_others_are_exported_to_where_they_were(tmp_path):
    with serving() as away, serving("12.1.0") as there:
        there.double.fill(4, 1, folders=1)
        away.double.fill(3, 1, folders=1)
        place = Place(tmp_path, main=away, there=there)
        assert place.run("backup", "--export", "out").returncode == 0
        before = {path for path in (tmp_path / "out").rglob("*") if path.is_file()}
        away.refuse()
        done = place.run("backup", "--export", "out")
    assert done.returncode == 1 and "OK  COMPLETE" in done.stdout and "cannot be reached" in done.stderr
    assert {path for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_what_is_called_so_as_to_speak_to_the_terminal_does_not(tmp_path):
    title = "\x1b]0;owned\x07\x1b[2Jtitle\n● OK  a line of its own"
    with grafana(tmp_path) as (place, double):
        double.add_dashboard(uid="x", title=title)
        assert place.run("backup").returncode == 0
        shown = [place.run("show", "latest")]
        entry = place.shelf().latest().of("dashboard")["x"]
        double.faults.fail(500, uid="x")
        shown.append(place.run("backup"))
        (place.home() / "objects" / entry.sha256[:2] / f"{entry.sha256}.json").unlink()
        shown.append(place.run("verify"))
    for done in shown:
        assert "title" in done.stdout and "\x1b]" not in done.stdout and "\x07" not in done.stdout, done.args
        assert not any(line.startswith("● OK  a line") for line in done.stdout.splitlines()), done.args
