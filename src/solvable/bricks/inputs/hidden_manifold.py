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
    summary="x = function(F c / sqrt(D)), c of D = ratio N Gaussian components, F random",
    parameters={
        "function": "a registered name of a function whose mean over N(0, 1) is 0",
        "ratio": "> 0, D / N: latent dimension over inputs",
        "features": "F: 'gaussian' (default), 'orthogonal', or eigenvalues of F F^T / D",
    },
    rigour="replica",
    references=["goldt2020"],
)

_CENTERED, _NORMALIZED = 1e-10, 1e-6


def _features(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return choice(name, value, ("gaussian", "orthogonal"))
    found = non_negative_vector(name, value)
    if abs(float(np.mean(found)) - 1) > _NORMALIZED:
        raise fail(name, "have the mean 1, since |F_i|^2 = D", found.tolist())
    return found


class HiddenManifold(AbstractInputs):
    """x = f(F c / sqrt(D)), c ~ N(0, I_D), rows of F random with |F_i|^2 = D (Goldt et al. 2020).

    For fields that are sums over many inputs x is Gaussian with the covariance mu_1^2 F F^T / D +
    mu_*^2 I, mu_1 = E z f(z), mu_*^2 = E f^2 - mu_1^2; for Gaussian F the eigenvalues of F F^T / D
    are those of Marchenko and Pastur. A teacher on the latent vector, nu = w* . c / sqrt(D), shows
    through phi = mu_1 F w* sqrt(N) / D, of which a direction of eigenvalue x of F F^T / D has
    mu_1^2 x / ratio.

    Args:
        function: the registered name of f, with E f(z) = 0.
        ratio: D / N.
        features: of F: "gaussian", iid entries; "orthogonal", orthogonal rows or columns; or the
            eigenvalues of F F^T / D, each of the same share of the N directions, whose mean is 1.

    Raises:
        ValueError: if the name is not registered, f has a mean, the ratio is not positive, or
            eigenvalues are negative or have another mean.

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
        mean = float(self._averages()[0])
        if abs(mean) > _CENTERED:
            must = "have mean 0 over N(0, 1), since inputs with a mean are not centered"
            raise fail("function", must, self.function)

    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """f."""
        return FUNCTIONS[self.function].function(z)

    def _averages(self) -> tuple[Array, Array, Array]:
        """E f, E z f and E f^2 over z ~ N(0, 1)."""
        none = jnp.zeros(())
        edges = [(jnp.asarray(x), none) for x in FUNCTIONS[self.function].breakpoints]
        z, weight = gaussian_nodes(edges)
        f = self.evaluate(z)
        return weight @ f, weight @ (z * f), weight @ f**2

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
        if not isinstance(self.features, str):
            raise fail("features", "be 'gaussian' or 'orthogonal' for simulations", self.features)
        if self.features == "orthogonal":
            left, _, right = np.linalg.svd(F, full_matrices=False)
            F = left @ right * max(size, width) ** 0.5
        F *= (width**0.5 / np.linalg.norm(F, axis=1))[:, None]
        return ManifoldSource(
            F.astype(np.float32), self.evaluate, *self.strengths(), teacher_on == "latent"
        )
