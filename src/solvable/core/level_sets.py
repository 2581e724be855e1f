"""The law of y = f(z), z ~ N(0, 1)^k, and moments of z given y: integrals over level sets.

Space is covered by lines along one coordinate, whose other coordinates are nodes of a quadrature.
Every line is cut into *strokes*, on which f is monotone or constant, and those where f crosses the
edges of the bins of y: on each *piece* y lies in one bin, and integrals of Hermite polynomials are
closed. So discrete outputs, continuous ones and mixed ones (an atom at zero, say) are one case,
nothing is smoothed, and bins are the only approximation of a conditional law: they lose a part of
what y tells, of second order in their width.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtr

from solvable.core.hermite import indices, product_nodes
from solvable.core.links import Link
from solvable.core.special import hermite

_INSET = 1e-9  # of a cell's width: a jump on a cell's edge is seen from its own side
_PROBE = 1e-3  # of a cell's width, for the slope at an end
_SAME = 1e-12  # relative: values closer are one output
_SLOW = 1e-3  # slope in standard deviations of f
_GOLDEN = 0.5 * (np.sqrt(5.0) - 1)
_TAIL = 1e-9
_FEWEST = 100  # strokes in a bin: fewer show lines, not y
_ATOMS, _LARGE_ATOM = 64, 1e-3  # of more values than this only the likely ones count
LEVELS = 5  # of bins, each half as wide as the last
_ILLINOIS, _BISECTIONS, _GOLDEN_STEPS = 5, 44, 36


@dataclass(frozen=True)
class Grid:
    """How finely space is covered.

    Attributes:
        order: nodes a panel of the coordinates across the lines.
        cells: of a line.
        bins: of a continuous output, the widest ones.
        per_noise: bins in one standard deviation of its noise.
    """

    order: int
    cells: int
    bins: int
    per_noise: float = 9.0


class Strokes(NamedTuple):
    """Stretches of lines on which f is monotone; equal values at both ends mean constant.

    Attributes:
        line: which line.
        low, high: where along it.
        at_low, at_high: f there.
    """

    line: Int[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    at_low: Float[np.ndarray, " n"]
    at_high: Float[np.ndarray, " n"]

    def where(self, keep: np.ndarray) -> Strokes:
        """Some of them."""
        return Strokes(*(x[keep] for x in self))

    def is_flat(self) -> np.ndarray:
        """Where f is constant."""
        return _same(self.at_low, self.at_high)


class Pieces(NamedTuple):
    """Stretches of lines on which y lies in one bin.

    Attributes:
        line: which line.
        low, high: where along it.
        bin: which bin.
    """

    line: Int[np.ndarray, " n"]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    bin: Int[np.ndarray, " n"]


class Cover(NamedTuple):
    """A link on lines along the last coordinate.

    Attributes:
        link: in coordinates whose last runs along the lines.
        across: the other coordinates of every line, shape (lines, k - 1).
        weight: their probabilities.
        strokes: of all lines.
    """

    link: Link
    across: Float[np.ndarray, "l d"]
    weight: Float[np.ndarray, " l"]
    strokes: Strokes

    def values(self, line: np.ndarray, along: np.ndarray) -> np.ndarray:
        """f on lines."""
        return self.link(np.concatenate([self.across[line], along[:, None]], axis=1))

    def masses(self) -> np.ndarray:
        """The probability of every stroke."""
        s = self.strokes
        return self.weight[s.line] * interval_mass(s.low, s.high)


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b) <= _SAME * (np.abs(a) + np.abs(b))


def interval_mass(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The probability that a standard Gaussian lies between; tails keep their digits."""
    upper = low > 0
    return np.where(upper, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))


def interval_moments(low: np.ndarray, high: np.ndarray, degree: int) -> np.ndarray:
    """The integrals of He_0, ..., He_degree (orthonormal) over intervals, shape (d, n)."""
    found = [interval_mass(low, high)]
    if degree:
        ends = [np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi) for x in (low, high)]
        at = [hermite(x, max(degree - 1, 1)) for x in (low, high)]
        for n in range(1, degree + 1):
            found.append((at[0][n - 1] * ends[0] - at[1][n - 1] * ends[1]) / np.sqrt(n))
    return np.stack(found)


