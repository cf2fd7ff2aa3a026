"""Units for systemd: read back, and checked by systemd itself where it is there."""

import os
import shutil
import subprocess
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.schedule import systemd
from opsjobs.schedule.calls import Program
from opsjobs.schedule.slots import Cron, Slots
from opsjobs.schedule.systemd import INSTEAD, Units
from tests.unit.schedule.plans import SINCE, entry, made

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
HOSTILE = "a b%n$HOME'c\"d\\e;f"
EXPOSED = 20
"""Of a hundred, where a service without any such lines has 96."""


def units(*entries, program=None, **known):
    return Units(calls=made(*entries or [entry()]), program=program or Program(), since=SINCE, **known).files()


def values(text, key):
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_each_call_has_a_service_and_a_timer_and_one_service_does_without_them():
    assert sorted(units(entry(), entry(job="costs", system="a"), entry(job="costs", system="b", zone="UTC"))) == sorted(
        [
            INSTEAD,
            *("opsjobs-daily.service", "opsjobs-daily.timer"),
            *("opsjobs-costs-a.service", "opsjobs-costs-a.timer"),
            *("opsjobs-costs-b.service", "opsjobs-costs-b.timer"),
        ]
    )


def test_a_timer_waits_for_the_line_in_its_zone_and_makes_up_for_what_it_missed():
    timer = units(entry(line="30 7 * * mon-fri"))["opsjobs-daily.timer"]
    assert values(timer, "OnCalendar") == ["Mon,Tue,Wed,Thu,Fri *-*-* 07:30:00 Europe/Berlin"]
    assert values(timer, "Persistent") == ["true"]
    assert values(timer, "RandomizedDelaySec") == []
    assert values(units(spread=timedelta(minutes=10))["opsjobs-daily.timer"], "RandomizedDelaySec") == ["600"]


@pytest.mark.parametrize(
    ("line", "zone", "expression"),
    [
        ("0 */6 * * *", "UTC", "*-*-* 00,06,12,18:00:00 UTC"),
        ("0 12 1-7 3,4 *", "Asia/Kolkata", "*-03,04-01..07 12:00:00 Asia/Kolkata"),
        ("15 6,18 * * sat,sun", "Europe/Berlin", "Sun,Sat *-*-* 06,18:15:00 Europe/Berlin"),
        ("30 2 * * *", "Europe/Berlin", "*-*-* *:00,30:00 UTC"),
        ("0 * * * *", "Australia/Adelaide", "*-*-* *:30:00 UTC"),
    ],
)
def test_a_line_becomes_a_calendar_expression(line, zone, expression):
    assert systemd.calendar(Slots(Cron(line), ZoneInfo(zone)), SINCE) == [expression]


def test_a_service_has_a_little_more_time_than_its_jobs():
    assert values(units(entry(limit=timedelta(hours=2)))["opsjobs-daily.service"], "TimeoutStartSec") == ["7500"]


def test_what_is_made_is_kept_where_systemd_makes_a_folder_unless_another_is_named():
    usual = units()["opsjobs-daily.service"]
    assert values(usual, "Environment") == ["HOME=%S/opsjobs OPSJOBS_HOME=%S/opsjobs"]
    assert values(usual, "StateDirectory") == ["opsjobs"] and not values(usual, "ReadWritePaths")
    program = Program(home="/srv/ops jobs")
    named = units(program=program, folders=("/srv/ops jobs",))["opsjobs-daily.service"]
    assert values(named, "Environment") == ['HOME=%S/opsjobs "OPSJOBS_HOME=/srv/ops jobs"']
    assert values(named, "ReadWritePaths") == ['"/srv/ops jobs"']
    configured = units(root=False, folders=("/srv/ops",))["opsjobs-daily.service"]
    assert values(configured, "Environment") == ["HOME=%S/opsjobs"]


def test_homes_are_hidden_unless_opsjobs_is_in_one():
    assert values(units()["opsjobs-daily.service"], "ProtectHome") == ["true"]
    program = Program(words=("/home/ops/.venv/bin/opsjobs",))
    assert values(units(program=program)["opsjobs-daily.service"], "ProtectHome") == ["read-only"]


def test_nothing_in_a_word_means_anything_to_systemd():
    program = Program(words=("/opt/a %n$x/opsjobs",), config=HOSTILE, home=HOSTILE)
    service = units(program=program)["opsjobs-daily.service"]
    quoted = r"a b%%n$HOME'c\"d\\e;f"
    (command,) = values(service, "ExecStart")
    # The program is no place for variables, and there a dollar is a dollar.
    assert command == f'"/opt/a %%n$x/opsjobs" schedule once daily --config "{quoted.replace("$", "$$")}"'
    assert values(service, "Environment") == [f'HOME=%S/opsjobs "OPSJOBS_HOME={quoted}"']


def test_the_service_that_does_without_timers_is_started_again_whenever_it_ends():
    service = units(program=Program(words=("/opt/opsjobs",), config="/etc/o.yml"))[INSTEAD]
    assert values(service, "ExecStart") == ["/opt/opsjobs schedule run --config /etc/o.yml"]
    assert values(service, "Restart") == ["always"] and values(service, "WantedBy") == ["multi-user.target"]


def test_the_user_can_be_another():
    assert values(units(user="ops")["opsjobs-daily.service"], "User") == ["ops"]


def written(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return [folder / name for name in files]


def analysed(*arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
    )


@needs_systemd
def test_systemd_finds_nothing_wrong_in_the_units(tmp_path):
    program = tmp_path / "a b" / "opsjobs"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    files = units(
        entry(),
        entry(job="costs", system="a", line="30 2 * * sun"),
        entry(job="costs", system="b", zone="UTC"),
        program=Program(words=(str(program),), config=f"/etc/{HOSTILE}.yml", home=f"/srv/{HOSTILE}"),
        folders=(f"/srv/{HOSTILE}",),
        spread=timedelta(minutes=5),
        user="daemon",
    )
    done = analysed("verify", "--man=no", "--recursive-errors=no", *written(tmp_path, files))
    ours = [line for line in done.stderr.splitlines() if "opsjobs" in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


@needs_systemd
def test_systemd_would_find_a_unit_that_is_wrong(tmp_path):
    files = units(program=Program(words=("/bin/true",)), user="nobody")
    wrong = {name: text.replace("RestrictRealtime=", "RestrictReeltime=") for name, text in files.items()}
    done = analysed("verify", "--man=no", "--recursive-errors=no", *written(tmp_path, wrong))
    assert "RestrictReeltime" in done.stderr


@needs_systemd
@pytest.mark.parametrize("name", ["opsjobs-daily.service", INSTEAD])
def test_a_service_may_do_little(tmp_path, name):
    paths = written(tmp_path, units(program=Program(words=("/bin/true",)), user="nobody"))
    path = next(each for each in paths if str(each).endswith(name))
    done = analysed("security", "--offline=true", f"--threshold={EXPOSED}", "--no-pager", path)
    assert done.returncode == 0, done.stdout
