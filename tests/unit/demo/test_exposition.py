import http.client
import re
import socket
import subprocess
from datetime import timedelta

import pytest

from opsjobs.demo.course import STEP
from opsjobs.demo.exposition import Exporter, page, write_history
from tests.unit.demo.samples import TODAY, course

SINCE, UNTIL = TODAY - timedelta(hours=13), TODAY - timedelta(hours=11)
LINE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: (?P<time>\d+))?")


def lines(text):
    return [LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#")]


def ask(address, path):
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def whole():
    return course()


@pytest.fixture(scope="module")
def history(whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / "history.om"
    samples = write_history(whole, path, TODAY.timestamp() + 90)
    return path, samples


def test_the_real_promtool_takes_every_sample(history, binaries):
    path, samples = history
    command = binaries.command(
        "promtool", "tsdb", "create-blocks-from", "openmetrics", str(path), str(path.parent), folders=(path.parent,)
    )
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # The column after times and durations.
    assert sum(int(row.split()[4]) for row in told.splitlines()[1:]) == samples


def test_the_history_is_grouped_by_family_and_each_series_goes_forward(history):
    text = history[0].read_text()
    assert text.endswith("# EOF\n")
    types = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types)) == 11
    assert {"# TYPE orders counter", "# TYPE euros unknown", "# TYPE request_seconds histogram"} < set(types)
    last, seen = ("", 0), set()
    for line in lines(text):
        series, time = (line["name"], line["labels"]), int(line["time"])
        if series == last[0]:
            assert time == last[1] + STEP
        else:
            assert series not in seen
        last = (series, time)
        seen.add(series)


def test_the_history_ends_with_the_last_full_step(history):
    assert max(int(line["time"]) for line in lines(history[0].read_text())) == TODAY.timestamp()


def test_what_is_not_exposed_is_not_written(tmp_path):
    effects = [({"component": "api", "down": True}, SINCE, UNTIL)]
    path = tmp_path / "history.om"
    write_history(course(*effects), path, TODAY.timestamp())
    found = [line for line in lines(path.read_text()) if SINCE.timestamp() < int(line["time"]) <= UNTIL.timestamp()]
    assert {line["name"] for line in found} == {"up", "db_up", "db_size"}
    assert {line["value"] for line in found if 'job="shop"' in line["labels"]} == {"0"}


def test_live_values_continue_the_history_and_no_counter_goes_back(whole, history):
    ended = {
        (line["name"], line["labels"]): float(line["value"])
        for line in lines(history[0].read_text())
        if int(line["time"]) == TODAY.timestamp()
    }
    for seconds in (0, 1, 15, STEP, STEP + 1, 3600):
        for line in lines(page(whole, "shop", "one", TODAY.timestamp() + seconds)):
            labels = ",".join(filter(None, (line["labels"], 'job="shop",instance="one"')))
            before = ended[line["name"], labels]
            if seconds == 0:
                assert float(line["value"]) == before
            elif line["name"] != "customers":
                assert float(line["value"]) >= before
                ended[line["name"], labels] = float(line["value"])


def test_a_page_has_no_labels_that_prometheus_adds_by_itself(whole):
    text = page(whole, "shop", "one", TODAY.timestamp())
    assert "job=" not in text
    assert "instance=" not in text
    assert '# HELP customers Customers, with a "quote".\n# TYPE customers gauge\n' in text
    assert "ALERTS" not in text


def test_the_exporter_serves_each_target_and_the_first_instance_of_a_job(whole):
    with Exporter(lambda _: whole, TODAY.timestamp) as exporter:
        assert ask(exporter.address, "/metrics/shop/two") == (200, page(whole, "shop", "two", TODAY.timestamp()))
        assert ask(exporter.address, "/metrics/shop%2Ftwo")[0] == 200
        assert ask(exporter.address, "/metrics/shop")[1] == page(whole, "shop", "one", TODAY.timestamp())
        assert ask(exporter.address, "/metrics/shop/three") == (404, "no target is called shop/three\n")
        assert ask(exporter.address, "/")[0] == 404


def test_a_target_that_is_down_answers_503_and_the_others_answer():
    down = course(({"component": "api", "down": True}, SINCE, UNTIL))
    with Exporter(lambda _: down, lambda: UNTIL.timestamp() - 1) as exporter:
        assert ask(exporter.address, "/metrics/shop/one")[0] == 503
        assert ask(exporter.address, "/metrics/database/db")[0] == 200
    with Exporter(lambda _: down, lambda: UNTIL.timestamp() + 1) as exporter:
        assert ask(exporter.address, "/metrics/shop/one")[0] == 200


def test_the_exporter_asks_for_the_course_up_to_its_own_time(whole):
    asked = []

    def until(time):
        asked.append(time)
        return whole

    with Exporter(until, TODAY.timestamp) as exporter:
        ask(exporter.address, "/metrics/shop")
    assert asked == [TODAY.timestamp() + STEP]


def test_the_exporter_frees_its_port(whole):
    exporter = Exporter(lambda _: whole, TODAY.timestamp)
    exporter.start()
    host, port = exporter.address.split(":")
    exporter.stop()
    exporter.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=2)
    with pytest.raises(RuntimeError, match="not running"):
        _ = exporter.address
