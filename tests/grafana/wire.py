"""What goes over the wire of the double: requests as handlers see them, answers, refusals, and the table of routes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import orjson

if TYPE_CHECKING:
    from tests.grafana.double import Double
    from tests.grafana.records import Identity, Organisation

JSON = "application/json"
JSON_UTF8 = "application/json; charset=UTF-8"
ROLES = ("Viewer", "Editor", "Admin")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and how it is sent: late, in drips, cut off after so many bytes, not at all, or as the last one."""

    status: int
    body: bytes = b""
    kind: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    drip: float = 0.0
    cut: int | None = None
    silent: bool = False
    dies: bool = False


class Refused(Exception):
    """A request that Grafana turns down; `state` is its word for a program.

    `traced` answers carry a trace id from version 9 on, the others never do.
    """

    def __init__(
        self, status: int, message: str, *, state: str = "", traced: bool = False, kind: str = JSON, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, **({"status": state} if state else {}), **more}
        self.traced = traced
        self.kind = kind


class Forbidden(Exception):
    """A request for which the identity lacks a permission; versions say so in different words."""

    def __init__(self, needs: str) -> None:
        super().__init__(needs)
        self.needs = needs


class Raw(Exception):
    """An answer that is sent as it is."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Call(NamedTuple):
    """One line of the log."""

    method: str
    path: str
    status: int
    body: bytes = b""

    @property
    def json(self) -> Any:
        """What was sent."""
        return orjson.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose sender is known."""

    double: Double
    org: Organisation
    who: Identity
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def number(self, name: str, default: int) -> int:
        """A number of the query; anything else counts as none, as Grafana has it."""
        text = self.query.get(name, [""])[0]
        return int(text) if re.fullmatch(r"-?\d+", text) else default

    def text(self, name: str) -> str:
        """A text of the query, or an empty one."""
        return self.query.get(name, [""])[0]

    @property
    def role(self) -> int:
        """How high the sender stands in this organisation; -1 where it is no member."""
        return ROLES.index(role) if (role := self.who.role_in(self.org.id)) else -1

    def json(self, *required: str) -> dict[str, Any]:
        """The body as an object in which what is required is neither missing nor empty."""
        try:
            read = orjson.loads(self.body)
        except ValueError:
            raise self._malformed(*required) from None
        if not isinstance(read, dict):
            raise self._malformed(*required)
        if missing := [name for name in required if not read.get(name)]:
            if self.double.since(8):
                raise Refused(400, "bad request data", traced=True)
            raise Raw(_binding(422, [_lacking(name) for name in missing]))
        return read

    def _malformed(self, *required: str) -> Exception:
        if self.double.since(8):
            return Refused(400, "bad request data", traced=True)
        broken = {"classification": "DeserializationError", "message": go_syntax_error(self.body)}
        return Raw(_binding(400, [broken, *map(_lacking, required)]))


def _lacking(name: str) -> dict[str, Any]:
    return {"fieldNames": [name[0].upper() + name[1:]], "classification": "RequiredError", "message": "Required"}


def _binding(status: int, errors: list[dict[str, Any]]) -> Answer:
    return Answer(status, dumps(errors), "application/json; charset=utf-8")


def go_syntax_error(body: bytes) -> str:
    """What Go says of a body that is no JSON object, as far as the start of it shows."""
    text = body.decode(errors="replace").strip()
    if not text or text == "{":
        return "unexpected end of JSON input"
    if text[0] != "{":
        return f"invalid character {text[0]!r} looking for beginning of value"
    after = text[1:].lstrip()
    if after[:1] not in {'"', "}"}:
        return f"invalid character {after[0]!r} looking for beginning of object key string"
    return "unexpected end of JSON input"


def dumps(content: Any) -> bytes:
    """JSON as Go writes maps: with sorted keys."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class Route:
    """A path of the API, the versions that have it, and who may go there."""

    method: str
    segments: tuple[str, ...]
    handler: Callable[..., Any]
    since: tuple[int, ...] = (0,)
    until: tuple[int, ...] = (999,)
    role: str | None = "Viewer"
    needs: str = ""
    server_admin: bool = field(default=False)


ROUTES: list[Route] = []


def route(method: str, path: str, **known: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts a handler into the table. What it returns is sent as JSON with status 200, unless it is an `Answer`."""

    def put(handler: Callable[..., Any]) -> Callable[..., Any]:
        ROUTES.append(Route(method, tuple(path.strip("/").split("/")), handler, **known))
        return handler

    return put


def table(version: tuple[int, ...]) -> dict[tuple[str, int], list[Route]]:
    """The routes of a version by method and number of segments; fixed paths come before those with names in them."""
    found: dict[tuple[str, int], list[Route]] = {}
    for each in ROUTES:
        if each.since <= version < each.until:
            found.setdefault((each.method, len(each.segments)), []).append(each)
    for routes in found.values():
        routes.sort(key=lambda each: [segment.startswith(":") for segment in each.segments])
    return found


def match(routes: list[Route], segments: list[str]) -> tuple[Route, dict[str, str]] | None:
    """The first route that has these segments, and what its names stand for."""
    for each in routes:
        names = {}
        for pattern, segment in zip(each.segments, segments, strict=True):
            if pattern.startswith(":"):
                names[pattern[1:]] = segment
            elif pattern != segment:
                break
        else:
            return each, names
    return None


def read_query(text: str) -> dict[str, list[str]]:
    """A query string by names."""
    return parse_qs(text, keep_blank_values=True) if text else {}


def read_version(text: str) -> tuple[int, ...]:
    """The numbers of a version, without what is hung on with a dash or a plus."""
    return tuple(int(part) for part in re.split(r"[-+]", text)[0].split("."))


_REPLACED = str.maketrans({
    "&": "and", "@": "at", "©": "c", "®": "r", "ß": "ss", "à": "a", "á": "a", "â": "a", "ä": "a", "å": "a", "æ": "ae",
    "ç": "c", "è": "e", "é": "e", "ê": "e", "ë": "e", "ì": "i", "í": "i", "î": "i", "ï": "i", "ò": "o", "ó": "o",
    "ô": "o", "õ": "o", "ö": "o", "ø": "o", "ù": "u", "ú": "u", "û": "u", "ü": "ue", "ý": "y", "þ": "p", "ÿ": "y",
})  # fmt: skip


def slugify(title: str) -> str:
    """The name of a title in addresses."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower().translate(_REPLACED)).strip("-")
    return slug or base64.urlsafe_b64encode(title.encode()).decode().rstrip("=")
