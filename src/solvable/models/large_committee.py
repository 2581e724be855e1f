"""The committee machine with many hidden units, after infinitely many inputs."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.channels.base import channel_errors, channel_moments
from solvable.bricks.channels.sign import Sign
from solvable.bricks.priors.base import AbstractPrior, prior_moments
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.arguments import UNSET, fail, integer, parameter, positive
from solvable.core.branches import TRIVIAL_LOWEST, Limits, uniform_table
from solvable.core.quadrature import FINE_ORDER, ORDER, gaussian_nodes
from solvable.core.special import mills
from solvable.core.specification import inject, numeric
from solvable.core.status import Status
from solvable.core.thresholds import Threshold
from solvable.models.base import AbstractThresholdModel
from solvable.models.one_number import (
    AbstractOneNumberModel,
    AbstractSamplesModel,
    LogCoordinate,
    ScalarOrder,
)

CARD = dict(
    kind="model",
    name="LargeCommittee",
    summary="committee of K sign units, K to infinity after p: y = sign(sum_l sign(w_l . x))",
    parameters={
        "prior": "`Gaussian()` or `Rademacher()`, of the weights",
        "alpha": "> 0, samples / weights n / (K p)",
    },
    observables=[
        "overlap",
        "mse",
        "free_entropy",
        "mutual_information",
        "generalization_error",
        "bayes_error",
        "gibbs_error",
    ],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
        "algorithmic_squared",
    ],
    rigour="replica",
    references=["aubin2018"],
)

_PLATEAU = 2 / np.pi  # overlap of outputs where no unit is told from another
_TOP = {Gaussian: 60.0, Rademacher: 6.5}  # ln q_hat: beyond, 1 - q is no double any more


def output_overlap(order: ScalarOrder) -> tuple[Array, Array, Array]:
    """R = (2 / pi) (1 - q_d + arcsin q_d), 1 - R without the subtraction, and R'."""
    V = order.variance
    rest = _PLATEAU * (2 * jnp.arcsin(jnp.sqrt(0.5 * V)) - V)
    q = order.overlap
    small = jnp.expm1(-0.5 * jnp.log1p(-(jnp.minimum(q, 0.5) ** 2)))
    slope = _PLATEAU * jnp.where(q < 0.5, small, (V * (1 + q)) ** -0.5 - 1)
    return 1 - rest, rest, slope


def response(order: ScalarOrder, nodes: int) -> Float[Array, ""]:
    """q_hat / alpha of state evolution, 2 dPsi / dR R'(q_d)."""
    R, rest, slope = output_overlap(order)
    return channel_moments(Sign(), R, rest, nodes or ORDER).snr * slope


def _prior(value: Any) -> AbstractPrior:
    if value not in (Gaussian(), Rademacher()):
        raise fail("prior", "be `Gaussian()` or `Rademacher()`", value)
    return value


def quadratic_constant(order: int = ORDER) -> float:
    """C: message passing leaves the plateau from n = C (K - 1)^2 p samples on.

    1 / C = 2 int Dm c^2 m^2 phi(c m)^2 / Phi(c m), c = sqrt(2 / (pi - 2)): the instability of the
    plateau, where the sum of all units is known, towards telling them apart, at the order at which
    it does not vanish for many units.
    """
    slope = (2 / (np.pi - 2)) ** 0.5
    m, weight = gaussian_nodes([(jnp.asarray(0.0), jnp.asarray(1 / slope))], order)
    x = slope * m
    density = jnp.exp(-0.5 * x**2) / (2 * np.pi) ** 0.5
    return float(0.5 / jnp.sum(weight * x**2 * density * mills(x)[0]))


