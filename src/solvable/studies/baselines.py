"""The general-purpose methods that a practitioner would use, on the very data that AMP gets.

They know neither the prior nor the channel, only whether outputs are labels or numbers:

* `ridge` and `lasso` for linear outputs,
* `logistic` regression for labels that change sign with z,
* `mlp`, a small neural network, for everything else (even channels, other functions of z),
* what other models bring themselves: `pca`, and `lamp` where the spike's covariance is known, for
  spiked matrices; `ml_amp` for a matrix and a tensor.

Scikit-learn is imported where it is used.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms.spectral import is_blind
from solvable.bricks.channels.linear import Linear
from solvable.core.instance import Data, Instance
from solvable.core.randomness import fold, normal_matrix
from solvable.core.status import Status
from solvable.models.base import AbstractBaselineModel
from solvable.models.glm import GLM

Predictor = Callable[[Float[np.ndarray, "m p"]], Float[np.ndarray, " m"]]


class Fit(NamedTuple):
    """What a method learned.

    Attributes:
        estimate: weights of a linear method, shape (p,), else None.
        predict: outputs for new rows of the design, if the method has no weights to judge it by.
        status: converged, or max_steps if the solver used all its iterations.
    """

    estimate: Float[np.ndarray, " p"] | None
    predict: Predictor | None
    status: Status


def baseline_names(model: Any) -> tuple[str, ...]:
    """Those that suit a GLM, any of "ridge", "lasso", "logistic", "mlp"; else a model's own."""
    if isinstance(model, AbstractBaselineModel):
        return model.baselines()
    if not isinstance(model, GLM):
        return ()
    if isinstance(model.channel, Linear):
        return ("ridge", "lasso")
    if model.channel.emits_reals() or is_blind(model.prior, model.channel):
        return ("mlp",)
    return ("logistic",)


def run_baseline(
    name: str, model: Any, instance: Instance, key: PRNGKeyArray
) -> tuple[dict[str, float], Status]:
    """Fit one method and measure it as AMP is measured; see `quiet_solvers`.

    `ridge` and `lasso` are judged by all observables of their weights as a point estimate. The
    weights of `logistic` have no scale, so only their 0-1 error counts, exact like AMP's. `mlp` is
    judged on fresh data: 0-1 error for labels, squared error for numbers. What does not apply is
    left out.

    Args:
        name: one of `baseline_names`.
        model: that made the instance.
        instance: the data, and the signal for measuring.
        key: of the method's own random choices and of the fresh data.

    Returns:
        Observables by name, and how the solver ended.
    """
    if isinstance(model, AbstractBaselineModel):
        return model.run_baseline(name, instance, key)
    fit = _FITS[name](model, instance.data, key)
    if fit.estimate is not None:
        found = model.measure(fit.estimate, instance)
        kept = ("bayes_error",) if name == "logistic" else ("overlap", "mse", _SQUARE)
        return {observable: found[observable] for observable in kept}, fit.status
    design, outputs = _fresh_data(model, instance, fold(key, "fresh"))
    assert fit.predict is not None
    guess = fit.predict(design)
    if model.channel.emits_reals():
        return {_SQUARE: float(np.mean((guess - outputs) ** 2))}, fit.status
    return {"bayes_error": float(np.mean(guess != outputs))}, fit.status


def _ridge(model: Any, data: Data, key: PRNGKeyArray) -> Fit:
    """Ridge regression with the penalty of smallest leave-one-out error."""
    from sklearn.linear_model import RidgeCV

    penalties = np.logspace(-6, 2, 17)
    fit = RidgeCV(alphas=penalties, fit_intercept=False).fit(data.design, data.observation)
    return Fit(np.asarray(fit.coef_, dtype=float), None, Status.converged)


