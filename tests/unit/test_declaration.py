import pytest
from pydantic import Field

from opsjobs.declaration import Declared, parse
from opsjobs.errors import ConfigError


class Server(Declared):
    url: str
    port: int = Field(gt=0)


class File(Declared):
    servers: dict[str, Server]
    tags: tuple[str, ...] = ()


def faults(text, environment=None):
    with pytest.raises(ConfigError) as caught:
        parse(text, File, environment=environment, name="x.yml")
    return [(fault.line, fault.path, fault.message) for fault in caught.value.faults]


def test_every_fault_comes_at_once_with_its_line_and_path():
    text = "servers:\n  a:\n    url: http://a\n    port: 0\n    prot: 3\n  b:\n    port: 1\ntag: [x]\n"
    assert faults(text) == [
        (4, "servers.a.port", "Input should be greater than 0"),
        (5, "servers.a.prot", "unknown key"),
        (6, "servers.b.url", "this key is missing"),
        (8, "tag", "unknown key"),
    ]


def test_a_key_that_stands_twice_is_a_fault():
    text = "servers: {a: {url: x, port: 1}}\ntags: [x]\ntags: [y]\n"
    assert faults(text) == [(3, "tags", "duplicate key")]


def test_the_place_of_an_item_of_a_list_is_its_own_line():
    text = "servers: {}\ntags:\n  - x\n  - {a: 1}\n"
    assert faults(text) == [(4, "tags[1]", "Input should be a valid string")]


def test_text_that_is_not_yaml_is_one_fault_with_its_line():
    ((line, path, message),) = faults("servers:\n  a: [1\n  b: 2\n")
    assert (line, path) == (3, "")
    assert message.startswith("not valid YAML")


def test_an_object_tag_is_refused_and_nothing_is_made_of_it():
    ((_, _, message),) = faults("servers: !!python/object/apply:os.system ['echo no']\n")
    assert message.startswith("not valid YAML")


@pytest.mark.parametrize("text", ["servers: &a {x: *a}\n", "a: &a [x]\nb: &b [*a, *a]\nservers: *b\n"])
def test_aliases_that_could_fill_the_memory_are_refused(text):
    ((_, path, message),) = faults(text)
    assert (path, message) == ("", "aliases (*name) are not read here")


def test_variables_are_filled_with_their_defaults_and_missing_ones_are_faults():
    text = "servers:\n  a: {url: 'http://${HOST}:${PORT:-80}', port: 1}\n"
    value = parse(text, File, environment={"HOST": "h"})
    assert value.servers["a"].url == "http://h:80"
    assert faults(text, {}) == [(2, "servers.a.url", "the environment variable HOST is not set")]


def test_a_variable_can_not_bring_yaml_with_it():
    value = parse("servers: {a: {url: '${X}', port: 1}}", File, environment={"X": "a, port: 9}, b: {"})
    assert value.servers["a"].url == "a, port: 9}, b: {"


def test_an_empty_file_says_what_is_missing():
    assert faults("") == [(None, "servers", "this key is missing")]