class LargeCommittee(AbstractOneNumberModel, AbstractSamplesModel, AbstractThresholdModel):
    """y = sign(sum_l sign(w_l . x / sqrt(p))), K -> infinity units after p -> infinity inputs.

    With n = alpha K p samples the sum of all units is learned at once, and what is left to learn
    is which is which, q_d: the free entropy per weight (Aubin et al. 2018, their Sec. 5) is

        max_{q_d} min_{q_hat}  psi(q_hat) - q_hat q_d / 2 + alpha Psi(R(q_d)),
        R(q_d) = (2 / pi) (1 - q_d + arcsin q_d),

    psi that of the weights' prior and Psi(R) = 2 E Phi ln Phi that of a perceptron of overlap R.
    R'(0) = 0: the plateau q_d = 0, branch `amp`, is stable at every alpha, and message passing
    needs of the order of K^2 p samples to leave it. `overlap` is q_d and `mse` 1 - q_d;
    `generalization_error`, `bayes_error` and `gibbs_error` are those of the labels;
    `free_entropy` and `mutual_information` are per weight, K p.

    Args:
        prior: of the weights, `Gaussian()` or `Rademacher()`.
        alpha: samples over weights, n / (K p), > 0; may be left unset where it is swept.

    Raises:
        ValueError: if the prior is another, or alpha not positive.

    Example:
        >>> import solvable as sv
        >>> found = sv.thresholds(sv.LargeCommittee(prior=sv.Rademacher()), "alpha")
        >>> round(found["information_theoretic"].value, 4)
        1.6176
    """

    prior: AbstractPrior = eqx.field(converter=_prior)
    alpha: float = parameter("alpha", positive, default=UNSET)

    # ---- order parameters

    def update(self, order: ScalarOrder) -> ScalarOrder:
        """One step of state evolution, q_hat = 2 alpha d Psi(R(q_d)) / d q_d."""
        return self.order_of(self.alpha * response(order, FINE_ORDER), FINE_ORDER)

    def order_of(self, q_hat: Float[Array, ""], nodes: int) -> ScalarOrder:
        """q_d of a weight seen in a Gaussian channel of that ratio."""
        return ScalarOrder(q_hat, *prior_moments(self.prior, q_hat, nodes or ORDER))

    def level(self, order: ScalarOrder, nodes: int) -> Float[Array, ""]:
        """ln of alpha = q_hat over the response of the labels."""
        return jnp.log(order.q_hat) - jnp.log(response(order, nodes))

    def free_entropy(
        self, order: ScalarOrder, nodes: int = ORDER, copies: Any = 1.0
    ) -> Float[Array, ""]:
        """-I + q_hat V / 2 + alpha Psi(R), which subtracts no large numbers as q_d -> 1."""
        R, rest, _ = output_overlap(order)
        potential = channel_moments(Sign(), R, rest, nodes or ORDER).potential
        weights = -order.information + 0.5 * order.q_hat * order.variance
        return weights + copies * self.alpha * potential

    def observables(self, order: ScalarOrder, copies: Any = 1.0) -> dict[str, Float[Array, ""]]:
        """Everything on the card."""
        R, rest, _ = output_overlap(order)
        errors = channel_errors(Sign(), R, rest)
        free_entropy = self.free_entropy(order, ORDER, copies)
        return {
            "overlap": order.overlap,
            "mse": order.variance,
            "free_entropy": free_entropy,
            "mutual_information": -free_entropy,
            **errors._asdict(),
        }

    def starts(self) -> dict[str, ScalarOrder]:
        """Next to no overlap, and next to full overlap."""
        ends = {"uninformed": TRIVIAL_LOWEST, "informed": _TOP[type(self.prior)]}
        return {k: self.order_of(jnp.asarray(np.exp(x)), ORDER) for k, x in ends.items()}

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[LogCoordinate, np.ndarray, np.ndarray]:
        """ln q_hat, from the plateau to full overlap."""
        bare = numeric(inject(self, {"alpha": 1.0}))
        problem = LogCoordinate(bare)
        high = _TOP[type(self.prior)]
        return problem, *uniform_table(problem, TRIVIAL_LOWEST, high, problem.coarse)

    # ---- the ends

    def limits(self) -> Limits:
        """The plateau is always stable; binary weights are always recovered from full overlap."""
        binary = isinstance(self.prior, Rademacher)
        return Limits(
            trivial=True,
            weak_recovery=np.inf,
            weak_recovery_error=0.0,
            recovered=binary,
            recovery=0.0 if binary else np.nan,
            perfect=np.nan,
            highest_response=np.inf,
        )

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """alpha Psi(2 / pi) on the plateau; -ln 2 where binary weights are known."""
        if place == "recovered":
            return np.full(len(scales), -np.log(2.0))
        potential = channel_moments(Sign(), jnp.asarray(_PLATEAU), jnp.asarray(1 - _PLATEAU))
        return scales * float(potential.potential)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Of the plateau, or of known weights."""
        one = np.ones(len(scales))
        free_entropy = self.end_free_entropy(place, scales)
        if place == "recovered":
            errors, overlap = (0.0, 0.0, 0.0), 1.0
        else:
            R = _PLATEAU
            errors, overlap = channel_errors(Sign(), jnp.asarray(R), jnp.asarray(1 - R)), 0.0
        names = ("generalization_error", "bayes_error", "gibbs_error")
        return {
            "overlap": overlap * one,
            "mse": (1 - overlap) * one,
            "free_entropy": free_entropy,
            "mutual_information": -free_entropy,
            **{name: float(error) * one for name, error in zip(names, errors, strict=True)},
        }

    # ---- many samples

    def own_thresholds(
        self, parameter: str, found: Mapping[str, Threshold]
    ) -> dict[str, Threshold]:
        """`algorithmic_squared`: n / (p (K - 1)^2) from which on message passing leaves the
        plateau, in units of its own: there is no such alpha, which is infinite."""
        value, fine = quadratic_constant(), quadratic_constant(FINE_ORDER)
        name, error = "algorithmic_squared", abs(value - fine) + 1e-14
        return {name: Threshold(name, value, error, Status.converged, "replica")}

    def algorithmic_samples(self, k: int) -> float:
        """n / p from which on message passing tells k units apart, about C (k - 1)^2.

        For k >= 20 within 3 % of the threshold at that k, for a sum of units that is known.

        Raises:
            ValueError: if k is no integer of at least 2.
        """
        return quadratic_constant() * (integer("k", k, low=2) - 1) ** 2
