"""A look and what is told of it, on a real ledger: killed at every step, nobody misses anything or hears it wrong."""

import contextlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.checks import causes, states
from opsjobs.errors import DeliveryError
from opsjobs.jobs.health import Health
from opsjobs.ledger import Ledger
from opsjobs.log import Redactor
from opsjobs.model import CheckResult, Outcome, Status, Team
from opsjobs.notify.outbox import Outbox, Way
from opsjobs.notify.pagerduty import PagerDutyChannel
from opsjobs.notify.routing import Receiver
from opsjobs.notify.routing import Way as Route
from opsjobs.notify.webhook import WebhookChannel
from opsjobs.runner import Audience, Desk, examine

ROME = ZoneInfo("Europe/Rome")
START = datetime(2026, 11, 18, 11, tzinfo=UTC)
SIX = timedelta(hours=6)


class Killed(BaseException):
    """As by kill -9: nothing that would tidy up runs after it."""


class Line:
    """A channel that composes as a real one does, and remembers what it was given."""

    def __init__(self, kind, answer=lambda message: None):
        self.compose = kind.compose
        self.answer = answer
        self.taken = []

    def send(self, message, recipient):
        self.answer(message)
        self.taken.append(json.loads(message))


class Mortal:
    """Stands in front of the ledger or a channel, and kills at a step: before what it does, or after."""

    def __init__(self, behind, steps):
        self._behind = behind
        self._steps = steps

    def __getattr__(self, name):
        found = getattr(self._behind, name)
        if not callable(found):
            return found

        def stepped(*arguments, **known):
            self._steps.step()
            result = found(*arguments, **known)
            self._steps.step()
            return result

        return stepped


class Steps:
    """So many steps, and then death: whoever is dead does nothing any more."""

    def __init__(self, left):
        self.left = left

    def step(self):
        if self.left == 0:
            raise Killed
        self.left -= 1


class Living:
    """A system that is looked at again and again, with two receivers."""

    def __init__(self, folder):
        self.ledger = Ledger.at(folder / "ledger.db").open()
        self.folder = folder
        self.pager, self.hook = Line(PagerDutyChannel(None, key="")), Line(WebhookChannel(None))
        self.at = START
        self.ids = itertools.count(1)

    def look(self, *bad, steps=None, after=SIX):
        """A look that finds these bad; what else was bad is well."""
        self.at += after
        ledger, pager, hook = self.ledger, self.pager, self.hook
        if steps is not None:
            ledger, pager, hook = (Mortal(each, steps) for each in (ledger, pager, hook))
        redactor = Redactor(["canary"])
        outbox = Outbox(
            ledger,
            {"pagerduty": pager, "webhook": hook},
            fallback=Way(channel="webhook", recipient="webhook"),
            clock=lambda: self.at,
            wait=lambda _: None,
            redact=redactor.redact,
        )
        desk = Desk(
            ledger=ledger,
            locks=self.folder / "locks",
            reports=self.folder,
            clock=lambda: self.at,
            new_id=lambda: f"{next(self.ids):08d}-run",
            host="a",
            pid=1,
            redactor=redactor,
            say=lambda _: None,
            outbox=outbox,
        )
        return examine("shop", f"{self.at:%Y-%m-%dT%H:%M}", desk, lambda known: self.found(known, bad), self.audience())

    def found(self, known, bad):
        results = tuple(
            CheckResult(id=name, title=name, status=Status.CRITICAL, text="bad", team=Team(name="web")) for name in bad
        )
        told, explained = causes.rolled_up(results, Team(name="web"), "")
        after = states.carried_on(known.states, results, self.at)
        return Health(
            at=self.at, since=self.at - SIX, checks=results, causes=explained, told=told, states=after, passed=()
        )

    def audience(self):
        way = (Route(severities=frozenset({"critical", "warning"})),)
        return Audience(
            receivers=[
                Receiver(channel="pagerduty", recipient="pagerduty", ways=way, zone=ROME, by_incident=True),
                Receiver(channel="webhook", recipient="webhook", ways=way, zone=ROME),
            ],
            title="Shop",
            zone=ROME,
            renotify=timedelta(days=1),
            in_maintenance=lambda _: False,
        )


@pytest.fixture
def living(tmp_path):
    made = Living(tmp_path)
    yield made
    made.ledger.close()


def test_the_life_of_an_incident(living):
    assert living.look("component:db").run.outcome is Outcome.SUCCEEDED
    assert living.look("component:db").deliveries == ()
    living.look()
    assert [event["event_action"] for event in living.pager.taken] == ["trigger", "resolve"]
    assert len({event["dedup_key"] for event in living.pager.taken}) == 1
    assert [[each["change"] for each in document["news"]] for document in living.hook.taken] == [["new"], ["ended"]]
    assert living.ledger.states("shop")["component:db"].told == {}


@pytest.mark.parametrize("last", range(1, 45))
def test_killed_at_any_step_both_receivers_hear_of_it_and_the_pager_of_one_incident(living, last):
    try:
        living.look("component:db", steps=Steps(last))
        killed = False
    except Killed:
        killed = True
    living.look("component:db", after=timedelta(minutes=10))
    for line in (living.pager, living.hook):
        assert 1 <= len(line.taken) <= 2
    assert len({event["dedup_key"] for event in living.pager.taken}) == 1
    assert len({document["id"] for document in living.hook.taken}) == 1
    # Then it is over, and both hear that, too.
    living.look()
    assert living.pager.taken[-1]["event_action"] == "resolve"
    assert living.pager.taken[-1]["dedup_key"] == living.pager.taken[0]["dedup_key"]
    assert living.hook.taken[-1]["going_on"] == []
    assert killed or last > 20


@pytest.mark.parametrize("last", range(1, 45))
def test_killed_at_any_step_of_a_recovery_it_is_heard_of_all_the_same(living, last):
    living.look("component:db")
    with contextlib.suppress(Killed):
        living.look(steps=Steps(last))
    living.look(after=timedelta(minutes=10))
    assert [event["event_action"] for event in living.pager.taken][:2] == ["trigger", "resolve"]
    assert {event["event_action"] for event in living.pager.taken[1:]} == {"resolve"}
    assert living.ledger.waiting("shop") == []


def test_a_receiver_that_is_dead_makes_the_look_partial_and_the_fallback_says_it(living):
    def refuse(message):
        raise DeliveryError("401 canary", permanent=True)

    living.pager.answer = refuse
    looked = living.look("component:db")
    assert looked.run.outcome is Outcome.PARTIAL
    assert "not sent to pagerduty: 401 ***" in looked.run.error
    subject = "CRITICAL: Shop: component:db: bad"
    said = {document["subject"] for document in living.hook.taken}
    assert said == {subject, f"Not delivered to pagerduty: {subject}"}
    assert [each.recipient for each in living.ledger.undelivered("shop")] == ["pagerduty"]


def test_what_is_resolved_does_not_overtake_what_was_triggered(living):
    def busy(message):
        raise DeliveryError("503", permanent=False)

    living.pager.answer = busy
    living.look("component:db")
    living.look(after=timedelta(seconds=20))
    living.pager.answer = lambda message: None
    living.look()
    assert [event["event_action"] for event in living.pager.taken] == ["trigger", "resolve"]


def test_a_storm_of_200_checks_is_one_message_for_each_receiver(living):
    living.look(*(f"check:{number}" for number in range(200)))
    assert len(living.pager.taken) == len(living.hook.taken) == 1
    assert len(living.hook.taken[0]["news"]) == 200
