"""What opsjobs.yml may say of the archive and of the metrics of opsjobs."""

import pytest

from opsjobs import config
from opsjobs.errors import ConfigError
from opsjobs.publication import Serve, access, is_loopback

SYSTEMS = "systems: {pratikoai: {}}\n"


def read(folder, text, **environment):
    path = folder / "opsjobs.yml"
    path.write_text(SYSTEMS + text)
    return config.read(path, environment)


def test_without_a_word_only_this_machine_reaches_it(tmp_path):
    assert read(tmp_path, "").serve is None
    declared = read(tmp_path, "serve: {}").serve
    assert (declared.host, declared.port) == ("127.0.0.1", 9099)
    assert access(declared, declared.host, tmp_path).names == {"localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.1.7", "reports.example.com", "127.0.0.1.nip.io", "2130706433"],  # noqa: S104 - refused
)
def test_elsewhere_it_is_refused_without_something_that_lets_in(tmp_path, host):
    with pytest.raises(ConfigError, match="whoever reaches it reads everything"):
        read(tmp_path, f"serve: {{host: '{host}'}}")
    with pytest.raises(ConfigError, match="whoever reaches it reads everything"):
        access(Serve(), host, tmp_path)
    assert read(tmp_path, f"serve: {{host: '{host}', token_file: token}}").serve.guarded


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_addresses_of_this_machine_need_nothing(tmp_path, host):
    assert is_loopback(host)
    assert host in access(read(tmp_path, f"serve: {{host: '{host}'}}").serve, host, tmp_path).names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("serve: {token: in-the-file}", "a secret does not belong into this file"),
        ("serve: {username: ops}", "username and password"),
        ("serve: {password_file: x}", "username and password"),
        ("serve: {token: '${T}', token_file: x}", "give token or token_file, not both"),
        ("serve: {username: a, password: '${T}', password_file: x}", "give password or password_file, not both"),
        ("serve: {port: 0}", "greater than 0"),
        ("serve: {names: ['https://reports.example.com']}", "must be the name of a host"),
        ("serve: {names: ['reports.example.com:443']}", "must be the name of a host"),
        ("serve: {prot: 1}", "prot"),
        ("telemetry: {pushgateway: {url: 'ftp://x'}}", "must be an address"),
    ],
)
def test_faults_are_told(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        read(tmp_path, text, T="canary-of-the-environment")


def test_secrets_come_from_the_environment_or_a_file_and_are_known_to_the_redactor(tmp_path):
    (tmp_path / "password").write_text("canary-of-a-file\n")
    found = read(
        tmp_path,
        "serve: {host: 0.0.0.0, token: '${T}', username: ops, password_file: password}",
        T="canary-of-the-environment",
    )
    known = access(found.serve, found.serve.host, tmp_path)
    assert (known.token, known.username, known.password) == ("canary-of-the-environment", "ops", "canary-of-a-file")
    assert known.names is None and "canary" not in repr(known)
    assert "canary-of-the-environment" in set(config.secrets(found))
    assert "canary" not in str(config.shown(found))


@pytest.mark.parametrize("text", ["serve: {token_file: empty}", "serve: {username: ops, password_file: empty}"])
def test_an_empty_secret_lets_nobody_in(tmp_path, text):
    (tmp_path / "empty").write_text("\n")
    declared = read(tmp_path, text).serve
    with pytest.raises(ConfigError, match="is empty, and would let everybody in"):
        access(declared, declared.host, tmp_path)


def test_names_hold_elsewhere_too_where_there_are_any(tmp_path):
    declared = read(tmp_path, "serve: {host: 0.0.0.0, token: '${T}', names: [reports.example.com]}", T="canary").serve
    assert "reports.example.com" in access(declared, declared.host, tmp_path).names
