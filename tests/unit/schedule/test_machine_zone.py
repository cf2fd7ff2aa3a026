"""The zone of a machine, read from where it stands."""

import shutil
from importlib.resources import as_file, files
from zoneinfo import ZoneInfo

import pytest

from opsjobs.cli.cron import machine_zone
from opsjobs.schedule.calls import alike
from tests.unit.schedule.plans import SINCE


@pytest.fixture
def rome(tmp_path):
    """The file of a zone in a folder such as that of the system."""
    there = tmp_path / "zoneinfo" / "Europe" / "Rome"
    there.parent.mkdir(parents=True)
    with as_file(files("tzdata") / "zoneinfo" / "Europe" / "Rome") as file:
        shutil.copy(file, there)
    return there


@pytest.mark.parametrize("zone", ["", "Asia/Tokyo"])
def test_it_is_what_the_link_names_whatever_the_environment_says(tmp_path, rome, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    (tmp_path / "localtime").symlink_to(rome)
    assert machine_zone(tmp_path / "localtime") == ZoneInfo("Europe/Rome")


def test_a_copy_without_a_name_shows_the_same_time(tmp_path, rome):
    shutil.copy(rome, tmp_path / "localtime")
    found = machine_zone(tmp_path / "localtime")
    assert found.key == "this machine's zone"
    assert alike(found, ZoneInfo("Europe/Rome"), SINCE) and not alike(found, ZoneInfo("UTC"), SINCE)


def test_a_machine_that_says_nothing_is_in_utc(tmp_path):
    assert machine_zone(tmp_path / "localtime") == ZoneInfo("UTC")
