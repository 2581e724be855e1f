"""Dynamics on the sphere against closed forms: no statistics beyond self-averaging."""

import numpy as np
import pytest

from solvable.algorithms.langevin import default_step, simulate, step_bias
from solvable.algorithms.matrix_tensor import (
    MatrixTensor,
    sampled_matrix_tensor,
    sampled_sphere,
    sphere_start,
)
from solvable.algorithms.tensors import FactoredTensor, sampled_tensor
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status

KEY = key_for(0, "langevin")
TIMES = np.array([0.0, 0.1, 0.5, 1.0, 3.0])


def planted(size, **law):
    signal = sampled_sphere(fold(KEY, "signal"), size)
    return signal, sampled_matrix_tensor(KEY, size, signal=signal, **law)


def test_a_force_is_the_slope_of_its_energy():
    _, data = planted(40, delta2=0.5, order=4, deltap=2.0, dtype="float64")
    x, d = np.random.default_rng(0).normal(size=(2, 40))
    force = data.force(x[:, None])
    for h in (1e-3, 1e-4):
        slope = (data.energy(x + h * d) - data.energy(x - h * d)) / (2 * h)
        assert slope == pytest.approx(-force.total[:, 0] @ d / 40, rel=10 * h**2)


def test_a_signal_alone_has_the_energy_of_its_overlap():
    """Without noise H = - N Q(m) but for the diagonals, which vanish as 1 / N."""
    size = 400
    signal = sampled_sphere(KEY, size)
    spike = sampled_tensor(KEY, 3, size, 0.0, signal, "float64")
    data = MatrixTensor(np.outer(signal, signal) / size**0.5, 0.5, spike, 2.0)
    x = sphere_start(fold(KEY, "x"), signal, 0.6)
    assert data.energy(x) == pytest.approx(-data.covariance(0.6), abs=4 / size)
    assert signal @ x / size == pytest.approx(0.6, rel=1e-12)


def test_gradient_flow_on_a_matrix_is_a_normalized_exponential():
    """x(t) is exp(J t) x(0), scaled to the sphere."""
    _, data = planted(60, delta2=0.4)
    start = sampled_sphere(fold(KEY, "start"), 60, 2)
    coupling = (data.matrix - np.diag(np.diag(data.matrix))) / (0.4 * 60**0.5)
    values, vectors = np.linalg.eigh(coupling)
    errors = []
    for tolerance in (1e-4, 1e-7):
        path = simulate(data, start, TIMES, tolerance=tolerance, waiting=[0.5, 3.0])
        assert path.status == Status.converged
        grown = [vectors @ (np.exp(values * t)[:, None] * (vectors.T @ start)) for t in TIMES]
        wanted = [x * 60**0.5 / np.linalg.norm(x, axis=0) for x in grown]
        errors.append(np.abs(path.position - wanted[-1]).max())
        correlation = [[np.sum(x * wanted[w], axis=0) / 60 for w in (2, 4)] for x in wanted]
        np.testing.assert_allclose(path.correlation, correlation, rtol=0, atol=10 * tolerance)
        rayleigh = [np.sum(x * (coupling @ x), axis=0) / 60 for x in wanted]
        np.testing.assert_allclose(path.multiplier, rayleigh, rtol=0, atol=30 * tolerance)
        np.testing.assert_allclose(-2 * path.energy, path.multiplier, rtol=0, atol=1e-12)
    assert errors[0] < 1e-2
    assert errors[1] < 1e-5


@pytest.mark.parametrize("order", [3, 4])
def test_gradient_flow_never_climbs_and_its_channels_balance(order):
    signal, data = planted(40, delta2=1.0, order=order, deltap=1.0)
    start = sphere_start(fold(KEY, "start"), signal, 0.2, 3)
    path = simulate(data, start, np.linspace(0, 20, 81), signal=signal)
    assert path.status == Status.converged
    assert np.all(np.diff(path.energy, axis=0) < 1e-6)  # single precision of the tensor
    np.testing.assert_allclose(
        path.multiplier, -2 * path.matrix_energy - order * path.tensor_energy, atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.norm(path.position, axis=0), 40**0.5, rtol=1e-12)
    assert path.overlap is not None
    np.testing.assert_allclose(path.overlap[0], 0.2, rtol=1e-12)
    force = data.force(path.position).total
    rest = force - path.position * path.multiplier[-1]
    assert np.sqrt(np.mean(rest**2)) < 0.1 * np.sqrt(np.mean(force**2))


def test_columns_are_paths_of_their_own():
    signal, data = planted(40, delta2=1.0, order=3, deltap=1.0)
    start = sphere_start(fold(KEY, "start"), signal, 0.2, 3)
    together = simulate(data, start, TIMES, signal=signal, tolerance=1e-6)
    alone = simulate(data, start[:, 1], TIMES, signal=signal, tolerance=1e-6)
    assert together.overlap is not None and alone.overlap is not None
    assert alone.overlap.shape == (5,)
    np.testing.assert_allclose(alone.overlap, together.overlap[:, 1], rtol=0, atol=1e-5)


