"""Labels of two units without jumps: their averages by other routes."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.committee.smooth import RectifiedLabels, SmoothLabels, noisy_sum
from solvable.core.specification import numeric

UNITS = [sv.Erf(), sv.ReLU()]


@eqx.filter_jit
def moments(labels, q, V, nodes=8):
    return labels.moments(q, V, nodes)


@pytest.fixture(scope="module", params=UNITS, ids=repr)
def labels(request):
    return numeric(noisy_sum(request.param, 0.3, 1.0))


def test_likelihoods_are_those_of_random_fields(labels):
    """Densities by the mean of the noise's, slopes by differences."""
    V, y = jnp.array([0.3, 0.8]), jnp.array([-0.4, 0.2, 0.9])
    hidden = sv.ReLU() if isinstance(labels, RectifiedLabels) else sv.Erf()
    noise = np.random.default_rng(0).standard_normal((2, 400_000))
    z = np.array([[0.5], [-0.3]]) + np.sqrt(np.asarray(V))[:, None] * noise
    both = hidden.evaluate((z[0] + z[1]) / 2**0.5) + hidden.evaluate((z[0] - z[1]) / 2**0.5)
    draws = np.exp(-((np.asarray(y)[:, None] - both) ** 2) / 0.6) / np.sqrt(0.6 * np.pi)

    def at(plus, minus):
        one = jnp.asarray([plus]), jnp.asarray([minus, 0.0])
        found = labels.likelihoods(*one, V, y, jnp.array(1.0), 16)
        return [np.asarray(x)[0, 0] for x in found]

    value, along, across = at(0.5, -0.3)
    error = draws.std(axis=1) / np.sqrt(noise.shape[1])
    assert np.all(np.abs(draws.mean(axis=1) - value) < 4 * error)
    step = 1e-4
    rise = (at(0.5 + step, -0.3)[0] - at(0.5 - step, -0.3)[0]) / (2 * step)
    np.testing.assert_allclose(along, rise, atol=1e-7)
    rise = (at(0.5, -0.3 + step)[0] - at(0.5, -0.3 - step)[0]) / (2 * step)
    np.testing.assert_allclose(across, rise, atol=1e-7)


def test_what_labels_tell_is_the_slope_of_their_potential(labels):
    """snr = 2 dPsi / dq, each eigenvalue once."""
    q, step = jnp.array([0.7, 0.3]), 1e-3
    found = moments(labels, q, 1 - q)
    for axis in range(2):
        move = step * jnp.eye(2)[axis]
        high, low = (
            float(moments(labels, q + s * move, 1 - q - s * move).potential) for s in (1, -1)
        )
        assert (high - low) / step == pytest.approx(float(found.snr[axis]), rel=2e-6)


def test_units_that_are_almost_alike(labels):
    """The average over a line is the limit of that over the plane, and `opening` its slope."""
    V, small = jnp.array([0.4, 1.0]), 1e-5
    alike = labels.symmetric_moments(jnp.array(0.6), V, 8)
    almost = moments(labels, jnp.array([0.6, small]), V - jnp.array([0.0, small]))
    for name in ("potential", "square", "predicted"):
        assert float(getattr(almost, name)) == pytest.approx(float(getattr(alike, name)), abs=1e-5)
    assert float(almost.snr[0]) == pytest.approx(float(alike.snr[0]), rel=1e-4)
    slope = labels.opening(jnp.array(0.6), V, 8)
    assert float(almost.snr[1]) / small == pytest.approx(float(slope), rel=1e-4)


def test_finer_grids_change_nothing(labels):
    """At V as small as they are made for, and E y^2 by its closed form."""
    for V in ([0.1, 0.8], [0.01, 0.1]):
        V = jnp.array(V)
        coarse, fine = (moments(labels, 1 - V, V, nodes) for nodes in (8, 11))
        np.testing.assert_allclose(coarse.snr, fine.snr, rtol=3e-6)
        assert float(coarse.potential) == pytest.approx(float(fine.potential), abs=1e-7)
        square = 2 / 3 if isinstance(labels, SmoothLabels) else 1 + 1 / np.pi
        assert float(fine.square) == pytest.approx(square + 0.3, abs=1e-7)


def test_a_sum_of_fields_that_is_all_but_known():
    """Across the change from a grid to nodes around every mean: Psi goes on as snr_+ says."""
    labels, V = numeric(noisy_sum(sv.Erf(), 0.3, 1.0)), jnp.array([0.0236, 0.3])
    move = jnp.array([4e-4, 0.0])
    low, here, high = (moments(labels, 1 - V + s * move, V - s * move) for s in (-1, 0, 1))
    slope = (float(high.potential) - float(low.potential)) / 4e-4
    assert slope == pytest.approx(float(here.snr[0]), rel=1e-5)
    tiny = (moments(labels, 1 - v, v) for v in (jnp.array([x, 0.3]) for x in (1e-9, 1e-14)))
    np.testing.assert_allclose(*(x.snr for x in tiny), rtol=1e-6)


def test_linear_units_are_linear():
    """h(z) = z tells of the sum alone: snr_+ = 2 / (2 V_+ + delta)."""
    labels, q = numeric(noisy_sum(sv.Linear(), 0.3, 1.0)), jnp.array([0.6, 0.2])
    found = moments(labels, q, 1 - q)
    np.testing.assert_allclose(found.snr, [2 / 1.1, 0.0], atol=1e-8)
    assert float(found.potential) == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 1.1), abs=1e-8)
    assert float(found.square - found.predicted) == pytest.approx(1.1, abs=1e-7)


def test_known_weights_leave_the_noise(labels):
    known = labels.known(1.0)
    assert float(known.potential) == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 0.3))
    assert float(known.error) == pytest.approx(0.3)
    # labels without jumps tell a finite amount: no weights are known at finite alpha
    assert not known.sharp


@pytest.mark.slow
@pytest.mark.parametrize(
    "hidden, alpha_s", [(sv.Erf(), 3.484134), (sv.ReLU(), 1.783369)], ids=repr
)
def test_branches_on_both_sides_of_specialization(hidden, alpha_s):
    """Plain iteration of state evolution reaches the branch that the curve follows."""
    settings = dict(k=2, prior=sv.Gaussian(), hidden=hidden, output=sv.Linear(delta=0.1))
    found = sv.thresholds(sv.Committee(**settings), "alpha")
    assert found["specialization"].value == pytest.approx(alpha_s, abs=1e-5)
    assert found["algorithmic"].value is None
    data = sv.curve(sv.Committee(**settings), over={"alpha": [0.9 * alpha_s, 2 * alpha_s]})
    alike = data.sel(branch="symmetric")
    np.testing.assert_allclose(alike.overlap_diagonal, alike.overlap_off_diagonal, rtol=1e-12)
    below, above = data.sel(branch="specialized").isel(alpha=0), data.isel(alpha=1)
    assert below.status == sv.Status.no_branch
    above = above.sel(branch="specialized")
    assert above.status == sv.Status.converged
    model = numeric(sv.Committee(**settings, alpha=2 * alpha_s).equivalent())
    order, step = model.starts()["uninformed"], eqx.filter_jit(lambda order: model.update(order))
    for _ in range(100):
        order = step(order)
    plus, minus = np.asarray(order.overlap)
    assert (plus + minus) / 2 == pytest.approx(float(above.overlap_diagonal), abs=1e-5)
    assert (plus - minus) / 2 == pytest.approx(float(above.overlap_off_diagonal), abs=1e-5)
