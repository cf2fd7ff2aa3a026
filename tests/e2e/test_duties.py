"""Each job as the schedule runs it: by the command that schedulers start, for a slot, against a double of Grafana."""

import json
import re
import subprocess
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsjobs.cli.duties import DUTIES
from opsjobs.timetable import DEFAULTS
from tests.contract.test_backup import furnish
from tests.e2e.test_dashboards import Place, grafana, serving

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def work(place, job, *systems, at=NOW):
    slot = f"{at:%Y-%m-%dT%H:%M:%S%z}"
    words = ("schedule", "work", job, *(systems or ("pratikoai",)), "--slot", slot)
    return subprocess.run(**place.command(*words), capture_output=True, text=True, timeout=120)


def asked(place, *words):
    done = subprocess.run(**place.command(*words, "--json"), capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout)


def last(place):
    return asked(place, "runs", "list")["runs"][0]


def test_every_job_that_can_be_scheduled_is_one_that_can_be_run():
    assert set(DUTIES) == set(DEFAULTS)


def test_backup_drill_comparison_and_what_is_old_are_done_for_their_slots(tmp_path):
    with grafana(tmp_path) as (place, double):
        furnish(double)
        for job in ("backup", "drill", "prune"):
            done = work(place, job)
            assert (done.stdout, done.returncode) == ("begin pratikoai\nend pratikoai 0\n", 0), done.stderr
            run = last(place)
            assert (run["job"], run["outcome"], run["due_at"]) == (job, "succeeded", NOW.isoformat())
        double.add_dashboard({"panels": []}, uid="new-one", title="Made since <then>")
        done = work(place, "compare")
        assert done.stdout.endswith("end pratikoai 0\n"), done.stderr
        run = last(place)
        assert (run["job"], run["status"]) == ("compare", "WARNING")
        page = next(each["path"] for each in run["artifacts"] if each["path"].endswith("report.html"))
        text = Path(page).read_text()
        assert "Made since &lt;then&gt;" in text and "added" in text
        assert {each["path"].rsplit(".", 1)[1] for each in run["artifacts"]} == {"html", "pdf", "txt", "json"}


def test_of_two_grafanas_one_is_compared_although_the_other_does_not_answer(tmp_path):
    with serving("9.4.0") as main, ExitStack() as until:
        staging = until.enter_context(serving("9.4.0"))
        place = Place(tmp_path, main=main, staging=staging)
        for server in (main, staging):
            furnish(server.double)
        assert work(place, "backup").stdout.endswith("end pratikoai 0\n")
        main.double.add_dashboard({"panels": []}, uid="new-one", title="Made since then")
        until.close()
        done = work(place, "compare")
        assert done.stdout.endswith("end pratikoai 0\n"), done.stderr
        run = last(place)
    assert (run["job"], run["outcome"], run["status"]) == ("compare", "partial", "UNKNOWN")
    text = next(each["path"] for each in run["artifacts"] if each["path"].endswith("report.txt"))
    said = Path(text).read_text()
    assert "Made since then" in said and "pratikoai, staging could not be compared" in said


def test_a_backup_that_is_not_whole_is_not_well(tmp_path):
    with grafana(tmp_path) as (place, double):
        furnish(double)
        double.add_dashboard({"panels": []}, uid="bad", title="Bad")
        double.faults.fail(500, "database is locked", uid="bad")
        done = work(place, "backup")
        assert done.stdout == "begin pratikoai\nend pratikoai 1\n", done.stderr
        assert last(place)["outcome"] == "partial"


def test_a_slot_is_run_once_and_the_second_says_so_without_a_run(tmp_path):
    with grafana(tmp_path) as (place, double):
        furnish(double)
        assert work(place, "backup").stdout == "begin pratikoai\nend pratikoai 0\n"
        again = work(place, "backup")
        assert again.stdout == "begin pratikoai\nend pratikoai 75\n" and "Traceback" not in again.stderr
        assert len(asked(place, "runs", "list")["runs"]) == 1 and len(place.shelf().names()) == 1


def test_a_report_of_a_slot_is_about_the_day_before_the_slot_whenever_it_is_made(tmp_path):
    with grafana(tmp_path) as (place, _):
        # 23:30 in Rome, whatever the time here.
        at = datetime(2026, 11, 17, 22, 30, tzinfo=UTC)
        done = work(place, "daily", at=at)
        assert done.stdout == "begin pratikoai\nend pratikoai 0\n", done.stderr
        assert last(place)["slot"] == "2026-11-16"
        work(place, "daily", at=at + timedelta(hours=1))
        assert last(place)["slot"] == "2026-11-17"
        for job in ("weekly", "costs"):
            work(place, job, at=at)
            assert (last(place)["job"], last(place)["slot"]) == (job, "2026-W46")


@pytest.mark.parametrize(("job", "system"), [("daily", "nobody"), ("nothing", "pratikoai"), ("daily", "../etc")])
def test_what_is_not_in_the_configuration_is_refused_in_words_and_costs_the_others_nothing(tmp_path, job, system):
    with grafana(tmp_path) as (place, _):
        done = work(place, job, system)
        assert re.fullmatch(rf"begin {re.escape(system)}\nend {re.escape(system)} 64\n", done.stdout), done
        assert "Traceback" not in done.stderr and done.stderr
        assert asked(place, "runs", "list")["runs"] == []


def test_a_slot_that_has_not_come_is_refused(tmp_path):
    with grafana(tmp_path) as (place, _):
        done = work(place, "health", at=NOW + timedelta(hours=1))
        assert done.stdout == "begin pratikoai\nend pratikoai 64\n" and "has not come yet" in done.stderr
