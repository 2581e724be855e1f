"""Message passing of committees against state evolution, step by step and where it ends.

Deviations at two sizes, averaged over instances and extrapolated to infinite size, lie within
their standard errors at a family-wise level of 1e-3. Seeds are fixed.
"""

import numpy as np
import pytest
from tests.statistical.extrapolation import assert_vanishes

import solvable as sv
from solvable.algorithms import committee_amp
from solvable.bricks.committee.messages import SignMessages
from solvable.bricks.committee.smooth_messages import sum_messages
from solvable.core.randomness import fold, key_for
from solvable.models import committee_instances

LEVEL = 1e-3
NAMES = ("overlap_diagonal", "overlap_off_diagonal", "mse")
MODELS = {
    "gaussian": sv.Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=4.0),
    "binary": sv.Committee(k=2, prior=sv.Rademacher(), output=sv.Sign(ties="zero"), alpha=1.2),
    "random ties": sv.Committee(
        k=2, prior=sv.Gaussian(), output=sv.Sign(ties="random"), alpha=3.0
    ),
    "three units": sv.Committee(k=3, prior=sv.Gaussian(), output=sv.Sign(), alpha=4.0),
    "any active": sv.Committee(
        k=2, prior=sv.Gaussian(), hidden=sv.ReLU(), output=sv.Sign(ties="zero"), alpha=4.0
    ),
    "sum in noise": sv.Committee(
        k=2, prior=sv.Rademacher(), output=sv.Linear(delta=0.3), alpha=1.0
    ),
}
FEWER = ("three units", "any active", "sum in noise")
SMOOTH = {
    f"{type(hidden).__name__} {place}": sv.Committee(
        k=2, prior=sv.Gaussian(), hidden=hidden, output=sv.Linear(delta=0.1), alpha=alpha
    )
    for hidden, ends in ((sv.Erf(), (2.0, 6.0)), (sv.ReLU(), (1.0, 3.0)))
    for place, alpha in zip(("below", "above"), ends, strict=True)  # of specialization
}


def steps(model, size, seed, iterations=6):
    """Overlaps and error at every step, from an informed start whose units differ."""
    key = key_for(seed, "committee", repr(model), size)
    instance = model.sample(fold(key, "instance"), size)
    start = model.informed_start(instance, 0.4, fold(key, "start"))
    path = []

    def observe(state):
        W, true = committee_instances.aligned(state, instance), instance.signal
        shared, K = W.T @ true / len(true), model.k
        own = np.trace(shared) / K
        crossed = (shared.sum() / K - own) / (K - 1)
        path.append([own, crossed, np.mean((W - true) ** 2)])

    options = dict(observe=observe, max_steps=iterations, tolerance=0)
    model.solve(instance.data, fold(key, "start"), start=start, **options)
    return np.array(path)[1:].T


