"""The schedule as objects of Kubernetes: a CronJob for each call, and the claim on the volume that they share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from opsjobs.schedule.calls import Call, Program, minutes, numbered, plain, spans
from opsjobs.schedule.slots import Slots

MADE = "# Made by `opsjobs schedule export kubernetes`: change the configuration, not this file."
HOME, CONFIG, SECRETS = "/var/lib/opsjobs", "/etc/opsjobs", "/run/secrets/opsjobs"
"""Where in a container the volume, the configuration and the secrets are."""
STORAGE = "storage.yml"
_NAME = "opsjobs"
_LABELS = {"app.kubernetes.io/name": _NAME}
_LONGEST = 52
"""Characters of a CronJob's name."""
_PLAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_UTC = ZoneInfo("UTC")
_MORE = timedelta(minutes=5)
"""For what a call does beside its jobs."""
_COUNTED = 90
"""Kubernetes gives up where more than 100 starts were missed, so it must not look back so far."""
_LEAST = 300
"""Seconds; it looks for what is to be started every ten."""
_USER = 10001


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What is to be called, and from which image."""

    calls: tuple[Call, ...]
    since: datetime
    image: str
    config: str = ""
    """The name of the configuration's file; empty where the defaults hold."""
    system: str = ""
    home: str = HOME

    def objects(self) -> Mapping[str, Mapping[str, Any]]:
        """Each object by the name of its file."""
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": _NAME, "labels": _LABELS},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
        }
        return {STORAGE: claim} | {f"opsjobs-{call.name}.yml": self._cronjob(call) for call in self.calls}

    def _cronjob(self, call: Call) -> Mapping[str, Any]:
        line, zone = schedule(call.slots, self.since)
        labels = {**_LABELS, "app.kubernetes.io/component": call.job}
        most = call.slots.period * _COUNTED
        return {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {
                "name": _name(f"{_NAME}-{call.name}"),
                "labels": labels,
                "annotations": {"opsjobs/for": str(call)},
            },
            "spec": {
                "schedule": line,
                "timeZone": zone,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": max(_LEAST, _seconds(min(call.late, most))),
                "successfulJobsHistoryLimit": 1,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {
                    "metadata": {"labels": labels},
                    "spec": {
                        # opsjobs itself knows what may be tried again.
                        "backoffLimit": 0,
                        "activeDeadlineSeconds": _seconds(call.limit + _MORE),
                        "template": {"metadata": {"labels": labels}, "spec": self._pod(call)},
                    },
                },
            },
        }

    def _pod(self, call: Call) -> Mapping[str, Any]:
        config = f"{CONFIG}/{self.config}" if self.config else ""
        words = Program(config=config, system=self.system).once([call.job])
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": _NAME,
                    "image": self.image,
                    "command": [words[0]],
                    "args": [word.replace("$(", "$$(") for word in words[1:]],
                    "env": [{"name": "OPSJOBS_HOME", "value": self.home}, {"name": "HOME", "value": "/tmp"}],  # noqa: S108 - a volume of its own
                    "envFrom": [{"secretRef": {"name": f"{_NAME}-environment", "optional": True}}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
                    "volumeMounts": [
                        {"name": "home", "mountPath": self.home},
                        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - as above
                        {"name": "config", "mountPath": CONFIG, "readOnly": True},
                        {"name": "secrets", "mountPath": SECRETS, "readOnly": True},
                    ],
                }
            ],
            "volumes": [
                {"name": "home", "persistentVolumeClaim": {"claimName": _NAME}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "config", "configMap": {"name": _NAME, "optional": not self.config}},
                {"name": "secrets", "secret": {"secretName": _NAME, "optional": True, "defaultMode": 0o440}},
            ],
        }


def schedule(slots: Slots, since: datetime) -> tuple[str, str]:
    """A line and its zone. Where clocks change at a slot, Kubernetes would leave it out: then each hour of UTC."""
    if plain(slots, since):
        return numbered(slots.cron), slots.zone.key
    return f"{spans(minutes(slots, _UTC, since))} * * * *", "Etc/UTC"


def _name(text: str) -> str:
    """The text as the name of an object; what has to be changed or cut is told apart by its hash."""
    if len(text) <= _LONGEST and _PLAIN.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text.replace('_', '-')[: _LONGEST - len(digest) - 1].rstrip('-')}-{digest}"


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
