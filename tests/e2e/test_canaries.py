"""A secret in every setting that takes one, servers that repeat what they get, and nothing of it in any output.

Each canary has a word at its beginning and one at its end, of letters and digits alone: they are the same however the
rest is written, and half of a secret that was cut in two is found as well.
"""

import base64
import inspect
import io
import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args, get_origin
from urllib.parse import quote

import pytest
import yaml
from aiosmtpd.smtp import AuthResult
from pydantic import BaseModel, SecretStr
from pypdf import PdfReader

from opsjobs.config import Config
from opsjobs.declaration import load
from opsjobs.errors import ConfigError
from tests.unit.notify.mailserver import AUTHORITY, Inbox, _Controller, tls

DAY = "2026-11-18"
REDIRECTS = {302}
PUBLIC = re.compile(r"\.(ca|cert)_file$")
"""Certificates, which are shown to whoever connects."""
NEVER_READ = re.compile(r"\.(prometheus|alertmanager|grafana|grafanas\.\*|pushgateway)\.key_file$")
"""The key of a client certificate: its path is handed to OpenSSL, and nothing of opsjobs opens it."""
SPELT = re.compile(r"password|passwd|token|secret|credential|dsn|api_?key", re.IGNORECASE)


def settings(model, prefix=""):
    """Every setting of a model with its annotation; a name that people choose is a star."""
    for name, field in model.model_fields.items():
        yield from _within(field.annotation, f"{prefix}{name}")


def _within(annotation, path):
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield from settings(annotation, f"{path}.")
    elif get_origin(annotation) is dict:
        yield from _within(get_args(annotation)[1], f"{path}.*")
    elif get_args(annotation) and not all(isinstance(each, str | int) for each in get_args(annotation)):
        for each in get_args(annotation):
            yield from _within(each, path)
    else:
        yield path, annotation


def secret_settings():
    """The settings that take a secret, or the file of one."""
    return {
        path
        for path, annotation in settings(Config)
        if annotation is SecretStr
        or (annotation is Path and path.endswith("_file") and not PUBLIC.search(path) and not NEVER_READ.search(path))
    }


PROFILE = """\
title: Shop
zone: Europe/Rome
teams: {web: {contact: web@example.com}}
components: {api: {title: API, up: 'up{job="api"}', team: web, runbook: api-down}}
dashboards: {main: {title: Main, path: /d/main}}
metrics:
  orders: {type: gauge, component: api}
  money_total: {type: counter, component: api, labels: [provider]}
groups:
  shop:
    title: Shop
    team: web
    dashboard: main
    runbook: shop
    indicators:
      orders: {title: Orders, query: orders, unit: count, healthy: above, warning: 10, critical: 5, step: 1h}
costs:
  currency: EUR
  team: web
  items: {llm: {title: LLM, spent: money_total, by: [provider]}}
"""


