"""Files that an operator writes: YAML read into a frozen model, or every fault at once with file, line and path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from opsjobs.errors import ConfigError, Fault
from opsjobs.promql import InvalidQuery

_NAMED = 30
"""How many known words a hint names."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_PATH = tuple[str | int, ...]
_WIDTH = 110


class Declared(BaseModel):
    """Base of everything an operator declares: frozen, and a key that is not known is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class FromEnvironment(str):
    """A text that came out of the environment; the only kind in which a secret is accepted."""

    __slots__ = ()


Model = TypeVar("Model", bound=BaseModel)


def load(
    path: Path,
    model: type[Model],
    *,
    environment: Mapping[str, str] | None = None,
    context: Callable[[Any], dict[str, Any]] = lambda _: {},
    name: str = "",
) -> Model:
    """Read a file into its model.

    `environment` fills `${VAR}` and `${VAR:-default}`; without it they stay as they are. `context` makes, from the raw
    content, what validators need to check references. Raises `ConfigError` with every fault of the file.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        advice = "`opsjobs config example > opsjobs.yml` makes a configuration to start from."
        raise ConfigError(f"{name or path}: cannot be read: {reason}", advice=advice) from error
    return parse(text, model, environment=environment, context=context, name=name or str(path))


def parse(
    text: str,
    model: type[Model],
    *,
    environment: Mapping[str, str] | None = None,
    context: Callable[[Any], dict[str, Any]] = lambda _: {},
    name: str = "(text)",
) -> Model:
    """As `load`, from a text; `name` stands for the file in faults."""
    try:
        # An alias can refer to itself, and a few lines of them fill the memory.
        alias = next(
            (token for token in yaml.scan(text, Loader=yaml.SafeLoader) if isinstance(token, yaml.AliasToken)), None
        )
        if alias:
            raise ConfigError([_at(name, alias.start_mark.line + 1, "aliases (*name) are not read here")])
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        raise ConfigError([_at(name, line, f"not valid YAML: {error.problem}")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError([_at(name, None, f"not valid YAML: {error}")]) from None

    faults = [Fault(file=name, line=line, path=_dotted(path), message="duplicate key") for path, line in _twice(node)]
    if environment is not None:
        content, missing = _expand(content, environment)
        for path, variable in missing:
            message = f"the environment variable {variable} is not set"
            faults.append(Fault(file=name, line=_line(node, path), path=_dotted(path), message=message))
    content = {} if content is None else content
    try:
        value = model.model_validate(content, context=context(content))
    except ValidationError as error:
        faults += [_fault(details, node, name) for details in error.errors(include_url=False, include_input=False)]
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: (fault.line or 0, fault.path)))
    return value


def plain(text: str, *, name: str) -> Any:
    """The content of YAML that a server wrote. Raises `ConfigError`, in which `name` says whose it is."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ConfigError(f"{name} is not valid YAML") from None


class _Writer(yaml.SafeDumper):
    """Writes a text of several lines as a block, the lines as they are, and nothing as an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


_Writer.add_representer(
    str,
    lambda writer, text: writer.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def written(content: Any, *, flow: bool = False) -> str:
    """Plain content as YAML, in its own order; with `flow`, what holds nothing nested stands on one line."""
    style, width = (None, _WIDTH) if flow else (False, None)
    text: str = yaml.dump(
        content, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=style, width=width
    )
    return text


def variables(path: Path) -> set[str]:
    """The environment variables that a file refers to, whether they are set or not. It was read before."""
    tokens = yaml.scan(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    texts = (token.value for token in tokens if isinstance(token, yaml.ScalarToken))
    return {found[1] for text in texts for found in _VARIABLE.finditer(text)}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known: the nearest one, else the known ones."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return f"; known are: {', '.join(known[:_NAMED])}{more}" if known else ""


def _at(name: str, line: int | None, message: str) -> Fault:
    """A fault of the file itself, not of something in it."""
    return Fault(file=name, line=line, path="", message=message)


def _fault(details: ErrorDetails, node: yaml.Node | None, name: str) -> Fault:
    path = tuple(part for part in details["loc"] if part != "[key]")
    cause = details.get("ctx", {}).get("error")
    message, excerpt = details["msg"].removeprefix("Value error, "), ""
    if isinstance(cause, InvalidQuery):
        message, excerpt = f"not valid PromQL: {cause}", cause.excerpt
    elif details["type"] == "extra_forbidden":
        message = "unknown key"
    elif details["type"] == "missing":
        message = "this key is missing"
    return Fault(file=name, line=_line(node, path), path=_dotted(path), message=message, excerpt=excerpt)


def _dotted(path: _PATH) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _line(node: yaml.Node | None, path: _PATH) -> int | None:
    """The line of the deepest part of the path that the file has."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _twice(node: yaml.Node | None, path: _PATH = ()) -> Iterator[tuple[_PATH, int]]:
    """Keys that stand twice in one mapping; YAML would silently keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*path, str(key.value))
            if key.value in seen:
                yield here, key.start_mark.line + 1
            seen.add(key.value)
            yield from _twice(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _twice(value, (*path, index))


def _expand(content: Any, environment: Mapping[str, str]) -> tuple[Any, list[tuple[_PATH, str]]]:
    """The content with its variables filled, and the variables that are not set."""
    missing: list[tuple[_PATH, str]] = []

    def fill(value: Any, path: _PATH) -> Any:
        if isinstance(value, dict):
            return {key: fill(inner, (*path, str(key))) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or not _VARIABLE.search(value):
            return value

        def variable(match: re.Match[str]) -> str:
            default: str | None = match[2]
            filled = environment.get(match[1], default)
            if filled is None:
                missing.append((path, match[1]))
            return filled or ""

        return FromEnvironment(_VARIABLE.sub(variable, value))

    return fill(content, ()), missing
