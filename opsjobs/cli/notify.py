"""opsjobs notify."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli.daily import report_on
from opsjobs.cli.setting import configured, now, setting
from opsjobs.errors import UsageError

if TYPE_CHECKING:
    from opsjobs.cli.setting import Setting
    from opsjobs.log import Redactor
    from opsjobs.notify.email import EmailChannel

_HELP = "`opsjobs config example` shows delivery.email and recipients."


@click.group()
def notify() -> None:
    """Try how reports reach people."""


@notify.command(epilog="Example: opsjobs notify test --to alerts@example.com")
@click.option("--to", "recipient", metavar="ADDRESS", required=True, help="Who gets the test mail.")
@configured
@click.pass_obj
def test(redactor: Redactor, *, recipient: str, file: Path | None) -> None:
    """Send a short mail, and say what the server offered on the way."""
    from opsjobs.model import Letter  # noqa: PLC0415 - only here
    from opsjobs.notify.outbox import identity  # noqa: PLC0415 - slow to import

    channel = _channel(setting(file, redactor))
    for line in channel.check():
        click.echo(line)
    moment = now()
    words = "This is a test of opsjobs. If you can read it, reports will reach you."
    letter = Letter(subject="opsjobs: test", text=f"{words}\n", html=f"<p>{words}</p>")
    message_id = identity("opsjobs", "test", moment.isoformat(), recipient)
    channel.send(channel.compose(letter, recipient, message_id, moment), recipient)
    click.echo(f"sent to {recipient}")


@notify.command(epilog="Example: opsjobs notify preview --system pratikoai --out ./mails")
@click.option("--system", "name", metavar="NAME", required=True, help="A system of the configuration.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="Default: yesterday.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the mails go.")
@configured
@click.pass_obj
def preview(redactor: Redactor, *, name: str, day: datetime | None, out: Path, file: Path | None) -> None:
    """Make the daily report and write the exact mails to disk, one for each recipient, without sending them."""
    from opsjobs.notify.outbox import identity  # noqa: PLC0415 - slow to import
    from opsjobs.report import mail  # noqa: PLC0415 - as above

    here = setting(file, redactor)
    channel = _channel(here)
    here.config.chosen(name)
    recipients = here.config.systems[name].recipients
    if not recipients:
        raise UsageError(f"'{name}' has no recipients", advice=_HELP)
    finished = report_on(here, name, day.date() if day else None)
    files = {Path(each.path).name: Path(each.path).read_bytes() for each in finished.run.artifacts}
    letter = mail.letter(finished.report, files, str(Path(finished.run.artifacts[0].path).parent))
    out.mkdir(parents=True, exist_ok=True)
    for recipient in recipients:
        message_id = identity(name, finished.run.job, finished.run.slot, recipient)
        path = out / f"{message_id}.eml"
        path.write_bytes(channel.compose(letter, recipient, message_id, now()))
        click.echo(f"{recipient}  {path}")


def _channel(here: Setting) -> EmailChannel:
    channel = here.channel()
    if channel is None:
        raise UsageError("no mail server is configured", advice=_HELP)
    return channel
