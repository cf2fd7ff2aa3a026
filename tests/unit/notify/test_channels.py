"""Each channel against a real server on loopback: what it sends, and what it makes of every answer."""

import hashlib
import hmac
import json
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsjobs.errors import DeliveryError
from opsjobs.http import Connection
from opsjobs.model import BLIND, Change, CheckResult, Flip, Letter, Notice, Status, Team
from opsjobs.notify.alertmanager import AlertmanagerChannel
from opsjobs.notify.apprise import AppriseChannel
from opsjobs.notify.pagerduty import PagerDutyChannel
from opsjobs.notify.post import Post
from opsjobs.notify.slack import SlackChannel
from opsjobs.notify.webhook import WebhookChannel
from opsjobs.report import notice as notices
from tests.unit.notify.hookserver import hook

AT = datetime(2026, 11, 18, 12, tzinfo=UTC)
SECRET = "T0000SECRETB0000"
KEY = "pd-integration-key-canary"


def flip(name="component:api", status=Status.CRITICAL, change=Change.NEW, before=Status.OK, **known):
    check = CheckResult(
        **{
            "id": name,
            "title": "Shop API",
            "status": status,
            "text": "1 of 2 members is down",
            "advice": "Start it again.",
            "team": Team(name="web", contact="web@example.com"),
            "runbook": "https://docs.example.com/shop#api-down",
            "explains": ("Orders", "Latency"),
            **known,
        }
    )
    since = AT - timedelta(hours=6)
    return Flip(change=change, check=check, before=before, since=since, incident="one", words="new")


def notice(*flips, going_on=None, incident="", at=AT):
    flips = flips or (flip(),)
    return Notice(
        system="shop",
        title="Shop",
        zone=ZoneInfo("Europe/Rome"),
        at=at,
        incident=incident,
        flips=flips,
        going_on=tuple(each for each in flips if not each.change.over) if going_on is None else going_on,
    )


def letter(*flips, **known):
    return notices.letter(notice(*flips, **known))


TEST = Letter(subject="opsjobs: test", text="A test.\n", html="<p>A test.</p>")


def post(url, path="", **known):
    return Post(Connection(name="The server", key="systems.shop.channels.x", url=url, timeout=1, **known), path)


def slack(url, **known):
    return SlackChannel(post(url, f"/services/{SECRET}"), **known)


CHANNELS = {
    "slack": slack,
    "pagerduty": lambda url: PagerDutyChannel(post(url, "/v2/enqueue"), key=KEY),
    "webhook": lambda url: WebhookChannel(post(url, f"/{SECRET}"), signing_key="sign-canary"),
    "alertmanager": lambda url: AlertmanagerChannel(post(url, "/api/v2/alerts"), lasts=timedelta(hours=7)),
}


@pytest.fixture(params=CHANNELS)
def channel(request):
    return CHANNELS[request.param]


def refused(channel, answer):
    with hook(answer) as server:
        made = channel(server.url)
        message = made.compose(letter(), "you", "id-1", AT)
        with pytest.raises(DeliveryError) as caught:
            made.send(message, "you")
    return caught.value


class TestEveryChannel:
    @pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 413, 302])
    def test_what_is_refused_is_not_tried_again(self, channel, code):
        error = refused(channel, (code, {"Location": "http://127.0.0.1:9/"}, b"invalid_token"))
        assert error.permanent
        assert str(code) in str(error) or "redirects" in str(error)

    @pytest.mark.parametrize("code", [500, 502, 503, 504])
    def test_what_may_pass_is_tried_again(self, channel, code):
        assert not refused(channel, (code, {}, b"busy")).permanent

    def test_is_told_when_to_come_again(self, channel):
        error = refused(channel, (429, {"Retry-After": "30"}, b"slow down"))
        assert not error.permanent and error.retry_after == 30

    def test_waits_no_longer_than_its_time(self, channel):
        error = refused(channel, None)
        assert not error.permanent and "did not answer within 1 s" in str(error)

    def test_tries_again_where_nobody_is_there(self, channel):
        made = channel("http://127.0.0.1:9")
        with pytest.raises(DeliveryError) as caught:
            made.send(made.compose(letter(), "you", "id-1", AT), "you")
        assert not caught.value.permanent and "cannot be reached" in str(caught.value)

    def test_asks_once_for_each_message(self, channel):
        with hook((503, {}, b"")) as server:
            made = channel(server.url)
            with pytest.raises(DeliveryError):
                made.send(made.compose(letter(), "you", "id-1", AT), "you")
        assert len(server.requests) == 1

    @pytest.mark.parametrize("said", [letter(), TEST])
    def test_the_same_letter_is_the_same_bytes_without_what_lets_in(self, channel, said):
        made = channel("http://127.0.0.1:9")
        once, again = (made.compose(said, "you", "id-1", AT) for _ in range(2))
        assert once == again
        json.loads(once)
        for secret in (SECRET, KEY, "sign-canary"):
            assert secret.encode() not in once

    def test_says_no_secret_when_it_is_refused(self, channel):
        error = refused(channel, (404, {}, b"no_service"))
        for secret in (SECRET, KEY, "sign-canary"):
            assert secret not in f"{error} {error.advice}"

    def test_a_test_letter_arrives(self, channel):
        with hook() as server:
            made = channel(server.url)
            made.send(made.compose(TEST, "you", "id-1", AT), "you")
        assert b"opsjobs: test" in server.bodies[0]


