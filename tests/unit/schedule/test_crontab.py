"""Lines for cron, and the block of them among the lines of others."""

import os
import shlex
import string
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsjobs.cli.setting import Setting
from opsjobs.cli.timetable import entries
from opsjobs.config import Config
from opsjobs.errors import ScheduleError
from opsjobs.log import Redactor
from opsjobs.schedule import calls
from opsjobs.schedule.calls import Program
from opsjobs.schedule.crontab import Table, names, removed, replaced
from tests.unit.schedule.plans import SINCE, entry, made

EXAMPLE = Path(__file__).parents[3] / "crontab" / "opsjobs.crontab"
PROGRAM = Program()
HEAD = """\
# An example: the default schedule of one pratikoai that has a Grafana. `make golden` writes it from the defaults in
# opsjobs/timetable.py, and a test fails when it is not what they say. For your own configuration take
# `opsjobs schedule install`, or `opsjobs schedule export crontab`.
"""


def table(*entries, zone="Europe/Berlin", program=PROGRAM, **known):
    return Table(calls=made(*entries), program=program, zone=ZoneInfo(zone), since=SINCE, **known)


def commands(table):
    return [line for line in table.lines() if not line.startswith("#")]


def test_the_example_is_what_the_defaults_say():
    config = Config.model_validate({"systems": {"pratikoai": {"grafana": {"url": "http://localhost:3000"}}}})
    here = Setting(config=config, file=None, base=Path(), root=Path(), redactor=Redactor())
    zone = ZoneInfo(here.profile("pratikoai").zone)
    made = Table(calls=tuple(calls.calls(entries(here))), program=Program(), zone=zone, since=SINCE)
    text = HEAD + made.file().split("\n", 1)[1]
    if os.environ.get("GOLDEN") == "rewrite":
        EXAMPLE.parent.mkdir(exist_ok=True)
        EXAMPLE.write_text(text, "utf-8")
    assert text == EXAMPLE.read_text("utf-8")
    assert "\n0 9 * * * opsjobs schedule once daily\n" in text


def test_a_line_in_the_zone_of_the_machine_stands_as_it_is():
    assert commands(table(entry(line="30 7 * * mon-fri")))[0] == "30 7 * * 1-5 opsjobs schedule once daily"


def test_a_line_of_another_zone_is_looked_for_each_hour_and_says_so():
    remark, line, *_ = table(entry(line="30 7 * * mon-fri", zone="Asia/Kolkata"), zone="UTC").lines()
    assert line == "0 * * * * opsjobs schedule once daily"
    assert remark == (
        "# daily of shop: 30 7 * * mon-fri Asia/Kolkata, which is not the zone here: looked for each hour"
    )


def test_two_that_would_be_the_same_line_are_one():
    lines = list(table(entry(system="a", zone="UTC"), entry(system="b", zone="Asia/Dubai")).lines())
    assert [line for line in lines if not line.startswith(("#", "@"))] == ["0 * * * * opsjobs schedule once daily"]
    assert [line.split(":")[0] for line in lines if line.startswith("#")][:2] == ["# daily of b", "# daily of a"]


def test_what_came_due_while_the_machine_was_off_is_looked_for_when_it_starts():
    found = commands(table(entry(), entry(job="costs"), entry(system="b", zone="UTC")))
    assert found[-1] == "@reboot sleep 120 && opsjobs schedule once costs daily"


def test_a_file_for_cron_d_says_who_runs_each_line():
    for line in commands(table(entry(), user="ops")):
        before, _, command = line.partition(" ops ")
        assert before in {"0 9 * * *", "@reboot"} and command.endswith("opsjobs schedule once daily")


def test_no_line_of_the_block_sets_a_variable_for_the_lines_of_others():
    lines = table(entry(), program=Program(home="/srv/ops jobs")).lines()
    assert all(line.startswith(("#", "@", "0")) for line in lines)


