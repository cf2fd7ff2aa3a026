"""The WSGI application: which address is what, and what goes with every answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import wrap_file

from opsjobs import telemetry
from opsjobs.errors import LedgerError, OpsjobsError
from opsjobs.ledger.reading import Days, Reading
from opsjobs.report import MEDIA_TYPES
from opsjobs.serving.guard import Guard
from opsjobs.serving.pages import Pages, Subject, Wanted, note, stylesheet
from opsjobs.serving.shelf import Shelf

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_LOG = logging.getLogger(__name__)
_LONGEST_QUERY = 200
_LAST_PAGE = 1_000_000
_ALONE = "base-uri 'none'; frame-ancestors 'none'"
_PAGE_POLICY = f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; {_ALONE}"
# A report brings its styles and drawings with it. In a sandbox it is nobody: whatever got into one reads no other.
_REPORT_POLICY = f"sandbox; default-src 'none'; form-action 'none'; style-src 'unsafe-inline'; {_ALONE}"
# Browsers show a PDF with a program of their own, which does not start in a sandbox.
_PDF_POLICY = f"form-action 'none'; {_ALONE}"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
_ICON = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b5fa5"/>'
    b'<path d="M3.5 8.5 6.5 11.5 12.5 4.5" fill="none" stroke="#fff" stroke-width="2.2"/></svg>\n'
)
_MISDIRECTED = 421
_WORDS = {
    400: ("That cannot be answered", ""),
    401: ("Who are you?", "This archive asks for a name and a password, or for its token."),
    404: ("There is nothing here", "The address is wrong, or what was there has been removed."),
    405: ("That is not possible here", "The archive can only be read."),
    421: (
        "This is another server",
        "It does not answer to that name. Names that it is to answer to stand in serve.names.",
    ),
    500: ("Something went wrong", "It is written down in the log of opsjobs serve."),
    503: (
        "The ledger cannot be read",
        "Without it nobody knows what ran. Why is written down in the log of opsjobs serve.",
    ),
}


class Site:
    """The archive as a WSGI application; safe to call from several threads.

    `late` says after how many seconds without success a job is late, by its name.
    """

    def __init__(
        self,
        *,
        reading: Reading,
        reports: Path,
        subjects: Sequence[Subject],
        guard: Guard,
        clock: Callable[[], datetime],
        late: Mapping[str, float],
    ) -> None:
        self._reading = reading
        self._shelf = Shelf(reports)
        self._pages = Pages(reading, self._shelf, subjects, late)
        self._guard = guard
        self._clock = clock
        self._style = stylesheet()
        self._answers: dict[str, Callable[..., Response]] = {
            "index": self._index,
            "job": self._job,
            "slot": self._slot,
            "file": self._file,
            "metrics": self._metrics,
            "healthz": self._healthz,
            "style": self._stylesheet,
            "icon": self._icon,
        }
        rules = {
            "/": "index",
            "/metrics": "metrics",
            "/healthz": "healthz",
            "/archive.css": "style",
            "/icon.svg": "icon",
            # What browsers ask for by themselves beside a PDF or a text.
            "/favicon.ico": "icon",
            "/<system>/<job>/": "job",
            "/<system>/<job>/<slot>/": "slot",
            "/<system>/<job>/<slot>/<name>": "file",
        }
        self._map = Map(
            [Rule(path, endpoint=name, methods=["GET"]) for path, name in rules.items()], merge_slashes=False
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request. What nobody foresaw is logged here, and answered by the server with 500."""
        request = Request(environ)
        try:
            response = self._answer(request)
        except BaseException:
            _LOG.exception("%s %r could not be answered", request.method, request.path)
            raise
        for name, value in {"Content-Security-Policy": _PAGE_POLICY, **_HEADERS}.items():
            response.headers.setdefault(name, value)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        refused = None if request.path == "/healthz" else self._refusal(request)
        if refused:
            return refused
        try:
            name, values = self._map.bind_to_environ(request.environ).match()
            return self._answers[name](request, **values)
        except RequestRedirect:
            # Said by its last piece alone, whatever the site is called from outside.
            return _moved(f"./{quote(request.path.rpartition('/')[2], safe='')}/")
        except HTTPException as error:
            response = _told(request, error.code or 500, error.description if isinstance(error, BadRequest) else "")
            if isinstance(error, MethodNotAllowed):
                response.headers["Allow"] = "GET, HEAD"
            return response
        except LedgerError as error:
            _LOG.error("%s", error)
            return _told(request, 503)
        except (OpsjobsError, OSError):
            _LOG.exception("%s %r could not be answered", request.method, request.path)
            return _told(request, 500)

    def _refusal(self, request: Request) -> Response | None:
        """Why somebody is not let in; None for who is."""
        if not self._guard.is_ours(request.environ.get("HTTP_HOST", "")):
            return _told(request, _MISDIRECTED)
        if self._guard.admits(request.authorization):
            return None
        _LOG.info("%s asked for %r without being let in", request.remote_addr, request.path)
        response = _told(request, 401)
        response.headers.add("WWW-Authenticate", 'Basic realm="opsjobs", charset="UTF-8"')
        response.headers.add("WWW-Authenticate", 'Bearer realm="opsjobs"')
        return response

    def _index(self, _: Request) -> Response:
        return _html(self._pages.index(self._clock()))

    def _job(self, request: Request, system: str, job: str) -> Response:
        wanted = _wanted(request)
        page = None if "\0" in system + job else self._pages.job(system, job, wanted, self._clock())
        if page is None:
            raise NotFound
        return _html(page)

    def _slot(self, _: Request, system: str, job: str, slot: str) -> Response:
        if not self._shelf.names(system, job, slot, ["report.html"]):
            raise NotFound
        return _moved("./report.html", code=302)

    def _file(self, request: Request, system: str, job: str, slot: str, name: str) -> Response:
        found = self._shelf.open(system, job, slot, name)
        if found is None:
            raise NotFound
        response = Response(content_type=MEDIA_TYPES[name])
        response.set_etag(found.mark)
        response.headers["Content-Security-Policy"] = _PDF_POLICY if name.endswith(".pdf") else _REPORT_POLICY
        if not name.endswith(".html"):
            kind = "attachment" if name.endswith(".csv") else "inline"
            called = f"{system}-{job}-{slot}".encode("ascii", "replace").decode()
            safe = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in called)
            response.headers["Content-Disposition"] = f'{kind}; filename="{safe}{name.removeprefix("report")}"'
        if request.if_none_match.contains(found.mark):
            found.content.close()
            response.status_code = 304
        elif request.method == "HEAD":
            found.content.close()
            response.content_length = found.size
        else:
            response.content_length = found.size
            response.direct_passthrough = True
            response.response = wrap_file(request.environ, found.content)
        return response

    def _metrics(self, request: Request) -> Response:
        media_type, content = telemetry.exposition(self._reading, self._clock(), request.headers.get("Accept", ""))
        return Response(content, content_type=media_type)

    def _healthz(self, _: Request) -> Response:
        try:
            self._reading.check()
        except LedgerError as error:
            _LOG.error("%s", error)
            # Whoever asks need not be let in: no word of why.
            return Response("The ledger cannot be read.\n", 503, content_type="text/plain; charset=utf-8")
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    def _stylesheet(self, request: Request) -> Response:
        return _fixed(request, self._style, "text/css; charset=utf-8")

    def _icon(self, request: Request) -> Response:
        return _fixed(request, _ICON, "image/svg+xml")