def test_noise_alone_is_brownian_motion_on_the_sphere():
    """C(t, t_w) = exp(- T (1 - 1/N) (t - t_w)) at steps a quarter of 1 / T, of weak order two."""
    size = 2000
    data = MatrixTensor(np.zeros((size, size), "float32"), 1.0)
    start = sampled_sphere(fold(KEY, "start"), size, 20)
    path = simulate(
        data, start, [0.5, 1.0, 1.5], temperature=1.0, key=KEY, step=0.25, waiting=[0.0, 1.0]
    )
    gaps = np.abs(path.times[:, None] - path.waiting)
    wanted = np.exp(-(1 - 1 / size) * gaps)
    found = path.correlation.mean(axis=-1)
    error = 1 / (size * 20) ** 0.5  # of a mean over columns; local errors are h^3 / 4 at most
    np.testing.assert_allclose(found, wanted, rtol=0, atol=4 * error + 0.25**3 / 4)
    np.testing.assert_allclose(path.multiplier, 1 - 1 / size, rtol=1e-12)


def test_halving_a_step_shows_an_error_of_second_order():
    """At hardly any temperature Heun's method is left, and its distance from gradient flow."""
    signal, data = planted(40, delta2=1.0, order=3, deltap=1.0, dtype="float64")
    start = sphere_start(fold(KEY, "start"), signal, 0.5)
    exact = simulate(data, start, [1.0], signal=signal, tolerance=1e-9)
    usual = default_step(data, 1e-20)
    bias = []
    for step in (usual, usual / 2):
        fine, found = step_bias(
            data, start, [1.0], temperature=1e-20, key=KEY, signal=signal, step=step
        )
        bias.append(found.energy[0])
        assert fine.energy[0] - exact.energy[0] == pytest.approx(found.energy[0] / 3, rel=0.2)
    assert bias[0] / bias[1] == pytest.approx(4, rel=0.2)


def test_two_steps_see_the_noise_of_one():
    """The halved run follows the same path: the distance is far below the noise itself."""
    signal, data = planted(60, delta2=1.0, order=3, deltap=1.0)
    start = sphere_start(fold(KEY, "start"), signal, 0.5, 4)
    fine, bias = step_bias(data, start, [1.0], temperature=1.0, key=KEY, signal=signal)
    whole = simulate(data, start, [1.0], temperature=1.0, key=KEY, signal=signal)
    assert bias.overlap is not None and fine.overlap is not None and whole.overlap is not None
    assert np.abs(bias.overlap).max() < 0.02
    assert np.abs(fine.overlap - whole.overlap).max() > 0.02  # another path of the noise
    assert fine.steps == 2 * whole.steps


def test_even_models_take_the_first_sign_out():
    signal, data = planted(40, delta2=0.3, order=4, deltap=1.0)
    start = sphere_start(fold(KEY, "start"), signal, 0.5)
    ahead, behind = (simulate(data, x, [0.0, 1.0], signal=signal) for x in (start, -start))
    assert ahead.overlap is not None and behind.overlap is not None
    np.testing.assert_allclose(behind.overlap, ahead.overlap, rtol=1e-9)
    assert behind.overlap[0] == pytest.approx(0.5)


def test_a_path_that_ends_early_says_so():
    _, data = planted(20, delta2=1.0)
    start = sampled_sphere(fold(KEY, "start"), 20)
    for options in ({}, dict(temperature=1.0, key=KEY)):
        path = simulate(
            data, start, [0.0, 0.01, 50.0], max_steps=5, waiting=[0.0, 40.0], **options
        )
        assert path.status == Status.max_steps
        assert path.times.tolist() == [0.0, 0.01]
        assert path.correlation.shape == (2, 1)
        assert path.steps == 5


@pytest.mark.parametrize("options", [{}, dict(temperature=1.0, key=KEY)])
def test_a_force_that_overflows_ends_the_path(options):
    huge = FactoredTensor(3, np.full((5, 1), 1e120), np.ones(1))
    path = simulate(MatrixTensor(tensor=huge, deltap=1.0), np.ones(5), [0.0, 1.0], **options)
    assert path.status == Status.non_finite
    assert len(path.times) == len(path.energy) == 0
    assert np.all(path.position == 1)


def test_bad_arguments_are_refused():
    _, data = planted(20, delta2=1.0)
    start = np.ones(20)
    with pytest.raises(ValueError, match="Argument `key` must be given"):
        simulate(data, start, [1.0], temperature=1.0)
    with pytest.raises(ValueError, match="Argument `times` must be rising"):
        simulate(data, start, [1.0, 0.5])
    with pytest.raises(ValueError, match="Argument `start` must have 20 entries"):
        simulate(data, np.ones(19), [1.0])
    with pytest.raises(ValueError, match="Argument `start` must not be zero"):
        simulate(data, np.zeros(20), [1.0])
    with pytest.raises(ValueError, match="Argument `step` must be at most"):
        simulate(data, start, [1.0], temperature=1.0, key=KEY, step=1.0)
    with pytest.raises(ValueError, match="Argument `temperature` must be non-negative"):
        simulate(data, start, [1.0], temperature=-1.0)
    with pytest.raises(ValueError, match="Argument `matrix` must be given"):
        MatrixTensor()
    with pytest.raises(ValueError, match="Argument `matrix` must be symmetric"):
        MatrixTensor(np.arange(9.0).reshape(3, 3), 1.0)
    with pytest.raises(ValueError, match="Argument `tensor` must be of size 3"):
        MatrixTensor(np.eye(3), 1.0, sampled_tensor(KEY, 3, 4, 1.0), 1.0)
    with pytest.raises(ValueError, match="Argument `delta2` must be positive and finite"):
        MatrixTensor(np.eye(3))
