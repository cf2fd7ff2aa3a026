"""The schedule as units of systemd: a service and a timer for each call, or one service that sees to everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsjobs.schedule.calls import Call, Program, minutes, plain, spans
from opsjobs.schedule.slots import WEEKDAYS, Slots

MADE = "# Made by `opsjobs schedule export systemd`: change the configuration, not this file."
INSTEAD = "instead/opsjobs.service"
"""The service that is used in place of all the others."""
_UTC = ZoneInfo("UTC")
_MORE = timedelta(minutes=5)
"""For what a call does beside its jobs."""
_HOMES = ("/home/", "/root/", "/run/user/")
_HARDENED = """\
NoNewPrivileges=true
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome={homes}
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectHostname=true
ProtectControlGroups=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
RemoveIPC=true
KeyringMode=private
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
MemoryMax=2G"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """What is to be called, and as whom."""

    calls: tuple[Call, ...]
    program: Program
    since: datetime
    spread: timedelta = timedelta(0)
    """Over which time the calls of several machines are spread."""
    user: str = "opsjobs"
    folders: tuple[str, ...] = ()
    """Where it writes beside the folder that systemd makes for it."""
    root: bool = True
    """Whether that folder is the one for what it makes, since nothing names another."""

    def files(self) -> Mapping[str, str]:
        """Each unit by its file's name."""
        made = {}
        for call in self.calls:
            limit = f"TimeoutStartSec={_seconds(call.limit + self.spread + _MORE)}"
            made[f"opsjobs-{call.name}.service"] = self._service(
                str(call), ("Type=oneshot", limit), self.program.once([call.job])
            )
            made[f"opsjobs-{call.name}.timer"] = self._timer(call)
        how = ("Type=exec", "Restart=always", "RestartSec=10", "TimeoutStopSec=120")
        end = ("", "[Install]", "WantedBy=multi-user.target")
        made[INSTEAD] = self._service("opsjobs: every job at its time", how, self.program.always(), end)
        return made

    def _service(self, title: str, how: Iterable[str], words: Iterable[str], end: Iterable[str] = ()) -> str:
        homes = any(word.startswith(_HOMES) for word in (*self.program.words, self.program.config, *self.folders))
        home = _quoted(f"OPSJOBS_HOME={self.program.home}") if self.program.home else "OPSJOBS_HOME=%S/opsjobs"
        lines = [
            MADE,
            "[Unit]",
            f"Description={title}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            *how,
            f"ExecStart={_command(words)}",
            "# Not DynamicUser=: people look at runs and restore as this user (sudo -u), and files with passwords are",
            "# those of this user. It is made by: useradd --system --shell /usr/sbin/nologin NAME",
            f"User={self.user}",
            "StateDirectory=opsjobs",
            "StateDirectoryMode=0750",
            f"Environment=HOME=%S/opsjobs{f' {home}' if self.program.home or self.root else ''}",
            *(f"ReadWritePaths={_quoted(folder)}" for folder in self.folders),
            "# Secrets that nobody else may read; in opsjobs.yml, for the service and for people:",
            "# password_file: ${CREDENTIALS_DIRECTORY:-/etc/opsjobs/secrets}/postgresql",
            "# LoadCredential=postgresql:/etc/opsjobs/secrets/postgresql",
            *_HARDENED.format(homes="read-only" if homes else "true").splitlines(),
            *end,
        ]
        return "\n".join([*lines, ""])

    def _timer(self, call: Call) -> str:
        spread = [f"RandomizedDelaySec={_seconds(self.spread)}"] if self.spread else []
        lines = [
            MADE,
            "[Unit]",
            f"Description={call}",
            "",
            "[Timer]",
            *(f"OnCalendar={each}" for each in calendar(call.slots, self.since)),
            "# After the machine was off, once; whether that is too late, opsjobs knows.",
            "Persistent=true",
            "AccuracySec=1min",
            *spread,
            "",
            "[Install]",
            "WantedBy=timers.target",
        ]
        return "\n".join([*lines, ""])


def calendar(slots: Slots, since: datetime) -> list[str]:
    """What a timer waits for. Where clocks change at a slot, systemd would leave it out: then each hour of UTC."""
    if not plain(slots, since):
        return [f"*-*-* *:{_list(minutes(slots, _UTC, since))}:00 UTC"]
    minute, hour, day, month, weekday = slots.cron.fields
    # A week begins with Monday here.
    days = "" if weekday is None else ",".join(WEEKDAYS[each].capitalize() for each in weekday) + " "
    return [f"{days}*-{_list(month)}-{_list(day)} {_list(hour)}:{_list(minute)}:00 {slots.zone.key}"]


def _list(values: Iterable[int] | None) -> str:
    """Values of one part of a calendar expression."""
    return "*" if values is None else spans(values, "..", "02d")


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())


def _command(words: Iterable[str]) -> str:
    """A command line. Of all words but the first, the program, variables are filled."""
    first, *others = words
    return " ".join([_quoted(first), *(_quoted(word.replace("$", "$$")) for word in others)])


def _quoted(word: str) -> str:
    """A word in which nothing means anything to systemd."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if text and not set(text) & set(" \t'\"\\;#") else f'"{text}"'
