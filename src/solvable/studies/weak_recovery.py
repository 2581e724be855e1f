"""`weak_recovery`: from how many samples on the directions of a link can be learned."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from solvable.bricks.channels.base import AbstractChannel
from solvable.core.arguments import fail, instance, non_negative
from solvable.core.hermite import leaps
from solvable.core.links import Link, link_of
from solvable.core.precision import require_x64
from solvable.core.status import Status
from solvable.models import multi_index
from solvable.models.multi_index import COARSE, FINE, Stage
from solvable.models.single_index import single_index
from solvable.studies.curve import Progress

_DEGREE = {1: 8, 2: 5, 3: 4, 4: 4}
_ZERO = 1e-6
_AGREE = 0.1  # relative: finer and coarser grids that differ by more have not settled


@dataclass(frozen=True)
class Direction:
    """A direction of the link's arguments.

    Attributes:
        vector: its k components, a unit vector.
        kind: "trivial", "easy", "hard", or "irrelevant" where the link does not depend on it.
        alpha: samples over dimension from which on it is learned: 0 if trivial, inf if hard or
            irrelevant.
        error_bound: of alpha.
    """

    vector: tuple[float, ...]
    kind: str
    alpha: float
    error_bound: float


@dataclass(frozen=True)
class WeakRecovery:
    """What `weak_recovery` finds.

    Attributes:
        link: as it was given.
        k: number of its arguments.
        noise: standard deviation of the noise on its output.
        alpha: n / p from which on message passing learns anything at all: 0 if a direction is
            trivial, inf if all are hard.
        error_bound: of alpha.
        directions: an orthonormal basis, in the order in which it is learned.
        information_exponent: the first degree of the Hermite expansion of E[y | z]; None if it is
            higher than `highest_degree`.
        leap: the largest jump in degree on the way to all directions; None likewise.
        generative_exponent: the first degree k with E_y |E[He_k(z) | y]|^2 > 0; None likewise.
        highest_degree: up to which exponents are looked for.
        status: converged, or precision_loss where finer and coarser grids do not agree.
    """

    link: str
    k: int
    noise: float
    alpha: float
    error_bound: float
    directions: tuple[Direction, ...]
    information_exponent: int | None
    leap: int | None
    generative_exponent: int | None
    highest_degree: int
    status: str

    @property
    def online_sgd_exponent(self) -> float | None:
        """x in n ~ p^x samples for online gradient descent, logarithms left out: max(1, l - 1) of
        the leap l, the information exponent of one direction (Ben Arous et al. 2021)."""
        return None if self.leap is None else float(max(1, self.leap - 1))

    @property
    def query_exponent(self) -> float | None:
        """x in n ~ p^x for statistical queries to find the first direction: max(1, k / 2) of the
        generative exponent k (Damian et al. 2024)."""
        exponent = self.generative_exponent
        return None if exponent is None else max(1.0, exponent / 2)

    def document(self) -> dict[str, Any]:
        """As nested dictionaries."""
        return {
            **asdict(self),
            "online_sgd_exponent": self.online_sgd_exponent,
            "query_exponent": self.query_exponent,
        }

    def __str__(self) -> str:
        lines = [
            f"Weak recovery of y = {self.link}, noise {self.noise:g}: alpha = {self.alpha:.7g}"
        ]
        lines += [
            f"  {found.kind:<10} alpha {found.alpha:.7g} +- {found.error_bound:.1g}  along "
            f"({', '.join(f'{x:.4g}' for x in found.vector)})"
            for found in self.directions
        ]
        lines += [
            f"  {name.replace('_', ' ')} {getattr(self, name)}"
            for name in ("information_exponent", "leap", "generative_exponent")
        ]
        return "\n".join([*lines, f"  {self.status}"])


def weak_recovery(
    link: str | Callable[[Any], Any] | AbstractChannel,
    k: int | None = None,
    noise: float = 0.0,
    *,
    progress: Progress | None = None,
) -> WeakRecovery:
    """From which alpha = n / p on each direction of y = f(z_1, ..., z_k) + noise xi is learned.

    z = W x, x ~ N(0, 1)^p; the k directions W, Gaussian, are to be learned from n pairs (x, y) by
    message passing, the best of first-order methods. Directions of E[z | y] are trivial, learned
    at any alpha > 0. Else learning starts at

        1 / alpha = largest eigenvalue of M -> E_y G(y) M G(y),   G(y) = E[z z^T - 1 | y],

    and goes on in the same way given what is known already, with laws conditional on y and on the
    estimate of known directions, as good as state evolution makes it at that alpha. Directions
    without any such alpha are hard: n must grow faster than p.

    Args:
        link: f: a text as "z1*z2" or "sign(z1) + z2**2"; a function of arrays (..., k) to arrays
            (...), finite for |z| < 9; or a channel, whose k is 1 and which has its own noise.
        k: number of arguments, 1 to 4; a text tells it. The links of 3 and 4 are known to fewer
            digits, as `error_bound` says.
        noise: standard deviation of Gaussian noise added to f, >= 0.
        progress: called with (parts done, parts in all).

    Returns:
        A `WeakRecovery`; prints itself.

    Raises:
        ValueError: if f is none of these, or not finite or of the wrong shape, or another argument
            is out of its domain.

    Source: troiani2025, damian2024, abbe2023, benarous2021.

    Example:
        >>> import solvable as sv
        >>> found = sv.weak_recovery("sign(z1*z2)")
        >>> print(round(found.alpha, 6), found.directions[0].kind, found.leap)
        2.467401 easy 2
    """
    require_x64()
    noise = non_negative("noise", noise)
    if isinstance(link, AbstractChannel):
        return _of_channel(link, k, noise)
    return _of_link(link_of(link, k), noise, progress or _silent)


def _silent(done: int, steps: int) -> None:
    pass


def _generative(fine: multi_index.Alone, coarse: multi_index.Alone, degree: int) -> int | None:
    """The first degree whose part of the products is not zero."""
    for d in range(1, degree + 1):
        size, other = (float(np.trace(x.of_degree(d))) for x in (fine, coarse))
        if size > max(_ZERO, 3 * abs(size - other)):
            return d
    return None


def _directions(
    link: Link, fine: list[Stage], coarse: list[Stage]
) -> tuple[tuple[Direction, ...], bool]:
    """One by one, with the difference of two grids, and of two widths of bins, as their error."""
    found, settled = [], True
    others = [(s.kind, s.alpha) for s in coarse for _ in range(s.vectors.shape[1])]
    for stage in fine:
        for vector in stage.vectors.T:
            kind, alpha = others[len(found)]
            error = 0.0
            if stage.kind == "easy" and kind == "easy":
                error = abs(stage.alpha - alpha) + abs(stage.alpha - stage.rough)
                settled &= error < _AGREE * stage.alpha
            elif stage.kind != kind:
                error, settled = np.inf, False
            name = stage.kind
            if name == "hard" and _is_irrelevant(link, vector):
                name = "irrelevant"
            entries = tuple(float(x) + 0.0 for x in vector)
            found.append(Direction(entries, name, float(stage.alpha), float(error)))
    return tuple(found), settled


def _embedded(found: tuple[Direction, ...], used: list[int], k: int) -> tuple[Direction, ...]:
    """Directions of the arguments in use among all of them, and those of the others."""
    axes = np.eye(k)
    inside = [replace(one, vector=tuple((one.vector @ axes[used]).tolist())) for one in found]
    others = [axis for axis in range(k) if axis not in used]
    unused = [Direction(tuple(axes[a].tolist()), "irrelevant", np.inf, 0.0) for a in others]
    return (*inside, *unused)


def _is_irrelevant(link: Link, vector: np.ndarray) -> bool:
    """Whether moving along a direction never changes f."""
    count = 2048
    phase = np.outer(1 + np.arange(count), np.sqrt([2.0, 3.0, 5.0, 7.0][: link.k]))
    z = 3 * np.cos(phase)
    here = link(z)
    scale = 1e-9 * np.max(np.abs(here))
    return all(np.max(np.abs(link(z + step * vector) - here)) <= scale for step in (0.7, -1.9))


def _of_link(given: Link, noise: float, tell: Progress) -> WeakRecovery:
    used = [axis for axis in range(given.k) if not _is_irrelevant(given, np.eye(given.k)[axis])]
    f = given if len(used) == given.k else given.restricted(used)
    degree = _DEGREE[f.k]
    seen = []
    for part, grids in enumerate((FINE, COARSE)):
        seen.append(multi_index.alone(f, noise, grids[f.k], degree))
        tell(1 + part, 5)
    found = []
    for part, (grids, (what, other)) in enumerate(
        ((FINE, (seen[0], seen[1])), (COARSE, (seen[1], seen[0])))
    ):
        found.append(multi_index.stages(f, noise, grids[f.k], what, other))
        tell(3 + part, 5)
    directions, settled = _directions(f, *found)
    relevant = [np.array(one.vector) for one in directions if one.kind != "irrelevant"]
    jumps = leaps(f, degree, np.array(relevant).T)
    directions = _embedded(directions, used, given.k)
    tell(5, 5)
    return WeakRecovery(
        link=given.text,
        k=given.k,
        noise=noise,
        alpha=directions[0].alpha,
        error_bound=directions[0].error_bound,
        directions=directions,
        information_exponent=jumps.first,
        leap=jumps.largest,
        generative_exponent=_generative(seen[0], seen[1], degree),
        highest_degree=degree,
        status=(Status.converged if settled else Status.precision_loss).name,
    )


def _of_channel(channel: AbstractChannel, k: int | None, noise: float) -> WeakRecovery:
    if k not in (None, 1):
        raise fail("k", "be 1 for a channel", k)
    if noise:
        raise fail("noise", "be 0 for a channel, which has its own", noise)
    instance("link", channel, AbstractChannel, "a channel")
    found = single_index(channel, _DEGREE[1])
    kind = "trivial" if found.alpha == 0 else "easy" if np.isfinite(found.alpha) else "hard"
    direction = Direction((1.0,), kind, found.alpha, found.error)
    return WeakRecovery(
        link=repr(channel),
        k=1,
        noise=0.0,
        alpha=found.alpha,
        error_bound=found.error,
        directions=(direction,),
        information_exponent=found.information,
        leap=found.information,
        generative_exponent=found.generative,
        highest_degree=_DEGREE[1],
        status=Status.converged.name,
    )
