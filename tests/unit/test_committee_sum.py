"""Committees that are linear models of the sum of their weights, and labels that are sums."""

import itertools

import numpy as np
import pytest

import solvable as sv
from solvable.core.randomness import key_for
from solvable.models.committee_kinds import messages_of
from solvable.models.committee_sum import law_of_sum

SKEWED = sv.Discrete(values=[-1.0, 0.5], probabilities=[1 / 3, 2 / 3])


def same(found, expected, names=("overlap", "mse", "free_entropy", "generalization_error")):
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-10, equal_nan=True)


def test_one_unit_of_signs_is_the_perceptron():
    """Curves to 1e-10, and the thresholds of binary weights (Gyorgyi 1990)."""
    grid = {"alpha": [0.7, 1.3, 1.6]}
    one = sv.Committee(k=1, prior=sv.Rademacher(), output=sv.Sign())
    found = sv.curve(one, over=grid)
    expected = sv.curve(sv.GLM(prior=sv.Rademacher(), channel=sv.Sign()), over=grid)
    both = [x.sel(branch=list(expected.branch.values)) for x in (found, expected)]
    same(*both)
    np.testing.assert_array_equal(found.overlap_off_diagonal.sel(branch="amp"), 0)
    same(found.sel(branch="symmetric"), found.sel(branch="amp"))
    thresholds = sv.thresholds(one, "alpha")
    assert thresholds["information_theoretic"].value == pytest.approx(1.244684, abs=1e-6)
    assert thresholds["algorithmic"].value == pytest.approx(1.492632, abs=1e-6)
    assert thresholds["specialization"].value is None


@pytest.mark.parametrize(
    "hidden, output, channel, share",
    [
        (sv.Sign(), sv.Linear(), sv.Sign(), 1.0),
        (sv.ReLU(), sv.Sign(ties="zero"), sv.Sign(), 0.25),
        (sv.Erf(), sv.Sign(), sv.Sign(), 1.0),
        (sv.ReLU(), sv.Linear(), sv.ReLU(), 1.0),
        (sv.Erf(), sv.Linear(delta=0.2), sv.Erf(delta=0.2), 1.0),
        (
            sv.Sign(),
            sv.Linear(delta=0.2),
            sv.PiecewiseLinear(breakpoints=[0], slopes=[0, 0], offsets=[-1, 1], delta=0.2),
            1.0,
        ),
    ],
    ids=repr,
)
def test_one_unit_is_a_channel(hidden, output, channel, share):
    """Its theory is that of the linear model, labels 0 and 1 half as far apart as -1 and 1."""
    one = sv.Committee(k=1, prior=sv.Gaussian(), hidden=hidden, output=output, alpha=0.8)
    linear = sv.GLM(prior=sv.Gaussian(), channel=channel, alpha=0.8)
    assert one.equivalent().linear() == linear
    assert one.equivalent().scale ** 2 == share


def test_one_rectified_unit_tells_a_sign():
    settings = dict(k=1, prior=sv.Gaussian(), alpha=0.8)
    signs = sv.curve(sv.Committee(output=sv.Sign(), **settings)).sel(branch="amp")
    rectified = sv.Committee(hidden=sv.ReLU(), output=sv.Sign(ties="zero"), **settings)
    found = sv.curve(rectified).sel(branch="amp")
    same(found, signs, ("overlap", "mse", "free_entropy"))
    assert 4 * float(found.generalization_error) == pytest.approx(
        float(signs.generalization_error), abs=1e-10
    )


