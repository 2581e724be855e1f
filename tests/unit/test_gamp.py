"""Message passing: what a step and a run return, on every kind of design."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from solvable.algorithms import designs, gamp, programs, spectral
from solvable.algorithms.gamp import run
from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.sign import Sign
from solvable.bricks.channels.symmetric_door import SymmetricDoor
from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.instance import Data
from solvable.core.randomness import fold, key_for, normal_matrix
from solvable.core.status import Status

SPARSE_PRIOR = GaussBernoulli(rho=0.25)
NOISY = Linear(delta=1e-2)


def sparse_problem(p=400, n=320, columns=None, seed=0, mean=0.0):
    key = key_for(seed, "sparse problem", p, n)
    X = normal_matrix(fold(key, "design"), (n, p), p**-0.5) + mean / p
    rng = np.random.default_rng(seed)
    shape = (p,) if columns is None else (p, columns)
    w = rng.normal(size=shape) * (rng.random(shape) < 0.25)
    z = X @ w
    return X, z + 0.1 * rng.normal(size=z.shape), w


def binary_problem(p, alpha, seed=0):
    n = round(alpha * p)
    X = normal_matrix(key_for(seed, "binary problem", p, n), (n, p), p**-0.5)
    w = np.random.default_rng(seed).choice([-1.0, 1.0], p)
    return X, np.sign(X @ w), w


def test_one_step_is_the_algorithm():
    X, y, _ = sparse_problem(p=30, n=20)
    rng = np.random.default_rng(0)
    start = gamp.Start(rng.normal(size=30), rng.uniform(size=30), rng.normal(size=20))
    state = gamp.init(Gaussian(), NOISY, Data(X, y), start)
    new, info = gamp.step(Gaussian(), NOISY, Data(X, y), state)
    r = (X**2).sum() / 20
    V = r * start.variance.mean()
    omega = X @ start.mean - V * start.g
    g = (y - omega) / (0.01 + V)
    A = (X**2).sum() / 30 / (0.01 + V)
    mean = (X.T @ g + A * start.mean) / (1 + A)
    np.testing.assert_allclose(new.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(new.variance, 1 / (1 + A), rtol=1e-12)
    np.testing.assert_allclose(new.g, g, rtol=1e-12)
    np.testing.assert_allclose(info.output_variance, V)
    assert not info.negative_precision and not info.kept_precision


def test_vector_variances_are_the_sums_of_squares():
    X, y, _ = sparse_problem(p=30, n=20)
    start = gamp.Start(np.zeros(30), np.random.default_rng(0).uniform(size=30), np.zeros(20))
    state = gamp.init(Gaussian(), NOISY, Data(X, y), start, variances="vector")
    new, _ = gamp.step(Gaussian(), NOISY, Data(X, y), state)
    V = X**2 @ start.variance
    A = (X**2).T @ (1 / (0.01 + V))
    np.testing.assert_allclose(new.variance, 1 / (1 + A), rtol=1e-12)


def test_state_does_not_carry_the_design():
    X, y, _ = sparse_problem()
    state = gamp.init(SPARSE_PRIOR, NOISY, Data(X, y))
    held = sum(np.size(leaf) for leaf in jax.tree.leaves(state))
    assert held < 4 * sum(X.shape)


def sparse_forms(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    return {
        "fortran": np.asfortranarray(X),
        "view": np.repeat(X, 2, axis=1)[:, ::2],
        "jax": jnp.asarray(X),
        "memmap": np.load(tmp_path / "X.npy", mmap_mode="r"),
        "csr": scipy.sparse.csr_array(X),
        "csc": scipy.sparse.csc_matrix(X),
    }


def test_all_storages_give_one_answer(tmp_path):
    X, y, _ = sparse_problem()
    expected = run(SPARSE_PRIOR, NOISY, Data(X, y))
    assert expected.status == Status.converged
    for name, design in sparse_forms(X, tmp_path).items():
        found = run(SPARSE_PRIOR, NOISY, Data(design, y))
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-9, err_msg=name)
    operator = scipy.sparse.linalg.aslinearoperator(X)
    found = run(SPARSE_PRIOR, NOISY, Data(operator, y))
    np.testing.assert_allclose(found.mean, expected.mean, atol=0.05)  # sum of X^2 is estimated
    device = run(SPARSE_PRIOR, NOISY, Data(designs.Traced(jnp.asarray(X)), y))
    np.testing.assert_allclose(device.mean, expected.mean, atol=1e-9)
    single = run(SPARSE_PRIOR, NOISY, Data(X.astype(np.float32), y))
    assert single.mean.dtype == np.float64
    np.testing.assert_allclose(single.mean, expected.mean, atol=1e-4)


@pytest.mark.parametrize("center", [False, True])
def test_right_hand_sides_share_a_design_and_nothing_else(center):
    X, y, w = sparse_problem(columns=9)
    together = run(SPARSE_PRIOR, NOISY, Data(X, y), center=center)
    assert together.mean.shape == w.shape and together.status.shape == (9,)
    for k in (0, 4):
        alone = run(SPARSE_PRIOR, NOISY, Data(X, y[:, k]), center=center)
        np.testing.assert_allclose(together.mean[:, k], alone.mean, atol=1e-10)
        assert together.steps[k] == alone.steps


def test_products_of_many_right_hand_sides():
    """The products are those of numpy, and every right-hand side is contiguous."""
    X = normal_matrix(key_for(0, "many"), (600, 300))
    rng = np.random.default_rng(0)
    W, G = rng.normal(size=(300, 16)), rng.normal(size=(600, 16))
    for array in (X, X.astype(np.float32), X[1:], np.asfortranarray(X)):
        design = designs.as_design(array)
        tolerance = 1e-10 if array.dtype == np.float64 else 1e-3
        np.testing.assert_allclose(design.matvec(W), array @ W, atol=tolerance)
        g = G[: len(array)]
        np.testing.assert_allclose(design.rmatvec(g), array.T @ g, atol=tolerance)
        assert design.matvec(W).flags.f_contiguous and design.rmatvec(g).flags.f_contiguous


def test_stacked_designs():
    problems = [sparse_problem(seed=seed) for seed in range(3)]
    X, y = (np.stack([problem[i] for problem in problems]) for i in range(2))
    together = run(SPARSE_PRIOR, NOISY, Data(X, y))
    for k, (one, observation, _) in enumerate(problems):
        alone = run(SPARSE_PRIOR, NOISY, Data(one, observation))
        np.testing.assert_allclose(together.mean[k], alone.mean, atol=1e-10)


def test_step_under_jit_and_vmap():
    problems = [sparse_problem(p=60, n=50, seed=seed) for seed in range(3)]
    X, y = (jnp.stack([jnp.asarray(problem[i]) for problem in problems]) for i in range(2))

    def two_steps(X, y):
        state = gamp.init(SPARSE_PRIOR, NOISY, Data(X, y))
        for _ in range(2):
            state, _ = gamp.step(SPARSE_PRIOR, NOISY, Data(X, y), state)
        return state.mean

    expected = np.stack(
        [two_steps(np.asarray(a), np.asarray(b)) for a, b in zip(X, y, strict=True)]
    )
    np.testing.assert_allclose(jax.jit(two_steps)(X[0], y[0]), expected[0], rtol=1e-10)
    np.testing.assert_allclose(jax.vmap(two_steps)(X, y), expected, rtol=1e-10)


# Hazard 8: zero variance at exact recovery.
@pytest.mark.parametrize("alpha", [1.6, 2.5, 20.0])
@pytest.mark.parametrize("variances", ["scalar", "vector"])
def test_exact_recovery_of_binary_weights(alpha, variances):
    X, y, w = binary_problem(1000, alpha)
    found = run(Rademacher(), Sign(), Data(X, y), variances=variances)
    assert found.status == Status.converged
    assert np.mean(found.mean * w) == pytest.approx(1, abs=1e-12)
    assert 0 <= found.variance.mean() < 1e-12


# Hazard 13: no output noise is the limit itself.
def test_noiseless_compressed_sensing_recovers_to_rounding():
    X, _, w = sparse_problem(p=600, n=420)
    found = run(SPARSE_PRIOR, Linear(), Data(X, X @ w), tolerance=1e-12)
    assert found.status == Status.converged
    assert np.mean((found.mean - w) ** 2) < 1e-22


# Hazard 7: a design with a mean.
@pytest.mark.parametrize("mean", [3.0, 10.0])
def test_design_with_a_mean_is_reported_and_centering_helps(mean):
    X, y, w = sparse_problem(mean=mean)
    found = run(SPARSE_PRIOR, NOISY, Data(X, y))
    assert found.status == Status.left_domain
    assert "the design has a mean" in found.messages[0]
    assert "variance rising" in found.messages[0]
    assert np.isfinite(found.mean).all() and np.isfinite(found.variance).all()
    centered = run(SPARSE_PRIOR, NOISY, Data(X, y), center=True)
    plain_X, plain_y, _ = sparse_problem()
    plain = run(SPARSE_PRIOR, NOISY, Data(plain_X, plain_y))
    errors = [np.mean((one.mean - w) ** 2) for one in (centered, plain)]
    assert centered.status == Status.converged
    assert errors[0] == pytest.approx(errors[1], rel=0.05)


# Hazard 15: the tolerance is on F(x) - x, whatever the damping.
def test_damping_does_not_fake_convergence():
    X, y, _ = sparse_problem()
    plain = run(SPARSE_PRIOR, NOISY, Data(X, y), tolerance=1e-9)
    damped = run(SPARSE_PRIOR, NOISY, Data(X, y), tolerance=1e-9, damping=0.9, max_steps=1000)
    assert plain.status == damped.status == Status.converged
    np.testing.assert_allclose(damped.mean, plain.mean, atol=1e-7)
    short = run(SPARSE_PRIOR, NOISY, Data(X, y), damping=0.999, max_steps=20)
    assert short.status == Status.max_steps


def test_damping_mixes_the_states():
    X, y, _ = sparse_problem(p=30, n=20)
    state = gamp.init(SPARSE_PRIOR, NOISY, Data(X, y))
    plain, info = gamp.step(SPARSE_PRIOR, NOISY, Data(X, y), state)
    damped, same = gamp.step(SPARSE_PRIOR, NOISY, Data(X, y), state, damping=0.25)
    np.testing.assert_allclose(damped.mean, 0.75 * plain.mean + 0.25 * state.mean)
    np.testing.assert_allclose(damped.variance, 0.75 * plain.variance + 0.25 * state.variance)
    np.testing.assert_allclose(damped.g, 0.75 * plain.g)
    assert info.residual == same.residual


# Hazards 16 and 24: rising variance and divergence end with a status and a finite estimate.
def test_divergence_ends_with_the_best_iterate():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 200))  # nearly rank 3
    X = factor / np.sqrt(200)
    w = rng.normal(size=200)
    found = run(Gaussian(), Linear(delta=1e-3), Data(X, X @ w))
    assert found.status in (Status.left_domain, Status.max_steps)
    assert np.isfinite(found.mean).all() and np.isfinite(found.residual)
    assert found.messages[0] and "Converged" not in found.messages[0]


# Hazard 17: a negative precision is replaced, counted and reported.
def test_negative_precision_is_counted():
    n, p = 600, 500
    X = normal_matrix(key_for(0, "negative precision"), (n, p), p**-0.5)
    rng = np.random.default_rng(1)
    y = np.where(np.abs(X @ rng.choice([-1.0, 1.0], p)) > 0.67449, 1.0, -1.0)
    start = gamp.Start(0.1 * rng.choice([-1.0, 1.0], p), 0.99, np.zeros(()))  # a random start
    door = SymmetricDoor(k=0.67449)
    found = run(Rademacher(), door, Data(X, y), start=start, max_steps=50)
    assert found.negative_precision > 0
    assert np.isfinite(found.mean).all() and (found.variance >= 0).all()


def test_best_iterate_of_each_right_hand_side():
    X, y, _ = sparse_problem(columns=3)
    y[:, 1] *= 1e200
    found = run(SPARSE_PRIOR, NOISY, Data(X, y))
    assert found.status[0] == found.status[2] == Status.converged
    assert found.status[1] != Status.converged
    assert np.isfinite(found.mean).all()


def test_history_starts_with_the_start():
    X, y, w = sparse_problem()
    seen = run(
        SPARSE_PRIOR, NOISY, Data(X, y), observe=lambda s: float(np.mean(s.mean * w)), max_steps=5
    ).history
    assert seen[0] == 0 and len(seen) == 6


def test_error_bound_holds():
    X, y, _ = sparse_problem()
    rough = run(SPARSE_PRIOR, NOISY, Data(X, y), tolerance=1e-3)
    exact = run(SPARSE_PRIOR, NOISY, Data(X, y), tolerance=1e-12)
    distance = np.sqrt(np.mean((rough.mean - exact.mean) ** 2) / 0.25)
    assert distance < 2 * rough.error_bound


def test_bad_arguments():
    X, y, _ = sparse_problem(p=30, n=20)
    cases = [
        (lambda: run(Gaussian(), NOISY, Data(X, y[:-1])), "Argument `observation` must have one"),
        (lambda: run(Gaussian(), NOISY, Data(X, y), damping=1.0), "Argument `damping` must be in"),
        (lambda: run(Gaussian(), NOISY, Data(X, y), variances="full"), "Argument `variances`"),
        (lambda: run(Gaussian(), NOISY, Data(X * 1j, y)), "must hold real numbers"),  # hazard 19
        (lambda: run(Gaussian(), NOISY, Data("X", y)), "Argument `design` must be an array"),
        (lambda: run(Gaussian(), NOISY, Data(X[0], y)), "Argument `design` must have shape"),
        (
            lambda: run(
                Gaussian(),
                NOISY,
                Data(scipy.sparse.linalg.aslinearoperator(X), y),
                variances="vector",
            ),
            "Argument `variances` must be 'scalar'",
        ),
    ]
    for call, words in cases:
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("size", [1, 31, 32, 33, 100, 8000, 12345, 1 << 20])
def test_buckets_waste_little(size):
    padded = programs.bucket(size)
    assert padded >= size and (padded <= 32 or padded <= 1.25 * size)
    assert programs.bucket(padded) == padded


def test_design_with_a_mean_stands_out():
    X, _, _ = sparse_problem()
    assert designs.mean_strength(designs.as_design(X)) < 0.7
    assert designs.mean_strength(designs.as_design(X + 3 / X.shape[1])) > 1


def test_centered_products():
    X, _, _ = sparse_problem(p=40, n=30)
    X = X + np.random.default_rng(0).normal(size=40)
    whole = designs.as_design(X)
    centered = designs.Centered(whole, designs.column_means(whole))
    expected = X - X.mean(axis=0)
    rng = np.random.default_rng(1)
    for shape in ((), (3,)):
        w, g = rng.normal(size=(40, *shape)), rng.normal(size=(30, *shape))
        np.testing.assert_allclose(centered.matvec(w), expected @ w, atol=1e-12)
        np.testing.assert_allclose(centered.rmatvec(g), expected.T @ g, atol=1e-12)
    assert centered.square_sum() == pytest.approx((expected**2).sum())


def test_blind_channels():
    assert spectral.is_blind(Gaussian(), Abs())
    assert spectral.is_blind(Rademacher(), SymmetricDoor(k=0.67449))
    assert not spectral.is_blind(Gaussian(), Sign())
    assert not spectral.is_blind(Gaussian(mean=0.5), Abs())


@pytest.mark.parametrize("columns", [None, 2])
def test_spectral_start_finds_the_signal(columns):
    p, n = 800, 1600
    X = normal_matrix(key_for(0, "spectral"), (n, p), p**-0.5)
    w = np.random.default_rng(0).normal(size=(p,) if columns is None else (p, columns))
    data = Data(X, np.abs(X @ w))
    start = spectral.start(Gaussian(), Abs(), data, key_for(0, "vector"))
    cosine = np.sum(start.mean * w, axis=0) / np.sqrt(
        np.sum(start.mean**2, axis=0) * np.sum(w**2, axis=0)
    )
    predicted = np.mean(start.mean**2, axis=0)
    np.testing.assert_allclose(cosine**2, predicted, atol=0.12)
    assert np.all(predicted > 0.3)
    found = run(Gaussian(), Abs(), data, start=start)
    np.testing.assert_allclose(np.abs(np.mean(found.mean * w, axis=0)), np.mean(w**2, axis=0))


def test_spectral_prediction_below_weak_recovery():
    y = np.abs(np.random.default_rng(0).normal(size=100_000))
    m = y**2
    T = 1 - 1 / np.maximum(m, 0.05)
    assert spectral.predicted_overlap(m, T, 0.4) == (1.0, 0.0)
    assert spectral.predicted_overlap(m, T, 1.0)[1] > 0.1


def test_dtype_of_the_result_under_strict_promotion():
    X, y, _ = sparse_problem(p=30, n=20)
    state = eqx.filter_jit(gamp.init)(SPARSE_PRIOR, NOISY, Data(jnp.asarray(X, jnp.float32), y))
    new, _ = gamp.step(SPARSE_PRIOR, NOISY, Data(X.astype(np.float32), y), state)
    assert new.mean.dtype == np.float64
