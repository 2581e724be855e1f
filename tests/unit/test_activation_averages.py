"""Averages over the fields of a network: closed forms, expansions, and plain quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.activations.dispatch import activation, averages_of
from solvable.bricks.activations.erf import ErfAverages
from solvable.bricks.activations.hermite import Function, HermiteAverages, Resolution
from solvable.bricks.activations.relu import ReLUAverages

K = 2
SIGNED = np.array([0.7, -1.1, 0.4, 1.3])


def covariance(seed=0, n=4, scale=1.0):
    A = np.random.default_rng(seed).standard_normal((n, n + 1))
    return scale * A @ A.T / n


def averages(found, c, s=SIGNED, students=K):
    return jax.jit(lambda c, s: found.at(c, s, students))(jnp.asarray(c), jnp.asarray(s))


def by_a_grid(c, s, g, slope, count=24):
    """I, J and G by Gauss and Hermite in four dimensions."""
    x, w = np.polynomial.hermite_e.hermegauss(count)
    grid = np.stack([a.ravel() for a in np.meshgrid(*[x] * len(c), indexing="ij")], axis=1)
    weight = np.prod(np.stack(np.meshgrid(*[w / w.sum()] * len(c), indexing="ij")), axis=0)
    fields, weight = grid @ np.linalg.cholesky(c).T, weight.ravel()
    values, slopes = g(fields), slope(fields)
    squares = (weight * (values @ s) ** 2)[:, None] * slopes[:, :K]
    return (
        (weight[:, None] * values).T @ values,
        (weight[:, None] * slopes[:, :K]).T @ slopes,
        slopes[:, :K].T @ squares,
    )


def test_erf_against_a_grid():
    c = covariance(scale=0.3)
    found = averages(ErfAverages(), c)
    g = lambda x: np.asarray(jax.scipy.special.erf(x / 2**0.5))  # noqa: E731
    slope = lambda x: (2 / np.pi) ** 0.5 * np.exp(-0.5 * x**2)  # noqa: E731
    products, slopes, squares = by_a_grid(c, SIGNED, g, slope)
    np.testing.assert_allclose(found.products, products, atol=1e-9)
    np.testing.assert_allclose(found.slopes, slopes, atol=1e-9)
    np.testing.assert_allclose(found.squares, squares, atol=1e-8)


@pytest.mark.parametrize("which", ["erf", "relu"])
def test_bends_are_derivatives_of_products(which):
    """dE g_k g_j / dc_kk = E g''_k g_j / 2, by differences."""
    found = {"erf": ErfAverages(), "relu": ReLUAverages()}[which]
    c, step = covariance(1), 1e-5
    for k in range(K):
        shift = np.zeros_like(c)
        shift[k, k] = step
        up, down = (found.products(jnp.asarray(c + x * shift), K)[k] for x in (1, -1))
        others = np.arange(4) != k
        wanted = ((up - down) / step)[others] @ SIGNED[others]
        alone = averages(found, c, np.where(others, SIGNED, 0.0)).bends[k]
        assert float(alone) == pytest.approx(float(wanted), rel=1e-6)


def test_relu_against_samples():
    """E theta theta relu relu of one to four fields, within five standard errors."""
    c, rng = covariance(2, 5), np.random.default_rng(3)
    s = np.array([0.7, -1.1, 0.9, 0.4, 1.3])
    found = averages(ReLUAverages(), c, s, 3)
    fields = rng.standard_normal((400_000, 5)) @ np.linalg.cholesky(c).T
    slopes = (fields[:, :3] > 0).astype(float)
    error = (np.maximum(fields, 0) @ s) ** 2
    samples = slopes[:, :, None] * slopes[:, None, :] * error[:, None, None]
    spread = samples.std(axis=0) / len(samples) ** 0.5
    assert np.all(np.abs(found.squares - samples.mean(axis=0)) < 5 * spread)


def test_relu_of_independent_fields_is_a_product():
    """Fields i, k, j, l all different: E theta^2 (E relu)^2, and so on, in closed form."""
    c, s = np.diag([0.5, 2.0, 1.5, 0.7]), np.array([0.0, 0.0, 1.0, 1.0])
    found = averages(ReLUAverages(), c, s)
    mean, square = (np.diag(c) / (2 * np.pi)) ** 0.5, np.diag(c) / 2
    error = square[2] + square[3] + 2 * mean[2] * mean[3]
    np.testing.assert_allclose(found.squares, error * np.array([[0.5, 0.25], [0.25, 0.5]]))


def test_fields_that_coincide():
    """Two equal students are one of twice the weight; a student at its teacher errs by 0."""
    whole = covariance(4, 3)
    twice = whole[np.ix_([0, 0, 1, 2], [0, 0, 1, 2])]
    for found in (ErfAverages(), ReLUAverages()):
        one = averages(found, whole, np.array([2.0, -1.0, 0.5]), 1)
        both = averages(found, twice, np.array([1.0, 1.0, -1.0, 0.5]), 2)
        np.testing.assert_allclose(both.squares, np.full((2, 2), one.squares[0, 0]), rtol=1e-12)
        np.testing.assert_allclose(both.bends, np.full(2, one.bends[0]), rtol=1e-12)
        np.testing.assert_allclose(both.slopes[:, 2:], np.tile(one.slopes[:, 1:], (2, 1)))
        same = np.block([[whole[:2, :2], whole[:2, :2]], [whole[:2, :2], whole[:2, :2]]])
        perfect = averages(found, same, np.array([1.0, 2.0, -1.0, -2.0]))
        assert np.max(np.abs(perfect.squares)) < 1e-14
        assert np.max(np.abs(perfect.bends)) < 1e-14
        gradient = jax.grad(lambda c, f=found: jnp.sum(f.at(c, jnp.asarray(SIGNED), 2).squares))
        assert np.all(np.isfinite(gradient(jnp.asarray(same))))


@pytest.mark.parametrize("nodes, error", [(16, 2e-4), (32, 2e-6)])
def test_expansions_converge_to_erf(nodes, error):
    c = covariance(5)
    fine = Resolution(48, 14, nodes)
    found = averages(HermiteAverages(Function(sv.Erf()), Function(sv.Erf()), fine), c)
    for name in ("products", "slopes", "bends"):
        wanted = getattr(averages(ErfAverages(), c), name)
        np.testing.assert_allclose(getattr(found, name), wanted, atol=1e-9)
    np.testing.assert_allclose(found.squares, averages(ErfAverages(), c).squares, atol=error)


def test_polynomials_are_exact():
    cubic = sv.Polynomial(coefficients=[0.3, 1.0, 0.2, -0.1])
    c = covariance(6)
    found = averages(averages_of(cubic, cubic), c)
    g = lambda x: 0.3 + x + 0.2 * x**2 - 0.1 * x**3  # noqa: E731
    products, slopes, squares = by_a_grid(c, SIGNED, g, lambda x: 1 + 0.4 * x - 0.3 * x**2, 9)
    np.testing.assert_allclose(found.products, products, rtol=1e-12)
    np.testing.assert_allclose(found.slopes, slopes, rtol=1e-12)
    np.testing.assert_allclose(found.squares, squares, rtol=1e-12)
    line = sv.Polynomial(coefficients=[0.0, 1.0])
    straight = averages(averages_of(sv.Linear(), sv.Linear()), c)
    for one, other in zip(averages(averages_of(line, line), c), straight, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_two_activations_are_told_apart():
    """A student of error functions and a teacher of rectifiers: means over samples."""
    c, rng = covariance(7), np.random.default_rng(8)
    found = averages(averages_of(sv.Erf(), sv.ReLU()), c)
    fields = rng.standard_normal((400_000, 4)) @ np.linalg.cholesky(c).T
    of_student = np.asarray(jax.scipy.special.erf(fields[:, :2] / 2**0.5))
    values = np.concatenate([of_student, np.maximum(fields[:, 2:], 0)], axis=1)
    slopes = (2 / np.pi) ** 0.5 * np.exp(-0.5 * fields[:, :2] ** 2)
    samples = slopes[:, :, None] * slopes[:, None] * ((values @ SIGNED) ** 2)[:, None, None]
    spread = samples.std(axis=0) / len(samples) ** 0.5
    assert np.all(np.abs(found.squares - samples.mean(axis=0)) < 5 * spread + 1e-3)
    pairs = values[:, :, None] * values[:, None]
    spread = pairs.std(axis=0) / len(samples) ** 0.5
    assert np.all(np.abs(found.products - pairs.mean(axis=0)) < 5 * spread)


def test_what_is_no_activation_is_refused():
    for value, must in (
        (sv.Erf(delta=0.1), "be an activation without noise"),
        (sv.Sign(), "have a derivative, and not jump at 0"),
        (3.0, "be an activation, as"),
    ):
        with pytest.raises(ValueError, match=f"Argument `activation` must {must}"):
            activation("activation", value)
    assert activation("teacher_activation", sv.Sign(), differentiable=False) == sv.Sign()
    with pytest.raises(ValueError, match="`coefficients` must have at most 12 numbers"):
        sv.Polynomial(coefficients=np.ones(13))
