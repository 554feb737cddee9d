"""The ordered rules that file device work under a category: read, checked, compiled."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from sdtrace.errors import UsageError

_OP_AND_TYPE = re.compile(r"(?:aten::)?(\w+)(?:\.\w+)?-dtype_\w+")
_PARAMETERS = re.compile(r"(?<!\))>\(")  # a comparison in a template argument is written `(8)>(0)`
_MANGLED = re.compile(r"L[a-z]n?\d+E|S[0-9A-Z]*_|T\d*_|DF\d+[_b]?|(?P<length>[1-9]\d*)|[^\dLSTD]+|.")
_DEFAULT_RULES = Path(__file__).with_name("rules.toml")


class KernelKey(NamedTuple):
    """What is known about a kind of device event before it is filed under a category."""

    event_cat: str
    """`kernel`, `gpu_memcpy` or `gpu_memset`."""
    kernel_name: str
    op_name: str
    """The innermost op that launched it; empty when unknown."""
    context: str
    """An enclosing op, module or annotation that says what the work is for; empty when unknown."""

    def searched(self) -> KernelKey:
        """The key as rules see it.

        A templated kernel comes without its parameter list, which is full of unrelated types. A kernel named
        for an op and a data type, as MTIA's are (`add-dtype_Float`), counts as launched by that op, unless
        the trace knows the op. A mangled name is searched by the names in it.
        """
        if (named := _OP_AND_TYPE.match(self.kernel_name)) and not self.op_name.startswith("aten::"):
            return self._replace(op_name=f"aten::{named[1]}")
        if self.kernel_name.startswith("_Z"):
            return self._replace(kernel_name=_names_in_mangled(self.kernel_name))
        return self._replace(kernel_name=_PARAMETERS.split(self.kernel_name, maxsplit=1)[0])


def _names_in_mangled(name: str) -> str:
    """The names in a mangled one, also in a cut one: `_ZN5aiter3mhaILi2EE` is `aiter::mha`."""
    names, place = [], 2
    while found := _MANGLED.match(name, place):
        place = found.end()
        if length := found["length"]:
            names.append(name[place : place + int(length[:4])])
            place += int(length[:4])
    return "::".join(names) or name


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device event that a rule must match."""

    kernel: str = ""
    op: str = ""
    context: str = ""
    event: str = "kernel"

    @property
    def key(self) -> KernelKey:
        """The example as `categorize` takes it."""
        return KernelKey(self.event, self.kernel, self.op, self.context)


class _RuleText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    category: str
    kernel: str = ""
    op: str = ""
    context: str = ""
    event: str = ""
    examples: list[Example] = []


class _RulesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: list[_RuleText]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: every pattern given must be found, and the event kind must be equal when given."""

    category: str
    event: str
    kernel: re.Pattern[str] | None
    op: re.Pattern[str] | None
    context: re.Pattern[str] | None
    examples: tuple[Example, ...]

    def matches(self, key: KernelKey) -> bool:
        """Whether this rule files `key`, as `KernelKey.searched` gives it, under its category."""
        return self.takes_place(key) and self.takes_kernel(key)

    def takes_place(self, key: KernelKey) -> bool:
        """Whether the op and its surroundings are what this rule asks for."""
        return (self.op is None or self.op.search(key.op_name) is not None) and (
            self.context is None or self.context.search(key.context) is not None
        )

    def takes_kernel(self, key: KernelKey) -> bool:
        """Whether the event's kind and the kernel's name are what this rule asks for."""
        return (not self.event or self.event == key.event_cat) and (
            self.kernel is None or self.kernel.search(key.kernel_name) is not None
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in the order in which they are tried."""

    rules: tuple[Rule, ...]


def load_rules(user_toml: Path | None = None) -> Rules:
    """The built-in rules, behind those of `user_toml` when it is given.

    Raises UsageError when the user's file cannot be read, is not TOML, has an unknown key, a bad pattern,
    a rule that asks for nothing, or an example that its own rule does not match.
    """
    default = _read(_DEFAULT_RULES)
    if user_toml is None:
        return Rules(default)
    user = _read(user_toml)
    for number, rule in enumerate(user, 1):
        for example in rule.examples:
            if not rule.matches(example.key.searched()):
                where = f"{user_toml}: rule {number} ({rule.category})"
                raise UsageError(f"{where} does not match its example {example.kernel!r}")
    return Rules(user + default)


def _read(path: Path) -> tuple[Rule, ...]:
    try:
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
        file = msgspec.convert(parsed, _RulesFile)
    except OSError as error:
        raise UsageError(f"{path}: cannot read the rules: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: the rules are not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{path}: {error}; a rule takes category, kernel, op, context, event, examples"
        ) from error
    return tuple(_compiled(path, number, text) for number, text in enumerate(file.rule, 1))


def _compiled(path: Path, number: int, text: _RuleText) -> Rule:
    where = f"{path}: rule {number} ({text.category})"
    if not (text.kernel or text.op or text.context or text.event):
        raise UsageError(f"{where} would match everything: give kernel, op, context or event")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text.category):
        raise UsageError(f"{where}: a category is lower-case letters, digits and underscores")
    return Rule(
        category=text.category,
        event=text.event,
        kernel=_pattern(where, "kernel", text.kernel),
        op=_pattern(where, "op", text.op),
        context=_pattern(where, "context", text.context),
        examples=tuple(text.examples),
    )


def _pattern(where: str, field: str, text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{where}: {field} is not a regular expression: {error}") from error