@pytest.mark.parametrize("output", [sv.Sign(), sv.Linear(delta=0.1)], ids=repr)
@pytest.mark.parametrize("prior", [sv.Gaussian(variance=0.5), sv.Rademacher()], ids=repr)
def test_linear_units_show_their_sum(prior, output):
    """K = 3: q_0 = q_1 = q_s / 9, of the sum's own linear model, thresholds included."""
    sums = {
        sv.Gaussian: sv.Gaussian(variance=1.5),
        sv.Rademacher: sv.Discrete(
            values=[-3, -1, 1, 3], probabilities=np.array([1, 3, 3, 1]) / 8
        ),
    }
    model = sv.Committee(k=3, prior=prior, hidden=sv.Linear(), output=output)
    linear = sv.GLM(prior=sums[type(prior)], channel=output)
    found = sv.curve(model, over={"alpha": [0.6]}).sel(branch="bayes")
    expected = sv.curve(linear, over={"alpha": [0.6]}).sel(branch="bayes")
    same(found, expected, ("free_entropy", "mutual_information", "generalization_error"))
    np.testing.assert_allclose(9 * found.overlap_diagonal, expected.overlap, atol=1e-10)
    np.testing.assert_allclose(found.overlap_diagonal, found.overlap_off_diagonal, atol=1e-10)
    rho = float(prior.second_moment())
    np.testing.assert_allclose(found.mse, rho - found.overlap, atol=1e-10)
    if isinstance(prior, sv.Rademacher) and isinstance(output, sv.Linear):
        ours, theirs = (sv.thresholds(x, "alpha") for x in (model, linear))
        for name in ("information_theoretic", "algorithmic", "spinodal_informed"):
            assert ours[name].value == pytest.approx(theirs[name].value, abs=1e-10)


def test_two_error_functions_have_the_sign_of_their_sum():
    settings = dict(k=2, prior=sv.Rademacher(), output=sv.Sign(), alpha=1.0)
    erf, linear = (sv.Committee(hidden=h, **settings) for h in (sv.Erf(), sv.Linear()))
    assert erf.equivalent() == linear.equivalent()


def test_law_of_a_sum():
    """By all sums, equal ones together."""
    law = law_of_sum(SKEWED, 3)
    values = np.array(list(itertools.product([-1.0, 0.5], repeat=3)))
    chances = np.prod(np.where(values < 0, 1 / 3, 2 / 3), axis=1)
    assert len(law.values) == 4
    for s, p in zip(law.values, law.probabilities, strict=True):
        assert p == pytest.approx(chances[np.isclose(values.sum(axis=1), s)].sum(), abs=1e-14)
    assert float(law.second_moment()) == pytest.approx(3 * float(SKEWED.second_moment()))


@pytest.mark.parametrize(
    "arguments, match",
    [
        (dict(k=0), "`k` must be an integer of at least 1"),
        (dict(k=2, output=sv.Sign()), "`output` must say what a tie of two signs is"),
        (dict(k=3, hidden=sv.ReLU(), output=sv.Sign()), "`output` must say what the sign of zero"),
        (dict(k=1, hidden=sv.ReLU(), output=sv.Sign(ties="random")), "`output` must be Sign"),
        (dict(hidden=sv.Erf(delta=0.1)), "`hidden` must have no noise"),
        (dict(hidden=sv.ReLU(pre_delta=0.1)), "`hidden` must have no noise"),
        (dict(hidden=sv.Abs()), "`hidden` must be Sign"),
        (dict(output=sv.ReLU()), "`output` must be Sign"),
        (dict(prior=sv.Gaussian(mean=1.0)), "`prior` must have mean 0"),
        (dict(k=3, hidden=sv.Erf(), output=sv.Linear(delta=1e-3)), "at least 0.01, for 3 Erf"),
        (dict(hidden=sv.Erf(), output=sv.Linear()), "`output` must have noise, delta of at least"),
    ],
)
def test_what_is_refused(arguments, match):
    settings = dict(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero")) | arguments
    with pytest.raises(ValueError, match=match):
        sv.Committee(**settings)


@pytest.mark.parametrize(
    "arguments, match",
    [
        (dict(k=1), "`k` must be at least 2 for instances"),
        (dict(k=2, hidden=sv.Linear()), "`hidden` must be Sign"),
    ],
)
def test_instances_that_are_refused(arguments, match):
    settings = dict(prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=1.0) | arguments
    with pytest.raises(ValueError, match=match):
        sv.Committee(**settings).sample(key_for(0, "test"), 10)


@pytest.mark.parametrize("units, least", [(2, "0.001"), (3, "0.01")])
def test_little_noise_of_smooth_units_is_refused(units, least):
    """Grids of more dimensions end at a larger one."""
    with pytest.raises(ValueError, match=f"`output` must have noise, delta of at least {least},"):
        messages_of(units, sv.Erf(), sv.Linear(delta=5e-4 if units == 2 else 5e-3), 1.0)