def cover(link: Link, grid: Grid) -> Cover:
    """Lines along the last coordinate, cut into strokes."""
    k = link.k
    across, weight = product_nodes(k, grid.order, k - 1)
    half = 0.5 * grid.cells
    rising = np.sinh(np.linspace(0, 3.0, int(np.ceil(half)) + 1)) / np.sinh(3.0)
    edges = 9.0 * np.r_[-rising[:0:-1], rising]
    made = Cover(link, across, weight, _no_strokes())
    strokes = _cells(made, edges)
    return made._replace(strokes=_turned(made, _separated(made, strokes)))


def _no_strokes() -> Strokes:
    none = np.zeros(0)
    return Strokes(np.zeros(0, dtype=int), none, none, none, none)


def _joined(parts: list[Strokes]) -> Strokes:
    return Strokes(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def _cells(made: Cover, edges: np.ndarray) -> Strokes:
    """Every cell of every line, seen from inside."""
    inset = _INSET * np.diff(edges)
    low, high = edges[:-1] + inset, edges[1:] - inset
    lines = len(made.weight)
    line = np.repeat(np.arange(lines), len(low))
    ends = (made.values(line, np.tile(x, lines)) for x in (low, high))
    return Strokes(line, np.tile(edges[:-1], lines), np.tile(edges[1:], lines), *ends)


def _separated(made: Cover, s: Strokes) -> Strokes:
    """Cells whose ends lie in constant stretches, taken apart into these and the rest."""
    step = _PROBE * (s.high - s.low)
    near = made.values(s.line, s.low + step), made.values(s.line, s.high - step)
    starts, ends = _same(near[0], s.at_low), _same(near[1], s.at_high)
    mixed = (starts | ends) & ~(starts & ends & s.is_flat())
    kept, parts = s.where(~mixed), []
    rest, starts, ends = s.where(mixed), starts[mixed], ends[mixed]
    for side, hit in ((0, starts), (1, ends)):
        part = rest.where(hit)
        inner, outer = (part.low, part.high) if side == 0 else (part.high, part.low)
        value = part.at_low if side == 0 else part.at_high
        last, beyond = _edge_of_flat(made, part.line, inner, outer, value)
        flat = Strokes(part.line, np.minimum(inner, last), np.maximum(inner, last), value, value)
        parts.append(flat)
        place, after = ("low", "at_low") if side == 0 else ("high", "at_high")
        moved, seen = getattr(rest, place).copy(), getattr(rest, after).copy()
        moved[hit], seen[hit] = beyond, made.values(part.line, beyond)
        rest = rest._replace(**{place: moved, after: seen})
    rest = rest.where(rest.high - rest.low > 1e-11)
    return _joined([kept, *parts, rest])


def _edge_of_flat(
    made: Cover, line: np.ndarray, inside: np.ndarray, outside: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """By bisection: the last place where f has the value, and one just beyond."""
    inside, outside = inside.copy(), outside.copy()
    for _ in range(_BISECTIONS):
        if not len(line):
            break
        middle = 0.5 * (inside + outside)
        holds = _same(made.values(line, middle), value)
        inside, outside = np.where(holds, middle, inside), np.where(holds, outside, middle)
    return inside, outside


def _turned(made: Cover, s: Strokes) -> Strokes:
    """Strokes with an extremum inside, cut there."""
    step = _PROBE * (s.high - s.low)
    rises = made.values(s.line, s.low + step) - s.at_low
    falls = s.at_high - made.values(s.line, s.high - step)
    turns = (rises * falls < 0) & ~s.is_flat()
    turns |= s.is_flat() & ~_same(rises + s.at_low, s.at_low)
    part = s.where(turns)
    if not len(part.line):
        return s
    top = np.where(rises[turns] > 0, 1.0, -1.0)
    low, high = part.low, part.high
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    fa, fb = top * made.values(part.line, a), top * made.values(part.line, b)
    for _ in range(_GOLDEN_STEPS):
        left = fa > fb
        low, high = np.where(left, low, a), np.where(left, b, high)
        fresh = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = top * made.values(part.line, fresh)
        a, b = np.where(left, fresh, b), np.where(left, a, fresh)
        fa, fb = np.where(left, value, fb), np.where(left, fa, value)
    place = 0.5 * (low + high)
    value = made.values(part.line, place)
    first = part._replace(high=place, at_high=value)
    second = part._replace(low=place, at_low=value)
    return _joined([s.where(~turns), first, second])


# -------------------------------------------------------------------------------------------------
# Bins


@dataclass(frozen=True)
class Bins:
    """Bins of y.

    Attributes:
        edges: rising, of the continuous part, without the two infinite ends.
        level: of each edge: 0 for those of the widest bins, 1, 2, ... for those that halve them.
        atoms: values with a probability of their own, which have the last bins.
    """

    edges: Float[np.ndarray, " m"]
    level: Int[np.ndarray, " m"]
    atoms: Float[np.ndarray, " a"]

    def __len__(self) -> int:
        return len(self.edges) + 1 + len(self.atoms)

    def index(self, y: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Which bin outputs lie in."""
        inner = np.searchsorted(self.edges, y)
        if not len(self.atoms):
            return inner
        atom = len(self.edges) + 1 + _atom_index(y, self.atoms)
        return np.where(_is_among(y, self.atoms), atom, inner)

    def merged(self, level: int) -> Int[np.ndarray, " n"]:
        """The wider bin, of edges up to a level, that each bin is part of."""
        inner = np.r_[0, np.cumsum(self.level <= level)]
        return np.r_[inner, inner[-1] + 1 + np.arange(len(self.atoms))]


def constants(made: Cover) -> tuple[np.ndarray, np.ndarray]:
    """Values of constant stretches, rising, and their probabilities."""
    flat = made.strokes.is_flat()
    values, mass = made.strokes.at_low[flat], made.masses()[flat]
    if not len(values):
        return values, mass
    order = np.argsort(values)
    values, mass = values[order], mass[order]
    fresh = np.r_[True, ~_same(values[1:], values[:-1])]
    return values[fresh], np.bincount(np.cumsum(fresh) - 1, weights=mass)


def atoms_of(made: Cover, other: Cover) -> np.ndarray:
    """Outputs with a probability of their own.

    They are constants of two covers by different lines: a function of the lines' own coordinates
    takes different values on them.
    """
    values, mass = constants(made)
    shared = _is_among(values, constants(other)[0])
    if np.count_nonzero(shared) > _ATOMS:
        shared &= mass > _LARGE_ATOM
    return values[shared]


def nearly_constant(made: Cover, atoms: np.ndarray) -> float:
    """The probability of stretches on which f hardly changes, those at atoms left out."""
    s, mass = made.strokes, made.masses()
    mean = 0.5 * (s.at_low + s.at_high)
    spread = np.sqrt(mass @ (mean - mass @ mean) ** 2)
    slow = np.abs(s.at_high - s.at_low) < _SLOW * spread * (s.high - s.low)
    return float(mass[slow & ~_is_among(s.at_low, atoms)].sum())


def choose_bins(made: Cover, atoms: np.ndarray, count: int) -> Bins:
    """Bins of a continuous output where what y tells of z changes most, then halved repeatedly.

    A bin is halved, by its mass, where that shows most more of the first two Hermite moments of
    z: a smooth dependence makes them all alike, a singular one makes them pile up.
    """
    s = made.strokes
    # spread evenly over every stroke: lines may be copies of each other
    value = s.at_low + (s.at_high - s.at_low) * np.modf(_GOLDEN * np.arange(len(s.line)))[0]
    continuous = ~_is_among(value, atoms) | ~s.is_flat()
    if not np.any(continuous):
        return Bins(np.zeros(0), np.zeros(0, dtype=int), atoms)
    s, value = s.where(continuous), value[continuous]
    order = np.argsort(value, kind="stable")
    s, value = s.where(order), value[order]
    whole = Pieces(s.line, s.low, s.high, s.line)
    moments = np.stack(list(piece_moments(made, whole, 2)))
    sums = np.concatenate([np.zeros((len(moments), 1)), np.cumsum(moments, axis=1)], axis=1)
    cuts = [(cut, 0) for cut in _split(sums, count, 4 if made.link.k == 1 else _FEWEST)]
    for level in range(1, LEVELS):
        ends = np.unique([0, *(c for c, _ in cuts), len(value)])
        middles = [_half(sums, a, b) for a, b in pairwise(ends)]
        cuts += [
            (m, level) for m, (a, b) in zip(middles, pairwise(ends), strict=True) if a < m < b
        ]
    cuts.sort()
    places = np.array([c for c, _ in cuts], dtype=int)
    levels = np.array([level for _, level in cuts], dtype=int)
    edges = 0.5 * (value[places - 1] + value[places])
    edges, first = np.unique(edges, return_index=True)
    levels = np.minimum.reduceat(levels, first) if len(first) else levels
    edges, levels = np.r_[edges, atoms], np.r_[levels, np.zeros(len(atoms), dtype=int)]
    edges, first = np.unique(edges, return_index=True)
    return Bins(edges, levels[first], atoms)


def _half(sums: np.ndarray, a: int, b: int) -> int:
    """Where the mass between two positions is halved."""
    half = 0.5 * (sums[0, a] + sums[0, b])
    return int(np.clip(np.searchsorted(sums[0], half), a, b))


def _split(sums: np.ndarray, count: int, fewest: int) -> list[int]:
    """Positions between strokes, in the order of their values, at which bins end."""
    total = sums[0, -1]
    starts = np.searchsorted(sums[0], total * np.linspace(0, 1, 17)[1:-1])
    ends = sorted({0, *(int(x) for x in starts), sums.shape[1] - 1})
    heap: list[tuple[float, int, int, int]] = []

    def push(a: int, b: int) -> None:
        middle = _half(sums, a, b)
        if min(middle - a, b - middle) < fewest:
            return
        left, right = sums[:, middle] - sums[:, a], sums[:, b] - sums[:, middle]
        if min(left[0], right[0]) <= 1e-13:
            return
        change = left[1:] / left[0] - right[1:] / right[0]
        gain = left[0] * right[0] / (left[0] + right[0]) * float(change @ change)
        heapq.heappush(heap, (-gain, a, middle, b))

    for a, b in pairwise(ends):
        push(a, b)
    cuts = ends[1:-1]
    while heap and len(cuts) < count:
        _, a, middle, b = heapq.heappop(heap)
        cuts.append(middle)
        push(a, middle)
        push(middle, b)
    return cuts


def value_range(made: Cover, atoms: np.ndarray) -> tuple[float, float]:
    """Between which values a continuous output lies but for tails of no probability."""
    s = made.strokes
    keep = ~(s.is_flat() & _is_among(s.at_low, atoms))
    values, mass = 0.5 * (s.at_low + s.at_high)[keep], made.masses()[keep]
    order = np.argsort(values)
    total = np.cumsum(mass[order])
    ends = np.searchsorted(total, [_TAIL, total[-1] - _TAIL])
    low, high = values[order][np.minimum(ends, len(order) - 1)]
    return float(low), float(high)


def _is_among(values: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    if not len(atoms):
        return np.zeros(len(values), dtype=bool)
    nearest = np.clip(np.searchsorted(atoms, values), 0, len(atoms) - 1)
    before = np.maximum(nearest - 1, 0)
    return _same(values, atoms[nearest]) | _same(values, atoms[before])


def _atom_index(values: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    nearest = np.clip(np.searchsorted(atoms, values), 0, len(atoms) - 1)
    before = np.maximum(nearest - 1, 0)
    closer = np.abs(values - atoms[before]) < np.abs(values - atoms[nearest])
    return np.where(closer, before, nearest)


def cut(made: Cover, bins: Bins) -> Pieces:
    """The strokes, cut at the edges of the bins."""
    s = made.strokes
    at_atom = s.is_flat() & _is_among(s.at_low, bins.atoms)
    own = s.where(at_atom)
    index = len(bins.edges) + 1 + _atom_index(own.at_low, bins.atoms)
    fixed = Pieces(own.line, own.low, own.high, index.astype(int))
    s = s.where(~at_atom)
    rises = s.at_high >= s.at_low
    first, last = np.where(rises, s.low, s.high), np.where(rises, s.high, s.low)
    bottom, top = np.minimum(s.at_low, s.at_high), np.maximum(s.at_low, s.at_high)
    begin = np.searchsorted(bins.edges, bottom, side="right")
    count = np.maximum(np.searchsorted(bins.edges, top, side="left") - begin, 0)
    owner = np.repeat(np.arange(len(count)), count)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    target = bins.edges[begin[owner] + rank]
    ends = first[owner], last[owner], bottom[owner], top[owner]
    crossing = _crossings(made, s.line[owner], target, *ends)
    offset = np.cumsum(count + 1) - (count + 1)
    start, end = np.empty(len(owner) + len(count)), np.empty(len(owner) + len(count))
    start[offset], end[offset + count] = first, last
    start[offset[owner] + 1 + rank] = crossing
    end[offset[owner] + rank] = crossing
    whose = np.repeat(np.arange(len(count)), count + 1)
    step = np.arange(len(whose)) - np.repeat(offset, count + 1)
    cut_up = Pieces(
        s.line[whose], np.minimum(start, end), np.maximum(start, end), begin[whose] + step
    )
    return Pieces(*(np.concatenate(x) for x in zip(fixed, cut_up, strict=True)))


def _crossings(
    made: Cover,
    line: np.ndarray,
    target: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    bottom: np.ndarray,
    top: np.ndarray,
) -> np.ndarray:
    """Where f = target on monotone strokes: a few Illinois steps, then bisection where a jump is.

    a is the end at which f is below.
    """
    fa, fb = bottom - target, top - target
    scale = top - bottom
    x = a
    side = np.zeros(len(a))
    for _ in range(_ILLINOIS):
        if not len(a):
            return x
        x = a - fa * (b - a) / np.where(fb == fa, 1.0, fb - fa)
        fx = made.values(line, x) - target
        below = fx < 0
        fb = np.where(below & (side < 0), 0.5 * fb, np.where(below, fb, fx))
        fa = np.where(~below & (side > 0), 0.5 * fa, np.where(below, fx, fa))
        a, b = np.where(below, x, a), np.where(below, b, x)
        side = np.where(below, -1.0, 1.0)
    rough = np.abs(made.values(line, x) - target) > 1e-6 * scale
    if np.any(rough):
        low, high, at, want = a[rough], b[rough], line[rough], target[rough]
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            below = made.values(at, middle) < want
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        x = x.copy()
        x[rough] = 0.5 * (low + high)
    return x


def piece_moments(made: Cover, pieces: Pieces, degree: int) -> Iterator[np.ndarray]:
    """Integrals of the Hermite polynomials up to a degree over pieces, one polynomial a time."""
    along = interval_moments(pieces.low, pieces.high, degree) * made.weight[pieces.line]
    across = [hermite(x, degree) for x in made.across.T]
    for beta in indices(made.link.k, degree):
        value = along[beta[-1]]
        for axis, power in enumerate(beta[:-1]):
            if power:
                value = value * across[axis][power][pieces.line]
        yield value


def bin_moments(made: Cover, pieces: Pieces, bins: Bins, degree: int) -> np.ndarray:
    """E He_beta(z) 1(y in bin) for all beta up to a degree, shape (count, bins)."""
    moments = piece_moments(made, pieces, degree)
    return np.stack([np.bincount(pieces.bin, weights=m, minlength=len(bins)) for m in moments])
