"""Online learning of a two-layer network from the labels of another one, the teacher."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms.sgd import (
    Network,
    Rates,
    State,
    Teacher,
    correlated,
    drawn_teacher,
    learn,
    random_overlaps,
    single,
)
from solvable.bricks.activations import averages_of
from solvable.bricks.activations.dispatch import Activation, activation
from solvable.bricks.inputs.base import AbstractInputs
from solvable.bricks.inputs.isotropic import Isotropic
from solvable.bricks.online import Learning, OnlineOrder
from solvable.core.arguments import (
    UNSET,
    array,
    choice,
    fail,
    instance,
    integer,
    non_negative,
    parameter,
    vector,
)
from solvable.core.randomness import fold, numpy_generator
from solvable.models.base import AbstractOnlineModel, Simulated

CARD = dict(
    kind="model",
    name="OnlineSGD",
    summary="one-pass SGD of a two-layer network from a two-layer teacher: ODEs in examples / N",
    parameters={
        "activation": "of the student: `Erf()`, `ReLU()`, `Linear()`, `Polynomial(...)`, ...",
        "q0": "overlaps of the student's first layer at time 0, K x K",
        "r0": "overlaps of student and teacher at time 0, K x M",
        "learning_rate": ">= 0, of the first layer; 0 keeps it",
        "noise": ">= 0, standard deviation of the label noise, default 0",
        "t": "overlaps of the teacher's first layer, M x M, default the identity",
        "v0": "the student's second layer at time 0, default ones",
        "teacher_v": "the teacher's second layer, default ones",
        "learning_rate_second": ">= 0, of the second layer, default 0: kept",
        "weight_decay": ">= 0, kappa in w <- w (1 - learning_rate kappa / N), default 0",
        "inputs": "None (isotropic), `HiddenManifold(...)` or `GaussianInputs(...)`",
        "teacher_activation": "default None: that of the student",
        "teacher_on": "'latent' (default) or 'input': what the teacher sees",
        "batch_size": "a whole number >= 1, default 1: examples a step; time is steps / N",
    },
    observables=["generalization_error", "q", "r", "v"],
    rigour="theorem",
    references=["saad1995", "goldt2019", "goldt2020"],
)

_INDEFINITE = 1e-10
_FRESH = 10_000  # inputs on which an error is measured that no formula gives


def _square(name: str, value: Any) -> Any:
    found = array(name, value, ndim=2)
    if found.shape[0] != found.shape[1] or np.any(found != found.T):
        raise fail(name, "be a symmetric matrix", found.tolist())
    return found


class OnlineSGD(AbstractOnlineModel):
    """Student sum_k v_k g(w_k . x / sqrt N) learns from labels of a teacher, one example a step.

    w_k <- w_k - eta / sqrt(N) v_k g'(lambda_k) Delta x and v_k <- v_k - eta_v / N g(lambda_k)
    Delta, Delta = student - label. For N -> infinity Q = w w^T / N, R = w w*^T / N and v obey
    ordinary differential equations in t = examples / N (`bricks/online.py`; Saad & Solla 1995,
    Goldt et al. 2019; Goldt et al. 2020 for inputs on a hidden manifold). `generalization_error`
    is E (student - teacher)^2 / 2, without the noise of labels; `q`, `r`, `v` are the order
    parameters, for inputs that are not isotropic the covariances of the fields, E lambda lambda
    and E lambda nu.

    Args:
        activation: g.
        q0: Q at time 0, shape (K, K).
        r0: R at time 0, shape (K, M).
        learning_rate: eta >= 0.
        noise: standard deviation of the label noise.
        t: covariance of the teacher's fields, shape (M, M), default the identity.
        v0: the student's second layer at time 0, shape (K,), default ones.
        teacher_v: the teacher's, shape (M,), default ones.
        learning_rate_second: eta_v >= 0.
        weight_decay: kappa >= 0, of the first layer.
        inputs: law of the inputs; None for independent components.
        teacher_activation: of the teacher, default that of the student.
        teacher_on: whether the teacher sees a hidden manifold's latent vector or its inputs.
        batch_size: examples of which a step takes the mean gradient; t is steps / N.

    Raises:
        ValueError: if shapes do not fit, a rate or noise is negative, [[q0, r0], [r0^T, t]] has a
            negative eigenvalue, or an activation has noise or, the student's, jumps.

    Example:
        >>> import solvable as sv
        >>> OnlineSGD(activation=sv.Erf(), q0=[[0.2]], r0=[[0.001]], learning_rate=1.0)
        OnlineSGD(activation=Erf(), q0=[[0.2]], r0=[[0.001]], learning_rate=1.0)
    """

    activation: Activation = eqx.field(converter=lambda x: activation("activation", x))
    q0: Float[np.ndarray, "K K"] = parameter("q0", _square)
    r0: Float[np.ndarray, "K M"] = parameter("r0", lambda name, x: array(name, x, ndim=2))
    learning_rate: Any = parameter("learning_rate", non_negative, default=UNSET)
    noise: Any = parameter("noise", non_negative, default=0.0)
    t: Float[np.ndarray, "M M"] | None = parameter(
        "t", lambda name, x: None if x is None else _square(name, x), default=None
    )
    v0: Float[np.ndarray, " K"] | None = parameter(
        "v0", lambda name, x: None if x is None else vector(name, x), default=None
    )
    teacher_v: Float[np.ndarray, " M"] | None = parameter(
        "teacher_v", lambda name, x: None if x is None else vector(name, x), default=None
    )
    learning_rate_second: Any = parameter("learning_rate_second", non_negative, default=0.0)
    weight_decay: Any = parameter("weight_decay", non_negative, default=0.0)
    inputs: AbstractInputs | None = eqx.field(
        converter=lambda x: (
            None if x is None else instance("inputs", x, AbstractInputs, "a law of inputs or None")
        ),
        default=None,
    )
    teacher_activation: Activation | None = eqx.field(
        converter=lambda x: None if x is None else activation("teacher_activation", x, False),
        default=None,
    )
    teacher_on: str = eqx.field(
        converter=lambda x: choice("teacher_on", x, ("latent", "input")),
        default="latent",
        static=True,
    )
    batch_size: int = eqx.field(
        converter=lambda x: integer("batch_size", x, low=1), default=1, static=True
    )

    def __check_init__(self) -> None:
        K, M = np.shape(self.r0)
        shapes = {"q0": (K, K), "t": (M, M), "v0": (K,), "teacher_v": (M,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise ValueError(
                    f"Argument `{name}` must have shape {shape} beside `r0` of shape {(K, M)}, "
                    f"but had {np.shape(value)}."
                )
        whole = np.block([[self.q0, self.r0], [self.r0.T, self._teacher()]])
        low = float(np.linalg.eigvalsh(whole)[0])
        if low < -_INDEFINITE * float(np.trace(whole)):
            raise ValueError(
                "Arguments `q0`, `r0` and `t` must be those of vectors, [[q0, r0], [r0^T, t]] "
                f"positive semidefinite, but its least eigenvalue was {low:.3g}."
            )

    def _teacher(self) -> np.ndarray:
        return np.eye(np.shape(self.r0)[1]) if self.t is None else self.t

    def input_law(self) -> AbstractInputs:
        """The law of the inputs."""
        return Isotropic() if self.inputs is None else self.inputs

    def _activations(self) -> tuple[Activation, Activation]:
        teacher = self.activation if self.teacher_activation is None else self.teacher_activation
        return self.activation, teacher

    def learning(self) -> Learning:
        M = self.r0.shape[1]
        rates = (self.learning_rate, self.learning_rate_second, self.noise, self.weight_decay)
        return Learning(
            averages_of(*self._activations()),
            self.input_law().modes(self.teacher_on),
            jnp.asarray(self._teacher()),
            jnp.ones(M) if self.teacher_v is None else jnp.asarray(self.teacher_v),
            *(jnp.asarray(float(x)) for x in rates),
            batch_size=self.batch_size,
        )

    def initial(self) -> OnlineOrder:
        """Order parameters of w = a phi + (noise alike in all directions), a from r0.

        Raises:
            ValueError: if r0 is too large beside q0 for these inputs.
        """
        share, variance, signal = (np.asarray(x) for x in self.input_law().modes(self.teacher_on))
        T = self._teacher()
        a = self.r0 @ np.linalg.pinv(T) / (share @ signal)
        along = a @ T @ a.T
        alike = (self.q0 - share @ (variance * signal) * along) / (share @ variance)
        if np.linalg.eigvalsh(alike)[0] < -_INDEFINITE * np.trace(self.q0):
            raise fail("r0", "be smaller beside `q0` for these inputs", self.r0.tolist())
        each = signal[:, None, None]
        v = np.ones(len(alike)) if self.v0 is None else self.v0
        return OnlineOrder(
            q=jnp.asarray(alike + each * along),
            r=jnp.asarray(each * (a @ T)),
            v=jnp.asarray(v),
        )

    def random_start(self, key: PRNGKeyArray, size: int) -> "OnlineSGD":
        """From w_k of N = size independent components, q0 and r0 their mean overlaps.

        q0 and r0 of a finite network differ from these by O(1 / sqrt(N)).

        Raises:
            ValueError: if the size is below K + 2 M.
        """
        self._require_size(size)
        found = random_overlaps(numpy_generator(key), size, self.q0, self.r0, self._teacher())
        return eqx.tree_at(lambda x: (x.q0, x.r0), self, found)

    def _require_size(self, size: int) -> None:
        K, M = self.r0.shape
        if size < K + 2 * M:
            raise fail("size", f"be at least {K + 2 * M}, for so many independent vectors", size)

    def simulate(
        self,
        key: PRNGKeyArray,
        size: int,
        times: Float[np.ndarray, " t"],
        tell: Callable[[float], None] | None = None,
    ) -> Simulated:
        """One network of N = size inputs on examples of its own, from exactly q0 and r0.

        Order parameters are those of the weights. Of inputs that are not Gaussian the error is
        measured on fresh ones.

        Raises:
            ValueError: if r0 is too large beside q0 at this size, or the size below K + 2 M.
        """
        self._require_size(size)
        rng = numpy_generator(fold(key, "network"))
        source = self.input_law().source(fold(key, "inputs"), size, self.teacher_on)
        learning = self.learning()
        weights = drawn_teacher(rng, source, self._teacher())
        teacher = Teacher(weights, np.asarray(learning.teacher_v))
        start = State(
            correlated(rng, source, weights, self.q0, self.r0), np.asarray(self.initial().v)
        )
        path = learn(self._network(), source, teacher, start, times, rng, tell)
        fresh = None if source.is_gaussian() else source.draw(rng, _FRESH)
        phi, found = source.signal(weights), []
        for state in path.states:
            q, r = source.covariance(state.w) @ state.w.T / size, state.w @ phi.T / size
            if fresh is None:
                order = OnlineOrder(*(jnp.asarray(x) for x in (q[None], r[None], state.v)))
                error = _generalization_error(learning.isotropic(), order)
            else:
                error = self._network().error(single(state), single(teacher), *fresh)
            found.append((float(error), q, r, state.v))
        names = ("generalization_error", "q", "r", "v")
        columns = zip(names, zip(*found, strict=True), strict=True) if found else ()
        return Simulated({name: np.array(column) for name, column in columns}, path.status)

    def _network(self) -> Network:
        rates = (self.learning_rate, self.learning_rate_second, self.weight_decay, self.noise)
        return Network(
            self.activation.evaluate,
            self._activations()[1].evaluate,
            Rates(*(jnp.asarray(float(x)) for x in rates)),
            self.batch_size,
        )


@eqx.filter_jit
def _generalization_error(learning: Learning, order: OnlineOrder) -> Array:
    return learning.generalization_error(order)