def deviations(model, sizes, counts):
    """Of instances' steps from state evolution, one array a size."""
    # the start's overlaps are those of its law
    start = {"overlap_diagonal": 0.4, "overlap_off_diagonal": 0.0}
    start |= {"overlap": 0.4, "mse": 0.6, "generalization_error": np.nan}
    theory = model.state_evolution(start, 6)
    lines = np.array([theory[x][1:] for x in NAMES])
    return [
        np.array([(steps(model, size, seed) - lines).ravel() for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]


@pytest.mark.parametrize("name", MODELS)
def test_steps_follow_state_evolution(name):
    sizes, counts = ((100, 400), (32, 10)) if name in FEWER else ((200, 800), (48, 16))
    assert_vanishes(deviations(MODELS[name], sizes, counts), sizes, LEVEL)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMOOTH)
def test_steps_of_smooth_units_follow_state_evolution(name):
    """And the distance from it falls with size."""
    sizes = (500, 2000)
    runs = deviations(SMOOTH[name], sizes, (12, 4))
    assert_vanishes(runs, sizes, LEVEL)
    small, large = (np.sqrt(np.mean(run**2)) for run in runs)
    assert large < 0.75 * small


def test_smooth_units_leave_the_plateau():
    """From units that differ by 1e-7 to those of the other branch, without swings of V."""
    model = SMOOTH["Erf above"]
    key = key_for(0, "escape")
    instance, apart = model.sample(fold(key, "instance"), 500), []
    outcome = model.solve(
        instance.data,
        fold(key, "start"),
        max_steps=70,
        observe=lambda at: apart.append(float(np.std(at.weights[:, 0] - at.weights[:, 1]))),
    )
    assert apart[10] < 1e-3 < 0.5 < apart[-1]
    found = model.measure(outcome, instance)
    assert found["overlap_diagonal"] == pytest.approx(0.691, abs=0.1)  # of state evolution
    assert found["overlap_off_diagonal"] == pytest.approx(0.275, abs=0.1)


def consistency(law, alpha, size, seed, iterations=4):
    """Overlap with the teacher less that with itself, and error less its own expectation of it.

    Under the Nishimori identity both vanish at every step, for any number of units.
    """
    prior, key = sv.Gaussian(), key_for(seed, "consistency", law.units, size)
    instance = committee_instances.sample(fold(key, "instance"), size, prior, law, alpha)
    true = instance.signal
    start = committee_instances.informed_start(instance, 0.4, prior, fold(key, "start"))
    rows = []

    def observe(state):
        W = committee_instances.aligned(state, instance)
        shared, own = W.T @ true / size, W.T @ W / size
        other = (shared - own).sum() - np.trace(shared - own)
        error = float(np.mean((W - true) ** 2))
        rows.append([np.trace(shared - own), other, error - float(state.expected_error()[0])])

    problem = committee_amp.Problem(instance.data.design, instance.data.observation, prior, law)
    committee_amp.run(problem, start, observe=observe, max_steps=iterations, tolerance=0)
    # the start is drawn with the overlaps of its law; from the second step on V is measured
    return np.array(rows)[2:].ravel()


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [
        SignMessages(3, "zero"),
        SignMessages(5, "zero"),
        sum_messages(3, sv.Erf(), 0.1, 1.0),
    ],
    ids=["three signs", "five signs", "three erf"],
)
def test_estimates_know_their_own_errors(law):
    sizes, counts = (100, 300), (24, 8)
    runs = [
        np.array([consistency(law, 1.5 * law.units, size, seed) for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert_vanishes(runs, sizes, LEVEL)


@pytest.mark.parametrize("seed", range(3))
def test_binary_weights_are_recovered(seed):
    """Above the last specialized fixed point, at 1.98."""
    model = sv.Committee(k=2, prior=sv.Rademacher(), output=sv.Sign(ties="zero"), alpha=2.6)
    key = key_for(seed, "recovered")
    instance = model.sample(fold(key, "instance"), 1000)
    outcome = model.solve(instance.data, fold(key, "start"))
    assert sv.Status(int(outcome.status)) is sv.Status.converged
    assert model.measure(outcome, instance)["mse"] < 1e-12


def test_units_stay_alike_below_specialization():
    """The plateau: q_0 = q_1 although the start tells them apart."""
    model = sv.Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=1.5)
    key = key_for(0, "alike")
    instance = model.sample(fold(key, "instance"), 500)
    outcome = model.solve(instance.data, fold(key, "start"))
    assert sv.Status(int(outcome.status)) is sv.Status.converged
    found = model.measure(outcome, instance)
    assert found["overlap_diagonal"] == pytest.approx(found["overlap_off_diagonal"], abs=1e-4)


def test_the_plateau_is_left_above_specialization():
    """From units that differ by 1e-7, past steps in which they are alike, to the other branch."""
    model = sv.Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=5.0)
    key = key_for(0, "escape")
    instance = model.sample(fold(key, "instance"), 500)
    path = []
    outcome = model.solve(
        instance.data, fold(key, "start"), observe=lambda at: path.append(at.weights.copy())
    )
    assert sv.Status(int(outcome.status)) is sv.Status.converged
    apart = np.array([np.sqrt(np.mean((W[:, 0] - W[:, 1]) ** 2)) for W in path])
    assert apart[10] < 1e-3 < 0.5 < apart[-1]
    found = model.measure(outcome, instance)
    assert found["overlap_diagonal"] == pytest.approx(0.896, abs=0.05)  # the published curve
    assert found["overlap_off_diagonal"] == pytest.approx(0.025, abs=0.05)


def test_units_are_measured_in_the_order_that_fits():
    model = MODELS["gaussian"]
    instance = model.sample(key_for(0, "order"), 300)
    truth = np.asarray(instance.signal)
    straight, crossed = (model.measure(x, instance) for x in (truth, truth[:, ::-1]))
    assert straight == pytest.approx(crossed)
    assert straight["mse"] == 0
    # a prediction takes V = rho - W^T W / p, which at this size is some 1 / 20, not 0
    assert straight["generalization_error"] < 0.1


def test_labels_that_cannot_be_are_refused():
    model = MODELS["random ties"]
    instance = model.sample(key_for(0, "refused"), 50)
    data = type(instance.data)(instance.data.design, 0 * instance.data.observation)
    with pytest.raises(ValueError, match="`observation` must have one of the labels -1, 1"):
        model.solve(data, key_for(0, "start"))


def test_starts_that_leave_no_covariance_are_refused():
    model = MODELS["gaussian"]
    instance = model.sample(key_for(0, "refused"), 50)
    with pytest.raises(ValueError, match="`start` must leave a positive definite covariance"):
        model.solve(instance.data, key_for(0, "start"), start=3 * np.asarray(instance.signal))