class Garden:
    """A configuration with a canary in every setting it fills, as a variable or in a file."""

    def __init__(self, folder, *, filed):
        self.folder = folder
        self.filed = filed
        self.environment = {}
        self.canaries = {}
        self.planted = set()

    def plant(self, where, form="{}", *, ascii_only=False):
        """The key of a setting and what is written there; `form` is an address around the secret."""
        number = f"{len(self.canaries):02}"
        # What a header can carry, and what each way of writing writes differently.
        letters = "<>" if ascii_only else "<ñß>"
        canary = f"canary{number}P@ss:w/o%r\"d'\\{letters}{number}yranac"
        self.canaries[number] = (where, canary)
        text = form.replace("{}", quote(canary, safe="") if "://" in form else canary)
        key = where.rpartition(".")[2]
        if self.filed and not where.endswith((".*", "storage.ledger")):
            self.planted.add(f"{where}_file")
            (self.folder / number).write_text(f"{text}\n", "utf-8")
            return {f"{key}_file": number}
        self.planted.add(where)
        self.environment[f"SECRET_{number}"] = text
        return {key: f"${{SECRET_{number}}}"}

    def server(self, where, url, *, token):
        """A server over HTTP, with one way of being let in and a header of its own."""
        (header,) = self.plant(f"{where}.headers.*").values()
        way = self.plant(f"{where}.token") if token else {"username": "me", **self.plant(f"{where}.password")}
        return {"url": f"{url}/{where.rpartition('.')[2]}", "timeout": 3, "headers": {"X-Scope-OrgID": header}, **way}

    def words(self):
        """What must be nowhere, with the setting it is from: the words around each canary, and their base64."""
        for number, (where, _) in self.canaries.items():
            for word in (f"canary{number}", f"{number}yranac"):
                yield word, where
                for before in range(3):
                    whole = base64.b64encode(b"\0" * before + word.encode()).decode().rstrip("=")
                    yield whole[(before * 4 + 2) // 3 : -2], where


def grown(garden, http, smtp, postgres, redis, *, swapped):
    """The whole of an opsjobs.yml whose servers are all the hostile ones."""
    shop = "systems.*"
    return {
        "systems": {
            "shop": {
                "profile": "shop.yml",
                "prometheus": garden.server(f"{shop}.prometheus", http, token=swapped),
                "alertmanager": garden.server(f"{shop}.alertmanager", http, token=not swapped),
                "grafana": garden.server(f"{shop}.grafana", http, token=swapped),
                "grafanas": {"staging": garden.server(f"{shop}.grafanas.*", http, token=not swapped)},
                "postgresql": {
                    "host": "127.0.0.1",
                    "port": postgres,
                    "dbname": "shop",
                    "timeout": 3,
                    **garden.plant(f"{shop}.postgresql.password"),
                },
                "redis": {"host": "127.0.0.1", "port": redis, "timeout": 3, **garden.plant(f"{shop}.redis.password")},
                "sentry": {
                    "url": f"{http}/sentry",
                    "organization": "acme",
                    "project": "shop",
                    "timeout": 3,
                    **garden.plant(f"{shop}.sentry.token"),
                },
                "visits": False,
                "drift": True,
                "recipients": ["reader@example.com"],
                "channels": {
                    "slack": {"kind": "slack", **garden.plant(f"{shop}.channels.*.url", f"{http}/slack/T1/{{}}")},
                    "hook": {
                        "kind": "webhook",
                        **garden.plant(f"{shop}.channels.*.url", f"{http}/hook/{{}}?key={{}}"),
                        **garden.plant(f"{shop}.channels.*.key"),
                        **garden.plant(f"{shop}.channels.*.token"),
                    },
                    "pager": {
                        "kind": "pagerduty",
                        "server": f"{http}/pager",
                        **garden.plant(f"{shop}.channels.*.key"),
                    },
                    "phone": {
                        "kind": "apprise",
                        **garden.plant(f"{shop}.channels.*.url", f"{http.replace('http://', 'json://me:{}@')}/phone"),
                    },
                    "mail": {"kind": "email", "to": ["reader@example.com"]},
                    "alerts": {"kind": "alertmanager"},
                },
                "pings": {"health": garden.plant(f"{shop}.pings.*.url", f"{http}/ping/{{}}")},
            }
        },
        "delivery": {
            "email": {
                "host": "127.0.0.1",
                "port": smtp,
                "sender": "opsjobs@example.com",
                "username": "me",
                "timeout": 3,
                "ca_file": "ca.pem",
                # A login in SMTP carries no other letters; what is said of that, in the other cases.
                **garden.plant("delivery.email.password", ascii_only=swapped),
            }
        },
        "sentry": garden.plant("sentry.dsn", f"{http.replace('://', '://{}@')}/dsn/7"),
        "serve": {"username": "me", **garden.plant("serve.token"), **garden.plant("serve.password")},
        "telemetry": {"pushgateway": garden.server("telemetry.pushgateway", http, token=swapped)},
        "storage": {"root": "state"},
    }


ANSWERS = {
    "as if all were well": [
        lambda said: (200, json.dumps({"status": "success", "data": said, "error": said}).encode()),
    ],
    "a vector": [lambda said: (200, _vector({"instance": said, "job": said, "alertname": said}))],
    "a refusal": [
        lambda said: (401, json.dumps({"message": said}).encode()),
        lambda said: (422, b"x" * 290 + said.encode()),
    ],
    "a fault": [lambda said: (500, b"x" * 280 + said.encode())],
    "a page": [
        lambda said: (400, f"<html><title>{said}</title><p>{said}</p>".encode()),
        lambda said: (200, f"<html>{said}</html>".encode()),
        lambda said: (302, said.encode()),
    ],
}
"""How the hostile server says what it got, one way after the other; its words are cut somewhere."""


def _vector(labels):
    row = {"metric": labels, "value": [1, "1"]}
    document = {"status": "success", "warnings": list(labels.values())[:1]}
    return json.dumps({**document, "data": {"resultType": "vector", "result": [row]}}).encode()


class Hostile:
    """Servers that send back what they were given, and what came to the one that speaks HTTP."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.inbox = Inbox(data=lambda _: "250 OK")

    @contextmanager
    def listening(self):
        """The address of the HTTP server, and the ports of the others."""
        with ExitStack() as stack:
            ports = [
                stack.enter_context(_serving(socketserver.ThreadingTCPServer, handler))
                for handler in (_Postgres, _Redis)
            ]
            http = stack.enter_context(_serving(ThreadingHTTPServer, self._http()))
            mail = _Controller(
                self.inbox,
                tls("127.0.0.1"),
                require_starttls=True,
                auth_required=True,
                authenticator=_refusing,
                decode_data=False,
            )
            mail.start()
            stack.callback(mail.stop)
            yield f"http://127.0.0.1:{http}", mail.port, *ports

    def _http(self):
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hostile.requests.append((self.path, dict(self.headers), body))
                # The header as UTF-8 and as Latin-1, what is encoded in it, and all the rest.
                plain = [self.headers.get(name, "") for name in ("X-Scope-OrgID", "Authorization", "X-Sentry-Auth")]
                decoded = [base64.b64decode(each.partition(" ")[2]) for each in plain if each.startswith("Basic ")]
                said = " ".join(
                    [*plain, *(each.decode() for each in decoded), self.path, body.decode("utf-8", "replace")]
                )
                ways = ANSWERS[hostile.answer]
                code, content = ways[len(hostile.requests) % len(ways)](said)
                self.send_response(code, "no")
                if code in REDIRECTS:
                    self.send_header("Location", " ".join(said.encode("latin-1", "replace").decode("latin-1").split()))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_DELETE = do_PATCH = do_POST

            def log_message(self, *_):
                pass

        return Handler


@contextmanager
def _serving(kind, handler):
    server = kind(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _refusing(server, session, envelope, mechanism, data):
    said = f"{data.login!r} {data.password!r} {data.password.decode('utf-8', 'replace')}"
    whole = base64.b64encode(b"\0" + data.login + b"\0" + data.password).decode()
    return AuthResult(
        success=False, handled=False, message=f"535 5.7.8 no: {said} {whole}".encode("ascii", "replace").decode()
    )


class _Postgres(socketserver.StreamRequestHandler):
    """Wants the password in clear and refuses it by repeating it."""

    def handle(self):
        while True:
            size = int.from_bytes(self.rfile.read(4), "big")
            code = self.rfile.read(size - 4)
            if code[:4] in {b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"}:
                # TLS, GSSAPI: neither.
                self.wfile.write(b"N")
                continue
            break
        self.wfile.write(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))
        self.rfile.read(1)
        password = self.rfile.read(int.from_bytes(self.rfile.read(4), "big") - 4).rstrip(b"\0")
        fields = (
            b"SFATAL\0VFATAL\0C28P01\0M" + b'password "' + password + b'" is wrong\0Dthe hint: ' + password + b"\0\0"
        )
        self.wfile.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


class _Redis(socketserver.StreamRequestHandler):
    """Refuses everything by repeating it."""

    def handle(self):
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            self.wfile.write(b"-WRONGPASS no: " + b" ".join(words) + b"\r\n")


# Imports everything once and then is a new process for each command, as a shell's child is.
COMMANDS_IN_TURN = """
import json, os, sys
import opsjobs.cli, opsjobs.runner, opsjobs.config, opsjobs.http, opsjobs.sources.postgres, opsjobs.sources.redis
import opsjobs.notify.apprise, opsjobs.notify.sentry, opsjobs.stack, opsjobs.backup.plan, matplotlib.figure
import time
sleep = time.sleep
# What is not taken is sent again after some seconds, with the same words.
time.sleep = lambda seconds: sleep(min(seconds, 0.02))
for number, line in enumerate(sys.stdin):
    child = os.fork()
    if not child:
        for name, stream in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"said/{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["opsjobs", *json.loads(line)]
        opsjobs.cli.main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
SHORT = [
    ["config", "show"],
    ["config", "show", "--json"],
    ["config", "check"],
    ["system", "list"],
    ["system", "check", "--live"],
    ["health"],
    ["health", "--json"],
    ["checks", "list"],
    ["dashboards", "backup"],
    ["dashboards", "list"],
    ["dashboards", "diff", "latest", "live"],
    ["dashboards", "restore", "latest", "--dry-run"],
    ["dashboards", "drill"],
    ["metrics", "snapshot"],
    ["metrics", "list"],
    ["notify", "test", "--to", "reader@example.com"],
    *(
        ["notify", "test", "--system", "shop", "--channel", name]
        for name in ("slack", "hook", "pager", "phone", "alerts")
    ),
    ["notify", "preview", "--system", "shop", "--job", "health", "--out", "mails"],
    ["stack", "render", "--out", "stack"],
    ["stack", "check", "--live"],
    ["stack", "drift"],
    ["telemetry", "--push"],
]
DAILY = ["daily", "--date", DAY]
COSTS = ["costs", "--week", "2026-W46", "--json"]
PREVIEW = ["notify", "preview", "--system", "shop", "--date", DAY, "--out", "mails"]
AFTERWARDS = [["runs", "list"], ["runs", "list", "--json"], ["findings", "list"], ["findings", "list", "--json"]]


def run(folder, environment, commands):
    """What each command said, on either stream."""
    (folder / "said").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS_IN_TURN],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        input="".join(f"{json.dumps(words)}\n" for words in commands),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr, done.stderr
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) == len(commands) and min(codes) >= 0
    return [
        (" ".join(words), code, *((folder / "said" / f"{number}.{name}").read_text("utf-8") for name in ("out", "err")))
        for number, (words, code) in enumerate(zip(commands, codes, strict=True))
    ]