@given(st.text(alphabet=string.ascii_letters + "% '\"\\$`;&|#*~!é", min_size=1, max_size=30))
def test_cron_and_the_shell_give_back_each_word_as_it_was(text):
    program = Program(words=(f"/opt/{text}/opsjobs",), config=f"/etc/{text}.yml", home=f"/srv/{text}")
    _, command = commands(table(entry(), program=program))[0].split(" * * * ", 1)
    given, newline = as_cron_reads(command)
    assert not newline
    words = ("/usr/bin/env", f"OPSJOBS_HOME=/srv/{text}", *program.once(["daily"]))
    assert shlex.split(given) == list(words)


def test_the_shell_itself_gives_them_back_too():
    text = "a b%c\\%d'e\"f$g`h"
    program = Program(words=("printf", r"%s\n", text), config=text)
    _, command = commands(table(entry(), program=program))[0].split(" * * * ", 1)
    done = subprocess.run(["/bin/sh", "-c", as_cron_reads(command)[0]], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [text, "schedule", "once", "daily", "--config", text]


def as_cron_reads(command):
    """What Debian's cron gives to the shell, and whether there is a sign that it takes for a line's end."""
    made, escaped = "", False
    for sign in command:
        if escaped:
            made = made[:-1] + sign if sign == "%" else made + sign
            escaped = False
        elif sign == "%":
            return made, True
        else:
            made += sign
            escaped = sign == "\\"
    return made, False


def test_a_command_that_cron_would_cut_is_refused():
    with pytest.raises(ScheduleError, match="more than 998 characters"):
        table(entry(), program=Program(config="/etc/" + "x" * 1000)).file()


OTHERS = ["", "# mine\n", "MAILTO=me\n*/5 * * * *\techo \udcff\r\n\n", "0 1 * * * true\n# END of mine\n"]


@pytest.mark.parametrize("text", OTHERS)
def test_a_block_comes_to_the_end_and_goes_without_a_trace(text):
    with_block = replaced(text, "/etc/opsjobs.yml", ["0 9 * * * opsjobs"])
    assert (
        with_block == text + "# BEGIN opsjobs (/etc/opsjobs.yml)\n0 9 * * * opsjobs\n# END opsjobs (/etc/opsjobs.yml)\n"
    )
    assert removed(with_block, "/etc/opsjobs.yml") == text


def test_a_block_stays_where_it_is_and_is_there_once():
    text = replaced("# before\n", "a", ["1"]) + "# after"
    again = replaced(text, "a", ["2"])
    assert again == "# before\n# BEGIN opsjobs (a)\n2\n# END opsjobs (a)\n# after"
    assert replaced(again, "a", ["2"]) == again
    assert removed(again, "a") == "# before\n# after"


def test_a_last_line_without_an_end_gets_one():
    assert replaced("0 1 * * * true", "a", ["1"]).startswith("0 1 * * * true\n# BEGIN opsjobs (a)\n")


def test_each_configuration_has_a_block_of_its_own():
    text = replaced(replaced("", "/a (1).yml", ["1"]), "/b.yml", ["2"])
    assert names(text) == ["/a (1).yml", "/b.yml"]
    assert names(removed(text, "/a (1).yml")) == ["/b.yml"]
    assert removed(text, "/c.yml") == text


@pytest.mark.parametrize(
    "text",
    [
        "# BEGIN opsjobs (a)\n1\n",
        "1\n# END opsjobs (a)\n",
        "# END opsjobs (a)\n1\n# BEGIN opsjobs (a)\n",
        "# BEGIN opsjobs (a)\n# BEGIN opsjobs (a)\n1\n# END opsjobs (a)\n",
        "# BEGIN opsjobs (a)\n1\n# END opsjobs (a)\n# BEGIN opsjobs (a)\n1\n# END opsjobs (a)\n",
        "# BEGIN opsjobs (a)\n1\n# END opsjobs (b)\n",
        "# BEGIN opsjobs (a)\r\n1\n  #END opsjobs (b)\n",
        "# BEGIN opsjobs\n1\n",
    ],
)
def test_a_damaged_block_is_refused_whoever_it_belongs_to(text):
    for change in (lambda: replaced(text, "a", ["2"]), lambda: removed(text, "z"), lambda: names(text)):
        with pytest.raises(ScheduleError, match=r"line \d does not belong to a whole block"):
            change()
