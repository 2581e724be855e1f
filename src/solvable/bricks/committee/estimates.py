"""Weights of K hidden units, given the messages of their samples."""

from typing import Final

import jax.numpy as jnp
import numpy as np
from jax.nn import softmax
from jaxtyping import Array, Float

from solvable.bricks.committee.weights import values_of
from solvable.bricks.priors.base import AbstractPrior
from solvable.bricks.priors.gaussian import Gaussian
from solvable.core.arguments import fail

MOST_VALUES: Final = 4096  # of all weights of an input together


def enumerable(name: str, prior: AbstractPrior, units: int) -> AbstractPrior:
    """The prior, if the weights of an input are Gaussian or have at most `MOST_VALUES` values.

    Raises:
        ValueError: if they have more.
    """
    if not isinstance(prior, Gaussian):
        count = len(values_of(prior)[0]) ** units
        if count > MOST_VALUES:
            must = f"give the {units} weights of an input at most {MOST_VALUES} values together"
            raise fail(name, must, prior)
    return prior


def posterior(
    prior: AbstractPrior, field: Float[Array, "p K"], precision: Float[Array, "K K"]
) -> tuple[Float[Array, "p K"], Float[Array, "K K"]]:
    """Means of P(w) exp(B w - w Lambda w / 2), and the mean of their covariances.

    Args:
        prior: of each weight: Gaussian of mean 0, or discrete and `enumerable`.
        field: B.
        precision: Lambda, positive semidefinite.
    """
    units = field.shape[1]
    if isinstance(prior, Gaussian):
        covariance = jnp.linalg.inv(jnp.eye(units) / prior.second_moment() + precision)
        return field @ covariance, covariance
    values, p = values_of(prior)
    which = np.indices((len(values),) * units).reshape(units, -1)
    atoms = jnp.asarray(values)[which].T
    log_weight = jnp.sum(jnp.log(p)[which], axis=0)
    square = jnp.sum((atoms @ precision) * atoms, axis=1)
    share = softmax(field @ atoms.T - 0.5 * square + log_weight, axis=1)
    mean = share @ atoms
    away = atoms.T[:, None] - mean.T[..., None]  # no digits are lost where all is known
    covariance = jnp.einsum("pk,ipk,jpk->ij", share, away, away) / len(mean)
    return mean, covariance