def readable(path):
    """What is in a file, the text of a PDF included: that is compressed."""
    content = path.read_bytes()
    text = content.decode("latin-1")
    if path.suffix == ".pdf":
        with closing(PdfReader(io.BytesIO(content))) as pdf:
            text += "".join(page.extract_text() for page in pdf.pages)
    return text


def found(garden, text, *but):
    """The settings whose secrets are in a text, but for those that may."""
    return {where for word, where in garden.words() if word in text and not where.startswith(but)}


def hold(garden, said):
    """Nothing of a canary is in what was said, nor in any file that was made."""
    for command, _, out, err in said:
        for text in (out, err):
            assert not found(garden, text), f"{command}: {text}"
            assert "Traceback" not in text or "--debug" in command, f"{command}: {text}"
            assert "opsjobs has a fault" not in text, f"{command}: {text}"
        if command.startswith(" ".join(AS_JSON)):
            for line in err.splitlines():
                assert {"timestamp", "level", "logger", "message"} <= set(json.loads(line)), f"{command}: {line}"
    for place in ("state", "mails", "stack"):
        for path in (garden.folder / place).rglob("*"):
            if path.is_file():
                assert not found(garden, readable(path)), path


DEBUG = ["--debug"]
AS_JSON = ["--debug", "--log-format", "json"]
CASES = [
    # How the servers answer, whether secrets are in files, whether tokens and passwords have changed places, the
    # options of every command, and which reports are made.
    ("as if all were well", False, False, [], DAILY),
    ("a vector", True, False, AS_JSON, DAILY),
    ("a refusal", False, True, DEBUG, PREVIEW),
    ("a fault", True, True, AS_JSON, DAILY),
    ("a page", False, False, DEBUG, COSTS),
    (None, True, False, [], COSTS),
]


