"""A multi-index link some of whose directions are known, in part: what y tells of the others.

Known directions U have an overlap matrix Q: z_U ~ N(omega, 1 - Q) with omega ~ N(0, Q). State
evolution of these directions, Q = q_hat / (1 + q_hat), q_hat = alpha E g g^T with
g = (1 - Q)^-1 (E[z_U | y, omega] - omega), and the stability of the others, the largest eigenvalue
of M -> alpha E G M G, G = E[z_V z_V^T - 1 | y, omega], come from one table: the law of
(z_U, y) with moments of z_V, which is weighted anew for every omega.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from solvable.core.hermite import Index, indices, turn
from solvable.core.level_sets import Cover, Grid, Pieces, cut, piece_moments
from solvable.core.links import Link
from solvable.core.outputs import Output, best_cover, extrapolated, observed

_WIDTH = {1: 0.02, 2: 0.12, 3: 0.4}  # of groups of z_U where lines run through it
_FINER = {1: 1, 2: 4, 3: 3, 4: 1}  # lines where outputs are discrete and one direction is known


@dataclass(frozen=True)
class Known:
    """The law of (z_U, y) and moments of z_V.

    Attributes:
        places: z_U of every group, shape (g, u).
        table: E[h 1(y in bin)] of every group, shape (g, h, bins): h = 1, z_V, He_beta(z_V) of
            degree two, and z_U minus its place.
        output: the bins.
        known, new: how many directions.
        exact: whether groups are points of z_U.
        omega: Gauss-Hermite nodes of omega, each direction.
    """

    places: Float[np.ndarray, "g u"]
    table: Float[np.ndarray, "g h bins"]
    output: Output
    known: int
    new: int
    exact: bool
    omega: int

    def coupling(self) -> np.ndarray:
        """E E[z_V | y, z_U] E[z_V | y, z_U]^T with z_U known: what it shows at once."""
        products, _ = self._products(self.table[:, : 1 + self.new])
        return products[1:, 1:]

    def complete(self) -> tuple[np.ndarray, np.ndarray]:
        """Products of He_beta(z_V) of degree two with z_U known, also by wider bins."""
        keep = [0, *self._second()]
        fine, rough = self._products(self.table[:, keep])
        return fine[1:, 1:], rough[1:, 1:]

    def _products(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return extrapolated(self.output.products(table))

    def _second(self) -> list[int]:
        return list(range(1 + self.new, 1 + self.new + self.new * (self.new + 1) // 2))

    def at(self, overlap: Float[np.ndarray, "u u"]) -> tuple[np.ndarray, list[np.ndarray]]:
        """E g g^T, and products of He_beta(z_V) of degree two by bins and by wider ones."""
        values, turned = np.linalg.eigh(overlap)
        values = np.clip(values, 1e-12, 1 - 1e-9)
        x, w = np.polynomial.hermite_e.hermegauss(self.omega)
        grids = np.stack(np.meshgrid(*[x] * self.known, indexing="ij"), -1)
        omega = grids.reshape(-1, self.known) * np.sqrt(values)
        weight = np.prod(np.meshgrid(*[w / w.sum()] * self.known, indexing="ij"), axis=0).ravel()
        z, rest = self.places @ turned, 1 - values
        # density of z given omega over that of z
        apart = z[None] - omega[:, None]
        log_ratio = -0.5 * np.sum(apart**2 / rest - z[None] ** 2, -1) - 0.5 * np.log(rest).sum()
        ratio = weight[:, None] * np.exp(log_ratio)
        seen = self._weighted(ratio, apart, z[None] - apart / rest, turned)
        count = seen.shape[1] - self.known
        fine, rough = self._products(seen)
        score = fine[count:, count:] / rest[:, None] / rest[None, :]
        return turned @ score @ turned.T, [part[1:count, 1:count] for part in (fine, rough)]

    def _weighted(
        self, ratio: np.ndarray, apart: np.ndarray, slope: np.ndarray, turned: np.ndarray
    ) -> np.ndarray:
        """Moments of every omega: 1, He_beta(z_V), z_U - omega. The ratio is taken at the mean
        of a group, by its slope there."""
        keep = [0, *self._second()]
        groups, _, bins = self.table.shape
        seen = ratio @ self.table[:, keep].reshape(groups, -1)
        seen = seen.reshape(len(ratio), len(keep), bins)
        mass = np.ascontiguousarray(self.table[:, 0])
        moved = [(ratio * apart[..., axis]) @ mass for axis in range(self.known)]
        if not self.exact:
            first = np.tensordot(turned, self.table[:, -self.known :], axes=([0], [1]))
            for other, shift in enumerate(first):
                changed = ratio * slope[..., other]
                seen[:, 0] += changed @ shift
                for axis in range(self.known):
                    moved[axis] += (changed * apart[..., axis]) @ shift
                moved[other] += ratio @ shift
        return np.concatenate([seen, np.stack(moved, axis=1)], axis=1)


def known(
    link: Link,
    directions: Float[np.ndarray, "k u"],
    others: Float[np.ndarray, "k v"],
    noise: float,
    grid: Grid,
    rough: Grid,
    omega: tuple[int, ...],
) -> Known:
    """The table of a link with known directions, in the frame of both bases."""
    frame = np.concatenate([directions, others], axis=1)
    u, v = directions.shape[1], others.shape[1]
    covered = best_cover(link.turned(frame), grid, rough, _FINER[u + v] if u == 1 else 1)
    made, turned = covered.cover, covered.frame
    output = observed(covered, grid, noise)
    pieces = cut(made, output.bins)
    moments = _turned_moments(made, pieces, turned)
    first, second = moments[1 : 1 + u + v], moments[1 + u + v :]
    mass = moments[0]
    center = np.divide(first[:u], mass, out=np.zeros_like(first[:u]), where=mass > 1e-300)
    exact = covered.is_along_axes() and int(np.argmax(np.abs(turned[:, -1]))) >= u
    width = 1e-9 if exact else _WIDTH[u]
    cell = np.zeros(mass.shape)
    for along in center:
        # which of the sorted places along this direction, then which combination of them
        _, place = np.unique(np.round(along / width), return_inverse=True)
        cell = cell * (place.max() + 1) + place
    _, group = np.unique(cell, return_inverse=True)
    count = int(group.max()) + 1
    total = np.maximum(np.bincount(group, weights=mass, minlength=count), 1e-300)
    places = np.stack([np.bincount(group, weights=x, minlength=count) for x in first[:u]]) / total
    wanted = [i for i, beta in enumerate(_second(u + v)) if sum(beta[:u]) == 0]
    moved = first[:u] - mass * places[:, group]
    rows = np.concatenate([mass[None], first[u:], second[wanted], moved])
    bins = len(output.bins)
    place = group * bins + pieces.bin
    table = np.stack([np.bincount(place, weights=x, minlength=count * bins) for x in rows], axis=0)
    table = np.moveaxis(table.reshape(len(rows), count, bins), 0, 1)
    return Known(places.T, table, output, u, v, exact, omega[u - 1])


def _second(k: int) -> list[Index]:
    return [beta for beta in indices(k, 2) if sum(beta) == 2]


def _turned_moments(made: Cover, pieces: Pieces, frame: np.ndarray) -> np.ndarray:
    """Moments of the pieces up to degree two, of z = frame x."""
    found = np.stack(list(piece_moments(made, pieces, 2)))
    k = made.link.k
    first, second = found[1 : 1 + k], found[1 + k :]
    return np.concatenate([found[:1], frame @ first, turn(frame, _second(k)) @ second])
