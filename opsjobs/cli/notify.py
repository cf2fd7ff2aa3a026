"""opsjobs notify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.daily import report_on
from opsjobs.cli.health import audience, examined
from opsjobs.cli.setting import configured, now, setting
from opsjobs.cli.telling import channels, email, receivers
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.cli.setting import Setting
    from opsjobs.log import Redactor
    from opsjobs.model import Letter

_HELP = "`opsjobs config example` shows delivery.email, recipients and channels."
_WORDS = "This is a test of opsjobs. If you can read it, its messages will reach you."


@click.group()
def notify() -> None:
    """Try how reports and news of checks reach people."""


@notify.command(epilog="Example: opsjobs notify test --system pratikoai --channel slack")
@click.option("--to", "recipient", metavar="ADDRESS", help="Send a mail to this address.")
@click.option("--system", "name", metavar="NAME", help="A system of the configuration, with --channel.")
@click.option("--channel", metavar="NAME", help="One of its channels; a mail goes to everybody it leads to.")
@configured
@click.pass_obj
def test(
    redactor: Redactor, *, recipient: str | None, name: str | None, channel: str | None, file: Path | None
) -> None:
    """Send a short message over a channel, and say what was found on the way."""
    if bool(recipient) == bool(name and channel):
        raise UsageError("give --to, or --system and --channel", advice=_HELP)
    here = setting(file, redactor)
    if recipient:
        _test_mail(here, recipient)
        return
    here.config.chosen(name or "")
    known = channels(here, name or "")
    if channel not in known:
        raise UsageError(f"'{name}' has no channel '{channel}'; it has {', '.join(known) or 'none'}", advice=_HELP)
    reached = [each.recipient for each in receivers(here, name or "") if each.channel == channel]
    for to in reached or here.config.systems[name or ""].recipients:
        message_id, letter = _test_letter(to)
        known[channel].send(known[channel].compose(letter, to, message_id, now()), to)
        click.echo(f"sent to {to}")


def _test_mail(here: Setting, recipient: str) -> None:
    mail = email(here)
    if mail is None:
        raise UsageError("no mail server is configured", advice=_HELP)
    for line in mail.check():
        click.echo(line)
    message_id, letter = _test_letter(recipient)
    mail.send(mail.compose(letter, recipient, message_id, now()), recipient)
    click.echo(f"sent to {recipient}")


def _test_letter(recipient: str) -> tuple[str, Letter]:
    from opsjobs.model import Letter  # noqa: PLC0415 - only here
    from opsjobs.notify.outbox import identity  # noqa: PLC0415 - slow to import

    letter = Letter(subject="opsjobs: test", text=f"{_WORDS}\n", html=f"<p>{_WORDS}</p>")
    return identity("opsjobs", "test", now().isoformat(), recipient), letter


@notify.command(epilog="Example: opsjobs notify preview --system pratikoai --out ./mails")
@click.option("--system", "name", metavar="NAME", required=True, help="A system of the configuration.")
@click.option(
    "--job", type=click.Choice(["daily", "weekly", "costs", "health"]), default="daily", help="Default: daily."
)
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Of a report: its day, or one of its week. Default: the last that is over.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where they go.")
@configured
@click.pass_obj
def preview(redactor: Redactor, *, name: str, job: str, day: datetime | None, out: Path, file: Path | None) -> None:
    """Write the exact messages to disk, one for each recipient, without sending them.

    Of `health`: what each receiver would be told if it had been told nothing yet.
    """
    here = setting(file, redactor)
    here.config.chosen(name)
    messages = list(_of_health(here, name) if job == "health" else _of_report(here, name, day, job))
    out.mkdir(parents=True, exist_ok=True)
    for recipient, file_name, content in messages:
        path = out / file_name
        path.write_bytes(content)
        click.echo(f"{recipient}  {path}")
    if not messages:
        click.echo("nothing: all is well, or no channel takes it")


def _of_report(here: Setting, name: str, day: datetime | None, job: str) -> Iterator[tuple[str, str, bytes]]:
    from opsjobs.notify.outbox import identity  # noqa: PLC0415 - slow to import
    from opsjobs.report import mail  # noqa: PLC0415 - as above

    channel = email(here)
    if channel is None:
        raise UsageError("no mail server is configured", advice=_HELP)
    recipients = here.config.systems[name].recipients
    if not recipients:
        raise UsageError(f"'{name}' has no recipients", advice=_HELP)
    finished = report_on(here, name, day.date() if day else None, job=job)
    files = {Path(each.path).name: Path(each.path).read_bytes() for each in finished.run.artifacts}
    letter = mail.letter(finished.report, files, str(Path(finished.run.artifacts[0].path).parent))
    for recipient in recipients:
        message_id = identity(name, finished.run.job, finished.run.slot, recipient)
        yield recipient, f"{message_id}.eml", channel.compose(letter, recipient, message_id, now())


def _of_health(here: Setting, name: str) -> Iterator[tuple[str, str, bytes]]:
    from opsjobs.notify.email import EmailChannel  # noqa: PLC0415 - slow to import
    from opsjobs.notify.outbox import identity  # noqa: PLC0415 - as above
    from opsjobs.report import notice  # noqa: PLC0415 - as above
    from opsjobs.runner import news  # noqa: PLC0415 - as above

    known = channels(here, name)
    if not receivers(here, name):
        raise UsageError(f"'{name}' has no channels", advice=_HELP)
    looked = examined(here, name, send=False)
    untold = {check: replace(state, told={}) for check, state in looked.health.states.items()}
    health = replace(looked.health, states=untold)
    _, notices = news(looked.run, health, looked.known, audience(here, name, health.at))
    for receiver, said in notices:
        message_id = identity(name, "health", looked.run.slot, receiver.key)
        content = known[receiver.channel].compose(notice.letter(said), receiver.recipient, message_id, health.at)
        mail = isinstance(known[receiver.channel], EmailChannel)
        yield receiver.recipient, f"{message_id}.{'eml' if mail else 'json'}", content