@pytest.mark.parametrize(("answer", "filed", "swapped", "options", "report"), CASES)
def test_no_secret_is_in_anything_that_is_said_or_kept(tmp_path, answer, filed, swapped, options, report):
    garden = Garden(tmp_path, filed=filed)
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "shop.yml").write_text(PROFILE, "utf-8")
    hostile = Hostile(answer)
    with hostile.listening() if answer else nothing_listening() as places:
        config = grown(garden, *places, swapped=swapped)
        (tmp_path / "opsjobs.yml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
        said = run(tmp_path, garden.environment, [[*options, *words] for words in (*SHORT, report, *AFTERWARDS)])
    codes = {command.removeprefix(" ".join(options)).strip(): code for command, code, _, _ in said}
    assert codes["config check"] == 0 and not {64, 70, 78} & set(codes.values()), codes
    hold(garden, said)
    assert (tmp_path / "state/ledger.db").exists()
    if answer:
        # They were planted where they are used: the servers have seen them.
        came = {re.split("[/?]", path)[1] for path, _, _ in hostile.requests}
        assert came >= {
            "pushgateway",
            "prometheus",
            "alertmanager",
            "grafana",
            "*",
            "slack",
            "hook",
            "pager",
            "phone",
            "ping",
            "dsn",
        }
    for path, _, body in hostile.requests:
        # PagerDuty's key is a part of the document by which it lets in.
        own = "systems.*.channels.*.key" if path.startswith("/pager") else "-"
        assert not found(garden, body.decode("latin-1"), own), f"{path}: {body!r}"
    for _, mail in hostile.inbox.seen:
        assert not found(garden, mail.decode("latin-1"))


@contextmanager
def nothing_listening():
    yield "http://127.0.0.1:9", 9, 9, 9


@pytest.mark.parametrize("debug", [[], DEBUG, AS_JSON])
def test_the_password_of_the_ledger_is_in_nothing_that_is_said(tmp_path, debug):
    garden = Garden(tmp_path, filed=False)
    with _serving(socketserver.ThreadingTCPServer, _Postgres) as port:
        ledger = garden.plant("storage.ledger", f"postgresql://me:{{}}@127.0.0.1:{port}/ledger")
        config = {
            "systems": {"pratikoai": {"prometheus": {"url": "http://127.0.0.1:9"}}},
            "storage": {"root": "state"} | ledger,
        }
        (tmp_path / "opsjobs.yml").write_text(yaml.safe_dump(config), "utf-8")
        words = [["config", "show"], ["daily", "--date", DAY], ["health"], ["runs", "list"], ["checks", "list"]]
        said = run(tmp_path, garden.environment, [[*debug, *each] for each in words])
    assert [code for _, code, _, _ in said] == [0, 1, 1, 1, 1]
    assert "is wrong" in said[1][3], "the server's words are told"
    hold(garden, said)


def test_every_setting_that_takes_a_secret_is_planted():
    """One that is new is planted in `grown`, or argued beside the exceptions."""
    planted = {"storage.ledger"}
    for filed in (False, True):
        for swapped in (False, True):
            garden = Garden(Path(os.devnull).parent, filed=False)
            garden.filed = filed
            garden.folder = _Nowhere()
            grown(garden, "http://127.0.0.1:9", 9, 9, 9, swapped=swapped)
            planted |= garden.planted
    assert planted == secret_settings()
    assert {(filed, swapped) for _, filed, swapped, *_ in CASES} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }


