"""Spectral estimates of a spike against dense eigenvectors of the matrices they never form."""

import numpy as np
import pytest

from solvable.algorithms import low_rank_spectral
from solvable.algorithms.eigenvectors import leading_eigenvectors
from solvable.algorithms.low_rank_spectral import (
    Covariance,
    lamp_wigner,
    lamp_wishart,
    pca_wigner,
    pca_wishart,
)
from solvable.core.randomness import key_for
from solvable.core.status import Status

P, N, K, DELTA = 180, 240, 90, 0.4
RNG = np.random.default_rng(5)
F = RNG.normal(size=(P, K))
V = F @ RNG.normal(size=K) / K**0.5
U = RNG.normal(size=N)
NOISE = RNG.normal(size=(P, P))
SQUARE = np.outer(V, V) / P**0.5 + DELTA**0.5 * (NOISE + NOISE.T) / 2**0.5
RECTANGLE = np.outer(U, V) / P**0.5 + DELTA**0.5 * RNG.normal(size=(N, P))
KNOWN = [Covariance(F, scale=1 / K), Covariance(F, scale=0.6 / K, ridge=0.4)]


def same_line(found, wanted):
    """|found|^2 is its length, and it is the wanted vector up to scale and sign."""
    assert found @ found == pytest.approx(len(found), rel=1e-12)
    cosine = (found @ wanted) ** 2 / (len(found) * (wanted @ wanted))
    assert cosine == pytest.approx(1, abs=1e-10)


def leading(matrix):
    values, vectors = np.linalg.eig(matrix)
    top = np.argmax(values.real)
    return values[top].real, vectors[:, top].real


def dense(covariance):
    return covariance.scale * F @ F.T + covariance.ridge * np.eye(P)


@pytest.mark.parametrize("covariance", KNOWN, ids=["factor", "ridge"])
def test_lamp_is_the_eigenvector_of_gamma(covariance):
    rho = np.trace(dense(covariance)) / P
    assert covariance.rho == pytest.approx(rho)
    np.testing.assert_allclose(covariance.product(V), dense(covariance) @ V)
    gamma = dense(covariance) @ (SQUARE / P**0.5 - rho * np.eye(P)) / DELTA
    value, vector = leading(gamma)
    found = lamp_wigner(SQUARE, covariance, DELTA, tolerance=1e-8)
    assert found.status is Status.converged
    assert found.eigenvalue == pytest.approx(value, rel=1e-8)
    same_line(found.vector, vector)
    other = lamp_wigner(SQUARE, covariance, DELTA, rho=1.3 * rho, tolerance=1e-8)
    assert other.eigenvalue < found.eigenvalue

    inner = RECTANGLE.T @ RECTANGLE / (P * (DELTA + rho)) - N / P * np.eye(P)
    value, vector = leading(dense(covariance) @ inner / DELTA)
    pair = lamp_wishart(RECTANGLE, covariance, DELTA, tolerance=1e-8)
    assert pair.eigenvalue == pytest.approx(value, rel=1e-8)
    same_line(pair.vector, vector)
    same_line(pair.vector_u, RECTANGLE @ vector)


def test_pca_is_the_dense_decomposition():
    found = pca_wigner(SQUARE, tolerance=1e-8)
    values, vectors = np.linalg.eigh(SQUARE / P**0.5)
    assert found.eigenvalue == pytest.approx(values[-1], rel=1e-8)
    same_line(found.vector, vectors[:, -1])
    pair = pca_wishart(RECTANGLE, tolerance=1e-8)
    left, singular_values, right = np.linalg.svd(RECTANGLE)
    assert pair.eigenvalue == pytest.approx(singular_values[0] ** 2 / P, rel=1e-8)
    same_line(pair.vector, right[0])
    same_line(pair.vector_u, left[:, 0])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_and_precision(order, dtype, tmp_path):
    tolerance = 1e-5 if dtype == np.float32 else 1e-10
    np.save(tmp_path / "Y.npy", np.asarray(SQUARE, dtype, order=order))
    on_disk = np.load(tmp_path / "Y.npy", mmap_mode="r")
    wide = np.zeros((P, 2 * P), dtype)
    wide[:, ::2] = SQUARE
    covariance = Covariance(np.asarray(F, dtype, order=order), scale=1 / K)
    wanted = lamp_wigner(SQUARE, KNOWN[0], DELTA, tolerance=1e-9)
    for Y in (on_disk, wide[:, ::2]):
        found = lamp_wigner(Y, covariance, DELTA, tolerance=tolerance)
        assert found.eigenvalue == pytest.approx(wanted.eigenvalue, rel=1e-4)
        assert (found.vector @ wanted.vector) ** 2 / P**2 == pytest.approx(1, abs=1e-4)
    rectangle = np.asarray(RECTANGLE, dtype, order=order)
    pair = lamp_wishart(rectangle, covariance, DELTA, tolerance=tolerance)
    wanted = lamp_wishart(RECTANGLE, KNOWN[0], DELTA, tolerance=1e-9)
    assert pair.eigenvalue == pytest.approx(wanted.eigenvalue, rel=1e-4)
    assert pair.vector.dtype == pair.vector_u.dtype == np.float64


