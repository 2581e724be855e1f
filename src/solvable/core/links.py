"""Functions of a few Gaussian variables, y = f(z_1, ..., z_k): a Python function, or a text.

A text such as "z1*z2 + sign(z3)" is read by a grammar of its own: numbers, z1, z2, ..., + - * /
and **, parentheses and the functions below. Nothing of it is run as Python.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import special

from solvable.core.arguments import fail, integer

LARGEST = 4  # variables
REACH = 9.0  # |z| up to which a link is asked for: beyond lies a probability of 2e-19
_MAX_CHARACTERS, _MAX_NODES, _MAX_POWER = 1000, 300, 12
_BLOCKS = (4096, 65536)  # sizes of what a link is asked for at once: compiled links compile twice
_PROBES = 257

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sign": np.sign,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "sin": np.sin,
    "cos": np.cos,
    "erf": special.erf,
}
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
_MUST = (
    "be an expression in z1, z2, ... with numbers, + - * / **, parentheses and the functions "
    + ", ".join(FUNCTIONS)
)


@dataclass(frozen=True)
class Link:
    """y = f(z), z of k components.

    Attributes:
        function: (n, k) -> (n,), vectorized.
        k: number of variables.
        text: what it is called.
    """

    function: Callable[[Any], Any]
    k: int
    text: str

    def __call__(self, z: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
        """Its values, which must be finite numbers; in blocks of one of two sizes.

        Raises:
            ValueError: if there is none, with the place.
        """
        count = len(z)
        size = _BLOCKS[0] if count <= _BLOCKS[0] else _BLOCKS[1]
        found = np.empty(count)
        for start in range(0, count, size):
            part = z[start : start + size]
            padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            found[start : start + size] = self._values(padded)[: len(part)]
        return found

    def _values(self, z: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            values = np.asarray(self.function(z))
        if values.shape != (len(z),) or values.dtype.kind not in "fiu":
            raise ValueError(
                f"Argument `link` must map an array of shape (..., {self.k}) to real numbers of "
                f"shape (...), but made shape {values.shape} of {z.shape}."
            )
        if not np.all(np.isfinite(values)):
            k = int(np.argmin(np.isfinite(values)))
            place = ", ".join(f"{x:.4g}" for x in z[k])
            raise ValueError(
                f"Argument `link` must be finite for |z| < {REACH:g}, but was {values[k]} at "
                f"z = ({place})."
            )
        return values.astype(float)

    def restricted(self, axes: list[int]) -> Link:
        """The link of some of its variables, of a value on which it does not depend otherwise."""

        def function(z: Any) -> Any:
            whole = np.zeros((*z.shape[:-1], self.k))
            whole[..., axes] = z
            return self.function(whole)

        return Link(function, len(axes), self.text)

    def turned(self, frame: Float[np.ndarray, "k k"]) -> Link:
        """The link of x in z = frame x."""
        return Link(lambda x: self.function(x @ frame.T), self.k, self.text)


def link_of(link: Any, k: int | None = None) -> Link:
    """A link from a text, whose variables tell k, or from a Python function.

    Raises:
        ValueError: if it is neither, k is missing or no integer from 1 to 4, or the function does
            not map (..., k) to finite numbers of shape (...).
    """
    if isinstance(link, str):
        function, needed = read(link)
        made = Link(function, _checked(max(needed, 1) if k is None else k), link)
        if needed > made.k:
            raise fail("k", f"be at least {needed}, as the link names z{needed}", k)
    else:
        if not callable(link):
            raise fail("link", "be a text, as 'z1*z2', a Python function or a channel", link)
        if k is None:
            raise ValueError("Argument `k` must be given for a Python function, but was None.")
        made = Link(link, _checked(k), getattr(link, "__name__", "function"))
    along = np.linspace(-1, 1, _PROBES)[:, None] * REACH
    values = made(along * np.cos(np.arange(made.k)))
    if not np.ptp(np.r_[values, made(along * np.sin(1 + np.arange(made.k)))]) > 0:
        raise fail("link", "depend on z", made.text)
    return made


def _checked(k: Any) -> int:
    return integer("k", k, low=1, high=LARGEST)


def read(text: str) -> tuple[Callable[[Any], Any], int]:
    """The function that an expression writes, and the largest index of its variables.

    Raises:
        ValueError: if it is outside the grammar.
    """
    if not text.isascii() or len(text) > _MAX_CHARACTERS or not text.strip():
        raise fail("link", _MUST, text)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise fail("link", _MUST, text) from None
    if sum(1 for _ in ast.walk(tree)) > _MAX_NODES:
        raise fail("link", f"have at most {_MAX_NODES} parts", text)
    indices: list[int] = [0]
    return _compiled(tree, text, indices), max(indices)


def _compiled(node: ast.expr, text: str, indices: list[int]) -> Callable[[Any], Any]:
    """One node of the tree as a function of z, all else refused."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number: Any = node.value
        value = float(number)
        if not np.isfinite(value):
            raise fail("link", _MUST, text)
        return lambda z: np.full(z.shape[:-1], value)
    if isinstance(node, ast.Name) and node.id[:1] == "z" and node.id[1:].isdigit():
        index = int(node.id[1:])
        if not 1 <= index <= LARGEST:
            raise fail("link", f"name no variables but z1 to z{LARGEST}", text)
        indices.append(index)
        return lambda z: z[..., index - 1]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        inner, factor = _compiled(node.operand, text, indices), 1.0
        if isinstance(node.op, ast.USub):
            factor = -1.0
        return lambda z: factor * inner(z)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return _power(node, text, indices)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        combine = _OPERATIONS[type(node.op)]
        left, right = (_compiled(side, text, indices) for side in (node.left, node.right))
        return lambda z: combine(left(z), right(z))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        function = FUNCTIONS.get(node.func.id)
        if function is not None and not node.keywords:
            argument = _compiled(node.args[0], text, indices)
            return lambda z: function(argument(z))
    raise fail("link", _MUST, text)


def _power(node: ast.BinOp, text: str, indices: list[int]) -> Callable[[Any], Any]:
    """A power with a number as its exponent."""
    exponent = node.right
    sign = 1.0
    if isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub):
        exponent, sign = exponent.operand, -1.0
    if not isinstance(exponent, ast.Constant) or type(exponent.value) not in (int, float):
        raise fail("link", "have numbers as exponents", text)
    number: Any = exponent.value
    power = sign * float(number)
    if not abs(power) <= _MAX_POWER:
        raise fail("link", f"have exponents of at most {_MAX_POWER}", text)
    base = _compiled(node.left, text, indices)
    whole = int(power) if power == int(power) else power
    return lambda z: base(z) ** float(whole) if whole < 0 else base(z) ** whole