class _Nowhere:
    """A folder that keeps nothing."""

    def __truediv__(self, name):
        return self

    def write_text(self, *_):
        pass


def test_no_setting_is_spelt_as_a_secret_and_is_none():
    assert len(secret_settings()) > 30
    open_ones = {
        path for path, annotation in settings(Config) if annotation is str and SPELT.search(path.rpartition(".")[2])
    }
    assert not open_ones


ADDRESSES = {
    "prometheus.url": "{prometheus: {url: X}}",
    "alertmanager.url": "{alertmanager: {url: X}}",
    "grafana.url": "{grafana: {url: X}}",
    "grafanas.*.url": "{grafanas: {staging: {url: X}}}",
    "sentry.url": "{sentry: {url: X, organization: a, project: b, token: '${TOKEN}'}}",
    "channels.*.server": "{channels: {pager: {kind: pagerduty, key: '${TOKEN}', server: X}}}",
    "links.grafana": "{links: {grafana: X}}",
    "links.runbooks": "{links: {runbooks: X}}",
}
BESIDE = {"telemetry.pushgateway.url": "telemetry: {pushgateway: {url: X}}"}
"""Those that are of no system."""


@pytest.mark.parametrize("where", [*ADDRESSES, *BESIDE])
def test_an_address_with_a_password_in_it_is_refused_and_not_repeated(tmp_path, where):
    path = tmp_path / "opsjobs.yml"
    text = f"systems: {{pratikoai: {ADDRESSES.get(where, '{}')}}}\n{BESIDE.get(where, '')}\n"
    path.write_text(text.replace("X", "'${ADDRESS}'"))
    with pytest.raises(ConfigError) as caught:
        load(path, Config, environment={"ADDRESS": "https://me:canary@host.example/x", "TOKEN": "t" * 8})
    assert "credentials do not belong into a url" in caught.value.message
    assert "canary" not in caught.value.message + repr(caught.value)


def test_every_address_is_tried_with_a_password():
    def takes(model, prefix=""):
        for name, field in model.model_fields.items():
            if "_url" in repr([field.metadata, field.annotation]):
                yield f"{prefix}{name}"
            yield from _deeper(field.annotation, f"{prefix}{name}")

    def _deeper(annotation, path):
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            yield from takes(annotation, f"{path}.")
        elif get_origin(annotation) is dict:
            yield from _deeper(get_args(annotation)[1], f"{path}.*")
        else:
            for each in get_args(annotation):
                yield from _deeper(each, path)

    tried = {*(f"systems.*.{where}" for where in ADDRESSES), *BESIDE}
    assert {path for path in takes(Config) if not path.endswith("ledger")} == tried
