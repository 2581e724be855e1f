"""Reading a specification's text: calls of names with keyword arguments, and nothing else.

The grammar is small enough to be read by hand, so that whatever is not in it is refused by
construction instead of by a list of exceptions to Python's:

    call  := Name(keyword=value, ...)
    value := finite number with optional minus | string | True | False | None | call
           | rectangular list of numbers or of calls
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_CHARACTERS = 10_000
MAX_DEPTH = 16
MAX_NUMBERS = 1_000

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<string>'[^'\\\n]*'|\"[^\"\\\n]*\")"
    r"|(?P<mark>.)",
    re.S,
)
_CONSTANTS = {"True": True, "False": False, "None": None}
_AFTER_VALUE = {"for": "a comprehension", "async": "a comprehension", "if": "a condition (`if`)"}
_WORDS = {"and", "or", "not", "in", "is", "await", "lambda", "yield"}


@dataclass(frozen=True)
class Call:
    """``name(key=value, ...)`` as it was read; values are plain data, `Call`s or lists."""

    name: str
    arguments: dict[str, Any]


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def refuse(what: str, start: int) -> ValueError:
    """The one sentence with which a text outside the grammar is refused."""
    return ValueError(
        "Argument `spec` must be of the form Name(keyword=value, ...), "
        f"but has {what} at character {start + 1}."
    )


def read(text: object, check_name: Callable[[str], None] = lambda name: None) -> Call:
    """Read a specification; `check_name` is told each called name and may refuse it.

    Raises ValueError with one sentence that says what is outside the grammar, and where.
    """
    if not isinstance(text, str):
        raise ValueError(f"Argument `spec` must be a text, but was {type(text).__name__}.")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"Argument `spec` must have at most {MAX_CHARACTERS:,} characters, "
            f"but had {len(text):,}."
        )
    for position, character in enumerate(text):
        if not character.isascii():
            raise refuse(f"the non-ASCII character {character!a}", position)
    if not text.strip():
        raise ValueError(
            "Argument `spec` must be of the form Name(keyword=value, ...), but was empty."
        )
    return _Reader(text, check_name).whole()


def _tokens(text: str) -> list[_Token]:
    """The text cut into tokens, with an end mark; malformed numbers and strings are refused."""
    found: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None and match.lastgroup is not None
        kind, start, position = match.lastgroup, match.start(), match.end()
        follower = text[position : position + 1]
        if kind == "number":
            _check_number(match.group(), follower, start)
        elif kind == "name" and follower in ("'", '"'):
            raise refuse(f"a string with the prefix `{match.group()}`", start)
        elif kind == "mark" and match.group() in ("'", '"'):
            raise refuse("a string that is not closed or has a backslash", start)
        if kind != "space":
            found.append(_Token(kind, match.group(), start))
    found.append(_Token("end", "", len(text)))
    return found


def _check_number(text: str, follower: str, start: int) -> None:
    """Refuse what Python would read as a number and this grammar does not."""
    if follower in ("j", "J"):
        raise refuse("a complex number", start)
    if follower == "_":
        raise refuse("a number with an underscore", start)
    if follower and (follower.isalnum() or follower == "."):
        raise refuse("a number that is not in decimal form", start)
    if len(text) > 1 and text.isdigit() and text[0] == "0":
        raise refuse("a number with leading zeros", start)
    if not math.isfinite(float(text)):
        raise refuse(f"a number that is not finite, `{text[:20]}`,", start)


class _Reader:
    """A recursive-descent reader; the depth limit bounds the recursion."""

    def __init__(self, text: str, check_name: Callable[[str], None]) -> None:
        self.tokens = _tokens(text)
        self.check_name = check_name
        self.index = 0
        self.depth = 0
        self.numbers = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.index]

    @property
    def following(self) -> str:
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)].text

    def take(self) -> _Token:
        token = self.token
        self.index += 1
        return token

    def whole(self) -> Call:
        token = self.token
        value = self.value()
        if self.token.kind != "end":
            raise refuse(self.misplaced(self.token), self.token.start)
        if not isinstance(value, Call):
            raise refuse("a value that is not a call", token.start)
        return value

    def value(self) -> Any:
        token = self.take()
        if token.kind == "number":
            return self.number(token, 1)
        if token.text == "-":
            if self.token.kind != "number":
                raise refuse("a minus that does not stand before a number", token.start)
            return self.number(self.take(), -1)
        if token.kind == "string":
            return token.text[1:-1]
        if token.text == "[":
            return self.sequence(token)
        if token.kind != "name" or token.text in _WORDS:
            raise refuse(self.misplaced(token, opening=True), token.start)
        if self.token.text == "(":
            return self.call(token)
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if self.token.text in (".", "[", ":"):
            raise refuse(self.misplaced(self.token), self.token.start)
        raise refuse(f"the bare name `{token.text}`", token.start)

    def number(self, token: _Token, sign: int) -> int | float:
        self.numbers += 1
        if self.numbers > MAX_NUMBERS:
            raise ValueError(
                f"Argument `spec` must hold at most {MAX_NUMBERS:,} numbers, but holds more; "
                "larger arrays come by file."
            )
        return sign * (int(token.text) if token.text.isdigit() else float(token.text))

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(
                f"Argument `spec` must be nested at most {MAX_DEPTH} deep, but is nested deeper."
            )

    def call(self, name: _Token) -> Call:
        self.check_name(name.text)
        self.enter()
        self.take()
        arguments: dict[str, Any] = {}
        while self.token.text != ")":
            key = self.token
            if key.kind != "name" or self.following != "=" or key.text in _CONSTANTS:
                raise refuse(self.not_a_keyword(key), key.start)
            if key.text in arguments:
                raise refuse(f"the keyword `{key.text}` twice,", key.start)
            self.index += 2
            if self.token.text == "=":
                raise refuse("a comparison", self.token.start)
            arguments[key.text] = self.value()
            self.separator(")")
        self.take()
        self.depth -= 1
        return Call(name.text, arguments)

    def not_a_keyword(self, token: _Token) -> str:
        """What stands where ``keyword=`` should."""
        if token.kind == "end":
            return "a parenthesis that is not closed"
        if token.kind == "name" and self.following == ":":
            return "an assignment expression (`:=`)"
        if token.text in ("*", ",", ".", "]", "="):
            return self.misplaced(token, opening=True)
        return "a positional argument"

    def sequence(self, start: _Token) -> list[Any]:
        self.enter()
        items: list[Any] = []
        while self.token.text != "]":
            position = self.token.start
            items.append(self.value())
            if isinstance(items[-1], str | bool) or items[-1] is None:
                raise refuse("a list entry that is neither a number nor a call", position)
            self.separator("]")
        self.take()
        self.depth -= 1
        if len({_shape(item) for item in items}) > 1:
            raise refuse("a list that is not rectangular and of one kind", start.start)
        return items

    def separator(self, closing: str) -> None:
        """Step over a comma, which something must follow; leave the closing mark."""
        token = self.token
        if token.text == closing:
            return
        if token.text != ",":
            raise refuse(self.misplaced(token), token.start)
        self.take()
        if self.token.text == closing:
            raise refuse("a trailing comma", token.start)

    def misplaced(self, token: _Token, opening: bool = False) -> str:
        """What a token is that stands in a wrong place; `opening`: at the start of a value."""
        text = token.text
        if token.kind == "end":
            return "an end before it is complete,"
        if not opening and text in _AFTER_VALUE:
            return _AFTER_VALUE[text]
        if not opening and token.kind == "string":
            return "two strings side by side"
        after = {"[": "a subscript", "(": "a call of what is not a name", ".": "an attribute"}
        before = {"(": "parentheses or a tuple", ".": "an attribute", "*": "an unpacking (`*`)"}
        either = {"{": "a dictionary or a set", "#": "a comment", "`": "a backquote"}
        named = {**either, **(before if opening else after)}
        if text in named:
            return named[text]
        if text in _WORDS or text in set("+-*/%@&|^~<>!"):
            return f"the operator `{text}`"
        if text in (")", "]", "}", ",", "=", ":", ";", "\\", "$", "?"):
            return f"a misplaced `{text}`"
        if token.kind in ("name", "number", "string"):
            return f"`{text[:40]}` where a comma or a closing mark should be"
        return f"the character {text!r}"


def _shape(value: Any) -> tuple[Any, ...]:
    """The lengths of nested lists, ending in the kind of their entries."""
    if isinstance(value, list):
        return (len(value), *(_shape(value[0]) if value else ()))
    return ("call" if isinstance(value, Call) else "number",)
