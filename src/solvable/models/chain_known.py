"""Fixed points of a chain at which some layer is known exactly and the layers above it with it.

Let h_k be discrete. It is known exactly, q_hat_k infinite, where the layers above it send down
more than any finite signal-to-noise ratio: a noiseless channel that jumps, as a sign, does so
however noisy what follows it is, and so does a noiseless chain up to a noiseless real observation.
Below, h_k is then an observation without noise, so that the best of these fixed points is the best
of the chain that ends there, and

    f_k = f_{chain up to h_k} + (n_L / n_0) E log P(y | z_L),   f_0 = -H(x) + (same).

None of them is reached by a finite coordinate: they are the "recovered" end of the axis.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.bricks.chain import Layers
from solvable.bricks.chain_facts import ChainFacts, blind_across
from solvable.bricks.layer import EDGE, AbstractLayer
from solvable.models import scalar

PREDICTION_ERRORS = ("generalization_error", "bayes_error", "gibbs_error")


def known_layers(layers: Layers, found: ChainFacts) -> tuple[int, ...]:
    """The k for which a discrete h_k can be known exactly, whatever the last ratio."""
    discrete = [found.dimension[0] == 0]
    discrete += [not layer.law().emits_reals() for layer in layers[:-1]]
    return tuple(
        k
        for k, fits in enumerate(discrete)
        if fits and _shown(found.noiseless, found.dimension, k)
    )


def _shown(noiseless: Any, dimension: Any, k: int) -> bool:
    """Whether what lies above h_k sends down an infinite signal-to-noise ratio."""
    for j in range(k, len(noiseless)):
        if not noiseless[j]:
            return False
        if dimension[j + 1] == 0:
            return True
    return True


def require_simple_partner(layers: Layers, found: ChainFacts) -> None:
    """Raise ValueError for a network on the other side of a matrix with ends of its own.

    Where its input alone stays unknown, or alone is known, the fixed points of the two sides do
    not lie along one curve.
    """
    partner = layers[-1].partner()
    if partner is None or found.other is None:
        return
    inner = partner.layers[:-1]
    if 0 < blind_across(layers, found) <= len(inner):
        kind = "even, so that its input can stay unknown"
    elif known_layers(partner.layers, found.other):
        kind = "noiseless with labels all the way up, so that its input can be known exactly"
    else:
        return
    raise ValueError(
        "Argument `prior_u` must be a network whose input is known a little whenever u is, but "
        f"its layers {list(inner)!r} are {kind}; as `prior_v`, with the matrix transposed, it can."
    )


class Known(NamedTuple):
    """The best of these fixed points.

    Attributes:
        free_entropy: per unit of the input, without the observation's term.
        shown: E log P(y | z_L), 0 or infinite without noise; NaN of a matrix with another side.
        observables: those that do not depend on the last ratio.
    """

    free_entropy: float
    shown: float
    observables: dict[str, float]


@functools.lru_cache(maxsize=64)
def best_known(model: Any) -> Known:
    """The best of these fixed points of a chain in numbers that has one."""
    prior, layers = model.chain()
    facts = model._facts()
    candidates = []
    for k in known_layers(layers, facts):
        if k == 0:
            candidates.append((-float(prior.entropy()), {}, 0))
        else:
            part = model.below(k)
            columns = scalar.along(part, np.array([scalar.scale_of(part)]), lowest=False)
            values = {name: float(column[0]) for name, column in columns.items()}
            candidates.append((values["free_entropy"], values, k))
    base, found, k = max(candidates, key=lambda candidate: candidate[0])
    for j, rho in enumerate(facts.rho):
        end = f"_{j}" if j else ""
        if j >= k:
            found = found | {f"overlap{end}": float(rho), f"mse{end}": 0.0}
    kept = {name: x for name, x in found.items() if name.startswith(("overlap", "mse"))}
    shown, errors = np.inf if layers[-1].law().emits_reals() else 0.0, [0.0] * 3
    if layers[-1].partner() is not None:
        shown = np.nan
    elif not facts.noiseless[-1]:
        shown, *errors = map(float, _observed(layers[-1], jnp.asarray(facts.rho_z)))
    kept |= dict(zip(PREDICTION_ERRORS, errors, strict=True))
    return Known(base, shown, kept)


@eqx.filter_jit
def _observed(layer: AbstractLayer, rho: Array) -> tuple[Array, ...]:
    """E log P(y | z) and the errors of prediction of a noisy observation whose z is known."""
    errors = layer.errors(rho, EDGE * rho)
    return layer.known_potential(rho), *(errors.get(name, 0 * rho) for name in PREDICTION_ERRORS)
