"""Piecewise-linear functions with Gaussian noise: the closed log-partition of many channels.

On a piece y = s z + o over a < z < b, with noise `delta` after the function
(`pre_delta`, the noise before it, adds to V),

    int_a^b N(z; omega, V) N(y; s z + o, delta) dz
        = N(y; s omega + o, s^2 V + delta) [Phi((b - mu) / tau) - Phi((a - mu) / tau)],

tau^2 = V delta / (s^2 V + delta), mu = (omega delta + V s (y - o)) / (s^2 V + delta). Without
noise tau = 0: a sloped piece gives a density where a < mu < b, a flat one an atom. Nothing is
smoothed.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.nn import logsumexp, softmax
from jaxtyping import Array, Float

from solvable.bricks.channels.base import Atoms, Feature
from solvable.bricks.channels.noisy_function import AbstractFunctionChannel, Tilted, is_absent
from solvable.core.special import (
    interval_moments,
    log_interval_mass,
    log_mills,
    log_ndtr,
    log_normal,
)


class Piece(NamedTuple):
    """y = slope z + offset for lower < z < upper; None stands for an infinite end.

    Slopes and offsets are plain numbers, ends may be parameters.
    """

    slope: float
    offset: float
    lower: Any
    upper: Any

    def log_mass(self, mean: Array, deviation: Array) -> Array:
        """Log probability that N(mean, deviation^2) falls on the piece."""
        if self.lower is None and self.upper is None:
            return jnp.zeros_like(mean)
        if self.lower is None:
            return log_ndtr((self.upper - mean) / deviation)
        if self.upper is None:
            return log_ndtr((mean - self.lower) / deviation)
        return log_interval_mass((self.lower - mean) / deviation, (self.upper - mean) / deviation)

    def holds(self, z: Array) -> Array:
        """True where z lies on the piece."""
        inside = jnp.ones_like(z, dtype=bool)
        if self.lower is not None:
            inside &= z > self.lower
        if self.upper is not None:
            inside &= z < self.upper
        return inside

    def ends(self) -> list[Any]:
        """The finite ends."""
        return [end for end in (self.lower, self.upper) if end is not None]


def make_pieces(edges: Any, slopes: Any, offsets: Any) -> list[Piece]:
    """Pieces between consecutive edges, the outer two unbounded."""
    ends = [None, *edges, None]
    return [
        Piece(float(slope), float(offset), ends[k], ends[k + 1])
        for k, (slope, offset) in enumerate(zip(slopes, offsets, strict=True))
    ]


class AbstractPiecewiseChannel(AbstractFunctionChannel):
    """A function channel whose function is piecewise linear."""

    @abstractmethod
    def pieces(self) -> list[Piece]:
        """The function."""

    def log_partition(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        variance = V + self.noise_before()
        flat = [p for p in self.pieces() if p.slope == 0]
        if not flat:
            return self._log_density(y, omega, variance)
        if is_absent(self.noise_after()) and len(flat) == len(self.pieces()):
            return self._log_atom(y, omega, variance, flat)
        matches = jnp.stack([jnp.equal(y, p.offset) for p in flat])
        is_atom = jnp.any(matches, axis=0) & jnp.equal(self.noise_after(), 0.0)
        # both sides stay finite, so that the derivative of the one not taken does
        mass = self._log_atom(jnp.where(is_atom, y, flat[0].offset), omega, variance, flat)
        return jnp.where(is_atom, mass, self._log_density(y, omega, variance))

    def _log_atom(self, y: Array, omega: Array, variance: Array, flat: list[Piece]) -> Array:
        deviation = jnp.sqrt(variance)
        masses = [
            jnp.where(jnp.equal(y, p.offset), p.log_mass(omega, deviation), -jnp.inf) for p in flat
        ]
        return logsumexp(jnp.stack(masses), axis=0)

    def _log_density(self, y: Array, omega: Array, variance: Array) -> Array:
        y, omega, variance = jnp.broadcast_arrays(y, omega, variance)
        delta = self.noise_after()
        kept = [p for p in self.pieces() if p.slope != 0 or not is_absent(delta)]
        parts = [self._log_piece(p, y, omega, variance) for p in kept]
        return parts[0] if len(parts) == 1 else _log_sum(jnp.stack(parts))

    def _log_piece(self, p: Piece, y: Array, omega: Array, variance: Array) -> Array:
        delta = self.noise_after()
        total = p.slope**2 * variance + delta
        if is_absent(delta):
            inside = p.holds((y - p.offset) / p.slope)
            density = log_normal(y - p.slope * omega - p.offset, total)
            return jnp.where(inside, density, -jnp.inf)
        there = total > 0
        total = jnp.where(there, total, 1.0)
        mean = (omega * delta + variance * p.slope * (y - p.offset)) / total
        spread = variance * delta / total
        sharp = spread <= 0
        deviation = jnp.sqrt(jnp.where(sharp, 1.0, spread))
        outside = jnp.where(p.holds(mean), 0.0, -jnp.inf)
        log_mass = jnp.where(sharp, outside, p.log_mass(mean, deviation))
        density = log_normal(y - p.slope * omega - p.offset, total) + log_mass
        return jnp.where(there, density, -jnp.inf)

    def tilted(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        variance: Float[Array, "..."],
    ) -> Tilted:
        B, A, omega, variance = jnp.broadcast_arrays(B, A, omega, variance)
        parts = [_tilted_piece(p, B, A, omega, variance) for p in self.pieces()]
        if len(parts) == 1:
            return parts[0]
        stacked = Tilted(*(jnp.stack(column) for column in zip(*parts, strict=True)))
        weight = softmax(stacked.log_partition, axis=0)
        mean = jnp.sum(weight * stacked.mean, axis=0)
        g = jnp.sum(weight * stacked.g, axis=0)
        spread = stacked.variance + (stacked.mean - mean) ** 2
        curvature = stacked.curvature - (stacked.g - g) ** 2
        return Tilted(
            log_partition=logsumexp(stacked.log_partition, axis=0),
            mean=mean,
            variance=jnp.sum(weight * spread, axis=0),
            g=g,
            curvature=jnp.sum(weight * curvature, axis=0),
        )

    def atoms(self) -> Atoms:
        values = sorted({p.offset for p in self.pieces() if p.slope == 0})
        active = jnp.where(jnp.equal(self.noise_after(), 0.0), 1.0, 0.0)
        return Atoms(jnp.asarray(values, dtype=float), jnp.broadcast_to(active, (len(values),)))

    def noisy_features(
        self, omega: Float[Array, ""], variance: Float[Array, ""], noise: Any
    ) -> list[Feature]:
        features: list[Feature] = []
        bends = {}  # an end shared by two pieces that meet counts once
        for p in self.pieces():
            if p.slope == 0 and is_absent(noise):
                continue
            width = jnp.sqrt(p.slope**2 * variance + noise)
            features.append((p.slope * omega + p.offset, width, "gaussian"))
            for end in p.ends():
                value = p.slope * end + p.offset
                bends[value if isinstance(value, float) else len(bends)] = value
        kind = "point" if is_absent(noise) else "bend"
        width = jnp.sqrt(jnp.asarray(noise, dtype=float))
        return features + [(jnp.asarray(value), width, kind) for value in bends.values()]

    def z_breakpoints(self) -> list[tuple[Float[Array, ""], Float[Array, ""]]]:
        zero = jnp.asarray(0.0)
        return [(jnp.asarray(p.lower), zero) for p in self.pieces() if p.lower is not None]

    def dimension(
        self, rho: Float[Array, ""], mean: Float[Array, ""] | float = 0.0
    ) -> Float[Array, ""]:
        center, deviation = jnp.asarray(mean), jnp.sqrt(rho)
        sloped = [jnp.exp(p.log_mass(center, deviation)) for p in self.pieces() if p.slope != 0]
        total = sum(sloped, start=jnp.asarray(0.0))
        return jnp.where(self.is_noiseless(), jnp.minimum(total, 1.0), 0.0)

    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        pieces = self.pieces()
        value = pieces[0].slope * z + pieces[0].offset
        for p in pieces[1:]:
            value = jnp.where(z > p.lower, p.slope * z + p.offset, value)
        return value


def _tilted_piece(p: Piece, B: Array, A: Array, omega: Array, variance: Array) -> Tilted:
    """The part of the integral over one piece, a Gaussian in z cut at the piece's ends."""
    slope = p.slope * (B - A * p.offset)
    gain = A * p.slope**2
    total = 1 + variance * gain
    center = (omega + variance * slope) / total
    deviation = jnp.sqrt(variance / total)
    exponent = (slope * omega + 0.5 * slope**2 * variance - 0.5 * gain * omega**2) / total
    cut = _cut(p, center, deviation)
    step = 1 / (total * jnp.where(deviation > 0, deviation, 1.0))
    return Tilted(
        log_partition=B * p.offset
        - 0.5 * A * p.offset**2
        + exponent
        - 0.5 * jnp.log(total)
        + cut.log_mass,
        mean=p.slope * cut.mean + p.offset,
        variance=p.slope**2 * cut.variance,
        g=(slope - gain * omega) / total + step * cut.slope,
        curvature=gain / total + step**2 * cut.curvature,
    )


