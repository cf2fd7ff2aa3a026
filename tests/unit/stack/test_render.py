"""The rendered files: the same for the same profile, without secrets, on ports of this machine."""

import itertools
import json
from pathlib import Path
from typing import get_args

import pytest

from opsjobs import declaration
from opsjobs.stack import render, secrets
from opsjobs.stack.parts import PARTS
from opsjobs.system.inventory import PartName
from tests.unit.stack.plans import NAMES, having, planned


def read(text):
    return declaration.plain(text, name="a rendered file")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_profile_gives_the_same_bytes(name):
    assert render(planned(name)) == render(planned(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_file_can_be_read_and_says_where_it_comes_from(name):
    for path, text in render(planned(name)).items():
        if path.endswith(".json"):
            json.loads(text)
        elif path.endswith(".yml"):
            assert text.startswith(f"# From the profile of {name}") and isinstance(read(text), dict)


@pytest.mark.parametrize("name", NAMES)
def test_every_part_has_a_container_on_its_port_of_this_machine_alone(name):
    plan = planned(name)
    services = read(render(plan)["compose.yml"])["services"]
    assert set(services) == set(plan.system.stack.parts)
    for part, service in services.items():
        if PARTS[part].of_the_host:
            assert service["network_mode"] == "host" and "ports" not in service
            assert "--web.listen-address=127.0.0.1:9100" in service["command"]
            continue
        published = service["ports"]
        assert all(each.startswith("127.0.0.1:") for each in published)
        assert published[0] == f"127.0.0.1:{plan.system.stack.parts[part]}:{PARTS[part].port}"
        image, _, version = service["image"].rpartition(":")
        assert image and version[:1] in "v0123456789" and version != "latest"
        assert "healthcheck" in service or not PARTS[part].probe


@pytest.mark.parametrize("name", NAMES)
def test_every_secret_is_a_file_and_no_default_password_stays(name):
    plan = planned(name)
    document = read(render(plan)["compose.yml"])
    needed = {each.file for each in secrets.needed(plan)}
    assert set(document["secrets"]) == needed
    used = list(itertools.chain(*(service.get("secrets", []) for service in document["services"].values())))
    assert set(used) == needed
    assert document["services"]["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith(
        "/run/secrets/"
    )


def test_a_part_reaches_another_by_its_name_and_the_system_by_its_machine():
    document = read(render(planned("iob-maiis"))["prometheus/prometheus.yml"])
    targets = {job["job_name"]: job["static_configs"][0] for job in document["scrape_configs"]}
    assert targets["grafana"] == {"targets": ["grafana:3000"], "labels": {"instance": "localhost:3001"}}
    assert targets["backend"]["targets"] == ["host.docker.internal:8000"]
    assert document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]


def test_programs_of_this_machine_reach_everything_where_it_is_declared():
    files = render(planned("iob-maiis", folder="/srv/stack"))
    document = read(files["prometheus/prometheus.yml"])
    assert document["scrape_configs"][0]["static_configs"][0]["targets"] == ["localhost:8000"]
    assert "compose.yml" not in files


def test_what_the_blackbox_exporter_asks_is_the_member_that_is_spoken_of():
    document = read(render(planned("pytake"))["prometheus/prometheus.yml"])
    (job,) = [each for each in document["scrape_configs"] if each["job_name"] == "blackbox"]
    assert job["static_configs"] == [{"targets": ["https://graph.facebook.com", "https://api.openai.com"]}]
    assert job["relabel_configs"][-1] == {"target_label": "__address__", "replacement": "blackbox-exporter:9115"}


def test_what_is_recorded_is_kept_for_longer_where_the_owners_want_that():
    files = render(planned("portfolio"))
    (job,) = read(files["prometheus/archive.yml"])["scrape_configs"]
    assert (job["metrics_path"], job["honor_labels"]) == ("/federate", True)
    services = read(files["compose.yml"])["services"]
    assert "--storage.tsdb.retention.time=14d" in services["prometheus"]["command"]
    assert "--storage.tsdb.retention.time=365d" in services["prometheus-archive"]["command"]
    shown = json.loads(files["grafana/dashboards/history-portfolio.json"])
    asked = {panel["targets"][0]["expr"] for panel in shown["panels"]}
    recorded = {
        rule["record"] for group in read(files["prometheus/rules/recording.yml"])["groups"] for rule in group["rules"]
    }
    assert asked <= recorded and len(asked) == 19
    assert {panel["datasource"]["uid"] for panel in shown["panels"]} == {"prometheus-archive"}


def test_logs_and_traces_are_there_where_the_owners_have_them():
    assert {"loki/loki.yml", "promtail/promtail.yml", "blackbox/blackbox.yml"} <= set(render(planned("pytake")))
    assert not {"loki/loki.yml", "promtail/promtail.yml"} & set(render(planned("pratikoai")))
    sources = read(render(planned("pytake"))["grafana/provisioning/datasources/datasources.yml"])["datasources"]
    assert [each["type"] for each in sources] == ["prometheus", "alertmanager", "loki", "jaeger"]


def test_every_part_that_a_profile_may_name_can_be_run():
    assert set(get_args(PartName)) == set(PARTS)


def test_hostile_texts_of_a_profile_stay_texts():
    plan = planned("portfolio")
    hostile = 'x"\n- alert: Injected\n  expr: vector(1) # </script>{{ .Secret }}'
    spec = plan.system.alerts["HighLatency"].model_copy(update={"title": hostile, "about": hostile})
    files = render(having(plan, alerts={"HighLatency": spec}, title=hostile))
    (group, _) = read(files["prometheus/rules/alerts.yml"])["groups"]
    assert [rule["alert"] for rule in group["rules"]] == ["HighLatency"]
    assert read(files["grafana/provisioning/dashboards/dashboards.yml"])["providers"][0]["folder"] == hostile


def test_no_rendered_file_leaves_its_folder():
    for name in NAMES:
        assert all(not Path(path).is_absolute() and ".." not in Path(path).parts for path in render(planned(name)))