def _wanted(request: Request) -> Wanted:
    """What the query of an address asks for. Raises `BadRequest` in words."""
    first, last = request.args.get("from", ""), request.args.get("to", "")
    page = request.args.get("page", "1")
    if not (page.isascii() and page.isdigit() and 1 <= int(page[:9]) <= _LAST_PAGE):
        raise BadRequest("A page is a number from 1 on.")
    return Wanted(
        text=" ".join(request.args.get("q", "").split())[:_LONGEST_QUERY],
        first=first,
        last=last,
        days=Days(first=_date(first), last=_date(last)),
        page=int(page[:9]),
        # PostgreSQL has no place for NUL.
        before=request.args.get("before", "").replace("\0", "")[:_LONGEST_QUERY],
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadRequest("A date is written as 2026-11-18.") from None


def _told(request: Request, code: int, text: str = "") -> Response:
    title, usual = _WORDS.get(code, _WORDS[500])
    return _html(note(_root(request), title, text or usual), code)


def _root(request: Request) -> str:
    """The way from an address back to the first page."""
    return "../" * (request.path.count("/") - 1) or "./"


def _fixed(request: Request, content: bytes, media_type: str) -> Response:
    """What is the same until opsjobs is another."""
    response = Response(content, content_type=media_type)
    response.add_etag()
    return response.make_conditional(request.environ)


def _html(page: str, code: int = 200) -> Response:
    return Response(page, code, content_type="text/html; charset=utf-8")


def _moved(where: str, code: int = 308) -> Response:
    response = Response(status=code, content_type="text/plain; charset=utf-8")
    response.headers["Location"] = where
    return response
