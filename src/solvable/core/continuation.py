"""Tracing a curve of solutions: pseudo-arclength continuation, and points between its steps.

The curve is where n - 1 equations G(X) = 0 in n unknowns hold. A step follows the tangent and
returns to the curve by Newton steps in the plane across it, so that the curve may turn back in any
single unknown (Keller 1977). `corrected` does the same between two stored points, inside `jit`.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_FIRST, _SHORTEST, _LONGEST = 0.1, 1e-5, 0.5
_STRAIGHT = 0.96
_CORRECTIONS = 5
_SMALL = 3e-3  # a Newton step so short leaves an error of its square
_MAX_POINTS = 2000


class Curve(eqx.Module):
    """A traced curve, stored at points not far apart.

    Attributes:
        s: arclength, rising, shape (m,).
        points: X there, shape (m, n).
        tangents: dX / ds there, shape (m, n).
    """

    s: Float[Array, " m"]
    points: Float[Array, "m n"]
    tangents: Float[Array, "m n"]

    def guess(self, s: Float[Array, ""]) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """X and dX / ds at any s by the cubic through neighboring points; straight beyond."""
        k = jnp.clip(jnp.searchsorted(self.s, s) - 1, 0, len(self.s) - 2)
        width = self.s[k + 1] - self.s[k]
        t = (s - self.s[k]) / width
        a, b = self.points[k], self.points[k + 1]
        da, db = width * self.tangents[k], width * self.tangents[k + 1]

        def cubic(t: Array) -> Array:
            u = 1 - t
            near = (1 + 2 * t) * u**2 * a + t * u**2 * da
            return near + (3 - 2 * t) * t**2 * b - u * t**2 * db

        inside = jnp.clip(t, 0.0, 1.0)
        value, slope = jax.jvp(cubic, (inside,), (jnp.ones_like(inside),))
        return value + (t - inside) * slope, slope / width


def with_jacobian(
    function: Callable[[Array], Array], x: Float[Array, " n"]
) -> tuple[Float[Array, " m"], Float[Array, "m n"]]:
    """A vector function's value and its Jacobian, evaluated together."""

    def twice(x: Array) -> tuple[Array, Array]:
        value = function(x)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jacobian


def corrected(
    equations: Callable[[Array], Array],
    coarse: Callable[[Array], Array],
    curve: Curve,
    s: Float[Array, ""],
    steps: int = 4,
) -> Float[Array, " n"]:
    """The point of the curve in the plane across it at s.

    Args:
        equations: G, as exactly as wanted.
        coarse: the same, good enough for its Jacobian, which is taken once.
        curve: the traced curve.
        s: arclength.
        steps: chord steps; each gains three to four digits.
    """
    start, tangent = curve.guess(s)
    direction = jax.lax.stop_gradient(tangent / jnp.linalg.norm(tangent))
    inverse = jax.lax.stop_gradient(
        jnp.linalg.inv(jnp.concatenate([jax.jacfwd(coarse)(start), direction[None]]))
    )

    def step(_: int, X: Array) -> Array:
        across = direction @ (X - start)
        return X - inverse @ jnp.concatenate([equations(X), across[None]])

    return jax.lax.fori_loop(0, steps, step, start)


def trace(
    linearize: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: Float[np.ndarray, " n"],
    ahead: Float[np.ndarray, " n"],
    stop: Callable[[np.ndarray], bool],
) -> tuple[Curve, int]:
    """Follow the curve from a point until `stop`, or until it cannot be followed any further.

    Args:
        linearize: X -> G(X), shape (n - 1,), and its Jacobian.
        start: a point near the curve.
        ahead: a direction that the first step goes along.
        stop: told every new point.

    Returns:
        The curve, padded with a straight end so that few lengths occur, and the number of points
        that are its own.
    """
    point, tangent, _ = _corrected(linearize, start, ahead / np.linalg.norm(ahead))
    points, tangents, lengths = [point], [tangent], [0.0]
    length, bend = _FIRST, 0.0 * tangent
    while length > _SHORTEST and len(points) < _MAX_POINTS and not stop(point):
        guess = point + length * tangent + 0.5 * length**2 * bend
        new, new_tangent, steps = _corrected(linearize, guess, tangent)
        if not np.all(np.isfinite(new)) or new_tangent @ tangent < _STRAIGHT:
            length *= 0.5
            continue
        step = float(np.linalg.norm(new - point))
        bend = (new_tangent - tangent) / step
        point, tangent = new, new_tangent
        lengths.append(lengths[-1] + step)
        points.append(point)
        tangents.append(tangent)
        length = min((1.5 if steps == 1 else 1.0 if steps == 2 else 0.7) * length, _LONGEST)
    count = len(points)
    for beyond in range(1, _padded_length(count) - count + 1):
        lengths.append(lengths[count - 1] + beyond)
        points.append(point + beyond * tangent)
        tangents.append(tangent)
    return Curve(*(jnp.asarray(np.array(x)) for x in (lengths, points, tangents))), count


def _padded_length(count: int) -> int:
    return max(64, 1 << count.bit_length())


def _corrected(
    linearize: Any, guess: np.ndarray, ahead: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Back to the curve in the plane across `ahead`: the point, its tangent, the steps it took.

    NaN where Newton's method does not settle.
    """
    point, tangent = guess, ahead
    for steps in range(1, _CORRECTIONS + 1):
        value, jacobian = linearize(point)
        if not np.all(np.isfinite(value)) or not np.all(np.isfinite(jacobian)):
            break
        residual = np.append(value, ahead @ (point - guess))
        change = np.linalg.solve(np.vstack([jacobian, ahead]), residual)
        point, tangent = point - change, _tangent(jacobian, ahead)
        size = np.max(np.abs(change))
        if size < _SMALL:
            return point, tangent, steps
        if size > 1:
            break
    return np.full_like(guess, np.nan), tangent, _CORRECTIONS


def _tangent(jacobian: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """The unit null vector of the Jacobian that points ahead."""
    null = np.linalg.svd(jacobian, full_matrices=True)[2][-1]
    return null if null @ ahead > 0 else -null
