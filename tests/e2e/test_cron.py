"""The schedule in a crontab and in files, as somebody at a terminal puts it there and takes it away."""

import subprocess
import sys

import pytest
import yaml

FAKE = """#!/bin/sh
# A crontab that is one file, and what makes it fail.
table={folder}/table
case "$1" in
-l) [ -e {folder}/forbidden ] && {{ echo "You (me) are not allowed to use this program (crontab)" >&2; exit 1; }}
    [ -e {folder}/meddling ] && echo "# $(date +%N)" >> $table
    [ -e $table ] || {{ echo "no crontab for me" >&2; exit 1; }}
    cat $table ;;
-)  [ -e {folder}/full ] && {{ echo "crontab: No space left on device" >&2; exit 1; }}
    [ -e {folder}/forgetful ] && {{ cat > /dev/null; exit 0; }}
    cat > $table ;;
*)  echo "usage" >&2; exit 1 ;;
esac
"""
OTHERS = b"MAILTO=me\n# mine \xff\n*/5 * * * *\techo 50\\%\r\n\n"
CONFIG = "systems:\n  pratikoai: {prometheus: {url: 'http://127.0.0.1:9'}}\n"


class Home:
    """Somebody's folder, with a crontab of their own."""

    def __init__(self, folder, bin_folder):
        self.folder, self.bin = folder, bin_folder
        self.table = bin_folder / "table"

    def run(self, *arguments, given="", **more):
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder), "COLUMNS": "200", **more}
        return subprocess.run(
            [sys.executable, "-m", "opsjobs", "schedule", *arguments],
            cwd=self.folder,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def home(tmp_path):
    folder, bin_folder = tmp_path / "it's 50% home", tmp_path / "bin"
    folder.mkdir()
    bin_folder.mkdir()
    (folder / "opsjobs.yml").write_text(CONFIG)
    program = bin_folder / "crontab"
    program.write_text(FAKE.format(folder=bin_folder))
    program.chmod(0o755)
    return Home(folder, bin_folder)


def test_the_schedule_comes_into_a_crontab_once_and_goes_without_a_trace(home):
    home.table.write_bytes(OTHERS)
    first = home.run("install", "--yes")
    assert first.returncode == 0, first.stderr
    assert "+# BEGIN opsjobs" in first.stdout and "The crontab is changed." in first.stdout
    assert "mine" not in first.stdout and not first.stderr
    installed = home.table.read_bytes()
    assert installed.startswith(OTHERS) and installed.count(b"# BEGIN opsjobs (") == 1
    assert b"schedule once daily --config " in installed and b"it'\"'\"'s 50\\% home/opsjobs.yml'\n" in installed

    again = home.run("install", "--yes")
    assert again.returncode == 0 and "Nothing to change" in again.stdout
    assert home.table.read_bytes() == installed

    gone = home.run("uninstall", "--yes")
    assert gone.returncode == 0 and "-# BEGIN opsjobs" in gone.stdout
    assert home.table.read_bytes() == OTHERS
    assert "Nothing to change" in home.run("uninstall", "--yes").stdout


def test_without_a_crontab_there_is_one_afterwards(home):
    assert home.run("install", "--yes").returncode == 0
    assert home.table.read_text().startswith("# BEGIN opsjobs (")
    assert home.run("uninstall", "--yes").returncode == 0
    assert home.table.read_text() == ""


def test_each_command_of_the_block_is_one_that_there_is(home):
    home.run("install", "--yes")
    lines = [line for line in home.table.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) >= 2
    for line in lines:
        command = line.partition(f"{sys.executable} ")[2].replace("\\%", "%")
        done = subprocess.run(
            ["/bin/sh", "-c", f"{sys.executable} {command} --help"], capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0 and "Run what is due now" in done.stdout, done.stderr


def test_nothing_is_written_unless_somebody_agrees(home):
    for done, code in (
        (home.run("install", "--dry-run"), 0),
        (home.run("install"), 64),
        (home.run("install", given="n\n"), 130),
    ):
        assert done.returncode == code
        assert "+# BEGIN opsjobs" in done.stdout
        assert not home.table.exists()
    assert home.run("install", given="y\n").returncode == 0
    assert home.table.exists()


def test_two_configurations_have_a_block_each(home):
    (home.folder / "other.yml").write_text(CONFIG)
    home.run("install", "--yes")
    first = home.table.read_text()
    home.run("install", "--yes", "--config", "other.yml")
    assert home.table.read_text().startswith(first)
    assert home.table.read_text().count("# BEGIN opsjobs (") == 2
    (home.folder / "other.yml").unlink()
    unknown = home.run("uninstall", "--yes", "--config", "third.yml")
    assert f"{home.folder}/other.yml" in unknown.stdout
    assert home.run("uninstall", "--yes", "--config", "other.yml").returncode == 0
    assert home.table.read_text() == first


def test_what_only_the_environment_says_of_the_root_is_said_to_cron_too(home):
    home.run("install", "--yes", OPSJOBS_HOME="/srv/ops jobs")
    assert "'OPSJOBS_HOME=/srv/ops jobs'" in home.table.read_text()
    (home.folder / "opsjobs.yml").write_text(CONFIG + "storage: {root: state}\n")
    home.run("install", "--yes", OPSJOBS_HOME="/srv/ops jobs")
    assert "OPSJOBS_HOME" not in home.table.read_text()


def test_variables_that_cron_will_not_have_are_named_and_their_values_are_not(home):
    config = "# ${UNUSED}\nsystems: {pratikoai: {prometheus: {token: '${PROM_TOKEN}'}}}\nstorage: {root: '${R:-r}'}\n"
    (home.folder / "opsjobs.yml").write_text(config)
    done = home.run("install", "--yes", PROM_TOKEN="hunter2-canary", UNUSED="1")
    assert done.returncode == 0
    assert "there will be no PROM_TOKEN." in done.stderr and "_file" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout + home.table.read_text()


def test_where_nothing_runs_by_itself_there_is_nothing_to_install(home):
    jobs = ", ".join(f"{job}: off" for job in ("daily", "costs", "health", "prune"))
    (home.folder / "opsjobs.yml").write_text(CONFIG + f"schedule: {{jobs: {{{jobs}}}}}\n")
    done = home.run("install", "--yes")
    assert done.returncode == 64 and "no job runs by itself" in done.stderr


def test_a_damaged_block_is_left_alone(home):
    home.table.write_bytes(OTHERS + b"# BEGIN opsjobs (x)\n")
    for command in ("install", "uninstall"):
        done = home.run(command, "--yes")
        assert done.returncode == 1
        assert "line 5 does not belong to a whole block: # BEGIN opsjobs (x)" in done.stderr
        assert "crontab -e" in done.stderr
    assert home.table.read_bytes() == OTHERS + b"# BEGIN opsjobs (x)\n"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("forbidden", "not allowed to use this program"),
        ("full", "No space left on device"),
        ("forgetful", "the crontab is not what was written"),
        ("meddling", "somebody else has changed the crontab meanwhile"),
    ],
)
def test_a_crontab_that_refuses_is_told_in_its_words(home, fault, said):
    home.table.write_bytes(OTHERS)
    (home.bin / fault).touch()
    done = home.run("install", "--yes")
    assert done.returncode == 1
    assert said in done.stderr and "Traceback" not in done.stderr
    assert b"opsjobs" not in home.table.read_bytes()


