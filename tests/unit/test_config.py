import json
from pathlib import Path

import pytest

from opsjobs import config
from opsjobs.errors import ConfigError, UsageError

MINIMAL = "systems:\n  pratikoai: {}\n"


def write(folder, text):
    path = folder / "opsjobs.yml"
    path.write_text(text)
    return path


def read(folder, text, **environment):
    return config.read(write(folder, text), environment)


def faults(folder, text, **environment):
    with pytest.raises(ConfigError) as caught:
        read(folder, text, **environment)
    return [(fault.line, fault.path, fault.message) for fault in caught.value.faults]


def test_the_defaults_expect_the_ports_of_the_seed_on_this_machine():
    server = config.DEFAULT.systems["pratikoai"].prometheus
    assert server.url == "http://localhost:9090"
    assert config.profile(config.DEFAULT, "pratikoai", Path()).title == "PratikoAI"


def test_the_example_is_a_configuration_without_faults(tmp_path):
    text = (Path(config.__file__).parent / "example.yml").read_text()
    assert config.read(write(tmp_path, text), {}).storage.root == Path("var")


def test_every_key_of_the_example_that_is_commented_out_is_a_key(tmp_path):
    text = (Path(config.__file__).parent / "example.yml").read_text()
    server = {"username", "password_file", "token", "headers", "ca_file", "cert_file", "key_file"}
    assert server <= set(config.PrometheusServer.model_fields)
    for key in server:
        assert f"# {key}: " in text


def test_the_sentries_of_the_example_are_without_faults_once_they_are_no_comments(tmp_path):
    lines = (Path(config.__file__).parent / "example.yml").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip() == "# sentry:":
            until = next(later for later in range(number, len(lines)) if not lines[later].strip())
            lines[number:until] = [each.replace("# ", "", 1) for each in lines[number:until]]
    found = config.read(write(tmp_path, "\n".join(lines)), {})
    assert (
        set(found.systems["pratikoai"].sentry.model_dump()) - {"token"}
        <= found.systems["pratikoai"].sentry.model_fields_set
    )
    assert found.sentry.environment == "production"


@pytest.mark.parametrize("key", ["password: hunter2hunter2", "token: hunter2hunter2"])
def test_a_secret_in_the_text_is_refused_and_not_repeated(tmp_path, key):
    ((line, path, message),) = faults(
        tmp_path, f"systems:\n  pratikoai:\n    prometheus:\n      username: u\n      {key}\n"
    )[:1]
    assert line == 5
    assert path.startswith("systems.pratikoai.prometheus.")
    assert "does not belong into this file" in message
    assert "hunter2" not in message


def test_secrets_come_from_the_environment_and_from_files(tmp_path):
    (tmp_path / "token").write_text("from-a-file\n")
    text = """
systems:
  one: {profile: pratikoai, prometheus: {username: u, password: '${PASSWORD}'}}
  two: {profile: pratikoai, prometheus: {token_file: token, headers: {X-Scope-OrgID: '${TENANT}'}}}
"""
    read_config = read(tmp_path, text, PASSWORD="from-the-environment", TENANT="team-a")
    one = config.connection(read_config.systems["one"].prometheus, "systems.one.prometheus", tmp_path)
    two = config.connection(read_config.systems["two"].prometheus, "systems.two.prometheus", tmp_path)
    assert one.auth == ("u", "from-the-environment")
    assert (two.token, two.headers) == ("from-a-file", {"X-Scope-OrgID": "team-a"})


def test_a_secret_of_several_lines_is_refused_and_not_repeated(tmp_path):
    (tmp_path / "token").write_text("canary-one\ncanary-two\n")
    read_config = read(tmp_path, "systems: {pratikoai: {prometheus: {token_file: token}}}\n")
    with pytest.raises(ConfigError, match="a secret is one line") as caught:
        config.connection(read_config.systems["pratikoai"].prometheus, "k", tmp_path)
    assert "canary" not in str(caught.value)
    found = faults(tmp_path, "systems: {pratikoai: {prometheus: {headers: {X-Key: '${S}'}}}}\n", S="canary\nx")
    assert "a secret is one line" in found[0][2]
    assert "canary" not in found[0][2]


