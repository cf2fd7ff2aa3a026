"""`opsjobs findings` as people and programs use it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from opsjobs.daybook import Daybook
from opsjobs.ledger import Ledger
from opsjobs.model import Outcome, Run
from opsjobs.recommendation import Recommendation

MONDAY = date(2026, 11, 9)
RUN = Run(
    id="r1",
    system="shop",
    job="costs",
    slot="2026-W46",
    started_at=datetime(2026, 11, 16, 9, tzinfo=UTC),
    finished_at=datetime(2026, 11, 16, 9, tzinfo=UTC),
    outcome=Outcome.SUCCEEDED,
    host="a",
    pid=1,
)
CACHE = Recommendation(
    id="cache-3f9a2c",
    kind="cache",
    title="Answer 80.0 % from the cache",
    arithmetic="20.0 % of 126,000 requests of users = €4.20 in the week; x 30/7 for a month",
    saving=Decimal(18),
    currency="EUR",
    effort="medium",
    confidence="high",
    value=0.4,
    goal=0.2,
    worth=Decimal(21),
    first_seen=date(2026, 10, 26),
    last_seen=MONDAY,
)
BATCH = replace(CACHE, id="batch-aaaaaa", title="Send in batches", saving=Decimal(40))
OLD = replace(CACHE, id="tokens-bbbbbb", title="See why requests got longer", last_seen=date(2026, 11, 2), gone=MONDAY)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "opsjobs.yml").write_text(
        "systems:\n  shop: {profile: pratikoai, prometheus: {url: 'http://127.0.0.1:9'}}\nstorage: {root: state}\n"
    )
    ledger = Ledger.at(tmp_path / "state" / "ledger.db").open()
    ledger.start(replace(RUN, finished_at=None, outcome=Outcome.RUNNING))
    ledger.finish(RUN, MONDAY, advised=[CACHE, BATCH, OLD], spent=Daybook())
    ledger.close()
    return tmp_path


def findings(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "opsjobs", "findings", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
    )


def known(folder, *words):
    (system,) = json.loads(findings(folder, "list", "--json", *words).stdout)["systems"]
    return {each["id"]: each for each in system["findings"]}


def test_what_would_save_most_stands_first_and_what_is_found_no_longer_is_left_out(folder):
    said = findings(folder, "list").stdout
    assert said.startswith("shop\n  batch-aaaaaa  Send in batches\n")
    assert "saves €18.00 a month; effort medium, confidence high" in said
    assert "found in 2026-W44 to 2026-W46" in said
    assert OLD.id not in said and OLD.id in findings(folder, "list", "--all").stdout


def test_what_is_dismissed_is_listed_on_request_with_who_and_why(folder):
    done = findings(folder, "dismiss", BATCH.id, "--for", "90d", "--reason", "answers cannot wait")
    assert done.returncode == 0 and done.stdout.startswith(f"{BATCH.id} is not advised until ")
    assert BATCH.id not in known(folder)
    told = known(folder, "--all")[BATCH.id]
    assert (told["decision"], told["reason"]) == ("dismissed", "answers cannot wait") and told["until"] and told["by"]


def test_what_is_accepted_and_done_stays_in_sight_with_what_it_saved(folder):
    assert "findings done cache-3f9a2c" in findings(folder, "accept", CACHE.id).stdout
    assert known(folder)[CACHE.id]["decision"] == "accepted"
    assert findings(folder, "done", CACHE.id).returncode == 0
    told = known(folder)[CACHE.id]
    assert (told["decision"], told["saving"], told["saved"]) == ("done", "18.000000", {})


def test_a_decision_is_taken_back(folder):
    findings(folder, "dismiss", BATCH.id, "--reason", "answers cannot wait")
    assert findings(folder, "reopen", BATCH.id).stdout == f"{BATCH.id} is open again\n"
    told = known(folder)[BATCH.id]
    assert (told["decision"], told["reason"], told["until"]) == ("open", "", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("accept", "cache-3f9a2d"), "did you mean 'cache-3f9a2c'"),
        (("dismiss", CACHE.id, "--reason", " "), "the reason is empty"),
        (("dismiss", CACHE.id, "--reason", "x", "--for", "0d"), "'0d' is no length of time"),
        (("dismiss", CACHE.id, "--reason", "x", "--for", "4000d"), "3660d at most"),
        (("dismiss", CACHE.id, "--reason", "x", "--for", "9" * 5000 + "d"), "3660d at most"),
        (("done", CACHE.id, "--system", "other"), "other"),
    ],
)
def test_mistakes_are_explained_and_change_nothing(folder, words, said):
    before = known(folder, "--all")
    done = findings(folder, *words)
    assert done.returncode in (64, 78) and said in done.stderr
    assert known(folder, "--all") == before


def test_a_system_that_was_never_looked_at_says_what_to_do(folder):
    (folder / "state" / "ledger.db").unlink()
    done = findings(folder, "list")
    assert done.stdout == "shop, never looked at: `opsjobs costs` does\n"
