"""What is new for each receiver: every way from what it knows to what is, and what holds its tongue."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.checks.states import carried_on
from opsjobs.model import BLIND, Acknowledgement, Change, CheckResult, Status, Team, Told
from opsjobs.notify.flips import Look, settle
from opsjobs.notify.routing import Receiver, Way
from opsjobs.system.alerting import HoursSpec

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
ROME = ZoneInfo("Europe/Rome")
START = datetime(2026, 11, 18, 12, tzinfo=ROME)
SIX = timedelta(hours=6)
BOTH = frozenset({"warning", "critical"})


def receiver(channel="slack", severities=BOTH, **known):
    hours, teams = known.pop("hours", None), known.pop("teams", frozenset())
    ways = (Way(severities=frozenset(severities), teams=teams, hours=hours),)
    return Receiver(channel=channel, recipient=channel, ways=ways, zone=ROME, **known)


def result(name="a", status=CRITICAL, team="web"):
    return CheckResult(id=name, title=name.upper(), status=status, text=f"{name} is bad", team=Team(name=team))


class Watch:
    """Looks one after the other, as runs do."""

    def __init__(self, *receivers, **around):
        self.receivers = receivers or (receiver(),)
        self.around = around
        self.states = {}
        self.at = START
        self.number = 0

    def look(self, *results, after=SIX, causes=None, **around):
        """What each receiver is told; `causes` says which results are told with which other."""
        self.at += after
        self.number += 1
        self.states = carried_on(self.states, results, self.at, around.pop("definitions", None))
        look = Look(
            system="shop",
            title="Shop",
            zone=ROME,
            at=self.at,
            incident=f"look-{self.number}",
            run=f"run-{self.number}",
            results=results,
            told=[each for each in results if each.status is not OK and each.id not in (causes or {})],
            causes=causes or {},
            states=self.states,
            **{
                "acknowledged": {},
                "in_maintenance": lambda _: False,
                "renotify": timedelta(days=1),
                **self.around,
                **around,
            },
        )
        self.states, notices = settle(look, self.receivers)
        return notices

    def changes(self, *results, **around):
        """Of the first receiver: what changed, by check."""
        notices = [notice for to, notice in self.look(*results, **around) if to == self.receivers[0]]
        return {flip.check.id: flip.change for notice in notices for flip in notice.flips}


NEW, WORSE, CHANGED, STILL, ENDED = Change.NEW, Change.WORSE, Change.CHANGED, Change.STILL, Change.ENDED


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (OK, OK, None),
        (OK, WARNING, NEW),
        (OK, CRITICAL, NEW),
        (OK, UNKNOWN, NEW),
        (WARNING, OK, ENDED),
        (WARNING, WARNING, None),
        (WARNING, CRITICAL, WORSE),
        (WARNING, UNKNOWN, WORSE),
        (CRITICAL, OK, ENDED),
        (CRITICAL, WARNING, CHANGED),
        (CRITICAL, CRITICAL, None),
        (CRITICAL, UNKNOWN, CHANGED),
        (UNKNOWN, OK, ENDED),
        (UNKNOWN, WARNING, CHANGED),
        (UNKNOWN, CRITICAL, WORSE),
        (UNKNOWN, UNKNOWN, None),
    ],
)
def test_every_way_from_one_look_to_the_next(before, now, change):
    watch = Watch()
    watch.look(result(status=before))
    assert watch.changes(result(status=now)) == ({"a": change} if change else {})
    # And it is said once.
    assert watch.changes(result(status=now)) == {}


def test_what_goes_on_is_told_again_after_a_day_and_then_after_another():
    watch = Watch()
    told = [watch.changes(result()) for _ in range(10)]
    assert [number for number, changes in enumerate(told) if changes] == [0, 4, 8]
    assert told[4] == told[8] == {"a": STILL}


def test_a_look_that_begins_a_little_early_tells_again_as_well():
    watch = Watch()
    watch.look(result())
    assert watch.changes(result(), after=timedelta(hours=23, minutes=55)) == {"a": STILL}


def test_a_recovery_says_how_long_it_lasted():
    watch = Watch()
    watch.look(result())
    watch.look(result())
    ((_, notice),) = watch.look(result(status=OK))
    (flip,) = notice.flips
    assert flip.words == "well again after 12 h"
    assert notice.going_on == () and watch.states["a"].told == {}


def test_what_is_not_listed_any_more_has_recovered():
    watch = Watch()
    watch.look(result())
    assert watch.changes() == {"a": ENDED}


def test_who_was_never_told_hears_of_no_recovery():
    watch = Watch(receiver(severities={"critical"}))
    assert watch.changes(result(status=WARNING)) == {}
    assert watch.changes(result(status=OK)) == {}


def test_what_something_else_explains_is_not_told_until_it_stands_by_itself():
    watch = Watch()
    cause, effect = result("cause"), result("effect")
    assert watch.changes(cause, effect, causes={"effect": "cause"}) == {"cause": NEW}
    assert watch.changes(result("cause", OK), effect) == {"cause": ENDED, "effect": NEW}


def test_whoever_does_not_hear_of_the_cause_hears_of_the_effect():
    watch = Watch(receiver("data", teams=frozenset({"data"})))
    cause, effect = result("cause"), result("effect", team="data")
    assert watch.changes(cause, effect, causes={"effect": "cause"}) == {"effect": NEW}


def test_that_the_monitoring_is_blind_is_told_once_for_all():
    watch = Watch(receiver("data", teams=frozenset({"data"})))
    blind, lost = result(BLIND, UNKNOWN), result("lost", UNKNOWN, "data")
    assert watch.changes(blind, lost, causes={"lost": BLIND}) == {}


def test_a_receiver_that_refused_is_told_again_when_it_is_time():
    watch = Watch(receiver("pagerduty", reminded=False))
    watch.look(result())
    refused = {"failed": {("pagerduty:pagerduty", "run-1")}}
    told = [watch.changes(result(), **refused) for _ in range(4)]
    assert told == [{}, {}, {}, {"a": NEW}]


def test_a_clock_that_was_ahead_is_not_waited_for():
    watch = Watch()
    watch.look(result(), after=timedelta(days=300))
    ((_, notice),) = watch.look(result(), after=-timedelta(days=299))
    assert [flip.change for flip in notice.flips] == [STILL]
    ((_, notice),) = watch.look(result(status=OK))
    assert notice.flips[0].words == "well again after 0 s"


def test_what_is_not_looked_at_any_more_is_not_said_to_be_well():
    watch = Watch()
    watch.look(result())
    ((_, notice),) = watch.look()
    assert notice.flips[0].words == "not there any more after 6 h"


def test_what_is_explained_only_now_and_then_recovers_is_told_to_be_over():
    watch = Watch()
    assert watch.changes(result("effect")) == {"effect": NEW}
    assert watch.changes(result("cause"), result("effect"), causes={"effect": "cause"}) == {"cause": NEW}
    assert watch.changes(result("cause", OK), result("effect", OK)) == {"cause": ENDED, "effect": ENDED}


class TestFlapping:
    def test_is_told_once_and_then_nothing_until_it_is_steady(self):
        watch = Watch()
        signs = "!.!.!.!.!" + "!" * 5
        changes = [watch.changes(result(status=CRITICAL if sign == "!" else OK)).get("a") for sign in signs]
        assert changes[:5] == [NEW, ENDED, NEW, ENDED, Change.FLAPPING]
        assert changes[5:-1] == [None] * 8
        assert changes[-1] is STILL

    def test_that_ends_well_is_told_to_be_over(self):
        watch = Watch()
        signs = "!.!.!" + "." * 6
        changes = [watch.changes(result(status=CRITICAL if sign == "!" else OK)).get("a") for sign in signs]
        assert changes[4:] == [Change.FLAPPING, *[None] * 5, ENDED]

    def test_that_gets_worse_is_told(self):
        watch = Watch()
        for status in (WARNING, OK, WARNING, OK, WARNING):
            watch.look(result(status=status))
        assert watch.changes(result(status=OK)) == {}
        assert watch.changes(result(status=CRITICAL)) == {"a": Change.FLAPPING}
        assert watch.changes(result(status=WARNING)) == {}

    def test_that_begins_on_a_look_that_is_well_is_told_all_the_same(self):
        watch = Watch()
        signs = "!" + "." * 10 + "!.!."
        changes = [watch.changes(result(status=CRITICAL if sign == "!" else OK)).get("a") for sign in signs]
        assert changes[:2] == [NEW, ENDED]
        assert changes[11:] == [NEW, ENDED, NEW, Change.FLAPPING]

    def test_of_what_swings_between_two_ways_of_being_bad_is_told_once_also_to_a_pager(self):
        watch = Watch(receiver("pagerduty", {"critical"}))
        statuses = [CRITICAL, WARNING] * 8
        changes = [watch.changes(result(status=status)).get("a") for status in statuses]
        assert [change for change in changes if change][-1] is Change.FLAPPING
        assert len([change for change in changes if change]) <= 5


class TestAnAcknowledgement:
    def known(self, watch, status=CRITICAL, length=timedelta(days=3)):
        ack = Acknowledgement(check="a", status=status, at=watch.at, until=watch.at + length, by="ada", reason="r")
        watch.around["acknowledged"] = {"a": ack}

    def test_keeps_quiet_until_its_time_is_over(self):
        watch = Watch()
        watch.look(result())
        self.known(watch)
        told = [watch.changes(result()) for _ in range(13)]
        assert [number for number, changes in enumerate(told) if changes] == [11]
        assert told[11] == {"a": STILL}

    def test_does_not_hide_what_gets_worse(self):
        watch = Watch()
        watch.look(result(status=WARNING))
        self.known(watch, WARNING)
        assert watch.changes(result(status=WARNING), after=timedelta(days=2)) == {}
        assert watch.changes(result()) == {"a": WORSE}

    def test_ends_with_what_it_was_about(self):
        watch = Watch()
        watch.look(result())
        self.known(watch)
        assert watch.changes(result(status=OK)) == {"a": ENDED}
        assert watch.changes(result()) == {"a": NEW}

    def test_does_not_keep_an_incident_open_that_has_eased(self):
        watch = Watch(receiver("pagerduty", {"critical"}))
        watch.look(result())
        self.known(watch)
        assert watch.changes(result(status=WARNING)) == {"a": Change.EASED}

    def test_quiets_an_alertmanager_too(self):
        watch = Watch(receiver("alertmanager", all_that_goes_on=True, reminded=False))
        watch.look(result(), result("b"))
        self.known(watch)
        ((_, notice),) = watch.look(result(), result("b"))
        assert [flip.check.id for flip in notice.going_on] == ["b"]

    def test_is_of_one_check(self):
        watch = Watch()
        watch.look(result())
        self.known(watch)
        assert watch.changes(result(), result("b")) == {"b": NEW}


class TestMaintenance:
    def test_holds_back_and_tells_what_is_still_bad_when_it_is_over(self):
        watch = Watch()
        quiet = {"in_maintenance": lambda check: check == "a"}
        assert watch.changes(result(), result("b"), **quiet) == {"b": NEW}
        assert watch.changes(result(), result("b"), **quiet) == {}
        ((_, notice),) = watch.look(result(), result("b"))
        (flip,) = notice.flips
        assert (flip.check.id, flip.change) == ("a", NEW)
        assert flip.words.endswith(", for 12 h")

    def test_what_came_and_went_in_it_is_not_told(self):
        watch = Watch()
        quiet = {"in_maintenance": lambda _: True}
        assert watch.changes(result(), **quiet) == {}
        assert watch.changes(result(status=OK), **quiet) == {}
        assert watch.changes(result(status=OK)) == {}

    def test_what_ends_in_it_is_told_to_be_over_afterwards(self):
        watch = Watch()
        watch.look(result())
        assert watch.changes(result(status=OK), in_maintenance=lambda _: True) == {}
        assert watch.changes(result(status=OK)) == {"a": ENDED}

    def test_what_ends_and_comes_back_in_it_is_new(self):
        watch = Watch()
        watch.look(result())
        watch.look(result(status=OK), in_maintenance=lambda _: True)
        watch.look(result(), in_maintenance=lambda _: True)
        ((_, notice),) = watch.look(result())
        assert [(flip.change, flip.incident) for flip in notice.flips] == [(NEW, "look-1")]


HOURS = HoursSpec(days=("mon", "tue", "wed", "thu", "fri"), **{"from": "09:00", "until": "18:00"})


class TestRouting:
    def test_a_warning_waits_for_the_hours_of_its_receiver_and_is_told_as_it_is_then(self):
        watch = Watch(receiver(hours=HOURS))
        # Wednesday 18:00, Thursday 00:00, 06:00, 12:00.
        assert [watch.changes(result()) for _ in range(4)] == [{}, {}, {}, {"a": NEW}]

    def test_what_was_over_before_the_hours_began_is_not_told(self):
        watch = Watch(receiver(hours=HOURS))
        assert watch.changes(result()) == {}
        assert [watch.changes(result(status=OK)) for _ in range(3)] == [{}, {}, {}]

    def test_a_recovery_does_not_wait_for_hours(self):
        watch = Watch(receiver(hours=HOURS))
        watch.look(result(), after=timedelta(hours=1))
        assert watch.changes(result(status=OK)) == {"a": ENDED}

    def test_each_receiver_hears_what_is_its_own(self):
        pager = receiver("pagerduty", {"critical"})
        web, data = receiver("web", teams=frozenset({"web"})), receiver("data", teams=frozenset({"data"}))
        watch = Watch(pager, web, data)
        notices = watch.look(result("a"), result("b", WARNING, "data"))
        assert {to.channel: [flip.check.id for flip in notice.flips] for to, notice in notices} == {
            "pagerduty": ["a"],
            "web": ["a"],
            "data": ["b"],
        }

    def test_what_is_not_known_is_told_as_a_warning_but_for_blindness(self):
        watch = Watch(receiver("pagerduty", {"critical"}))
        assert watch.changes(result(status=UNKNOWN)) == {}
        assert watch.changes(result(BLIND, UNKNOWN)) == {BLIND: NEW}

    def test_what_eases_below_what_a_receiver_takes_is_over_for_it(self):
        watch = Watch(receiver("pagerduty", {"critical"}), receiver())
        watch.look(result())
        notices = dict(watch.look(result(status=WARNING)))
        (pager,), (slack,) = (notices[each].flips for each in watch.receivers)
        assert (pager.change, slack.change) == (Change.EASED, CHANGED)
        assert notices[watch.receivers[0]].going_on == ()
        assert watch.changes(result()) == {"a": NEW}

    def test_what_can_no_longer_be_measured_is_not_over(self):
        watch = Watch(receiver("pagerduty", {"critical"}))
        watch.look(result())
        assert watch.changes(result(status=UNKNOWN)) == {}
        assert watch.changes(result()) == {}
        assert watch.changes(result(status=OK)) == {"a": ENDED}


class TestIncidents:
    def test_what_is_new_together_is_one_and_ends_when_all_of_it_is_over(self):
        watch = Watch(receiver("pagerduty", by_incident=True, reminded=False))
        ((_, first),) = watch.look(result("a"), result("b"))
        assert {flip.check.id for flip in first.flips} == {"a", "b"}
        ((_, second),) = watch.look(result("a"), result("b"), result("c"))
        assert (first.incident, second.incident) == ("look-1", "look-2")
        ((_, half),) = watch.look(result("a", OK), result("b"), result("c"))
        assert (half.incident, [flip.check.id for flip in half.going_on]) == ("look-1", ["b"])
        ((_, over),) = watch.look(result("a", OK), result("b", OK), result("c"))
        assert (over.incident, over.going_on) == ("look-1", ())

    def test_a_storm_is_one_message_for_each_receiver(self):
        watch = Watch(receiver(), receiver("pagerduty", {"critical"}, by_incident=True), receiver("webhook"))
        notices = watch.look(*(result(f"check-{number}") for number in range(200)))
        assert [to.channel for to, _ in notices] == ["slack", "pagerduty", "webhook"]
        assert {len(notice.flips) for _, notice in notices} == {200}

    def test_who_keeps_alerts_alive_hears_at_each_look_of_all_that_goes_on(self):
        watch = Watch(receiver("alertmanager", all_that_goes_on=True, reminded=False))
        watch.look(result("a"))
        ((_, notice),) = watch.look(result("a"), result("b"))
        assert [flip.check.id for flip in notice.flips] == ["b"]
        assert [flip.check.id for flip in notice.going_on] == ["a", "b"]
        ((_, notice),) = watch.look(result("a"), result("b"))
        assert notice.flips == () and len(notice.going_on) == 2
        watch.look()
        assert watch.look() == []


def test_a_changed_check_is_told_anew_under_the_incident_that_is_known():
    watch = Watch()
    watch.look(result(), definitions={"a": "one"})
    assert watch.changes(result(), definitions={"a": "one"}) == {}
    ((_, notice),) = watch.look(result(), definitions={"a": "two"})
    assert [(flip.change, flip.incident) for flip in notice.flips] == [(NEW, "look-1")]


def test_a_receiver_that_is_no_more_is_forgotten():
    watch = Watch()
    told = Told(status=CRITICAL, at=START, since=START, incident="i")
    watch.look(result())
    watch.states = {"a": replace(watch.states["a"], told={**watch.states["a"].told, "gone:gone": told})}
    watch.look(result())
    assert set(watch.states["a"].told) == {"slack:slack"}


def test_the_worst_comes_first_and_what_is_over_last():
    watch = Watch()
    watch.look(result("over"))
    ((_, notice),) = watch.look(result("b", WARNING), result("c", UNKNOWN), result("d"), result("over", OK))
    assert [flip.check.id for flip in notice.flips] == ["d", "c", "b", "over"]