def test_a_ledger_url_with_its_password_in_the_query_is_refused(tmp_path):
    found = faults(tmp_path, "systems: {pratikoai: {}}\nstorage: {ledger: 'postgresql://db/x?password=canary'}\n")
    assert "must end with the database's name" in found[0][2]
    assert "canary" not in found[0][2]


def test_no_secret_is_in_a_repr_or_in_what_is_shown(tmp_path):
    text = """
systems:
  one:
    profile: pratikoai
    prometheus: {username: u, password: '${S}', headers: {X-Api-Key: '${S}'}}
storage: {ledger: 'postgresql://u:${S}@db.example.com/x'}
"""
    read_config = read(tmp_path, text, S="canary-in-the-mine")
    connection = config.connection(read_config.systems["one"].prometheus, "k", tmp_path)
    shown = json.dumps(config.shown(read_config))
    assert "***" in shown
    for said in (repr(read_config), repr(connection), shown):
        assert "canary-in-the-mine" not in said
    assert set(config.secrets(read_config)) >= {"canary-in-the-mine"}


def test_a_secret_file_that_can_not_be_read_is_named(tmp_path):
    read_config = read(tmp_path, "systems: {pratikoai: {prometheus: {token_file: nowhere}}}\n")
    with pytest.raises(ConfigError, match="nowhere: cannot be read: No such file"):
        config.connection(read_config.systems["pratikoai"].prometheus, "k", tmp_path)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("{url: 'ftp://x'}", "must be an address such as"),
        ("{url: 'http://u:p@x'}", "credentials do not belong into a url"),
        ("{url: 'http://x/?a=b'}", "must end with the path"),
        ("{username: u}", "go together"),
        ("{token: '${S}', username: u, password: '${S}'}", "not both"),
        ("{key_file: x}", "key_file needs cert_file"),
        ("{timeout: 0}", "greater than 0"),
        ("{tiemout: 3}", "unknown key"),
    ],
)
def test_a_server_that_makes_no_sense_is_a_fault(tmp_path, server, message):
    found = faults(tmp_path, f"systems: {{pratikoai: {{prometheus: {server}}}}}\n", S="secret")
    assert any(message in what for _, _, what in found), found


@pytest.mark.parametrize("name", ["../x", "A", "a/b", "a b", "-x", "", "all"])
def test_a_system_is_named_so_that_it_can_be_a_folder(tmp_path, name):
    assert faults(tmp_path, f"systems: {{'{name}': {{profile: pratikoai}}}}\n")


def test_no_systems_is_a_fault_and_not_an_empty_report(tmp_path):
    assert faults(tmp_path, "systems: {}\n")[0][1] == "systems"


def test_the_faults_of_a_profile_come_with_the_profiles_own_file_and_line(tmp_path):
    (tmp_path / "shop.yml").write_text("title: Shop\n")
    with pytest.raises(ConfigError, match=r"shop.yml:1: groups: this key is missing"):
        read(tmp_path, "systems: {shop: {profile: shop.yml}}\n")


def test_a_system_without_a_profile_is_told_where_to_say_so(tmp_path):
    ((_, path, message),) = faults(tmp_path, "systems: {shop: {}}\n")
    assert path == "systems.shop.profile"
    assert "no profile is called 'shop'" in message


def test_the_systems_of_a_command_are_one_or_all(tmp_path):
    two = read(tmp_path, "systems: {a: {profile: pratikoai}, b: {profile: pratikoai}}\n")
    assert two.chosen("all") == ["a", "b"]
    assert two.chosen("b") == ["b"]
    with pytest.raises(UsageError, match="no system is called 'c'"):
        two.chosen("c")


def test_indicators_that_come_from_a_store_need_to_know_where_it_is(tmp_path):
    text = "systems:\n  pratikoai:\n    indicators_from: postgresql\n"
    ((_, path, message),) = faults(tmp_path, text)
    assert path == "systems.pratikoai.postgresql" and "say where it is" in message
    assert read(tmp_path, f"{text}    postgresql: {{dbname: pratikoai}}\n")
