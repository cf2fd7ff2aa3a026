"""What stands on the pages: the newest of each job, its past, and nothing green that is not proven well."""

import json
import re
import time
from datetime import date, timedelta

import pytest

from opsjobs.model import Outcome, Slot, SlotState, Status
from opsjobs.serving.pages import PAGE, SEARCHED
from tests.unit.report.samples import HOSTILE
from tests.unit.serving.kept import NOW, Client, files, quiet, troubled

UNPROVEN = [
    (Outcome.FAILED, None, "FAILED"),
    (Outcome.CRASHED, None, "CRASHED"),
    (Outcome.TIMED_OUT, None, "TIMED OUT"),
    (Outcome.RUNNING, None, "RUNNING"),
    (Outcome.SUCCEEDED, Status.UNKNOWN, "UNKNOWN"),
    (Outcome.SUCCEEDED, None, "NOTHING SAID"),
    (Outcome.PARTIAL, Status.OK, "PARTIAL"),
    (Outcome.SUCCEEDED, Status.WARNING, "WARNING"),
    (Outcome.SUCCEEDED, Status.CRITICAL, "CRITICAL"),
]


def words(page):
    """The text of a page, as it is read."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<(head|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)).split())


def shapes(page):
    """The kinds of the small shapes, the oldest first."""
    return re.findall(r'<g class="(\w+)"', page)


def test_a_job_is_told_by_its_verdict_status_and_time_in_the_zone_of_its_system(kept, client):
    kept.ran(report=troubled())
    page = client.get("/").text
    assert "Shop Europe/Rome" in words(page)
    assert "CRITICAL Redis was down for 41 min, and the API was slow because of it" in words(page)
    assert "3 findings 2026-11-21 10:30 4.1 s" in words(page)
    assert 'href="shop/daily/2026-11-20/report.html"' in page and 'href="shop/daily/"' in page
    assert "1 of 1 job needs a person" in words(page)


def test_only_what_is_proven_is_well(kept, client):
    kept.ran(report=quiet())
    assert "The one job is well" in words(client.get("/").text)
    assert "1 system has no run" in words(client.get("/").text)
    kept.ran(system="desk", report=quiet())
    assert "All 2 jobs are well" in words(client.get("/").text)


@pytest.mark.parametrize(("outcome", "status", "word"), UNPROVEN)
def test_what_is_not_proven_is_never_green_and_says_its_word(kept, client, outcome, status, word):
    kept.ran(outcome=outcome, status=status)
    for address in ("/", "/shop/daily/"):
        page = client.get(address).text
        assert word in words(page)
        (shape,) = shapes(page)
        assert shape != "ok"
    headline = words(client.get("/").text)
    assert ("0 of 1 job is well, 1 runs now" if word == "RUNNING" else "1 of 1 job needs a person") in headline


def test_a_system_without_a_run_says_so(kept, client):
    page = words(client.get("/").text)
    assert "No job has run yet" in page
    assert page.count("NO RUN Nothing is known of it: none of its jobs has run.") == 2


def test_a_system_that_is_no_longer_configured_is_still_there(kept, client):
    kept.ran(system="gone", report=quiet())
    assert "gone UTC" in words(client.get("/").text)
    assert client.get("/gone/daily/").status_code == 200


def test_a_job_that_has_not_done_its_work_in_time_is_late_however_well_its_last_run_was(kept, client):
    kept.ran(at=NOW - timedelta(hours=27), report=quiet())
    page = words(client.get("/").text)
    assert "LATE OK" in page and "It last did its work 27 h ago, and should every 26 h." in page
    assert "1 of 1 job needs a person" in page


def test_a_job_that_failed_lately_is_late_by_its_last_success(kept, client):
    kept.ran(at=NOW - timedelta(hours=27), report=quiet())
    kept.ran(at=NOW, outcome=Outcome.FAILED, status=None, error="it broke")
    assert "LATE FAILED" in words(client.get("/").text)


def test_a_job_that_never_did_its_work_is_late_once_it_should_have(kept, client):
    kept.ran(at=NOW - timedelta(hours=1), outcome=Outcome.FAILED, status=None)
    assert "LATE FAILED" not in words(client.get("/").text)
    kept.ran(slot="2026-11-19", at=NOW - timedelta(hours=27), outcome=Outcome.FAILED, status=None)
    assert "LATE FAILED" in words(client.get("/").text)
    assert "It has never done its work, and should every 26 h." in words(client.get("/").text)


def test_a_run_that_goes_on_for_too_long_is_late(kept, client):
    kept.ran(at=NOW - timedelta(hours=27), outcome=Outcome.RUNNING)
    page = words(client.get("/").text)
    assert "LATE RUNNING" in page and "1 of 1 job needs a person" in page


def missed(job, at):
    return Slot(system="shop", job=job, due_at=at, state=SlotState.MISSED, at=NOW)


def test_a_job_whose_newest_slot_nobody_ran_is_missed_until_it_runs_again(kept, client):
    kept.ran(at=NOW - timedelta(hours=20))
    kept.ledger.note_slots([missed("daily", NOW - timedelta(hours=2)), missed("daily", NOW - timedelta(hours=30))])
    page = words(client.get("/").text)
    assert "MISSED OK" in page and "Nobody ran 2 slots, the last due 2026-11-21 08:30." in page
    assert "1 of 1 job needs a person" in page
    kept.ran(slot="2026-11-21", at=NOW - timedelta(hours=1))
    page = words(client.get("/").text)
    assert "MISSED OK" not in page and "The one job is well" in page and "Nobody ran 2 slots" in page


def test_a_job_without_a_schedule_is_never_late(kept, client):
    kept.ran("drill", at=NOW - timedelta(days=300))
    assert "LATE OK" not in words(client.get("/").text)


def test_an_incomplete_backup_is_no_backup_in_time(kept):
    kept.ran("backup", at=NOW - timedelta(hours=27))
    kept.ran("backup", slot="later", at=NOW, outcome=Outcome.PARTIAL, status=Status.WARNING)
    page = words(Client(kept.site(late={"backup": 26 * 3600})).get("/").text)
    assert "LATE" in page and "It last did its work 27 h ago" in page


def test_the_past_shows_each_day_and_a_day_without_a_run_as_a_gap(kept, client):
    today = NOW.date()
    for back, status in ((6, Status.OK), (5, Status.WARNING), (3, Status.CRITICAL), (2, Status.UNKNOWN)):
        kept.ran(slot=(today - timedelta(days=back)).isoformat(), status=status)
    page = client.get("/shop/daily/").text
    assert shapes(page) == ["ok", "warning", "none", "critical", "unknown", "none"]
    assert "<title>2026-11-17: no run</title>" in page
    assert 'aria-label="The last 6, the oldest first: 1 OK, 1 WARNING, 2 no run, 1 CRITICAL, 1 UNKNOWN"' in page


def test_the_past_of_weeks_shows_each_week(kept, client):
    for week in ("2026-W43", "2026-W45"):
        kept.ran("costs", slot=week)
    assert shapes(client.get("/shop/costs/").text) == ["ok", "none", "ok", "none"]


def test_the_past_of_other_slots_is_what_there_was(kept, client):
    for slot in ("2026-11-19T06:00", "2026-11-19T12:00", "by hand"):
        kept.ran("health", slot=slot)
    assert shapes(client.get("/shop/health/").text) == ["ok", "ok", "ok"]


def test_a_slot_far_ahead_does_not_hide_what_was(kept, client):
    kept.days(3)
    kept.ran(slot="9999-12-31", status=Status.WARNING)
    assert shapes(client.get("/shop/daily/").text) == ["ok", "ok", "ok", "warning"]


def test_the_past_is_thirty_slots_long(kept, client):
    kept.days(45)
    assert len(shapes(client.get("/").text)) == 30


def test_a_run_that_made_no_report_tells_its_error_and_has_no_link(kept, client):
    kept.ran("health", slot="2026-11-21T06:00", status=Status.WARNING, error="2 of 54 checks")
    page = client.get("/shop/health/").text
    assert "WARNING 2 of 54 checks" in words(page)
    assert "report." not in page and "Files" not in words(page)


def test_the_newest_run_of_a_slot_counts_and_the_files_of_an_earlier_one_are_called_that(kept, client):
    kept.ran(at=NOW - timedelta(hours=2), report=quiet())
    kept.ran(at=NOW, outcome=Outcome.FAILED, status=None, error="Prometheus cannot be reached")
    page = client.get("/shop/daily/").text
    assert "FAILED Prometheus cannot be reached The files are of an earlier run of this slot. Run 2 times." in words(
        page
    )
    assert "Everything is within its limits" not in page
    assert 'href="./2026-11-20/report.html"' in page


def test_a_report_whose_files_are_gone_is_still_a_row_that_says_so(kept, client):
    kept.ran(report=quiet())
    for path in (kept.reports / "shop/daily/2026-11-20").iterdir():
        path.unlink()
    page = client.get("/shop/daily/").text
    assert "Its report is not in this archive." in words(page) and "report.html" not in page


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"verdict": 7}', b"\xff\xfe", b'{"verdict": "x", "findings": 3}']
)
def test_a_report_that_can_not_be_read_spoils_no_page(kept, client, broken):
    kept.ran(report=quiet())
    (kept.reports / "shop/daily/2026-11-20/report.json").write_bytes(broken)
    for address in ("/", "/shop/daily/", "/shop/daily/?q=limits"):
        assert client.get(address).status_code == 200


def test_a_report_that_is_made_again_is_read_again(kept, client):
    kept.ran(report=quiet())
    assert "Everything is within its limits" in client.get("/").text
    kept.ran(report=troubled())
    assert "Redis was down" in client.get("/").text


def test_slots_are_listed_by_the_page_the_newest_first(kept, client):
    kept.days(2 * PAGE + 3)
    first, second, third = (client.get(f"/shop/daily/?page={number}").text for number in (1, 2, 3))
    rows = [re.findall(r'<th scope="row"><bdi>([\d-]+)</bdi>', page) for page in (first, second, third)]
    assert [len(each) for each in rows] == [PAGE, PAGE, 3]
    together = [date.fromisoformat(name) for page in rows for name in page]
    assert together == sorted(together, reverse=True) and len(set(together)) == 2 * PAGE + 3
    assert "page 1 of 3" in words(first) and "Newer" not in words(first)
    assert "Newer page 2 of 3 Older" in words(second)
    assert "Older" not in words(third)
    assert "There is nothing here." in words(client.get("/shop/daily/?page=9").text)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "٣", "1" * 30])
def test_a_page_that_is_no_number_is_refused_in_words(kept, client, page):
    kept.ran()
    answer = client.get("/shop/daily/", query_string={"page": page})
    assert answer.status_code == 400 and "A page is a number from 1 on." in answer.text


def test_days_narrow_the_list_and_pages_keep_them(kept, client):
    kept.days(120)
    page = client.get("/shop/daily/?from=2026-08-01&to=2026-10-31").text
    assert "92 slots from 2026-08-01 to 2026-10-31." in words(page)
    assert "2026-10-31" in page and "<bdi>2026-11-01</bdi>" not in page
    assert 'href="?from=2026-08-01&amp;to=2026-10-31&amp;page=2"' in page


def test_days_find_the_moments_within_them_and_the_weeks_that_they_are_in(kept, client):
    for slot in ("2026-11-18T06:00", "2026-11-19T00:00", "2026-11-19T23:59", "2026-11-20T00:00"):
        kept.ran("health", slot=slot)
    page = client.get("/shop/health/?from=2026-11-19&to=2026-11-19").text
    assert re.findall(r"<bdi>(2026-11-\d\dT[\d:]+)</bdi>", page) == ["2026-11-19T23:59", "2026-11-19T00:00"]
    for week in ("2026-W46", "2026-W47", "2026-W48"):
        kept.ran("costs", slot=week)
    page = client.get("/shop/costs/?from=2026-11-18&to=2026-11-18").text
    assert re.findall(r"<bdi>(2026-W\d\d)</bdi>", page) == ["2026-W47"]


@pytest.mark.parametrize("query", ["from=2026-13-01", "to=yesterday", "from=%00", "to=20%D9%A2"])
def test_a_date_that_is_none_is_refused_in_words(kept, client, query):
    kept.ran()
    answer = client.get(f"/shop/daily/?{query}")
    assert answer.status_code == 400 and "A date is written as 2026-11-18." in answer.text


def test_the_last_day_of_all_can_be_asked_for(kept, client):
    kept.ran()
    assert "<bdi>2026-11-20</bdi>" in client.get("/shop/daily/?from=0001-01-01&to=9999-12-31").text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("redis", ["2026-11-19"]),
        ("REDIS down", ["2026-11-19"]),
        ("payment success", ["2026-11-19"]),
        ("limits", ["2026-11-18"]),
        ("refused", ["2026-11-17"]),
        ("failed", ["2026-11-19", "2026-11-17"]),
        ("2026-11", ["2026-11-19", "2026-11-18", "2026-11-17"]),
        ("nowhere", []),
        ("100%", []),
        ("_", []),
    ],
)
def test_a_search_looks_at_slot_status_verdict_findings_and_error(kept, client, asked, found):
    kept.ran(slot="2026-11-17", outcome=Outcome.FAILED, status=None, error="Connection refused")
    kept.ran(slot="2026-11-18", report=quiet())
    kept.ran(slot="2026-11-19", report=troubled())
    page = client.get("/shop/daily/", query_string={"q": asked}).text
    assert re.findall(r'<th scope="row"><bdi>([\d-]+)</bdi>', page) == found
    assert f"{len(found)} of 3 slots" in words(page)


def test_a_search_shows_the_findings_that_it_found(kept, client):
    kept.ran(report=troubled())
    page = words(client.get("/shop/daily/?q=payment").text)
    assert "Payment success fell below its limit" in page and "Nothing is known of failed logins" not in page


def test_a_search_that_has_not_looked_at_all_says_so_and_goes_on(kept, client):
    kept.days(SEARCHED + 20)
    page = client.get("/shop/daily/?q=nowhere").text
    assert f"0 of {SEARCHED} slots" in words(page) and "Not all were looked at" in words(page)
    onward = re.search(r'<a href="([^"]+)" rel="next">Search on', page)[1].replace("&amp;", "&")
    assert "0 of 20 slots" in words(client.get(f"/shop/daily/{onward}").text)


def test_a_search_with_more_than_a_page_of_finds_goes_on_without_losing_one(kept, client):
    kept.days(PAGE + 7)
    page, found = client.get("/shop/daily/?q=ok").text, []
    for _ in range(3):
        found += re.findall(r'<th scope="row"><bdi>([\d-]+)</bdi>', page)
        onward = re.search(r'<a href="([^"]+)" rel="next">', page)
        if not onward:
            break
        page = client.get(f"/shop/daily/{onward[1].replace('&amp;', '&')}").text
    assert len(found) == len(set(found)) == PAGE + 7


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(kept, client, text):
    text = text.replace("\ud800", "")
    known = json.loads(files(quiet())["report.json"])
    known |= {"verdict": text, "findings": [{"title": text}]}
    kept.ran(made={"report.json": json.dumps(known).encode(), "report.html": b"<p>"})
    kept.ran("health", slot="x", outcome=Outcome.FAILED, status=None, error=text)
    for address in ("/", "/shop/daily/", "/shop/health/"):
        page = client.get(address).text
        assert not re.search(r"<(script|img|foreignObject|style)", page, re.IGNORECASE)
        assert "onerror=alert" not in re.sub(r"<bdi>.*?</bdi>", "", page)
        assert not set(page) & {"\0", "\x1b", "\u202e", "\ud800"} and "49" not in words(page).split()
    page = client.get("/shop/daily/", query_string={"q": text}).text
    assert not re.search(r"<(script|img|foreignObject|style)", page, re.IGNORECASE)


@pytest.mark.parametrize("name", ["<b>x", "a b", "ünï", "%2e%2e", "x" * 190, "a:b", "?q", "#f", "{{7*7}}", "'\""])
def test_hostile_names_are_escaped_and_their_links_lead_to_them(kept, client, name):
    kept.ran(job=name, slot=name, system=name, report=quiet())
    page = client.get("/").text
    assert "<b>" not in page
    onward = re.search(r'<th scope="row"><a href="([^"]+)"', page)[1]
    there = client.get(f"/{onward}")
    assert there.status_code == 200
    report = re.search(r'href="\./([^"]+/report.html)"', there.text)[1]
    assert client.get(f"/{onward}{report}").status_code == 200


def test_a_long_ledger_makes_no_page_slow(kept):
    import sqlite3

    kept.ran(report=quiet())
    first = date(2000, 1, 1)
    rows = [
        (f"old-{number}", "shop", ("daily", "health")[number % 2], (first + timedelta(days=number // 2)).isoformat())
        for number in range(10_000)
    ]
    known = "'2001-01-01 00:00:00', '2001-01-01 00:00:04', 'succeeded', 'OK', 'a', 1, '', '[]'"
    with sqlite3.connect(kept.root / "ledger.db") as connection:
        columns = "id, system, job, slot, started_at, finished_at, outcome, status, host, pid, error, artifacts"
        connection.executemany(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, {known})", rows)  # noqa: S608 - constants
    connection.close()
    client = Client(kept.site())
    for address in ("/", "/shop/daily/", "/shop/daily/?page=99", "/shop/daily/?q=nowhere", "/metrics", "/healthz"):
        began = time.process_time()
        assert client.get(address).status_code == 200
        # Ten times what it takes, for machines that are busy.
        assert time.process_time() - began < 1.5, address
