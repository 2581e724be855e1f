"""Sparse Gaussian prior (Gauss-Bernoulli, spike and slab)."""

import jax.numpy as jnp

from solvable.bricks.priors.mixture import AbstractMixturePrior, Components
from solvable.core.arguments import UNSET, finite, fraction, parameter, positive

CARD = dict(
    kind="prior",
    name="GaussBernoulli",
    summary="0 with probability 1 - rho, else N(mean, variance)",
    parameters={
        "rho": "in (0, 1], fraction of non-zeros",
        "mean": "of the slab, default 0",
        "variance": "of the slab, > 0, default 1",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class GaussBernoulli(AbstractMixturePrior):
    """Sparse prior (1 - rho) delta_0 + rho N(mean, variance).

    log Z(B, A) = log[(1 - rho) + rho (1 + A)^{-1/2} exp(B^2 / (2 (1 + A)))] at mean 0 and variance
    1; the prior of compressed sensing (Krzakala et al. 2012).

    Args:
        rho: fraction of non-zero components, in (0, 1]; may be left unset where it is swept.
        mean: mean of the slab, default 0.
        variance: variance of the slab, > 0, default 1.

    Raises:
        ValueError: if rho is not in (0, 1] or the variance is not positive.

    Example:
        >>> GaussBernoulli(rho=0.1)
        GaussBernoulli(rho=0.1)
    """

    rho: float = parameter("rho", fraction, default=UNSET)
    mean: float = parameter("mean", finite, default=0.0)
    variance: float = parameter("variance", positive, default=1.0)

    def components(self) -> Components:
        zero = jnp.zeros_like(jnp.asarray(self.rho))
        return Components(
            jnp.stack([1 - self.rho, jnp.asarray(self.rho)]),
            jnp.stack([zero, jnp.asarray(self.mean)]),
            jnp.stack([zero, jnp.asarray(self.variance)]),
        )