def _lasso(model: Any, data: Data, key: PRNGKeyArray) -> Fit:
    """Lasso with the penalty of smallest error on a fifth of the samples, then on all of them."""
    from sklearn.linear_model import Lasso, lasso_path

    X, y = np.asarray(data.design), np.asarray(data.observation)
    order = np.asarray(jax.random.permutation(fold(key, "split"), len(y)))
    train, test = np.split(order, [max(1, len(y) - len(y) // 5)])
    largest = max(np.max(np.abs(X[train].T @ y[train])) / len(train), 1e-12)
    penalties = np.geomspace(largest, 1e-3 * largest, 20)
    _, path, _ = lasso_path(X[train], y[train], alphas=penalties, max_iter=_SWEEPS)
    errors = np.mean((y[test, None] - X[test] @ path) ** 2, axis=0) if len(test) else [0.0]
    best = float(penalties[int(np.argmin(errors))])
    fit = Lasso(alpha=best, fit_intercept=False, max_iter=_SWEEPS).fit(X, y)
    status = Status.max_steps if int(np.max(fit.n_iter_)) >= _SWEEPS else Status.converged
    return Fit(np.asarray(fit.coef_, dtype=float), None, status)


def _logistic(model: Any, data: Data, key: PRNGKeyArray) -> Fit:
    """Logistic regression with an L2 penalty, C = 100 / p on standardised features.

    Over the learning curves of the sign channel that is within a hundredth of the best penalty in
    hindsight.
    """
    from sklearn.linear_model import LogisticRegression

    p = data.design.shape[1]
    if len(np.unique(data.observation)) < 2:  # one class only: nothing to learn from
        return Fit(np.sum(data.design * data.observation[:, None], axis=0), None, Status.converged)
    fit = LogisticRegression(C=100 / p, fit_intercept=False, max_iter=_ITERATIONS)
    fit.fit(_standardized(data.design), data.observation)
    status = Status.max_steps if np.max(fit.n_iter_) >= _ITERATIONS else Status.converged
    return Fit(np.asarray(fit.coef_[0], dtype=float), None, status)


def _mlp(model: Any, data: Data, key: PRNGKeyArray) -> Fit:
    """One hidden layer of 32 rectified units, weight decay, 25 epochs of Adam."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    reals = model.channel.emits_reals()
    if not reals and len(np.unique(data.observation)) < 2:
        label = data.observation[0]
        return Fit(None, lambda rows: np.full(len(rows), label), Status.converged)
    kind: Any = MLPRegressor if reals else MLPClassifier
    network = kind(
        hidden_layer_sizes=(32,),
        alpha=1e-2,
        learning_rate_init=3e-3,
        batch_size=min(200, len(data.observation)),
        max_iter=_EPOCHS,
        n_iter_no_change=_EPOCHS,
        random_state=int(np.asarray(jax.random.key_data(key)).ravel()[-1] % 2**31),
    )
    network.fit(_standardized(data.design), np.asarray(data.observation))
    # the number of epochs is part of the method, not a limit that it ran into
    return Fit(None, lambda rows: network.predict(_standardized(rows)), Status.converged)


def _standardized(design: Any) -> np.ndarray:
    """Features of unit variance, in single precision for speed."""
    return np.asarray(design, dtype=np.float32) * np.float32(np.shape(design)[1] ** 0.5)


def _fresh_data(model: Any, instance: Instance, key: PRNGKeyArray) -> tuple[Any, np.ndarray]:
    """New rows of the same law with their outputs."""
    p = len(instance.signal)
    design = normal_matrix(fold(key, "design"), (_FRESH, p), p**-0.5)
    return design, np.asarray(model.channel.sample(fold(key, "noise"), design @ instance.signal))


@contextlib.contextmanager
def quiet_solvers() -> Iterator[None]:
    """No convergence warnings: statuses say it. For all threads, so enter it once around them."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


_SQUARE: Final = "generalization_error"
_SWEEPS: Final = 2000
_ITERATIONS: Final = 300
_EPOCHS: Final = 25
_FRESH: Final = 4000
_FITS: Final[dict[str, Callable[[Any, Data, PRNGKeyArray], Fit]]] = {
    "ridge": _ridge,
    "lasso": _lasso,
    "logistic": _logistic,
    "mlp": _mlp,
}
