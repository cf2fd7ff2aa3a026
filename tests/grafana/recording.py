"""Puts the calls of a recording to a server, and writes down what a real Grafana answers.

    python -m tests.grafana.recording http://admin:secret@127.0.0.1:3000 tests/grafana/recorded-9.4.0.json

The server has to be a fresh one, provisioned as the recording says in `provisioned`, with unified alerting.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

HERE = Path(__file__).parent
_TIMEOUT = 30
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ACCESS_ERROR = re.compile(r"ACE\d{10}")


def load(name: str) -> dict[str, Any]:
    """A recording that lies beside this module."""
    return json.loads((HERE / name).read_text("utf-8"))


def ask(url: str, request: Mapping[str, Any], people: Mapping[str, Any], minted: Mapping[str, str]) -> dict[str, Any]:
    """Puts one call to a server. `people` has what authenticates each name, `minted` the uids that are others here."""
    path, body = request["path"], request["body"]
    for recorded, own in minted.items():
        path = path.replace(recorded, own)
    headers = {"Content-Type": "application/json", **request.get("headers", {})}
    sent = body if isinstance(body, str) else None if body is None else json.dumps(body)
    who = people[request["auth"]]
    auth = who if isinstance(who, tuple) else None
    if isinstance(who, str):
        headers["Authorization"] = f"Bearer {who}"
    answered = requests.request(
        request["method"], url + path, data=sent, headers=headers, auth=auth, timeout=_TIMEOUT, allow_redirects=False
    )
    try:
        content = answered.json()
    except ValueError:
        content = answered.text
    kind = answered.headers.get("Content-Type", "")
    return {"status": answered.status_code, "content_type": kind, "body": content}


def comparable(response: Mapping[str, Any], minted: Mapping[str, str]) -> dict[str, Any]:
    """An answer without what differs between two servers: moments, uids that they made, numbers of refusals."""
    text = json.dumps(response["body"])
    for recorded, own in minted.items():
        text = text.replace(recorded, own)
    text = _ACCESS_ERROR.sub("ACE", text)
    text = _MOMENT.sub(lambda found: found[0] if found[0].startswith("0001") else "MOMENT", text)
    kind = response["content_type"].partition(";")[0]
    return {"status": response["status"], "media_type": kind, "body": json.loads(text)}


def learn(recorded: Any, answered: Any, minted: dict[str, str]) -> None:
    """Notes which uid of the recording stands for which one here, where a write gave it."""
    if not isinstance(recorded, dict) or not isinstance(answered, dict):
        return
    for key in ("result", "datasource"):
        learn(recorded.get(key), answered.get(key), minted)
    if recorded.get("uid") != answered.get("uid"):
        minted[recorded["uid"]] = answered["uid"]


def main() -> None:
    """Writes a recording anew."""
    parser = argparse.ArgumentParser(prog="python -m tests.grafana.recording")
    parser.add_argument("url", help="of a fresh Grafana, with its admin and his password")
    parser.add_argument("recording", type=Path)
    chosen = parser.parse_args()
    parts = urlsplit(chosen.url)
    recording = json.loads(chosen.recording.read_text("utf-8"))
    url, people = f"http://{parts.hostname}:{parts.port}", accounts(parts.username or "", parts.password or "")
    minted: dict[str, str] = {}
    for call in recording["calls"]:
        answered = ask(url, call["request"], people, minted)
        if call.get("setup"):
            continue
        if call["request"]["method"] == "POST" and "response" in call:
            learn(call["response"]["body"], answered["body"], minted)
        call["response"] = answered
    recording["grafana"] = ask(url, {"method": "GET", "path": "/api/health", "body": None, "auth": "none"}, people, {})[
        "body"
    ]["version"]
    text = json.dumps(recording, indent=1, ensure_ascii=False)
    for recorded, own in minted.items():
        text = text.replace(recorded, own)
    chosen.recording.write_text(text + "\n", "utf-8")


def accounts(user: str, password: str) -> dict[str, Any]:
    """What authenticates the names that stand in a recording."""
    return {
        "none": None,
        "admin": (user, password),
        "bad password": (user, "canary-of-a-wrong-password"),
        "bad token": "canary-of-a-wrong-token",
        "viewer": ("viewer", "pw-viewer"),
        "editor": ("editor", "pw-editor"),
    }


if __name__ == "__main__":
    main()
