"""Alertmanager's configuration: who is told of what, and what is kept back."""

import pytest

from opsjobs.errors import ConfigError
from opsjobs.stack import alertmanager
from opsjobs.system.alerting import EscalationSpec
from tests.unit.stack.plans import having, planned


def routes(plan):
    return alertmanager.document(plan)["route"]["routes"]


def receiver(plan, name):
    (found,) = [each for each in alertmanager.document(plan)["receivers"] if each["name"] == name]
    return found


def test_an_alert_goes_every_way_that_fits():
    found = routes(planned("pratikoai"))
    assert all(each["continue"] for each in found)
    critical = [each["receiver"] for each in found if each["matchers"] == ['severity="critical"']]
    assert critical == ["email", "slack", "webhook", "pagerduty"]


def test_only_what_is_critical_pages():
    paging = [each for each in routes(planned("pratikoai")) if each["receiver"] == "pagerduty"]
    assert [each["matchers"] for each in paging] == [['severity="critical"']]


def test_warnings_are_mailed_in_business_hours_of_the_systems_zone():
    plan = planned("pratikoai")
    (warning,) = [each for each in routes(plan) if "active_time_intervals" in each]
    assert (warning["receiver"], warning["matchers"]) == ("email", ['severity="warning"'])
    (hours,) = alertmanager.document(plan)["time_intervals"]
    (span,) = hours["time_intervals"]
    assert (hours["name"], span["location"]) == ("business", "Europe/Rome")
    assert span["times"] == [{"start_time": "09:00", "end_time": "18:00"}]
    assert span["weekdays"] == ["monday", "tuesday", "wednesday", "thursday", "friday"]


def test_who_comes_later_is_told_by_a_group_that_waits():
    plan = planned("pratikoai")
    (later,) = [each for each in routes(plan) if each.get("group_wait")]
    assert (later["group_wait"], later["matchers"]) == ("30m", ['alertname="SystemDown"'])
    (mail,) = receiver(plan, "SystemDown, escalated after 30m")["email_configs"]
    # The owners give no address of the CEO: the team is asked to call.
    assert mail["to"] == "engineering@pratikoai.com"
    assert "Call the CEO: " in mail["headers"]["Subject"]


def test_an_escalation_at_once_does_not_repeat_a_channel_that_a_route_has():
    found = receiver(planned("pratikoai"), "SystemDown, escalated")
    assert set(found) == {"name", "email_configs"}
    assert found["email_configs"][0]["to"] == "engineering-oncall@pratikoai.com, engineering@pratikoai.com"


def test_an_escalation_that_reaches_nobody_is_a_fault():
    plan = planned("promptpilot")
    lost = having(plan, escalations=(EscalationSpec.model_construct(of="ServiceDown", to="CTO"),))
    with pytest.raises(ConfigError, match="CTO"):
        alertmanager.document(lost)


def test_slack_calls_everybody_only_for_what_is_critical():
    (slack,) = receiver(planned("pratikoai"), "slack")["slack_configs"]
    assert '(eq .CommonLabels.severity "critical") }}<!channel> {{ end }}' in slack["text"]
    (plain,) = receiver(planned("pytake"), "slack")["slack_configs"]
    assert plain["text"] == '{{ template "opsjobs.slack" . }}'


def test_a_cause_holds_back_what_it_explains():
    rules = alertmanager.document(planned("pratikoai"))["inhibit_rules"]
    pairs = [(rule["source_matchers"], rule["target_matchers"]) for rule in rules]
    assert (['alertname="SystemDown"'], ['alertname="NoData"', 'component="api"']) in pairs
    assert (['alertname="SystemDown"'], ['alertname="UptimeBudget"']) in pairs
    assert (['alertname="HighLLMDailyCost"'], ['alertname="DailyCostSpike"']) in pairs
    assert all("system" in rule["equal"] for rule in rules)


def test_secrets_are_files_in_containers_and_on_this_machine():
    inside = receiver(planned("pratikoai"), "pagerduty")["pagerduty_configs"][0]
    assert inside["routing_key_file"] == "/run/secrets/pagerduty-routing-key"
    here = receiver(planned("pratikoai", folder="/srv/stack"), "pagerduty")["pagerduty_configs"][0]
    assert here["routing_key_file"] == "/srv/stack/secrets/pagerduty-routing-key"


def test_a_webhook_that_wants_a_token_gets_it_from_a_file():
    (hook,) = receiver(planned("pytake"), "webhook")["webhook_configs"]
    assert hook["http_config"]["authorization"] == {"credentials_file": "/run/secrets/webhook-token"}
    assert hook["url"] == "http://host.docker.internal:8789/webhooks/alerts"


def test_where_anything_that_is_scraped_is_told_by_one_alert_each_target_explains_its_own():
    rules = alertmanager.document(planned("iob-maiis"))["inhibit_rules"]
    pairs = [(rule["source_matchers"], rule["target_matchers"]) for rule in rules]
    redis = (['alertname="ServiceDown"', 'job="redis"'], ['alertname="NoData"', 'component="redis"'])
    assert redis in pairs


def test_braces_in_a_role_are_no_instruction():
    plan = planned("pratikoai")
    role = EscalationSpec.model_construct(of="SystemDown", to="head {{ .Boss", after="5m")
    found = receiver(having(plan, escalations=(role,)), "SystemDown, escalated after 5m")
    assert 'Call the head {{ "{{" }} .Boss: ' in found["email_configs"][0]["headers"]["Subject"]


def test_a_name_with_signs_of_a_pattern_is_meant_as_it_is():
    assert alertmanager._matcher("alertname", ("a.b", 'c"d')) == 'alertname=~"a\\\\.b|c\\"d"'
