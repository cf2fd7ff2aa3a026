"""The channels, maintenance and pings of opsjobs.yml: what is a fault, and what the times mean."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from opsjobs import config, receivers
from opsjobs.errors import ConfigError
from opsjobs.receivers import MaintenanceSpec

ENVIRONMENT = {"URL": "https://hooks.example.com/services/T0/B0/canary", "KEY": "key-canary-0123456789"}
MAIL = "\ndelivery: {email: {host: localhost, security: none, sender: a@example.com}}\n"


def read(folder, keys, more=MAIL):
    path = folder / "opsjobs.yml"
    path.write_text(f"systems:\n  pratikoai:\n    {keys}\n{more}")
    return config.read(path, ENVIRONMENT)


def fault(folder, keys, more=MAIL):
    with pytest.raises(ConfigError) as caught:
        read(folder, keys, more)
    (found,) = caught.value.faults
    return found.path, found.message


GOOD = [
    "channels: {email: {}}",
    "channels: {slack: {url: '${URL}', mention: ''}}",
    "channels: {pagerduty: {key: '${KEY}', server: 'https://events.eu.pagerduty.com'}}",
    "channels: {webhook: {}}",
    "channels: {webhook: {url: '${URL}', key: '${KEY}', token: '${KEY}'}}",
    "{alertmanager: {url: 'http://localhost:9093'}, channels: {am: {kind: alertmanager, lasts: 2h}}}",
    "channels: {phone: {kind: apprise, url: '${URL}', severities: [critical]}}",
    "channels: {more: {kind: email, to: [a@example.com]}}",
    "{channels: {slack: {url: '${URL}'}}, fallback: slack, renotify: 12h}",
    "pings: {health: {url: '${URL}'}}",
]


@pytest.mark.parametrize("keys", GOOD)
def test_what_is_good_has_no_faults(tmp_path, keys):
    assert read(tmp_path, keys).systems["pratikoai"]


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ("channels: {slak: {url: '${URL}'}}", "channels.slak", "has no channel 'slak'; did you mean 'slack'?"),
        ("channels: {slack: {}}", "channels.slack", "a channel of the kind slack needs url or url_file"),
        ("channels: {pagerduty: {}}", "channels.pagerduty", "needs key or key_file"),
        ("channels: {hook: {kind: webhook}}", "channels.hook", "needs url or url_file"),
        ("channels: {slack: {url: '${URL}', key: '${KEY}'}}", "channels.slack.key", "has no use for it"),
        ("channels: {slack: {kind: webhook, url: '${URL}'}}", "channels.slack.kind", "it is of the kind slack"),
        ("channels: {am: {kind: alertmanager}}", "channels.am", "needs `alertmanager` of the system"),
        ("channels: {more: {kind: email}}", "channels.more", "a channel of the kind email needs to"),
        ("channels: {slack: {url: '${URL}', severities: [critical]}}", "channels.slack.severities", "say them"),
        ("channels: {slack: {url: 'https://x.example.com'}}", "channels.slack.url", "does not belong into this file"),
        ("channels: {slack: {url: '${URL}', url_file: x}}", "channels.slack", "give url or url_file, not both"),
        ("fallback: slack", "fallback", "'slack' is no channel of the system"),
        ("{channels: {pagerduty: {key: '${KEY}'}}, fallback: pagerduty}", "fallback", "of the kind pagerduty"),
        ("renotify: soon", "renotify", "not a length of time"),
        ("pings: {health: {}}", "pings.health", "give url or url_file"),
        ("pings: {dayly: {url: '${URL}'}}", "pings.dayly", ""),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, keys, path, message):
    where, said = fault(tmp_path, keys)
    assert where.startswith(f"systems.pratikoai.{path}") and message in said


def test_a_contact_that_is_no_address_is_a_fault_where_mail_is_told(tmp_path):
    text = (Path(config.__file__).parent / "systems/pratikoai.yml").read_text()
    (tmp_path / "own.yml").write_text(text.replace("finance@pratikoai.com", "'@finance-team'", 1))
    where, said = fault(tmp_path, "{profile: own.yml, channels: {email: {}}}")
    assert where == "systems.pratikoai.channels.email" and "'@finance-team' must be one mail address" in said


def test_mail_needs_a_server(tmp_path):
    _, said = fault(tmp_path, "channels: {email: {}}", more="")
    assert "delivery.email says nothing" in said


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://me:canary@hooks.example.com/x", "do not belong into it"),
        ("http://hooks.example.com/canary", "not sent in clear"),
        ("hooks.example.com/canary", "it is no address"),
    ],
)
def test_an_address_that_would_not_do_is_told_without_being_told(url, reason):
    spec = receivers.PingSpec.model_construct(url=config.SecretStr(url), url_file=None, ca_file=None)
    with pytest.raises(ConfigError) as caught:
        receivers.ping_url(spec, Path(), "systems.shop.pings.health")
    assert reason in str(caught.value) and "canary" not in str(caught.value)


def test_no_secret_is_shown(tmp_path):
    known = read(tmp_path, "channels: {slack: {url: '${URL}'}, webhook: {key: '${KEY}'}}")
    assert "canary" not in str(config.shown(known)) + repr(known)
    assert set(ENVIRONMENT.values()) <= set(config.secrets(known))


def window(**known):
    return MaintenanceSpec.model_validate({"reason": "r", **known})


def at(text, zone="Europe/Rome"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


class TestMaintenance:
    ONCE = window(**{"from": "2026-11-28 22:00", "until": "2026-11-29 02:00"})
    WEEKLY = window(**{"days": ["sun"], "from": "23:30", "until": "00:30"})

    @pytest.mark.parametrize(
        ("moment", "inside"),
        [
            ("2026-11-28 21:59", False),
            ("2026-11-28 22:00", True),
            ("2026-11-29 01:59", True),
            ("2026-11-29 02:00", False),
        ],
    )
    def test_once_is_from_one_local_time_to_another(self, moment, inside):
        assert self.ONCE.accounts_for("x", at(moment), "Europe/Rome") == inside

    @pytest.mark.parametrize(
        ("moment", "inside"),
        [
            ("2026-11-22 23:29", False),
            ("2026-11-22 23:30", True),
            ("2026-11-23 00:29", True),
            ("2026-11-23 00:30", False),
            ("2026-11-23 23:45", False),
            ("2026-11-22 00:10", False),
        ],
    )
    def test_each_week_it_may_go_on_into_the_next_day(self, moment, inside):
        assert self.WEEKLY.accounts_for("x", at(moment), "Europe/Rome") == inside

    def test_its_zone_is_its_own_or_that_of_the_system(self):
        moment = at("2026-11-28 22:30")
        assert self.ONCE.accounts_for("x", moment, "Europe/Rome")
        assert not self.ONCE.accounts_for("x", moment, "Europe/London")
        own = window(**{"from": "2026-11-28 22:00", "until": "2026-11-29 02:00", "zone": "Europe/London"})
        assert not own.accounts_for("x", moment, "Europe/Rome")

    def test_it_is_about_the_checks_that_it_names(self):
        some = window(**{"from": "2026-11-28 22:00", "until": "2026-11-29 02:00", "checks": ["url:*", "component:db"]})
        moment = at("2026-11-28 23:00")
        checks = ("url:api", "component:db", "component:api")
        named = [check for check in checks if some.accounts_for(check, moment, "Europe/Rome")]
        assert named == ["url:api", "component:db"]

    def test_the_night_of_the_clock_change_counts_by_the_clock_on_the_wall(self):
        night = window(**{"days": ["sun"], "from": "02:00", "until": "03:00"})
        for fold in (0, 1):
            moment = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Rome"), fold=fold)
            assert night.accounts_for("x", moment, "Europe/Rome")

    @pytest.mark.parametrize(
        "times",
        [
            {"from": "22:00", "until": "23:00"},
            {"from": "2026-11-28 22:00", "until": "2026-11-28 23:00", "days": ["sun"]},
            {"from": "2026-11-28 22:00", "until": "2026-11-28 21:00"},
            {"from": "22:00", "until": "22:00", "days": ["sun"]},
            {"from": 1320, "until": 1380, "days": ["sun"]},
            {"from": "24:00", "until": "01:00", "days": ["sun"]},
            {"from": datetime(2026, 11, 28, 22, tzinfo=UTC), "until": "2026-11-29 23:00"},
            {"from": "2026-11-31 22:00", "until": "2026-12-01 21:00"},
            {"from": "2026-11-28 22:00", "until": "2026-11-28 23:00", "zone": "Rome"},
            {"from": "2026-11-28 22:00", "until": "2026-11-28 23:00", "checks": []},
        ],
    )
    def test_times_that_make_no_sense_are_a_fault(self, times):
        with pytest.raises(ValidationError):
            window(**times)
