"""Inputs on a hidden manifold: a fixed random map of a latent vector."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.channels.functions import FUNCTIONS
from solvable.bricks.inputs.base import AbstractInputs, Modes
from solvable.bricks.inputs.sources import ManifoldSource
from solvable.core.arguments import choice, fail, non_negative_vector, parameter, positive
from solvable.core.quadrature import gaussian_nodes
from solvable.core.randomness import fold, numpy_generator
from solvable.core.spectral_laws import SpectralLaw, eigenvalue_law, marchenko_pastur_law

CARD = dict(
    kind="inputs",
    name="HiddenManifold",
    summary="x = function(F c / sqrt(D)) less its mean, c of D = ratio N Gaussian components",
    parameters={
        "function": "a registered name; its mean over N(0, 1) is taken off",
        "ratio": "> 0, D / N: latent dimension over inputs",
        "features": "F: 'gaussian' (default), 'orthogonal', or eigenvalues of F F^T / D",
    },
    rigour="replica",
    references=["goldt2020"],
)

_NORMALIZED, _ROUNDING = 1e-6, 1e-9


def _features(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return choice(name, value, ("gaussian", "orthogonal"))
    found = non_negative_vector(name, value)
    if abs(float(np.mean(found)) - 1) > _NORMALIZED:
        raise fail(name, "have the mean 1, since |F_i|^2 = D", found.tolist())
    return found


class HiddenManifold(AbstractInputs):
    """x = f(F c / sqrt(D)) - E f, c ~ N(0, I_D), |F_i|^2 = D (Goldt et al. 2020).

    For fields that are sums over many inputs x is Gaussian with the covariance mu_1^2 F F^T / D +
    mu_*^2 I, mu_1 = E z f(z), mu_*^2 = E f^2 - mu_1^2; for Gaussian F the eigenvalues of F F^T / D
    are those of Marchenko and Pastur. A teacher on the latent vector, nu = w* . c / sqrt(D), shows
    through phi = mu_1 F w* sqrt(N) / D, of which a direction of eigenvalue x of F F^T / D has
    mu_1^2 x / ratio. In a simulation F has random rows, for given eigenvalues of random singular
    vectors and rescaled, which changes its eigenvalues by O(1 / sqrt(N)).

    Args:
        function: the registered name of f, of which E f(z), z ~ N(0, 1), is taken off.
        ratio: D / N.
        features: of F: "gaussian", iid entries; "orthogonal", orthogonal rows or columns; or the
            eigenvalues of F F^T / D, each of the same share of the N directions, whose mean is 1.

    Raises:
        ValueError: if the name is not registered, f is constant, the ratio is not positive, or
            eigenvalues are negative, have another mean or too few are zero for this ratio.

    Example:
        >>> HiddenManifold(function="sign", ratio=0.25)
        HiddenManifold(function='sign', ratio=0.25)
    """

    function: str = eqx.field(
        converter=lambda x: choice("function", x, sorted(FUNCTIONS)), static=True
    )
    ratio: float = parameter("ratio", positive)
    features: Any = parameter("features", _features, default="gaussian")

    def __check_init__(self) -> None:
        if sum(self.strengths()) == 0:
            raise fail("function", "not be constant", self.function)
        if not isinstance(self.features, str):
            share = np.mean(self.features > _ROUNDING * np.max(self.features))
            if share > self.ratio + _ROUNDING:
                must = f"be zero but for a part of {float(self.ratio):g}, as F has D columns"
                raise fail("features", must, self.features.tolist())

    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """f less its mean."""
        return FUNCTIONS[self.function].function(z) - self._averages()[0].astype(z.dtype)

    def _averages(self) -> tuple[Array, Array, Array]:
        """E f, E z f and Var f over z ~ N(0, 1)."""
        none = jnp.zeros(())
        edges = [(jnp.asarray(x), none) for x in FUNCTIONS[self.function].breakpoints]
        z, weight = gaussian_nodes(edges)
        f = FUNCTIONS[self.function].function(z)
        mean = weight @ f
        return mean, weight @ (z * f), weight @ (f - mean) ** 2

    def strengths(self) -> tuple[float, float]:
        """mu_1 and mu_*^2."""
        _, slope, square = (float(x) for x in self._averages())
        return slope, max(square - slope**2, 0.0)

    def law(self) -> SpectralLaw:
        """Of the eigenvalues of F F^T / D."""
        ratio = float(self.ratio)
        if not isinstance(self.features, str):
            return eigenvalue_law(self.features)
        if self.features == "gaussian":
            return marchenko_pastur_law(1 / ratio)
        if ratio >= 1:
            return SpectralLaw(np.ones(1), np.ones(1))
        return SpectralLaw(np.array([0.0, 1 / ratio]), np.array([1 - ratio, ratio]))

    def modes(self, teacher_on: str) -> Modes:
        slope, rest = self.strengths()
        law = self.law()
        variance = rest + slope**2 * law.nodes
        if teacher_on == "latent":
            signal = slope**2 * law.nodes / float(self.ratio)
        else:
            signal = variance**2 / float(law.weights @ variance)
        return Modes(*(jnp.asarray(x) for x in (law.weights, variance, signal)))

    def source(self, key: PRNGKeyArray, size: int, teacher_on: str) -> ManifoldSource:
        width = max(1, round(float(self.ratio) * size))
        F = numpy_generator(fold(key, "features")).standard_normal((size, width))
        if not (isinstance(self.features, str) and self.features == "gaussian"):
            left, _, right = np.linalg.svd(F, full_matrices=False)
            F = left * self._singular_values(size, width) @ right
        F *= (width**0.5 / np.linalg.norm(F, axis=1))[:, None]
        return ManifoldSource(
            F.astype(np.float32), self.evaluate, *self.strengths(), teacher_on == "latent"
        )

    def _singular_values(self, size: int, width: int) -> Float[np.ndarray, " k"]:
        """Of F, rising; of given eigenvalues the quantiles, zeros beyond its columns left out."""
        count = min(size, width)
        if isinstance(self.features, str):
            return np.full(count, max(size, width) ** 0.5)
        places = (np.arange(size) + 0.5) / size
        return np.sqrt(width * np.quantile(self.features, places, method="inverted_cdf")[-count:])
