import tempfile
from datetime import UTC, datetime

import pytest

from opsjobs.demo import programs
from opsjobs.demo.stage import Stage
from opsjobs.errors import ConfigError, DemoError
from tests.unit.demo import processes
from tests.unit.demo.servers import required
from tests.unit.demo.test_prometheus import ask, refused


def now():
    return datetime.now(UTC)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_stage_lives_on_where_its_history_ends_and_leaves_nothing_behind(binaries, temporary):
    told = []
    with Stage("pratikoai", "troubled", now=now(), progress=told.append, binaries=binaries) as stage:
        assert stage.folder.parent == temporary
        assert not (stage.folder / "history.om").exists()
        assert stage.samples > 4_000_000
        assert stage.scenario.title == "A troubled day"
        up = ask(stage.url, "up")
        assert len(up) == 7
        assert set(up.values()) == {"1"}
        # Live samples have the labels of the history, else there would be two series of each.
        ages = ask(stage.url, "count by (job) (count_over_time(llm_cost_total_eur[30d]) > 20000)")
        assert list(ages.values()) == ["6"]
        assert set(ask(stage.url, "resets(llm_cost_total_eur[1h])").values()) == {"0"}
        assert set(ask(stage.url, "time() - timestamp(llm_cost_total_eur) < bool 30").values()) == {"1"}
        assert ask(stage.url, "absent(db_query_duration_seconds_count)")
        url, exporter = stage.url, stage.exporter_url
        assert processes.naming(str(temporary))
    assert refused(url)
    assert refused(exporter)
    assert not processes.naming(str(temporary))
    assert list(temporary.iterdir()) == []
    assert told[0] == "Simulating 40 days of PratikoAI: a troubled day"
    assert told[-1] == f"PratikoAI lives: Prometheus is at {url}"


@pytest.mark.parametrize(
    ("moment", "databases"), [("Loading", False), ("Waiting", False), ("Loading", True), ("Waiting", True)]
)
def test_an_interruption_in_the_middle_of_the_start_cleans_up(binaries, temporary, moment, databases):
    def interrupt(message):
        if message.startswith(moment):
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Stage(now=now(), progress=interrupt, binaries=binaries, databases=databases),
    ):
        pytest.fail("the stage was set up in spite of the interruption")
    assert not processes.naming(str(temporary))
    assert list(temporary.iterdir()) == []


def test_without_databases_nothing_is_expected_of_them(binaries, temporary):
    with Stage(scenario="troubled", now=now(), binaries=binaries) as stage:
        assert stage.databases == {}
        assert not [truth for truth in stage.scenario.truths if truth.effect.database]
    assert list(temporary.iterdir()) == []


def test_a_database_that_cannot_be_had_is_told_and_not_expected(binaries, temporary, monkeypatch):
    required("Redis")

    def missing(**_):
        raise DemoError("no luck")

    monkeypatch.setattr("opsjobs.demo.databases._OBTAIN", {"postgresql": missing, "redis": programs.redis})
    told = []
    with Stage(scenario="troubled", now=now(), progress=told.append, binaries=binaries, databases=True) as stage:
        assert set(stage.databases) == {"redis"}
        assert {truth.effect.database for truth in stage.scenario.truths} == {"", "redis"}
    assert told[0] == "Going on without PostgreSQL: no luck"
    assert "Starting Redis" in told
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_given_must_be_empty_and_stays(binaries, tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(DemoError, match="is not empty") as caught, Stage(now=now(), folder=tmp_path, binaries=binaries):
        pytest.fail("the stage took a folder that is not empty")
    assert "name an empty folder" in caught.value.advice
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_an_error_with_the_reason(binaries, tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DemoError, match="cannot be used: Not a directory"),
        Stage(now=now(), folder=tmp_path / "file" / "x", binaries=binaries),
    ):
        pytest.fail("the stage was set up inside a file")


@pytest.mark.parametrize(("system", "story"), [("pratiko", "quiet"), ("pratikoai", "quite")])
def test_an_unknown_name_is_an_error_before_anything_is_started(binaries, temporary, system, story):
    with pytest.raises(ConfigError, match="did you mean"), Stage(system, story, now=now(), binaries=binaries):
        pytest.fail("the stage was set up for an unknown name")
    assert list(temporary.iterdir()) == []


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="aware"):
        Stage(now=datetime(2026, 11, 20))  # noqa: DTZ001 - that is what is refused
