"""The documents are tested: links resolve, commands exist, examples load, anchors are there."""

import re
from pathlib import Path

import pytest
import yaml

from opsjobs import system, vocabulary
from opsjobs.cli import cli
from opsjobs.config import Config
from opsjobs.declaration import parse
from opsjobs.system.cost import CostsSpec

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Everything(dict):
    """Knows every name."""

    def __contains__(self, name):
        return True


ANYTHING = {"metrics": Everything(), "teams": Everything()}


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", page.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def commands(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


def test_every_command_that_a_page_names_exists():
    known = set(commands(cli))
    seen = set()
    for page in PAGES:
        for words in re.findall(r"`(?:\$ )?(?:\.venv/bin/)?opsjobs ((?:[a-z|]+ ?)+)", page.read_text()):
            first, *rest = words.split()
            for name in first.split("|"):
                assert (name,) in known, f"{page.name}: opsjobs {words}"
                group = cli.commands[name]
                for inner in rest[0].split("|") if rest and hasattr(group, "commands") else ():
                    assert (name, inner) in known, f"{page.name}: opsjobs {words}"
                seen.add(name)
    assert seen == set(cli.commands)


def test_every_make_target_that_a_page_names_exists_and_the_other_way_round():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text()):
            assert target in targets, f"{page.name}: make {target}"


def test_every_yaml_example_is_valid():
    loaded = 0
    for page in PAGES:
        for language, text in BLOCK.findall(page.read_text()):
            if language != "yaml":
                continue
            if text.startswith(("# opsjobs.yml", "systems:")):
                parse(text, Config, environment={})
            elif "groups:" in text:
                parse(text, system.System, context=vocabulary.names)
            elif text.startswith("# a part of a profile\ncosts:"):
                CostsSpec.model_validate(yaml.safe_load(text)["costs"], context=ANYTHING)
            elif text.startswith("sales:"):
                ((_, spec),) = yaml.safe_load(text).items()
                system.Indicator.model_validate(spec)
            else:
                assert "truths:" in text, text
            loaded += 1
    assert loaded >= 5


def test_the_readme_is_a_screenful():
    assert len((ROOT / "README.md").read_text().splitlines()) < 90


def test_no_page_names_a_path_of_somebodys_machine():
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(home|root|work|Users)/", page.read_text()), page


def test_every_picture_is_a_picture():
    pictures = [target for page in PAGES for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())]
    assert pictures
    for picture in pictures:
        content = (ROOT / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20]) > 800
