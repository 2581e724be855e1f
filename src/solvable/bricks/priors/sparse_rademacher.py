"""Sparse binary prior: zero, or +-1."""

import jax.numpy as jnp

from solvable.bricks.priors.mixture import AbstractMixturePrior, Components
from solvable.core.arguments import UNSET, fraction, parameter

CARD = dict(
    kind="prior",
    name="SparseRademacher",
    summary="0 with probability 1 - rho, else +-1 with equal probability",
    parameters={"rho": "in (0, 1], fraction of non-zeros"},
    rigour="theorem",
    references=["lesieur2017"],
)


class SparseRademacher(AbstractMixturePrior):
    """Sparse prior (1 - rho) delta_0 + (rho / 2) (delta_1 + delta_-1).

    <h> = rho sinh B / ((1 - rho) exp(A / 2) + rho cosh B) (Lesieur et al. 2017).

    Args:
        rho: fraction of non-zero components, in (0, 1]; may be left unset where it is swept.

    Raises:
        ValueError: if rho is not in (0, 1].

    Example:
        >>> SparseRademacher(rho=0.1)
        SparseRademacher(rho=0.1)
    """

    rho: float = parameter("rho", fraction, default=UNSET)

    def components(self) -> Components:
        half = 0.5 * jnp.asarray(self.rho)
        values = jnp.array([-1.0, 0.0, 1.0])
        return Components(jnp.stack([half, 1 - 2 * half, half]), values, jnp.zeros(3))
