"""A real SMTP server on loopback that misbehaves as it is told."""

import asyncio
import contextlib
import ssl

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Inbox:
    """Takes mails, or answers as `answers` says: {"rcpt": {address: code}, "data": code, "drop": bool}."""

    def __init__(self, **answers):
        self.answers = answers
        self.mails = []
        self.seen = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        code = self.answers.get("rcpt", {}).get(address)
        if code:
            return code
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "silence" in self.answers:
            await asyncio.sleep(self.answers["silence"])
        self.seen.append((envelope.rcpt_tos[0], envelope.original_content))
        answer = self.answers.get("data")
        if callable(answer):
            answer = answer(len(self.seen))
        if answer:
            return answer
        self.mails.append((envelope.rcpt_tos[0], envelope.original_content))
        if self.answers.get("drop"):
            server.transport.close()
            return "250 never seen"
        return "250 OK"


class _Controller(Controller):
    def __init__(self, handler, tls=None, **options):
        self._options = options
        self._tls = tls
        super().__init__(handler, hostname="127.0.0.1", port=0, ready_timeout=10)

    def factory(self):
        return SMTP(self.handler, tls_context=self._tls, **self._options)

    def _trigger_server(self):
        """The port was chosen by the system: ask for it before the first connection."""
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


AUTHORITY = trustme.CA()


def tls(host="127.0.0.1", authority=AUTHORITY):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


def authenticator(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.password == b"right-password"
    return AuthResult(success=good, handled=good)


@contextlib.contextmanager
def mail_server(inbox, *, context=None, login=False, size=33_554_432):
    """The server's port, while it runs."""
    options = {"data_size_limit": size}
    if context:
        options["require_starttls"] = True
    if login:
        options |= {"authenticator": authenticator, "auth_required": True, "auth_require_tls": bool(context)}
    controller = _Controller(inbox, context, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
