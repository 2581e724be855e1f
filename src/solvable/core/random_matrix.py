"""Random-matrix theory of spectral estimates of a spike: PCA, and PCA with a known covariance.

The signal v = K^{1/2} w has a covariance K with limiting spectral law nu, rho = tau(K), and is
observed as Y = v v^T / sqrt(p) + xi (Wigner) or Y = u v^T / sqrt(p) + xi (Wishart), noise variance
delta. Linearized message passing (LAMP, Aubin et al. 2019) takes the leading eigenvector of

    Wigner:   Gamma = (1 / delta) K [Y / sqrt(p) - rho I],
    Wishart:  Gamma = (1 / delta) K [Y^T Y / (p (delta + rho)) - beta I],   beta = n / p.

Gamma is similar to the symmetric K^{1/2} [...] K^{1/2} / delta. Without the spike, the resolvent
of that matrix is (z + c K)^{-1} up to vanishing fluctuations, with one complex number c(z):

    g = tau(K (z + c K)^{-1}),      c = response(g),
    Wigner:   c = (rho - g) / delta,
    Wishart:  c = beta / delta - beta / (delta + rho - g).

(Gaussian noise of variance profile x_i x_j; for Wishart, rows N(0, K / p) left out one at a
time.) A spike adds a matrix of rank one (Wigner) or two (Wishart). In both, with
tau(K^2 (z + c K)^{-1}) = (rho - z g) / c, an eigenvalue outside the bulk must solve
(rho - z g) / (rho - g) = 1: it is at z = 1 exactly, whatever nu. There g = rho - q with

    q = tau(K^2 lambda (1 + lambda K)^{-1}),
    Wigner:   lambda = c(1) = q / delta,
    Wishart:  lambda = c(1) = beta q / (delta (delta + q)),

the state evolution of a Gaussian prior N(0, K), and the derivatives of the same condition give
the squared cosine with v, q / rho. It is positive below delta_c = tau(K^2), sqrt(beta tau(K^2)).

What is proven: for w with independent entries of variance one independent of the noise, such as a
linear generative prior, these are standard deterministic equivalents. For nonlinear phi, where
v has covariance K but is no linear function of independent variables, v^T A v = Tr A K is a
heuristic that agrees with finite matrices.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from solvable.core.arguments import instance, positive, vector
from solvable.core.spectral_laws import SpectralLaw
from solvable.core.status import Status


class Density(NamedTuple):
    """The density of a limiting spectrum on a grid.

    Attributes:
        density: shape of the grid, >= 0, atoms left out; 0 outside of the edges, and at
            most of order 1e-9 in gaps between parts of the bulk.
        status: shape of the grid, codes of `Status`; max_steps where the equation was not solved
            to 1e-12: closer to an edge than a millionth of the bulk's width, or at an atom.
    """

    density: Float[np.ndarray, " m"]
    status: Int[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class AbstractLinearized(ABC):
    """What the two Gammas share: everything but their response c(g) and its inverse radius."""

    law: SpectralLaw
    delta: float

    def __post_init__(self) -> None:
        instance("law", self.law, SpectralLaw, "a SpectralLaw")
        object.__setattr__(self, "delta", positive("delta", self.delta))

    @property
    @abstractmethod
    def threshold(self) -> float:
        """delta_c, at and above which the leading eigenvector knows nothing of v."""

    @abstractmethod
    def snr(self, q: float) -> float:
        """lambda(q) / q: the signal-to-noise ratio that v sees, over the overlap q."""

    @abstractmethod
    def response(self, g: Any) -> Any:
        """c(g)."""

    @abstractmethod
    def response_slope(self, g: Any) -> Any:
        """-dc / dg > 0."""

    @abstractmethod
    def edge_radius(self, first: float, second: float, side: int) -> float:
        """r > 0 with slope(side first / r) second / r^2 = 1; 0 if there is none."""

    @property
    @abstractmethod
    def atoms(self) -> list[tuple[float, float]]:
        """Positions and masses of eigenvalues of Gamma of macroscopic multiplicity."""

    @property
    def rho(self) -> float:
        """tau(K), the signal's second moment."""
        return self.law.moment(1)

    @property
    def overlap(self) -> float:
        """q = rho cos^2, the root of 1 = snr(q) tau(K^2 (1 + q snr(q) K)^{-1}); 0 from delta_c on.

        It is also the Bayes overlap for a Gaussian prior N(0, K).
        """
        if self.delta >= self.threshold:
            return 0.0
        x = self.law.nodes

        def excess(q: float) -> float:
            rate = self.snr(q)
            return float(self.law.average(x * x * rate / (1 + x * q * rate))) - 1

        low, high = 0.0, self.rho
        if excess(low) <= 0:  # within rounding of the threshold
            return 0.0
        solve: Any = scipy.optimize.brentq
        return float(solve(excess, low, high, xtol=1e-300, rtol=1e-14))

    @property
    def squared_cosine(self) -> float:
        """lim (v . v_hat)^2 / (|v|^2 |v_hat|^2), v_hat = K^{1/2} times the leading eigenvector."""
        return self.overlap / self.rho

    @property
    def outlier(self) -> float | None:
        """The eigenvalue outside the bulk: exactly 1 below delta_c, None from there on."""
        return 1.0 if self.delta < self.threshold else None

    @property
    def edges(self) -> tuple[float, float]:
        """Left and right end of Gamma's bulk, atoms other than that at 0 included.

        At an edge the equation c = response(g(c)) has a double root, where
        slope(g) tau(K^2 (z + c K)^{-2}) = 1. On the ray (z, c) = side r (cos t, sin t), with
        cos t + x sin t > 0 on nu, that gives r in closed form, and the equation itself is then
        monotone in t.
        """
        return self._edge(-1), self._edge(1)

    def density(self, points: Any) -> Density:
        """Density of the eigenvalues of Gamma: -Im tau((z + c K)^{-1}) / pi at real z.

        c -> response(g(c)) maps the upper half plane into itself, and the wanted c is its one
        attracting fixed point, inside the bulk and outside. Newton steps are taken where they stay
        in the half plane, contract, and lessen the residual; steps of the map otherwise. The spike
        changes no more than the outlier.

        Args:
            points: shape (m,), real, where to evaluate.

        Returns:
            The density and a status for each point. It diverges at an atom.

        Raises:
            ValueError: if the points are no vector of finite numbers.
        """
        z = vector("points", points)
        left, right = self.edges
        within = (left < z) & (z < right)
        density, status = np.zeros(len(z)), np.full(len(z), int(Status.converged))
        with threadpool_limits(1):  # of many small products, for which threads only wait
            for part in np.array_split(np.flatnonzero(within), -(-len(z) // _CHUNK)):
                density[part], status[part] = self._density(z[part])
        return Density(density, status)

    def _density(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, weights = self._positive
        scale = abs(self.response(0.0)) + 1.0
        c = np.full(len(z), self.response(0.0) + 1j * scale)
        error = np.full(len(z), np.inf)
        image, slope = self._map(z, c)
        active = np.arange(len(z))
        for _ in range(_STEPS):
            here, w = c[active], z[active]
            trial = here - (here - image) / (1 - slope)
            with np.errstate(all="ignore"):
                trial_image, trial_slope = self._map(w, trial)
                good = (
                    (trial.imag > 0)
                    & (np.abs(trial_slope) <= 1)
                    & (np.abs(trial - trial_image) < 0.5 * np.abs(here - image))
                )
            step = np.where(good, trial, (here + image) / 2)
            image, slope = trial_image, trial_slope
            if not np.all(good):
                image[~good], slope[~good] = self._map(w[~good], step[~good])
            c[active], error[active] = step, np.abs(step - image) / np.abs(1 + step)
            unfinished = ~(error[active] < _CLOSE)
            active, image, slope = active[unfinished], image[unfinished], slope[unfinished]
            if len(active) == 0:
                break
        density = -(1 / (z[:, None] + c[:, None] * x) @ weights).imag / np.pi
        return density, np.where(error < _CLOSE, Status.converged, Status.max_steps).astype(int)

    def _map(self, z: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """response(g(c)) and its derivative in c."""
        x, weights = self._positive
        terms = x / (z[:, None] + c[:, None] * x)
        g = terms @ weights
        return self.response(g), self.response_slope(g) * ((terms * terms) @ weights)

    @property
    def _positive(self) -> tuple[np.ndarray, np.ndarray]:
        """The law without its atom at zero, which is one of Gamma too."""
        kept = self.law.nodes > 0
        return self.law.nodes[kept], self.law.weights[kept]

    def _edge(self, side: int) -> float:
        """The root along t, searched in the logarithm of the distance to either end of t."""
        x = self.law.nodes
        least, most = x.min(), x.max()
        span = np.arctan(1 / most) + (np.pi - np.arctan2(1.0, least) if side > 0 else 0.0)
        # (cos t, sin t) at both ends up to a factor; cos t + x sin t there, without cancellation
        low = 1, most, -1.0, most - x
        high = (-1, -least, 1.0, x - least) if side > 0 else (-1, 1.0, 0.0, np.ones_like(x))

        def ray(end: tuple, log_distance: float) -> tuple[float, float]:
            """z on the ray of double roots, and side (c - response(g))."""
            direction, cosine, sine, base = end
            near = np.cos(np.exp(log_distance)) / np.hypot(cosine, sine)
            far = direction * np.sin(np.exp(log_distance)) / np.hypot(cosine, sine)
            terms = x / (near * base + far * (x * cosine - sine))
            first, second = self.law.average(terms), self.law.average(terms * terms)
            r = self.edge_radius(first, second, side)
            g = side * (first / r if r > 0 else np.inf)
            c = side * r * (near * sine + far * cosine)
            return side * r * (near * cosine - far * sine), c - self.response(g)

        middle = float(np.log(span / 2))
        ends = [position for position, _ in self.atoms]
        for end in (low, high):
            if ray(end, _NEAREST)[1] * ray(end, middle)[1] <= 0:
                solve: Any = scipy.optimize.brentq
                found = float(solve(lambda e, end=end: ray(end, e)[1], _NEAREST, middle))
                ends.append(float(ray(end, found)[0]))
                break
        return max(ends) if side > 0 else min(ends)


@dataclass(frozen=True, eq=False)
class WignerLinearized(AbstractLinearized):
    """LAMP of Y = v v^T / sqrt(p) + xi: Gamma = (1 / delta) K [Y / sqrt(p) - rho I].

    Args:
        law: limiting law of the eigenvalues of K = E v v^T, of any mean.
        delta: variance of the symmetric noise, > 0.

    Raises:
        ValueError: if `delta` is not positive.

    Example:
        >>> from solvable.core.spectral_laws import marchenko_pastur_law
        >>> theory = WignerLinearized(marchenko_pastur_law(1.0), delta=1.0)
        >>> round(theory.threshold, 9), round(theory.squared_cosine, 6)
        (2.0, 0.43016)
    """

    @property
    def threshold(self) -> float:
        """delta_c = tau(K^2)."""
        return self.law.moment(2)

    def snr(self, q: float) -> float:
        return 1 / self.delta

    def response(self, g: Any) -> Any:
        return (self.rho - g) / self.delta

    def response_slope(self, g: Any) -> Any:
        return 1 / self.delta + 0 * g

    def edge_radius(self, first: float, second: float, side: int) -> float:
        return (second / self.delta) ** 0.5

    @property
    def atoms(self) -> list[tuple[float, float]]:
        mass = self.law.mass_at_zero
        return [(0.0, mass)] if mass > 0 else []


@dataclass(frozen=True, eq=False)
class WishartLinearized(AbstractLinearized):
    """LAMP of Y = u v^T / sqrt(p) + xi, u standard Gaussian of length n = beta p.

    Gamma = (1 / delta) K [Y^T Y / (p (delta + rho)) - beta I] follows from message passing,
    linearized at v_hat = 0, when u_hat is eliminated. The estimate Y v_hat of u has the squared
    cosine q_u = q / (delta + q).

    Args:
        law: limiting law of the eigenvalues of K = E v v^T, of any mean.
        delta: variance of the noise, > 0.
        beta: n / p > 0.

    Raises:
        ValueError: if `delta` or `beta` is not positive.

    Example:
        >>> from solvable.core.spectral_laws import marchenko_pastur_law
        >>> theory = WishartLinearized(marchenko_pastur_law(1.0), delta=1.2, beta=1.0)
        >>> round(theory.threshold, 6), round(theory.squared_cosine, 5)
        (1.414214, 0.15381)
    """

    beta: float

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "beta", positive("beta", self.beta))

    @property
    def threshold(self) -> float:
        """delta_c = sqrt(beta tau(K^2))."""
        return (self.beta * self.law.moment(2)) ** 0.5

    @property
    def squared_cosine_u(self) -> float:
        """lim (u . Y v_hat)^2 / (|u|^2 |Y v_hat|^2) = q / (delta + q)."""
        return self.overlap / (self.delta + self.overlap)

    def snr(self, q: float) -> float:
        return self.beta / (self.delta * (self.delta + q))

    def response(self, g: Any) -> Any:
        return self.beta / self.delta - self.beta / (self.delta + self.rho - g)

    def response_slope(self, g: Any) -> Any:
        return self.beta / (self.delta + self.rho - g) ** 2

    def edge_radius(self, first: float, second: float, side: int) -> float:
        radius = ((self.beta * second) ** 0.5 + side * first) / (self.delta + self.rho)
        return max(radius, 0.0)

    @property
    def atoms(self) -> list[tuple[float, float]]:
        """Of a multiple eigenvalue x > 0 of K of mass m, m - beta stay at -beta x / delta."""
        law = self.law
        zero = [(0.0, law.mass_at_zero)] if law.mass_at_zero > 0 else []
        heavy = [
            (-self.beta * x / self.delta, w - self.beta)
            for x, w in zip(law.nodes.tolist(), law.weights.tolist(), strict=True)
            if x > 0 and w > self.beta
        ]
        return zero + heavy


@dataclass(frozen=True)
class WignerPCA:
    """PCA of Y / sqrt(p) = v v^T / p + sqrt(delta) G (Baik, Ben Arous & Peche 2005).

    Args:
        delta: variance of the symmetric noise, > 0.
        rho: |v|^2 / p, > 0.

    Raises:
        ValueError: if an argument is not positive.

    Example:
        >>> WignerPCA(delta=0.5).squared_cosine, WignerPCA(delta=0.5).outlier
        (0.5, 1.5)
    """

    delta: float
    rho: float = 1.0

    def __post_init__(self) -> None:
        for name in ("delta", "rho"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    @property
    def threshold(self) -> float:
        """delta_c = rho^2."""
        return self.rho**2

    @property
    def squared_cosine(self) -> float:
        """1 - delta / rho^2, 0 from delta_c on."""
        return 1 - self.delta / self.rho**2 if self.delta < self.threshold else 0.0

    @property
    def outlier(self) -> float | None:
        """rho + delta / rho, None from delta_c on."""
        return self.rho + self.delta / self.rho if self.delta < self.threshold else None

    @property
    def edges(self) -> tuple[float, float]:
        """Ends of the semicircle, -+2 sqrt(delta)."""
        return -2 * self.delta**0.5, 2 * self.delta**0.5

    def density(self, points: Any) -> Float[np.ndarray, " m"]:
        """Density of the eigenvalues of Y / sqrt(p), sqrt(4 delta - z^2) / (2 pi delta)."""
        z = vector("points", points)
        return np.sqrt(np.maximum(4 * self.delta - z * z, 0.0)) / (2 * np.pi * self.delta)


@dataclass(frozen=True)
class WishartPCA:
    """PCA of Y^T Y / p for Y = u v^T / sqrt(p) + xi (Benaych-Georges & Nadakuditi 2012).

    With D = delta / (rho_u rho_v): the noise of unit spikes.

    Args:
        delta: variance of the noise, > 0.
        beta: n / p > 0.
        rho_u: |u|^2 / n, > 0.
        rho_v: |v|^2 / p, > 0.

    Raises:
        ValueError: if an argument is not positive.

    Example:
        >>> round(WishartPCA(delta=0.5, beta=1.0).squared_cosine, 6)
        0.5
    """

    delta: float
    beta: float
    rho_u: float = 1.0
    rho_v: float = 1.0

    def __post_init__(self) -> None:
        for name in ("delta", "beta", "rho_u", "rho_v"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))

    @property
    def threshold(self) -> float:
        """delta_c = sqrt(beta) rho_u rho_v."""
        return self.beta**0.5 * self.rho_u * self.rho_v

    @property
    def squared_cosine(self) -> float:
        """With v: (beta - D^2) / (beta + D), 0 from delta_c on."""
        D = self._relative
        return (self.beta - D * D) / (self.beta + D) if self.delta < self.threshold else 0.0

    @property
    def squared_cosine_u(self) -> float:
        """With u: (beta - D^2) / (beta (1 + D)), 0 from delta_c on."""
        D, beta = self._relative, self.beta
        return (beta - D * D) / (beta * (1 + D)) if self.delta < self.threshold else 0.0

    @property
    def outlier(self) -> float | None:
        """Eigenvalue rho_u rho_v (1 + D) (beta + D) of Y^T Y / p, None from delta_c on."""
        D, scale = self._relative, self.rho_u * self.rho_v
        return scale * (1 + D) * (self.beta + D) if self.delta < self.threshold else None

    @property
    def edges(self) -> tuple[float, float]:
        """Ends of the continuous part, delta (1 -+ sqrt(beta))^2; an atom 1 - beta at 0 apart."""
        root = self.beta**0.5
        return self.delta * (1 - root) ** 2, self.delta * (1 + root) ** 2

    def density(self, points: Any) -> Float[np.ndarray, " m"]:
        """Continuous part for Y^T Y / p, sqrt((z - left)(right - z)) / (2 pi delta z)."""
        z, (left, right) = vector("points", points), self.edges
        inside = (left < z) & (z < right)
        under = np.where(inside, (z - left) * (right - z), 0.0)
        return np.sqrt(under) / (2 * np.pi * self.delta * np.where(inside, z, 1.0))

    @property
    def _relative(self) -> float:
        return self.delta / (self.rho_u * self.rho_v)


_NEAREST: Final = -70.0  # ln of the smallest distance from an end of t
_CHUNK: Final = 1000  # points at a time: 1000 x 400 complex numbers are 6 MB
_STEPS: Final = 2000
_CLOSE: Final = 1e-12
