"""Who is let in, and by which names the site is called."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from werkzeug.datastructures import Authorization

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """What a request must bring. Secrets are absent from its repr."""

    names: frozenset[str] | None = LOOPBACK
    """The hosts that a request may be for; None for any.

    Any page of the web can have a browser ask for this machine under a name of its own.
    """
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    def is_ours(self, host: str) -> bool:
        """Whether the Host header of a request names this site; one without it comes from no browser."""
        return self.names is None or not host or _name(host) in self.names

    def admits(self, sent: Authorization | None) -> bool:
        """Whether these credentials are good: the token as it is, the token as anybody's password, or the user's."""
        if not (self.token or self.username):
            return True
        if sent is None:
            return False
        token, user, password = sent.token or "", sent.get("username") or "", sent.get("password") or ""
        # Everything is compared, whatever fails first: how long it takes says nothing.
        good = [
            bool(self.token) & _same(token if sent.type == "bearer" else password, self.token),
            bool(self.username) & _same(user, self.username) & _same(password, self.password),
        ]
        return any(good)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))


def _name(host: str) -> str:
    """A host without its port, in small letters."""
    bracketed, bracket, _ = host.partition("]")
    if bracket:
        return bracketed.removeprefix("[").lower()
    return host.partition(":")[0].lower().removesuffix(".")
