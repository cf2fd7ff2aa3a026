"""CronJobs for Kubernetes, held against its published schemas: the oldest that knows zones, and the newest."""

import copy
from datetime import timedelta

import kubernetes_validate
import pytest

from opsjobs.declaration import plain, written
from opsjobs.schedule.kubernetes import STORAGE, Cluster
from tests.unit.schedule.plans import SINCE, entry, made

VERSIONS = ("1.27", kubernetes_validate.latest_version())


def objects(*entries, **known):
    return Cluster(calls=made(*entries or [entry()]), since=SINCE, **{"image": "opsjobs:1", **known}).objects()


def cronjob(*entries, **known):
    (made,) = (each for path, each in objects(*entries, **known).items() if path != STORAGE)
    return made


def pod(made):
    return made["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def container(made):
    (only,) = pod(made)["containers"]
    return only


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_what_the_published_schema_says(version):
    entries = (entry(system="a"), entry(system="b", line="30 2 * * *"), entry(job="health", line="*/10 * * * *"))
    found = objects(*entries, config="opsjobs.yml", system="a")
    assert len(found) == 4
    for each in found.values():
        # As it is read back from what is written.
        kubernetes_validate.validate(plain(written(each), name="an object"), version, strict=True)


WRONG = {
    "a name that is not known": lambda spec: spec.update(timezone=spec.pop("timeZone")),
    "a name that is not known, deep inside": lambda spec: pod({"spec": spec})["securityContext"].update(
        runAsRoot=False
    ),
    "a text for a number": lambda spec: spec.update(startingDeadlineSeconds="1h"),
    "something left out": lambda spec: spec.pop("schedule"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", WRONG)
def test_the_schema_would_find_what_is_wrong(case, version):
    found = copy.deepcopy(cronjob())
    WRONG[case](found["spec"])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize(
    ("line", "zone", "expected"),
    [
        ("30 7 * * mon-fri", "Europe/Berlin", ("30 7 * * 1-5", "Europe/Berlin")),
        ("30 2 * * *", "Europe/Berlin", ("0,30 * * * *", "Etc/UTC")),
        ("0 */6 * * *", "UTC", ("0 */6 * * *", "UTC")),
    ],
)
def test_a_cronjob_comes_at_each_slot(line, zone, expected):
    spec = cronjob(entry(line=line, zone=zone))["spec"]
    assert (spec["schedule"], spec["timeZone"]) == expected


def test_what_is_too_late_is_not_started_and_what_takes_too_long_is_ended():
    spec = cronjob(entry(late=timedelta(hours=12), limit=timedelta(hours=1)))["spec"]
    assert spec["startingDeadlineSeconds"] == 12 * 3600
    assert spec["concurrencyPolicy"] == "Forbid"
    job = spec["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] == 3900 and job["backoffLimit"] == 0


def test_fewer_than_a_hundred_starts_can_be_missed_or_kubernetes_would_give_up():
    spec = cronjob(entry(line="*/10 * * * *", zone="UTC", late=timedelta(days=2)))["spec"]
    assert spec["startingDeadlineSeconds"] == 90 * 600


def test_a_start_may_be_some_minutes_late_whatever_is_configured():
    assert cronjob(entry(late=timedelta(seconds=1)))["spec"]["startingDeadlineSeconds"] == 300


def test_the_container_may_do_little():
    made = cronjob()
    assert pod(made)["securityContext"]["runAsNonRoot"] and pod(made)["securityContext"]["runAsUser"]
    assert pod(made)["automountServiceAccountToken"] is False and pod(made)["restartPolicy"] == "Never"
    own = container(made)["securityContext"]
    assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"]
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert container(made)["resources"]["limits"]["memory"]


def test_every_volume_is_there_and_the_root_is_one():
    made = cronjob(home="/srv/opsjobs")
    mounts = {each["name"]: each for each in container(made)["volumeMounts"]}
    assert set(mounts) == {each["name"] for each in pod(made)["volumes"]}
    assert mounts["home"]["mountPath"] == "/srv/opsjobs"
    assert {"name": "OPSJOBS_HOME", "value": "/srv/opsjobs"} in container(made)["env"]
    claim = objects()[STORAGE]
    assert pod(made)["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_the_command_takes_the_configuration_from_where_it_is_mounted():
    made = container(cronjob(config="opsjobs.yml", system="shop"))
    assert made["command"] == ["opsjobs"]
    assert made["args"] == [
        *("schedule", "once", "daily", "--system", "shop"),
        *("--config", "/etc/opsjobs/opsjobs.yml"),
    ]
    assert made["image"] == "opsjobs:1"


def test_kubernetes_fills_nothing_into_the_command():
    assert container(cronjob(config="$(HOME).yml"))["args"][-1] == "/etc/opsjobs/$$(HOME).yml"


def test_names_are_such_as_kubernetes_takes_and_differ_where_systems_do():
    systems = ["a_b", "a-b", "x" * 63, "x" * 62 + "y", "end-", "z" * 30 + "_" * 20]
    entries = [entry(system=system, line=f"{number} 9 * * *") for number, system in enumerate(systems)]
    names = [made["metadata"]["name"] for path, made in objects(*entries).items() if path != STORAGE]
    assert len(set(names)) == len(systems)
    for name in names:
        assert len(name) <= 52
        assert name.strip("-") == name and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
