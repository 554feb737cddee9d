"""Text without what tells who ran what where: paths, addresses, users, hosts, and words nobody needs."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

_FILE: Final = r"[^\s\"'<>|:;,()\[\]{}=]"
_DOMAINS: Final = (
    "com|net|org|edu|gov|io|ai|dev|cloud|local|internal|intranet|lan|corp|home|localdomain|cluster|svc|eu|fr|uk|ch|nl"
    "|jp|cn|kr|ca|au|ru|dk|pl|fi|info|biz"
)
_ADDRESSES: Final = (
    ("url", re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>]+")),
    ("mail", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("host", re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")),
    ("host", re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}::?){4,7}[0-9a-fA-F]{1,4}(?![\w:])")),
    ("host", re.compile(rf"(?<![\w.])(?:[A-Za-z0-9-]+\.)+(?:{_DOMAINS})(?![\w(])")),
)
_PATH: Final = re.compile(
    rf"(?<![\w/.)>\]])(?:[A-Za-z]:[\\/]|\\\\|~?/|\.{{1,2}}[\\/]){_FILE}+"
    rf"|(?<![\w/]){_FILE}+[\\/]{_FILE}*\.\w{{1,12}}(?!\w)"
)
_FRAME: Final = re.compile(r"(?P<path>.+)\((?P<line>\d+)\): (?P<function>.*)", re.DOTALL)
_INSTALLED: Final = re.compile(r"^.*[\\/](?:site-packages|dist-packages|python\d(?:\.\d+)?)[\\/]")
_USERS: Final = re.compile(r"(?:[\\/](?:home|Users|users|scratch)[\\/]|torchinductor_)([\w.-]+)")
_WORD: Final = re.compile(r"[^\W\d_]+")
_HUMP: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
_WORDS_FILE: Final = Path(__file__).with_name("public_words.toml")
_PUBLIC: Final = {
    kind: frozenset(words.split())
    for kind, words in tomllib.loads(_WORDS_FILE.read_text(encoding="utf-8")).items()
}
"""What may stay, by kind."""
_SHORTEST: Final = 3
"""Words below this length tell nothing."""


class Pseudonyms:
    """Names for what is hidden: the same for the same, in letters, so that no number in a name changes.

    `people` are names of users and hosts, hidden wherever they stand, also in names that are kept; `secrets`
    are other words and texts, hidden everywhere but there.
    """

    def __init__(self, people: Iterable[str] = (), secrets: Iterable[str] = ()) -> None:
        self._names: dict[str, str] = {}
        self._numbers = count()
        people = list(people)
        self._people, self._secret = _any_of(people), _any_of([*people, *secrets])

    def code(self, text: str) -> str:
        """A name of an op or a kernel, without paths, addresses and people in it."""
        for kind, pattern in _ADDRESSES:
            text = pattern.sub(partial(self._instead, kind), text)
        if "/" in text or "\\" in text:
            text = _PATH.sub(lambda found: self.path(found[0]), text)
        return self._people.sub(partial(self._instead, "anon"), text)

    def words(self, text: str) -> str:
        """Free text: also without secrets and any word that is no common one and no class of a model."""
        return _WORD.sub(lambda found: self._word(found[0]), self._without_secrets(text))

    def frame(self, text: str) -> str:
        """A Python function as the profiler names it: its file hidden, its line and its name kept."""
        found = _FRAME.fullmatch(text)
        if found is None:
            return self._without_secrets(text)
        path = found["path"] if found["path"].startswith("<") else self.path(found["path"])
        return f"{self._without_secrets(path)}({found['line']}): {self._without_secrets(found['function'])}"

    def path(self, text: str) -> str:
        """A path: as a library's users all have it, else a pseudonym with the suffix."""
        inside = _INSTALLED.sub("", text)
        first = re.split(r"[\\/]", inside)[0].removesuffix(".py")
        is_relative = inside != text or not re.match(r"[\\/~.]|[A-Za-z]:", text)
        if is_relative and (first in _PUBLIC["libraries"] or first in sys.stdlib_module_names):
            return inside
        suffix = re.search(r"\.(?:py|json|pyx|so|pt|yaml|safetensors)$", text)
        return self._named("file", text) + (suffix[0] if suffix else "")

    def _without_secrets(self, text: str) -> str:
        return self._secret.sub(partial(self._instead, "anon"), self.code(text))

    def _word(self, word: str) -> str:
        humps = _HUMP.findall(word)
        is_known = not any(map(_is_telling, humps))
        is_class = len(humps) > 1 and humps[-1] in _PUBLIC["class_endings"]
        return word if is_known or is_class else self._named("anon", word)

    def _instead(self, kind: str, found: re.Match[str]) -> str:
        return self._named(kind, found[0])

    def _named(self, kind: str, text: str) -> str:
        key = f"{kind} {text.lower()}"
        if key not in self._names:
            self._names[key] = f"{kind}_{_letters(next(self._numbers))}"
        return self._names[key]


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """What finds the texts as whole words; those that are made of common words are not looked for."""
    wanted = {text.strip().lower() for text in texts}
    telling = [text for text in wanted if any(map(_is_telling, _WORD.findall(text)))]
    ordered = sorted(telling, key=lambda text: (-len(text), text))
    return re.compile(
        rf"(?<![^\W_])(?:{'|'.join(map(re.escape, ordered)) or '(?!)'})(?![^\W_])", re.IGNORECASE
    )


def _is_telling(word: str) -> bool:
    return len(word) >= _SHORTEST and word.lower() not in _PUBLIC["words"]


def users_in(texts: Iterable[str]) -> set[str]:
    """Names of users, as the paths in `texts` have them."""
    return {name for text in texts for name in _USERS.findall(text)}


def words_in(text: str) -> list[str]:
    """Parts of a text, such as of a host's name, that tell something by themselves."""
    return [part for part in re.split(r"[\s/\\.:@,;=\"']+", text) if not part.isdigit()]


def _letters(number: int) -> str:
    letters = ""
    while True:
        number, digit = divmod(number, 26)
        letters = chr(ord("a") + digit) + letters
        if not number:
            return letters
        number -= 1