def test_without_the_program_it_is_said_what_else_there_is(home):
    (home.bin / "crontab").unlink()
    done = home.run("install", "--yes", PATH=str(home.bin))
    assert done.returncode == 1
    assert "no program `crontab`" in done.stderr and "opsjobs schedule export" in done.stderr


def test_a_crontab_whose_lines_are_in_another_zone_is_warned_of(home):
    home.table.write_text("CRON_TZ=Asia/Tokyo\n")
    assert "CRON_TZ" in home.run("install", "--yes").stderr


def test_the_schedule_is_printed_for_each_of_the_three(home):
    table = home.run("export", "crontab", "--zone", "Europe/Rome", "--user", "ops")
    assert table.returncode == 0 and "\n0 9 * * * ops " in table.stdout
    units = home.run("export", "systemd")
    assert "OnCalendar=*-*-* 09:00:00 Europe/Rome\n" in units.stdout and "# opsjobs-daily.timer\n" in units.stdout
    cluster = home.run("export", "kubernetes", "--image", "registry.example.com/opsjobs:1")
    kinds = [each["kind"] for each in yaml.safe_load_all(cluster.stdout)]
    assert kinds[0] == "PersistentVolumeClaim" and set(kinds[1:]) == {"CronJob"} and len(kinds) >= 3


def test_files_are_written_again_but_never_over_those_of_others(home):
    out = home.folder / "units"
    first = home.run("export", "systemd", "--out", "units")
    assert first.returncode == 0
    assert set(first.stdout.splitlines()) == {f"units/{path.relative_to(out)}" for path in out.rglob("*.*")}
    (out / "opsjobs-daily.service").write_text("# Mine\n")
    (out / "opsjobs-daily.timer").unlink()
    done = home.run("export", "systemd", "--out", "units")
    assert done.returncode == 1 and "opsjobs-daily.service is not from here" in done.stderr
    assert (out / "opsjobs-daily.service").read_text() == "# Mine\n"
    assert not (out / "opsjobs-daily.timer").exists()
    (out / "opsjobs-daily.service").unlink()
    (home.folder / "opsjobs.yml").write_text(CONFIG + "schedule: {jobs: {costs: off}}\n")
    again = home.run("export", "systemd", "--out", "units")
    assert "units/opsjobs-costs.timer  (no longer made; remove it)" in again.stdout
    assert (out / "opsjobs-costs.timer").exists() and (out / "opsjobs-daily.timer").exists()


def test_a_file_for_cron_d_has_a_name_that_cron_reads(home):
    home.run("export", "crontab", "--user", "ops", "--out", "cron.d")
    assert [path.name for path in (home.folder / "cron.d").iterdir()] == ["opsjobs"]


def test_a_root_that_a_container_cannot_write_to_is_warned_of(home):
    (home.folder / "opsjobs.yml").write_text(CONFIG + "storage: {root: ./var}\n")
    assert "storage.root is var" in home.run("export", "kubernetes").stderr


@pytest.mark.parametrize("name", ["a b", "a\nb", "../x", ""])
def test_a_user_that_is_none_is_refused(home, name):
    done = home.run("export", "crontab", "--user", name)
    assert done.returncode == 64 and "is no name of a user" in done.stderr


def test_a_zone_that_is_none_is_refused(home):
    assert "'Mars' is not a time zone" in home.run("export", "crontab", "--zone", "Mars").stderr