def test_products_by_blocks(monkeypatch):
    wanted = RECTANGLE.T @ (RECTANGLE @ V)
    monkeypatch.setattr(low_rank_spectral, "_BLOCK", 7 * 8 * P)
    np.testing.assert_allclose(low_rank_spectral._gram_product(RECTANGLE, V), wanted, rtol=1e-10)


def test_covariance_of_training_data():
    samples = 2.0 + RNG.normal(size=(50, P))
    found = Covariance.from_samples(samples, ridge=0.1)
    wanted = np.cov(samples.T, bias=True) + 0.1 * np.eye(P)
    np.testing.assert_allclose(found.product(V), wanted @ V, rtol=1e-10)
    assert found.rho == pytest.approx(np.trace(wanted) / P)
    with pytest.raises(ValueError, match="`samples` must hold two that differ"):
        Covariance.from_samples(np.ones((5, 3)))


def test_keys_and_small_sizes():
    found = [pca_wigner(SQUARE, tolerance=1e-9, key=key_for(seed, "start")) for seed in (0, 1)]
    same_line(found[0].vector, found[1].vector)
    tiny = pca_wigner([[2.0, 1.0], [1.0, 2.0]])
    assert tiny.eigenvalue == pytest.approx(3 / 2**0.5)
    same_line(tiny.vector, np.ones(2))
    assert lamp_wigner([[2.0]], [[1.0]], 0.5).eigenvalue == pytest.approx(2.0)


def test_too_few_steps_say_so():
    noise = (NOISE + NOISE.T) / 2**0.5
    found = pca_wigner(noise, tolerance=1e-14, max_steps=1)
    assert found.status is Status.max_steps
    assert found.vector @ found.vector == pytest.approx(P)
    top = np.linalg.eigvalsh(noise / P**0.5)[-1]
    assert found.eigenvalue == pytest.approx(top, rel=0.05)
    # the eigenvalue is the Rayleigh quotient of the vector
    rayleigh = found.vector @ noise @ found.vector / P**1.5
    assert found.eigenvalue == pytest.approx(rayleigh, rel=1e-8)


def test_largest_and_not_largest_in_modulus():
    values = np.append(np.linspace(-50, 0.5, 199), 1.0)
    start = np.random.default_rng(0).normal(size=200)
    found = leading_eigenvectors(lambda v: values * v, start, tolerance=1e-10)
    assert found.eigenvalue == pytest.approx(1.0)
    assert abs(found.vector[-1]) == pytest.approx(1.0)


def with_entry(matrix, value):
    changed = matrix.astype(np.float32)
    changed[3, 5] = changed[5, 3] = value
    return changed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pca_wigner(RECTANGLE), "`Y` must be a square matrix, but was an array of shape"),
        (lambda: pca_wigner(NOISE), "`Y` must be symmetric, but differed from its transpose by"),
        (lambda: pca_wigner(with_entry(SQUARE, np.nan)), "`Y` must hold finite numbers, but held"),
        (lambda: pca_wigner(np.zeros((5, 5))), "`Y` must not be zero"),
        (lambda: pca_wishart(V), "`Y` must have 2 dimensions"),
        (lambda: pca_wishart(with_entry(SQUARE, np.inf)), "`Y` must hold finite numbers"),
        (lambda: pca_wishart(np.zeros((5, 4))), "`Y` must not be zero"),
        (lambda: pca_wigner(SQUARE, tolerance=0.0), "`tolerance` must be positive"),
        (lambda: pca_wigner(SQUARE, max_steps=0), "`max_steps` must be an integer of at least 1"),
        (lambda: lamp_wigner(SQUARE, F, delta=0.0), "`delta` must be positive"),
        (lambda: lamp_wigner(SQUARE, F, 1.0, rho=-1.0), "`rho` must be positive"),
        (lambda: lamp_wigner(SQUARE, F[1:], 1.0), "`covariance` must be of dimension 180"),
        (lambda: lamp_wishart(RECTANGLE, F.T, 1.0), "`covariance` must be of dimension 180"),
        (lambda: lamp_wigner(SQUARE, "F", 1.0), "`covariance` must"),
        (lambda: Covariance(F, scale=0.0), "`scale` must be positive"),
        (lambda: Covariance(F, ridge=-0.1), "`ridge` must be non-negative"),
        (lambda: Covariance(0 * F), "`factor` must not vanish where `ridge` is 0"),
        (lambda: Covariance(with_entry(F, np.nan)), "`factor` must hold finite numbers"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