class _Cut(NamedTuple):
    """N(center, deviation^2) kept on a piece; slopes are in units of the deviation."""

    log_mass: Array
    mean: Array
    variance: Array
    slope: Array
    curvature: Array


def _cut(p: Piece, center: Array, deviation: Array) -> _Cut:
    if p.lower is None and p.upper is None:
        zero = jnp.zeros_like(center)
        return _Cut(zero, center, deviation**2, zero, zero)
    if p.lower is not None and p.upper is not None:
        a, b = (p.lower - center) / deviation, (p.upper - center) / deviation
        mean, variance = interval_moments(a, b)
        return _Cut(
            log_mass=log_interval_mass(a, b),
            mean=center + deviation * mean,
            variance=deviation**2 * variance,
            slope=mean,
            curvature=1 - variance,
        )
    # from the end, so that a tail far beyond it keeps its digits
    end: Any = p.lower if p.upper is None else p.upper
    side = 1.0 if p.upper is None else -1.0
    x = side * (center - end) / deviation
    log_mass, ratio, excess, spread = log_mills(x)
    return _Cut(
        log_mass=log_mass,
        mean=end + side * deviation * excess,
        variance=deviation**2 * spread,
        slope=side * ratio,
        curvature=ratio * excess,
    )


def _log_sum(parts: Float[Array, "P ..."]) -> Float[Array, "..."]:
    """logsumexp that gives -inf, with zero derivative, where every part is -inf."""
    possible = jnp.max(parts, axis=0) > -jnp.inf
    return jnp.where(possible, logsumexp(jnp.where(possible, parts, 0.0), axis=0), -jnp.inf)