def test_a_handshake_that_breaks_off_is_tried_again():
    """As when a load balancer is restarted."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            with listening.accept()[0] as taken:
                taken.recv(1)

        threading.Thread(target=hang_up, daemon=True).start()
        made = slack(f"https://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(DeliveryError) as caught:
            made.send(b"{}", "#ops")
    assert not caught.value.permanent
    assert "certificate" not in str(caught.value)


class TestSlack:
    def sent(self, said, **known):
        with hook() as server:
            made = slack(server.url, **known)
            made.send(made.compose(said, "#ops", "id-1", AT), "#ops")
        return server.documents[0]

    def test_says_what_why_and_what_to_do_with_a_link_to_the_runbook(self):
        sent = self.sent(letter(), mention="@channel")
        assert sent["text"].startswith("CRITICAL: Shop: Shop API: 1 of 2 members is down")
        assert [block["type"] for block in sent["blocks"]] == ["header", "section"]
        assert sent["blocks"][1]["text"]["text"] == "<!channel>"
        (part,) = sent["attachments"]
        text = part["blocks"][0]["text"]["text"]
        assert part["color"] == "#b3261e"
        for words in ("CRITICAL  Shop API", "Start it again.", "explains Orders, Latency", "`component:api`"):
            assert words in text
        assert "<https://docs.example.com/shop#api-down|Runbook>" in text

    @pytest.mark.parametrize(
        ("said", "called"),
        [
            (flip(), True),
            (flip(change=Change.WORSE, before=Status.WARNING), True),
            (flip(status=Status.WARNING), False),
            (flip(change=Change.STILL, before=Status.CRITICAL), False),
            (flip(status=Status.OK, change=Change.ENDED, before=Status.CRITICAL), False),
        ],
    )
    def test_calls_people_only_for_what_is_newly_critical(self, said, called):
        assert ("<!channel>" in json.dumps(self.sent(letter(said), mention="@channel"))) == called

    def test_calls_nobody_whom_a_title_names(self):
        evil = "<!channel> <@U1> <https://evil.example.com|here> *bold* ``` & more"
        sent = self.sent(letter(flip(title=evil, text=evil, advice=evil, explains=(evil,))))
        text = json.dumps(sent["attachments"])
        for bad in ("<!channel>", "<@U1>", "<https://evil", "```", "*bold*"):
            assert bad not in text
        assert "&lt;!channel&gt;" in text
        header = sent["blocks"][0]["text"]
        assert header["type"] == "plain_text", "where nothing is marked up"

    def test_a_runbook_cannot_break_out_of_its_link(self):
        sent = self.sent(letter(flip(runbook="https://docs.example.com/a|b>c <!here>")))
        text = sent["attachments"][0]["blocks"][0]["text"]["text"]
        assert "<https://docs.example.com/a%7Cb%3Ec%20%3C!here%3E|Runbook>" in text

    def test_keeps_the_limits_of_slack_in_a_storm(self):
        storm = [flip(f"check:{number}", title="t" * 500, text="x&" * 3000, advice="y" * 3000) for number in range(200)]
        sent = self.sent(letter(*storm))
        assert len(sent["attachments"]) == 11
        blocks = sent["blocks"] + [block for part in sent["attachments"] for block in part["blocks"]]
        assert len(blocks) <= 50
        assert all(len(block["text"]["text"]) <= (150 if block["type"] == "header" else 3000) for block in blocks)
        assert sum(len(block["text"]["text"]) for block in blocks) < 12_000
        assert "and 190 more" in json.dumps(sent)

    @pytest.mark.parametrize("body", [b"", b"<html>please log in</html>", b'{"ok": true}'])
    def test_an_answer_that_is_not_ok_is_not_taken_for_one_and_not_asked_for_again(self, body):
        error = refused(slack, (200, {}, body))
        assert error.permanent
        assert "did not say that it took the message" in str(error)


class TestPagerDuty:
    def event(self, said):
        made = PagerDutyChannel(post("http://127.0.0.1:9"), key=KEY)
        return json.loads(made.compose(said, "pagerduty", "id-1", AT))

    def test_what_goes_on_triggers_and_what_is_over_resolves_the_same_incident(self):
        began = self.event(letter(incident="one"))
        over = self.event(letter(flip(change=Change.ENDED, before=Status.CRITICAL), incident="one"))
        assert (began["event_action"], over["event_action"]) == ("trigger", "resolve")
        assert began["dedup_key"] == over["dedup_key"] == "opsjobs/shop/one"
        payload = began["payload"]
        assert payload["severity"] == "critical" and payload["source"] == "Shop"
        assert "Start it again." in payload["custom_details"]["Shop API (component:api)"]
        assert began["links"] == [{"href": "https://docs.example.com/shop#api-down", "text": "Runbook"}]

    def test_one_of_two_that_is_over_leaves_the_incident_open(self):
        other = flip("component:db", title="Database")
        said = letter(flip(change=Change.ENDED, before=Status.CRITICAL), going_on=(other,), incident="one")
        assert self.event(said)["event_action"] == "trigger"

    def test_the_key_is_put_in_when_it_is_sent(self):
        with hook((202, {}, b'{"status": "success"}')) as server:
            made = PagerDutyChannel(post(server.url, "/v2/enqueue"), key=KEY)
            made.send(made.compose(letter(incident="one"), "pagerduty", "id-1", AT), "pagerduty")
        assert server.paths == ["/v2/enqueue"]
        assert server.documents[0]["routing_key"] == KEY

    def test_keeps_the_limits_of_the_api_in_a_storm(self):
        storm = [flip(f"check:{number}", title=f"{number} " + "t" * 900, text="x" * 3000) for number in range(200)]
        event = self.event(letter(*storm, incident="i" * 400))
        assert len(event["dedup_key"]) <= 255 and len(event["payload"]["summary"]) <= 1024
        assert len(json.dumps(event)) < 512_000
        assert event["payload"]["custom_details"]["and more"] == 180


class TestTheWebhook:
    def test_a_receiver_can_tell_who_wrote_it(self):
        with hook((204, {}, b"")) as server:
            made = WebhookChannel(post(server.url, "/hook", token="bearer-canary"), signing_key="sign-canary")
            made.send(made.compose(letter(), "webhook", "id-1", AT), "webhook")
        ((path, headers, body),) = server.requests
        digest = hmac.new(b"sign-canary", body, hashlib.sha256).hexdigest()
        assert path == "/hook"
        assert headers["X-Opsjobs-Signature"] == f"sha256={digest}"
        assert headers["Authorization"] == "Bearer bearer-canary"
        assert headers["Content-Type"] == "application/json"

    def test_without_a_key_nothing_is_signed(self):
        with hook() as server:
            made = WebhookChannel(post(server.url))
            made.send(made.compose(letter(), "webhook", "id-1", AT), "webhook")
        assert "X-Opsjobs-Signature" not in server.requests[0][1]

    def test_the_document_says_all_that_is_known(self):
        said = letter(flip(), flip("x", Status.OK, Change.ENDED, Status.WARNING))
        document = json.loads(WebhookChannel(post("http://127.0.0.1:9")).compose(said, "w", "id-1", AT))
        assert (document["version"], document["id"], document["system"], document["status"]) == (
            1,
            "id-1",
            "shop",
            "CRITICAL",
        )
        assert [each["change"] for each in document["news"]] == ["new", "ended"]
        assert [each["check"] for each in document["going_on"]] == ["component:api"]
        assert document["news"][0]["explains"] == ["Orders", "Latency"]


class TestAlertmanager:
    def alerts(self, said):
        made = AlertmanagerChannel(post("http://127.0.0.1:9"), lasts=timedelta(hours=7))
        return json.loads(made.compose(said, "alertmanager", "id-1", AT))

    def test_an_alert_lasts_beyond_the_next_look(self):
        (alert,) = self.alerts(letter())
        assert alert["labels"] == {
            "alertname": "OpsjobsCheck",
            "system": "shop",
            "check": "component:api",
            "severity": "critical",
            "team": "web",
        }
        assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-18T06:00:00+00:00", "2026-11-18T19:00:00+00:00")
        assert alert["annotations"]["runbook_url"] == "https://docs.example.com/shop#api-down"

    def test_what_is_over_ends_now_under_the_name_it_had(self):
        (began,) = self.alerts(letter())
        (ended,) = self.alerts(letter(flip(status=Status.OK, change=Change.ENDED, before=Status.CRITICAL)))
        assert ended["labels"] == began["labels"] and ended["endsAt"] == AT.isoformat()

    def test_what_got_worse_is_another_alert_and_ends_the_one_before(self):
        worse = self.alerts(letter(flip(change=Change.WORSE, before=Status.WARNING)))
        assert [(each["labels"]["severity"], each["endsAt"] == AT.isoformat()) for each in worse] == [
            ("critical", False),
            ("warning", True),
        ]

    def test_what_is_not_known_any_more_stays_the_warning_that_it_was(self):
        assert len(self.alerts(letter(flip(status=Status.UNKNOWN, change=Change.CHANGED, before=Status.WARNING)))) == 1


def test_that_nearly_nothing_is_known_is_critical_everywhere():
    blind = flip(BLIND, Status.UNKNOWN, title="Monitoring is blind")
    said = letter(blind, incident="one")
    (alert,) = json.loads(CHANNELS["alertmanager"]("http://127.0.0.1:9").compose(said, "a", "i", AT))
    event = json.loads(CHANNELS["pagerduty"]("http://127.0.0.1:9").compose(said, "p", "i", AT))
    called = slack("http://127.0.0.1:9", mention="@channel").compose(said, "#ops", "i", AT)
    assert (alert["labels"]["severity"], event["payload"]["severity"]) == ("critical", "critical")
    assert b"<!channel>" in called


class TestApprise:
    def test_any_service_of_apprise_takes_title_and_text(self):
        with hook() as server:
            made = AppriseChannel(server.url.replace("http", "json"))
            made.send(made.compose(letter(), "phone", "id-1", AT), "phone")
        (document,) = server.documents
        assert document["title"].startswith("CRITICAL: Shop") and document["type"] == "failure"
        assert "Start it again." in document["message"]

    def test_what_is_not_taken_is_tried_again(self):
        error = refused(lambda url: AppriseChannel(url.replace("http", "json")), (500, {}, b"no"))
        assert not error.permanent and "you did not take the message: " in str(error)

    def test_a_url_of_no_service_is_told_in_words(self):
        made = AppriseChannel("no-such-service://secret-canary")
        with pytest.raises(DeliveryError) as caught:
            made.send(made.compose(TEST, "phone", "id-1", AT), "phone")
        assert caught.value.permanent and "canary" not in str(caught.value)


class TestTheLetter:
    def test_says_it_in_the_subject_the_text_and_the_page(self):
        said = letter(flip(), flip("x", Status.OK, Change.ENDED, Status.WARNING, title="Orders"))
        assert said.subject == "CRITICAL: Shop: Shop API: 1 of 2 members is down"
        for words in (
            "Shop API",
            "1 of 2 members is down",
            "Start it again.",
            "Explains Orders, Latency.",
            "component:api",
        ):
            assert words in said.text and words in said.html
        assert "OK  Orders" in said.text

    def test_a_hostile_title_is_only_text(self):
        said = letter(flip(title="<script>alert(1)</script>", runbook="javascript:alert(1)"))
        assert "<script>" not in said.html and 'href="javascript' not in said.html

    def test_what_goes_on_stands_below_what_is_new(self):
        other = replace(flip("y", title="Disk"), change=Change.STILL, words="since 14:00")
        said = letter(flip(), going_on=(flip(), other))
        assert "Still going on:\n  CRITICAL  Disk, since 14:00" in said.text
        assert said.html.index("Shop API") < said.html.index("Still going on") < said.html.index("Disk")

    def test_a_storm_stays_small_enough_for_mail_readers_and_says_how_many_more_there_are(self):
        storm = [flip(f"check:{number}", text="ü" * 900) for number in range(200)]
        said = letter(*storm)
        assert said.subject.endswith("and 199 more") and len(said.html.encode()) < 90_000
        assert "more: opsjobs health --system shop" in said.html
        assert "and 140 more" in said.text

    def test_all_well_again_says_so(self):
        over = flip(status=Status.OK, change=Change.ENDED, before=Status.CRITICAL)
        assert letter(over).subject == "OK: Shop: Shop API (new)"
        assert letter(over, going_on=(flip("y", title="Disk"),)).subject.endswith("(1 still going on)")

    def test_what_has_only_eased_is_not_well(self):
        eased = flip(status=Status.WARNING, change=Change.EASED, before=Status.CRITICAL)
        said = letter(eased)
        assert said.subject.startswith("WARNING: Shop: Shop API")
        assert json.loads(WebhookChannel(post("http://127.0.0.1:9")).compose(said, "w", "i", AT))["status"] == "WARNING"
