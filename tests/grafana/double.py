"""The state of the double: organisations, who may see what, the log of requests, and how it is filled."""

from __future__ import annotations

import base64
import itertools
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import orjson

from tests.grafana import alerting, apis, boards, datasources, library, v2
from tests.grafana.faults import HTML, Faults
from tests.grafana.filling import model, v2_spec
from tests.grafana.records import Dashboard, Folder, Identity, Organisation
from tests.grafana.wire import (
    JSON_UTF8,
    ROLES,
    Answer,
    Call,
    Forbidden,
    Raw,
    Refused,
    Request,
    Route,
    dumps,
    match,
    read_query,
    read_version,
    table,
)

AREAS = (boards, library, datasources, alerting, apis)
"""The modules whose routes it has."""

VERSIONS = ("6.5.1", "9.4.0", "11.4.0", "12.1.0", "13.0.0")
"""Those that the tests go through: before uids, before nested folders, before and after the new API, the newest."""

ADMIN = ("admin", "admin")
TOKEN = "glsa_double_admin"
INDEX = b"<!DOCTYPE html><html><head><title>Grafana</title></head><body></body></html>"


class Double:
    """A Grafana of some version, without HTTP: `answer` takes a request and gives what Grafana would.

    `first_id` is where numeric ids start, `prefix` the path below which a proxy has it, `page_bytes` how much of the
    new API's lists goes onto a page, `apis` the versions of the dashboard API that are served, and `refuses_v2` what
    some 12.x do: they answer 406 to the legacy GET of a dashboard in v2, where others convert it in silence.
    """

    def __init__(
        self,
        version: str = "9.4.0",
        *,
        hide_version: bool = False,
        min_refresh: str = "5s",
        first_id: int = 1,
        prefix: str = "",
        page_bytes: int = 2_000_000,
        apis: tuple[str, ...] | None = None,
        refuses_v2: bool = False,
    ) -> None:
        self.version = version
        self._numbers = read_version(version)
        self.hide_version = hide_version
        self.min_refresh = min_refresh
        self.prefix = prefix.rstrip("/")
        self.page_bytes = page_bytes
        self.refuses_v2 = refuses_v2
        served = ("v1", "v2") if self.since(13) else ("v1beta1", "v0alpha1", "v2alpha1", "v2beta1")
        self.apis = (apis if apis is not None else served) if self.since(12) else ()
        self.lock = threading.RLock()
        self.generation = 0
        """Counts what may have changed; answers to GET are good for as long as it stands still."""
        self.faults = Faults()
        self.calls: list[Call] = []
        self.orgs = {1: Organisation(1, "Main Org.")}
        self.users: dict[str, Identity] = {}
        self.tokens: dict[str, Identity] = {}
        self._routes: dict[tuple[str, int], list[Route]] = table(self._numbers)
        self._ids = {name: itertools.count(first_id) for name in ("entity", "saved")}
        self._first_id = first_id
        self._minted = itertools.count(1)
        self._seconds = itertools.count()
        self.add_user(*ADMIN, role="Admin", server_admin=True)
        self.add_token(TOKEN, role="Admin")

    # What versions differ in.

    def since(self, *version: int) -> bool:
        """Whether it is of that version or a later one."""
        return self._numbers >= version

    @property
    def nested(self) -> bool:
        """Whether folders lie in folders."""
        return self.since(11)

    def words(self, text: str) -> str:
        """A message of the folder service, which lost its capital in version 8."""
        return text[0].lower() + text[1:] if self.since(8) else text

    # Numbers and moments, the same in every run.

    def next_id(self, kind: str) -> int:
        """The next number of a table."""
        return next(self._ids.setdefault(kind, itertools.count(1)))

    def mint(self) -> str:
        """A uid as Grafana makes one for what comes without."""
        return f"minted{next(self._minted):06d}"

    def now(self) -> str:
        """A moment; each is a second after the one before."""
        moment = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(seconds=next(self._seconds))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    # Identities.

    def add_org(self, name: str) -> int:
        """Another organisation; gives its number."""
        number = max(self.orgs) + 1
        self.orgs[number] = Organisation(number, name)
        self._changed()
        return number

    def add_user(
        self,
        login: str,
        password: str,
        *,
        role: str = "Viewer",
        org: int = 1,
        server_admin: bool = False,
        sees: Collection[str] | None = None,
    ) -> Identity:
        """Somebody who comes with basic auth; more organisations go into `roles` of the identity."""
        seen = None if sees is None else frozenset(sees)
        made = Identity(login, {org: role}, password, server_admin, seen, len(self.users) + 1)
        self.users[login] = made
        self._changed()
        return made

    def add_token(
        self, token: str, *, role: str = "Viewer", org: int = 1, sees: Collection[str] | None = None
    ) -> Identity:
        """A token of a service account or an API key, bound to one organisation."""
        made = Identity("Anonymous", {org: role}, sees=None if sees is None else frozenset(sees), number=-1)
        self.tokens[token] = made
        self._changed()
        return made

    def restrict(self, who: str, sees: Collection[str] | None) -> None:
        """From now on a user or token sees only these folders: none at all with (), all again with None."""
        self._who(who).sees = None if sees is None else frozenset(sees)
        self._changed()

    def demote(self, who: str, role: str) -> None:
        """From now on a user or token has another role in all its organisations."""
        found = self._who(who)
        found.roles = dict.fromkeys(found.roles, role)
        found.server_admin = False
        self._changed()

    def revoke(self, who: str) -> None:
        """From now on a user or token is not known."""
        self.users.pop(who, None)
        self.tokens.pop(who, None)
        self._changed()

    def _who(self, who: str) -> Identity:
        return self.tokens[who] if who in self.tokens else self.users[who]

    # Content, put in without a request.

    def org(self, number: int = 1) -> Organisation:
        """The content of an organisation."""
        return self.orgs[number]

    def add_folder(
        self, title: str, *, uid: str | None = None, parent: str = "", org: int = 1, by: str = ADMIN[0]
    ) -> Folder:
        """A folder; one that was provisioned is by `Anonymous`."""
        with self.lock:
            made = boards.new_folder(self, self.orgs[org], title, uid or self.mint(), parent, by)
            self._changed()
            return made

    def remove_folder(self, uid: str, *, org: int = 1) -> None:
        """Takes a folder away with all that is in it."""
        with self.lock:
            boards.drop_folder(self.orgs[org], uid)
            self._changed()

    def add_dashboard(
        self,
        content: Mapping[str, Any] | None = None,
        *,
        uid: str | None = None,
        title: str | None = None,
        folder: str = "",
        org: int = 1,
        provisioned: str | None = None,
        message: str = "",
    ) -> Dashboard:
        """A dashboard, or the next version of one, whatever the rules. `provisioned` is the file that it comes from."""
        with self.lock:
            said = dict(content or {"panels": [], "schemaVersion": 39, "tags": []})
            said["title"] = title or said.get("title") or "Dashboard"
            said["uid"] = uid or said.get("uid") or self.mint()
            who = None if provisioned else self.users.get(ADMIN[0])
            made = boards.store(self, self.orgs[org], said, folder=folder, who=who, message=message)
            if provisioned:
                made = replace(made, provisioned=provisioned)
                self.orgs[org].dashboards[made.uid] = made
            self._changed()
            return made

    def add_v2_dashboard(
        self,
        spec: Mapping[str, Any] | None = None,
        *,
        uid: str | None = None,
        folder: str = "",
        org: int = 1,
        stored: str | None = None,
    ) -> Dashboard:
        """A dashboard in schema v2, as the newer editor saves it."""
        with self.lock:
            said = dict(spec or v2_spec(1))
            known = stored or ("v2" if self.since(13) else "v2beta1")
            name = uid or self.mint()
            made = boards.store(
                self,
                self.orgs[org],
                {**v2.flattened(said), "uid": name},
                folder=folder,
                who=self.users.get(ADMIN[0]),
                stored=known,
                spec=dumps(said),
            )
            self._changed()
            return made

    def remove_dashboard(self, uid: str, *, org: int = 1) -> None:
        """Takes a dashboard away."""
        with self.lock:
            del self.orgs[org].dashboards[uid]
            self._changed()

    def add_data_source(self, name: str, kind: str = "prometheus", *, org: int = 1, **known: Any) -> dict[str, Any]:
        """A data source; `readOnly=True` is a provisioned one, and `secureJsonData` its secrets."""
        with self.lock:
            made = datasources.store(self, self.orgs[org], {"name": name, "type": kind, "access": "proxy", **known})
            self._changed()
            return made

    def add_library_panel(
        self, name: str, content: Mapping[str, Any], *, uid: str | None = None, folder: str = "", org: int = 1
    ) -> dict[str, Any]:
        """A library panel."""
        with self.lock:
            who = self.users[ADMIN[0]]
            made = library.store(self, self.orgs[org], who, uid or self.mint(), name, 1, folder, dict(content))
            self._changed()
            return made

    def add_alert_rule(self, rule: Mapping[str, Any], *, org: int = 1, interval: int = 60) -> dict[str, Any]:
        """An alert rule as it is written in the provisioning API, in a group of that interval."""
        with self.lock:
            where = self.orgs[org]
            made = alerting.store_rule(self, where, dict(rule), str(rule.get("provenance", "")))
            where.alerting.intervals[(made["folderUID"], made["ruleGroup"])] = interval
            self._changed()
            return made

    def add_contact_point(self, point: Mapping[str, Any], *, org: int = 1) -> dict[str, Any]:
        """A contact point as it is written in the provisioning API, with its secrets."""
        with self.lock:
            made = {"uid": self.mint(), "disableResolveMessage": False, **point}
            self.orgs[org].alerting.points[made["uid"]] = made
            self._changed()
            return made

    def secret(self, uid: str, name: str, *, org: int = 1) -> str | None:
        """A secret of a contact point or data source of that uid, which no answer ever shows."""
        where = self.orgs[org]
        if uid in where.alerting.points:
            return where.alerting.points[uid]["settings"].get(name)
        return next((each["secrets"].get(name) for each in where.sources.values() if each["uid"] == uid), None)

    def fill(self, dashboards: int = 1000, panels: int = 20, *, folders: int = 20, org: int = 1) -> None:
        """So many dashboards, spread over so many folders and the General one, the same ones in every run."""
        with self.lock:
            places = [""]
            for number in range(folders):
                parent = f"folder-{number - 1:03d}" if self.nested and number % 3 == 1 else ""
                places.append(self.add_folder(f"Team {number:03d}", uid=f"folder-{number:03d}", parent=parent).uid)
            where, who = self.orgs[org], self.users.get(ADMIN[0])
            for number in range(dashboards):
                boards.store(
                    self, where, model(number, panels), folder=places[number % len(places)], who=who, checked=True
                )
            self._changed()

    def clear(self, org: int = 1) -> None:
        """Takes everything out of an organisation."""
        with self.lock:
            self.orgs[org].clear()
            self._changed()

    def _changed(self) -> None:
        self.generation += 1

    # The log.

    def wipe(self) -> None:
        """Empties the log."""
        self.calls.clear()

    def count(self, method: str | None = None, path: str = "") -> int:
        """How many requests there were, of a method, to a path that starts so."""
        return sum(1 for each in self.calls if method in {None, each.method} and each.path.startswith(path))

    @property
    def writes(self) -> list[Call]:
        """What was asked to be changed, in order."""
        return [each for each in self.calls if each.method != "GET"]

    # Requests.

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """What Grafana says; names of headers are in lower case."""
        with self.lock:
            path, _, query = target.partition("?")
            segments = [unquote(part) for part in path.strip("/").split("/")]
            answer = self._beset(method, path, segments, body) or self._answer(method, path, query, headers, body)
            for fault in list(self.faults.active):
                if fault.change and fault.meets(method, path, segments, body):
                    answer = fault.change(answer)
            if self.faults.active:
                self.faults.active = [each for each in self.faults.active if each.times != 0]
            if method != "GET":
                self._changed()
                answer = self._mortal(answer)
            self.calls.append(Call(method, target, 0 if answer.dies or answer.silent else answer.status, body))
            return answer

    def _beset(self, method: str, path: str, segments: list[str], body: bytes) -> Answer | None:
        """What is answered by something else than Grafana, or by none that lives."""
        if self.faults.dead:
            return Answer(0, dies=True)
        if method != "GET" and self.faults.writes_left == 0 and not self.faults.last_write_counts:
            self.faults.dead = True
            return Answer(0, dies=True)
        for fault in list(self.faults.active):
            if fault.do and fault.meets(method, path, segments, body):
                fault.do()
                self._changed()
        for fault in list(self.faults.active):
            if fault.instead and fault.meets(method, path, segments, body):
                return fault.instead
        return None

    def _mortal(self, answer: Answer) -> Answer:
        if self.faults.writes_left is None or answer.dies:
            return answer
        if self.faults.writes_left == 0:
            self.faults.dead = True
            return replace(answer, dies=True)
        self.faults.writes_left -= 1
        return answer

    def _answer(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if not path.startswith(f"{self.prefix}/"):
            return Answer(404, b"<html><body>404 page not found</body></html>", HTML)
        segments = [unquote(part) for part in path[len(self.prefix) :].strip("/").split("/")]
        try:
            return self._routed(method, segments, query, headers, body)
        except Raw as given:
            return given.answer
        except Forbidden as lacking:
            return self._forbidden(lacking.needs)
        except Refused as refusal:
            trace = {"traceID": ""} if refusal.traced and self.since(9) else {}
            return Answer(refusal.status, dumps({**refusal.body, **trace}), refusal.kind)

    def _routed(self, method: str, segments: list[str], query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if segments == ["api", "health"]:
            return Answer(200, orjson.dumps(self._health(), option=orjson.OPT_INDENT_2), JSON_UTF8)
        if segments[0] not in {"api", "apis"}:
            return Answer(200, INDEX, HTML)
        who = self._identify(headers)
        number = self._org_of(who, headers)
        found = match(self._routes.get((method, len(segments)), []), segments)
        if found is None:
            return self._unknown(method)
        route, names = found
        request = Request(
            self, self.orgs.get(number) or Organisation(number, ""), who, read_query(query), headers, body
        )
        if (route.server_admin and not who.server_admin) or (
            route.role is not None and request.role < ROLES.index(route.role)
        ):
            raise Forbidden(route.needs)
        given = route.handler(request, **names)
        return given if isinstance(given, Answer) else Answer(200, dumps(given))

    def _health(self) -> dict[str, str]:
        said = {"commit": "NA", "database": "ok", "version": self.version}
        return {"database": "ok"} if self.hide_version else said

    def _identify(self, headers: Mapping[str, str]) -> Identity:
        kind, _, said = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if said in self.tokens:
                return self.tokens[said]
            raise self._unauthorised("Invalid API key", "api-key.invalid")
        if kind.lower() == "basic":
            try:
                login, _, password = base64.b64decode(said, validate=True).decode().partition(":")
            except ValueError:
                raise self._unauthorised("Invalid username or password", "password-auth.failed") from None
            user = self.users.get(login)
            if user is None or user.password != password:
                raise self._unauthorised("Invalid username or password", "password-auth.failed")
            return user
        if self.since(10):
            raise self._unauthorised("Unauthorized", "auth.unauthorized")
        raise Refused(401, "Unauthorized", kind=JSON_UTF8)

    def _unauthorised(self, message: str, name: str) -> Refused:
        if self.since(10):
            more = {"messageId": name, "statusCode": 401}
            return Refused(401, message, traced=True, kind=JSON_UTF8, extra=None, **more)
        text = message[0].lower() + message[1:] if self.since(9) else message
        return Refused(401, text, traced=True, kind=JSON_UTF8)

    def _org_of(self, who: Identity, headers: Mapping[str, str]) -> int:
        """The organisation that is asked: a token has but one, whatever the header says."""
        said = headers.get("x-grafana-org-id", "")
        if who.password is not None and said.isdigit() and int(said) > 0:
            return int(said)
        return next(iter(who.roles))

    def _forbidden(self, needs: str) -> Answer:
        if not self.since(9) or not needs:
            return Answer(403, dumps({"message": "Permission denied"}), JSON_UTF8)
        text = f"You'll need additional permissions to perform this action. Permissions needed: {needs}"
        said = {"accessErrorId": "ACE0000000001", "message": text, "title": "Access denied"}
        return Answer(403, dumps(said), JSON_UTF8)

    def _unknown(self, method: str) -> Answer:
        """A path that is not known: before version 7 a GET falls through to the web page, which has no template."""
        if method == "GET" and not self.since(7):
            return Answer(500, b'html/template: "index" is undefined\n', "text/plain; charset=utf-8")
        return Answer(404, dumps({"message": "Not found"}), JSON_UTF8)
