"""The committee machine with many units: published values, closed forms, its own potential."""

import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import solvable as sv
from solvable.core.status import Status
from solvable.models.large_committee import output_overlap, quadratic_constant

GOLDEN = tomllib.loads((Path(__file__).parent / "large_committee.toml").read_text("utf-8"))


@pytest.mark.parametrize("case", GOLDEN["thresholds"], ids=lambda case: case["model"])
def test_thresholds(case):
    model = sv.parse(case["model"])
    found = sv.thresholds(model, "alpha")
    for name, value in case["values"].items():
        assert found[name].value == pytest.approx(value, abs=case["tolerance"]), name
        assert found[name].error_bound < 1e-9
        if name in case["overlaps"]:
            at = sv.curve(model, over={"alpha": [found[name].value * (1 + 1e-9)]})
            overlap = float(at.overlap.sel(branch="informed")[0])
            assert overlap == pytest.approx(case["overlaps"][name], abs=case["tolerance"])
    for name in case["absent"]:
        assert found[name].status is Status.no_branch, name
    constant = found["algorithmic_squared"]
    assert constant.value == pytest.approx(
        GOLDEN["algorithmic"]["constant"], abs=GOLDEN["algorithmic"]["tolerance"]
    )
    assert constant.rigour == "replica"


@pytest.mark.parametrize("prior", [sv.Gaussian(), sv.Rademacher()], ids=repr)
def test_the_plateau(prior):
    """Stable at every alpha; only the sum of all units is known there."""
    data = sv.curve(sv.LargeCommittee(prior=prior), over={"alpha": [0.5, 5.0, 50.0]})
    here = data.sel(branch="amp")
    case = GOLDEN["plateau"]
    np.testing.assert_array_equal(here.overlap, 0.0)
    np.testing.assert_array_equal(here.status, int(Status.converged))
    for name in ("bayes_error", "gibbs_error"):
        np.testing.assert_allclose(here[name], case[name], atol=case["tolerance"])
    np.testing.assert_allclose(here.free_entropy / here.alpha, case["psi"], atol=1e-7)
    np.testing.assert_allclose(here.generalization_error, 2 * here.gibbs_error, rtol=1e-9)


def test_overlap_of_outputs():
    """R of K = 1001 units by its arcsines, and against its derivative; digits near q_d = 1."""
    for prior, x in ((sv.Gaussian(), -3.0), (sv.Gaussian(), 1.0), (sv.Rademacher(), 1.5)):
        order = sv.LargeCommittee(prior=prior).order_of(jnp.exp(x), 12)
        q, k = float(order.overlap), 1001
        R, rest, slope = output_overlap(order)
        # units' arcsines, off the diagonal those of (1 - q) / K
        units = 2 / np.pi * (np.arcsin(q) + (k - 1) * np.arcsin((1 - q) / k))
        assert float(R) == pytest.approx(units, abs=2e-3)
        assert float(R + rest) == pytest.approx(1.0, abs=1e-15)
        exact = 2 / np.pi * (1 / np.sqrt(1 - q**2) - 1)
        assert float(slope) == pytest.approx(exact, rel=1e-10)
    near = sv.LargeCommittee(prior=sv.Gaussian()).order_of(jnp.exp(30.0), 12)
    V = float(near.variance)
    assert float(output_overlap(near)[1]) == pytest.approx(2 / np.pi * (2 * V) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("prior", [sv.Gaussian(), sv.Rademacher()], ids=repr)
def test_state_evolution_is_the_gradient_of_the_potential(prior):
    """d/d q_d of phi(q_d) = psi-part + alpha Psi(R), by differentiation, everywhere."""
    model = sv.LargeCommittee(prior=prior, alpha=9.0)
    for x in (-1.0, 0.5, 1.5):

        def potential(x):
            return model.free_entropy(sv.LargeCommittee(prior=prior).order_of(jnp.exp(x), 17), 17)

        def overlap(x):
            return sv.LargeCommittee(prior=prior).order_of(jnp.exp(x), 17).overlap

        order = sv.LargeCommittee(prior=prior).order_of(jnp.exp(x), 17)
        slope = jax.grad(potential)(x) / jax.grad(overlap)(x)
        wanted = 0.5 * (model.update(order).q_hat - order.q_hat)
        assert float(slope) == pytest.approx(float(wanted), rel=1e-7, abs=1e-9)


def test_gaussian_weights_have_their_closed_form():
    order = sv.LargeCommittee(prior=sv.Gaussian()).order_of(jnp.asarray(4.0), 12)
    model = sv.LargeCommittee(prior=sv.Gaussian(), alpha=1e-9)
    q = 0.8
    assert float(order.overlap) == pytest.approx(q, abs=1e-15)
    assert float(model.free_entropy(order)) == pytest.approx(0.5 * (np.log(1 - q) + q), abs=1e-8)


def test_the_constant_of_many_units():
    c = (2 / (np.pi - 2)) ** 0.5

    def integrand(m):
        return norm.pdf(m) * (c * m * norm.pdf(c * m)) ** 2 / norm.cdf(c * m)

    assert quadratic_constant() == pytest.approx(0.5 / quad(integrand, -15, 15)[0], rel=1e-8)
    samples = sv.LargeCommittee(prior=sv.Gaussian()).algorithmic_samples(21)
    assert samples == pytest.approx(400 * 3.2699861, rel=1e-7)
    with pytest.raises(ValueError, match="`k` must be an integer of at least 2"):
        sv.LargeCommittee(prior=sv.Gaussian()).algorithmic_samples(1)


@pytest.mark.parametrize("prior", [sv.Laplace(), sv.Gaussian(mean=1.0), 3, None])
def test_other_priors_are_refused(prior):
    with pytest.raises(ValueError, match=r"`prior` must be `Gaussian\(\)` or `Rademacher\(\)`"):
        sv.LargeCommittee(prior=prior)
