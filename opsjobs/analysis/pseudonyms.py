"""Names under which users are told of, so that nobody who reads of them learns who they are."""

from __future__ import annotations

import hashlib
import hmac

_LETTERS = 8


def pseudonym(key: bytes, system: str, user: str) -> str:
    """A short name, such as `user-3f9a2c41`: HMAC-SHA256, the same for a user of a system as long as the key is.

    Two of a hundred thousand users may well share one; of the few that a report names that is one in a hundred million.
    """
    digest = hmac.new(key, f"{system}\0{user}".encode(), hashlib.sha256).hexdigest()
    return f"user-{digest[:_LETTERS]}"
