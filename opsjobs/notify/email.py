"""Mail: a letter as the bytes of a message, and the SMTP server that takes them, over TLS that is verified."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from opsjobs.errors import DeliveryError, TooLarge
from opsjobs.log import Redactor
from opsjobs.model import Letter

_MEGABYTE = 1_000_000
_SUBJECT = 150
_TOO_LARGE = 552
_PERMANENT = range(500, 600)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, kw_only=True)
class Server:
    """An SMTP server and how to be let in. The password is absent from its repr."""

    host: str
    port: int | None = None
    security: Literal["starttls", "tls", "none"]
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str
    ca_file: str = ""
    timeout: float = 30.0
    """Seconds for each answer."""
    largest: float = 10.0
    """Megabytes of a whole message."""


class EmailChannel:
    """A `Channel` over SMTP. Each message is for one recipient, so that each has an outcome of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._redact = Redactor([server.password]).redact

    def compose(self, letter: Letter, recipient: str, message_id: str, at: datetime) -> bytes:
        """The exact bytes of the mail: text first, the page with its pictures beside it, then the files."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(addr_spec=self._server.sender)
        mail["To"] = Address(addr_spec=recipient)
        mail["Subject"] = _one_line(letter.subject)[:_SUBJECT]
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<{message_id}@{self._server.sender.partition('@')[2]}>"
        # So that nobody's absence is answered to, and no loop begins.
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        missing = letter.where and not letter.files
        mail.set_content(
            f"{letter.text}\nThe files were too large for this mail: {letter.where}\n" if missing else letter.text
        )
        mail.add_alternative(letter.html, subtype="html")
        page = mail.get_payload()[1]  # type: ignore[index]  # the second part of what was just made
        for picture in letter.pictures:
            kind, _, subtype = picture.media_type.partition("/")
            page.add_related(picture.content, kind, subtype, cid=f"<{picture.name}>", disposition="inline")  # type: ignore[union-attr]
        for file in letter.files:
            kind, _, subtype = file.media_type.partition("/")
            mail.add_attachment(file.content, kind, subtype, filename=file.name)
        _name_boundaries(mail, message_id)
        return mail.as_bytes()

    def send(self, message: bytes, recipient: str) -> None:
        """Hand the mail over. Raises `DeliveryError`."""
        with self._connected() as smtp:
            size = smtp.esmtp_features.get("size", "")
            limit = min(self._server.largest * _MEGABYTE, int(size) if size.isdigit() and int(size) else float("inf"))
            if len(message) > limit:
                raise TooLarge(f"{self._who} takes {limit / _MEGABYTE:g} MB at most", permanent=False)
            smtp.sendmail(self._server.sender, [recipient], message)

    def check(self) -> list[str]:
        """Connect as for a mail and say what was found, a line each. Raises `DeliveryError`."""
        with self._connected() as smtp:
            sock = smtp.sock
            secured = f"{sock.version()}, certificate verified" if isinstance(sock, ssl.SSLSocket) else "none"
            return [
                f"connected to {self._server.host}",
                f"TLS: {secured}",
                f"logged in as {self._server.username}" if self._server.username else "no login",
                f"largest message: {smtp.esmtp_features.get('size') or 'not said'}",
            ]

    @property
    def _who(self) -> str:
        return f"the mail server {self._server.host}"

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A session that is encrypted and logged in; what goes wrong in it, in words."""
        try:
            with self._open() as smtp:
                try:
                    smtp.ehlo()
                    if self._server.security == "starttls":
                        smtp.starttls(context=self._context())
                        smtp.ehlo()
                    if self._server.username:
                        smtp.login(self._server.username, self._server.password)
                    yield smtp
                except KeyboardInterrupt:
                    # Its farewell would wait for an answer.
                    smtp.close()
                    raise
        except smtplib.SMTPException as error:
            raise self._refusal(error) from None
        except UnicodeEncodeError:
            # Its words have the letters.
            raise DeliveryError(
                f"{self._who}: the username or the password has a letter that a login cannot carry",
                permanent=True,
                advice="Change them to letters, digits and signs of ASCII.",
            ) from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "no TLS"
            raise DeliveryError(
                f"{self._who}: its TLS was not accepted: {reason}",
                permanent=False,
                advice="Set delivery.email.ca_file to the authority that signed it, or correct host and security.",
            ) from None
        except OSError as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise DeliveryError(
                f"{self._who} cannot be reached: {reason}",
                permanent=False,
                advice="Check delivery.email.host and port, and that it runs.",
            ) from None

    def _open(self) -> smtplib.SMTP:
        server = self._server
        port = server.port or _PORTS[server.security]
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, port, timeout=server.timeout, context=self._context())
        return smtplib.SMTP(server.host, port, timeout=server.timeout)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file or None)

    def _refusal(self, error: smtplib.SMTPException) -> DeliveryError:
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return DeliveryError(
                f"{self._who} does not offer what is needed: {self._redact(str(error))}",
                permanent=True,
                advice="It must offer STARTTLS, or speak TLS from the start: delivery.email.security: tls.",
            )
        if isinstance(error, smtplib.SMTPServerDisconnected):
            how = "gave no answer in time" if "timed out" in str(error) else "broke the connection off"
            return DeliveryError(f"{self._who} {how}", permanent=False)
        code, said = 0, str(error).encode()
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            code, said = next(iter(error.recipients.values()))
        elif isinstance(error, smtplib.SMTPResponseException):
            code, said = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else said
        words = _one_line(self._redact(said.decode("utf-8", "replace")))[:_SUBJECT]
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return DeliveryError(
                f"{self._who} refused the login (code {code})",
                permanent=code in _PERMANENT,
                advice="Check delivery.email.username and its password.",
            )
        if code == _TOO_LARGE:
            return TooLarge(f"{self._who} finds the message too large: {words}", permanent=False)
        return DeliveryError(f"{self._who} answered {code}: {words}", permanent=code in _PERMANENT)


def _one_line(text: str) -> str:
    """Without what would end a header or hide in it."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _name_boundaries(mail: EmailMessage, message_id: str) -> None:
    """Boundaries by the message's own id in place of random ones: the same letter gives the same bytes."""
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{message_id[:40]}_{number}")
