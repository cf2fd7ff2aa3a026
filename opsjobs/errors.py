"""What can go wrong, as one tree. The docstring of a class is its default message.

    OpsjobsError                exit 1
    ├── UsageError              exit 64   what was asked for makes no sense
    ├── ConfigError             exit 78   a file an operator wrote is wrong; every fault of it at once
    ├── SlotTaken               exit 75   another run holds this slot
    │   ├── SlotOver                      it has been run
    │   └── SlotLost                      another run has taken over
    ├── GivenUp                           a slot whose runs were killed, again and again
    ├── Interrupted             exit 130
    ├── SourceError                       a source did not give what it was asked for
    │   ├── Unreachable
    │   ├── TimedOut
    │   ├── Overloaded
    │   ├── AccessDenied
    │   ├── QueryRejected
    │   ├── NotOffered                    this version of it does not have that
    │   └── BadAnswer
    │       └── NotFound
    ├── DeliveryError                     a message was not taken; permanent, or worth another attempt
    │   └── TooLarge                      it would be taken without its files
    ├── RenderError                       a report could not be turned into a format
    ├── LedgerError                       the ledger could not be read or written
    ├── BackupError                       a backup could not be kept, found or trusted
    ├── StackError                        a stack could not be written, started or stopped
    ├── ScheduleError                     the schedule could not be handed to another scheduler
    └── DemoError                         the demonstration could not be set up

Libraries raise these; only `cli` turns them into words and an exit code, and only `runner` may catch everything.
"""

from __future__ import annotations

from dataclasses import dataclass


class OpsjobsError(Exception):
    """Something went wrong."""

    exit_code = 1

    def __init__(self, message: str | None = None, *, advice: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.advice = advice
        super().__init__(self.message)


class UsageError(OpsjobsError):
    """The command was asked for something that makes no sense."""

    exit_code = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong in a file an operator wrote."""

    file: str
    line: int | None
    path: str
    message: str
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place}: {self.path}" if self.path else place
        text = f"{where}: {self.message}"
        return f"{text}\n{self.excerpt}" if self.excerpt else text


class ConfigError(OpsjobsError):
    """The configuration is wrong."""

    exit_code = 78

    def __init__(self, faults: list[Fault] | str, *, advice: str = "") -> None:
        self.faults = [] if isinstance(faults, str) else list(faults)
        message = faults if isinstance(faults, str) else "\n".join(str(fault) for fault in faults)
        super().__init__(message, advice=advice)


class SlotTaken(OpsjobsError):
    """Another run holds this slot."""

    exit_code = 75


class SlotOver(SlotTaken):
    """The slot has been run."""


class SlotLost(SlotTaken):
    """Another run has taken over."""


class GivenUp(OpsjobsError):
    """The slot was begun often enough."""


class Interrupted(OpsjobsError):
    """Interrupted."""

    exit_code = 130


class SourceError(OpsjobsError):
    """A source did not answer as it should."""

    code: int = 0
    """Of HTTP, where that is what was wrong."""
    said: str = ""
    """The source's own words, where it has any."""


class Unreachable(SourceError):
    """The source cannot be reached."""


class TimedOut(SourceError):
    """The source did not answer in time."""


class Overloaded(SourceError):
    """The source is not able to answer now."""

    retry_after: float = 0.0
    """Seconds after which the source wants to be asked again."""


class AccessDenied(SourceError):
    """The source refused the credentials."""


class QueryRejected(SourceError):
    """The source rejected the query."""


class NotOffered(SourceError):
    """The source does not have what it was asked for, in this version or as it is configured."""


class BadAnswer(SourceError):
    """The source answered with something that is not an answer."""


class NotFound(BadAnswer):
    """The source does not know what it was asked for."""


class DeliveryError(OpsjobsError):
    """The message was not taken."""

    def __init__(
        self, message: str | None = None, *, permanent: bool, advice: str = "", retry_after: float = 0.0
    ) -> None:
        self.permanent = permanent
        self.retry_after = retry_after
        """Seconds before which another attempt makes no sense."""
        super().__init__(message, advice=advice)


class TooLarge(DeliveryError):
    """The message is too large for the receiver."""


class RenderError(OpsjobsError):
    """The report could not be rendered."""


class LedgerError(OpsjobsError):
    """The ledger cannot be used."""


class BackupError(OpsjobsError):
    """The backup cannot be used."""


class StackError(OpsjobsError):
    """The stack could not be written, started or stopped."""


class ScheduleError(OpsjobsError):
    """The schedule could not be handed to another scheduler."""


class DemoError(OpsjobsError):
    """The demonstration cannot be set up."""
