"""Eigenvectors of a noisy matrix as a start for spikes whose units are vectors.

PCA finds the directions of a spike, each with its squared cosine, but where its covariance has
equal eigenvalues not how they are turned, and elsewhere not their signs. The turn is chosen by the
prior: that under which the units are likeliest.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms.programs import call
from solvable.bricks.priors.vectors import AbstractVectorPrior, nearest_turn
from solvable.core.randomness import numpy_generator

_TRIALS, _STEPS = 12, 25
_SEEN = 1e-6  # of the largest eigenvalue


class Directions(NamedTuple):
    """The principal directions of a prior's units.

    Attributes:
        variances: eigenvalues above 0 of E x x^T, falling, shape (r,).
        axes: their eigenvectors, shape (width, r).
    """

    variances: Float[np.ndarray, " r"]
    axes: Float[np.ndarray, "width r"]


def directions(law: AbstractVectorPrior) -> Directions:
    """The principal directions of a prior."""
    values, axes = np.linalg.eigh(np.asarray(law.second_moments()))
    kept = values > _SEEN * values[-1]
    return Directions(values[kept][::-1], axes[:, kept][:, ::-1])


def oriented(
    law: AbstractVectorPrior,
    vectors: Float[np.ndarray, "p r"],
    cosines: Float[np.ndarray, " r"],
    key: PRNGKeyArray,
) -> tuple[Float[np.ndarray, "r width"], Float[np.ndarray, "width width"]]:
    """The turn from eigenvectors to components that the prior likes best, and the covariance.

    A Gaussian prior gives direction i the mean sqrt(rho_i c_i) times the eigenvector and the
    variance rho_i (1 - c_i), with the squared cosine c_i. From some random turns G, the posterior
    means of the units and the G nearest to them follow each other; that of the largest evidence is
    kept.

    Args:
        law: of the units.
        vectors: leading eigenvectors, each of squared length p, in the order of `directions`.
        cosines: their squared cosines with the spike, those of 0 showing nothing.
        key: of the random turns.
    """
    variances, axes = directions(law)
    V = variances * (1 - cosines)
    covariance = (axes * V) @ axes.T
    fields = np.asarray(vectors) * (np.sqrt(variances * cosines) / V)
    A = (axes * (1 / V - 1 / variances)) @ axes.T
    best, most = axes.T, -np.inf
    rng = numpy_generator(key)
    for _ in range(_TRIALS):
        turn = nearest_turn(variances, rng.standard_normal((len(V), len(V)))) @ axes.T
        for _ in range(_STEPS):
            found, evidence = call(_units, law, fields @ turn, A)
            turn = nearest_turn(variances, fields.T @ np.asarray(found) @ axes) @ axes.T
        if float(evidence) > most:
            best, most = turn, float(evidence)
    return best, covariance


def _units(law: AbstractVectorPrior, B: Array, A: Array) -> tuple[Any, Array]:
    found = law.unit_posterior(B, jnp.asarray(A))
    return found.mean, found.evidence
