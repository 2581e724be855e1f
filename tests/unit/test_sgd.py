"""Steps of stochastic gradient descent: against a plain loop, and their mean against a drift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

import solvable as sv
from solvable.algorithms.sgd import Network, Rates, State, Teacher, learn, single
from solvable.bricks.inputs.bank import bank
from solvable.core.randomness import key_for
from solvable.core.status import Status


def network(batch=1, first=0.0, second=0.0, decay=0.0, noise=0.0, teacher=None):
    rates = Rates(*(jnp.asarray(x) for x in (first, second, decay, noise)))
    teacher = sv.Erf().evaluate if teacher is None else teacher
    return Network(sv.Erf().evaluate, teacher, rates, batch)


LABELS = dict(teacher=sv.Linear().evaluate)
GIVES_LABELS = Teacher(np.ones((1, 1)), np.ones(1))


def plain_descent(x, y, w, v, batch, first, second, decay):
    """The same steps, one line an equation, in double precision."""
    N = x.shape[1]
    for k in range(len(x) // batch):
        part = slice(k * batch, (k + 1) * batch)
        fields = x[part] @ w.T / N**0.5
        value, slope = erf(fields / 2**0.5), (2 / np.pi) ** 0.5 * np.exp(-(fields**2) / 2)
        error = value @ v - y[part]
        gradient = (slope * v * error[:, None]).T @ x[part] / batch
        w = (1 - first * decay / N) * w - first / N**0.5 * gradient
        v = v - second / N * (error @ value) / batch
    return w, v


@pytest.mark.parametrize("precision, digits", [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_bank_in_passes_is_learned_as_a_plain_loop_does(batch, precision, digits):
    rng = np.random.default_rng(0)
    N, count, steps = 20, 40, 60  # with batches of 3 beyond the fourth pass
    x = rng.standard_normal((count, N), dtype=np.float32).astype(float)  # as a bank holds it
    y = rng.choice([-1.0, 1.0], count)
    source = bank(x, y, key_for(0, "bank"), passes=5)
    start = State(rng.standard_normal((2, N)), rng.standard_normal(2))
    rates = dict(first=0.5, second=0.3, decay=0.2)
    path = learn(
        network(batch, **rates, **LABELS),
        source,
        GIVES_LABELS,
        start,
        [1.0, steps / N],
        rng,
        precision=precision,
    )
    assert path.status == Status.converged
    order = np.concatenate([source.order(k) for k in range(5)])[: steps * batch]
    for state, length in zip(path.states, (N, steps), strict=True):
        rows = order[: length * batch]
        w, v = plain_descent(x[rows], y[rows], start.w, start.v, batch, **rates)
        np.testing.assert_allclose(state.w, w, atol=digits)
        np.testing.assert_allclose(state.v, v, atol=digits)


def test_how_small_an_error_is_resolved():
    """Without noise the student becomes the teacher: to rounding, in either precision."""
    source = sv.Isotropic().source(key_for(0), 30, "input")
    teacher = Teacher(np.random.default_rng(1).standard_normal((1, 30)), np.ones(1))
    start = State(0.9 * teacher.weights, np.ones(1))
    ends = {}
    for precision in ("float32", "float64"):
        rng = np.random.default_rng(2)
        path = learn(network(first=1.0), source, teacher, start, [200.0], rng, precision=precision)
        ends[precision] = np.mean((path.states[0].w - teacher.weights) ** 2)
    assert ends["float64"] < 1e-24
    assert 1e-24 < ends["float32"] < 1e-10


def test_passes_hold_every_sample_once():
    source = bank(np.arange(7.0)[:, None], np.arange(7.0), key_for(1, "bank"), passes=2)
    rng = np.random.default_rng(0)
    x, seen = source.draw(rng, 14)
    np.testing.assert_array_equal(x, seen)
    for half in (x[:7, 0], x[7:, 0]):
        np.testing.assert_array_equal(np.sort(half), np.arange(7))
    assert np.any(x[:7] != x[7:])
    np.testing.assert_array_equal(source.draw(rng, 5, 6)[0], x[6:11])
    with pytest.raises(ValueError, match="`passes` must be enough for 15 samples"):
        source.draw(rng, 1, 14)


def test_a_bank_tells_its_covariance_and_its_signal():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((50, 6)), rng.standard_normal(50)
    source = bank(x, y, key_for(0))
    np.testing.assert_allclose(source.covariance(np.eye(6)), x.T @ x / 50, atol=1e-6)
    phi = 6**0.5 * np.mean(x * y[:, None], axis=0)
    np.testing.assert_allclose(source.signal(np.ones((1, 1)))[0], phi, atol=1e-6)
    with pytest.raises(ValueError, match="`labels` must have the length of `inputs`, 50"):
        bank(x, y[:4], key_for(0))


def i3(c, k, n, j):
    """E g'(k) x_n g(j) of fields with covariance c (Saad and Solla 1995)."""
    det = (1 + c[k, k]) * (1 + c[j, j]) - c[k, j] ** 2
    return (2 / np.pi / det**0.5) * (c[n, j] * (1 + c[k, k]) - c[k, n] * c[k, j]) / (1 + c[k, k])


def i4(c, i, k, j, m):
    """E g'(i) g'(k) g(j) g(m): given the slopes, arcsin of the covariance that is left."""
    tilt = np.eye(2) + c[np.ix_([i, k], [i, k])]
    cross = c[np.ix_([j, m], [i, k])]
    left = c[np.ix_([j, m], [j, m])] - cross @ np.linalg.solve(tilt, cross.T)
    angle = left[0, 1] / ((1 + left[0, 0]) * (1 + left[1, 1])) ** 0.5
    return 4 / np.pi**2 * np.arcsin(angle) / np.linalg.det(tilt) ** 0.5


def drift(c, s, K, eta, second, sigma):
    """dQ / dt, dR / dt and dv / dt of isotropic inputs."""
    n, v = len(s), s[:K]
    pull = np.array([[s @ [i3(c, k, m, j) for j in range(n)] for m in range(n)] for k in range(K)])
    pull *= -eta * v[:, None]
    kick = np.zeros((K, K))
    for i in range(K):
        for k in range(K):
            tilt = (1 + c[i, i]) * (1 + c[k, k]) - c[i, k] ** 2
            whole = sum(s[j] * s[m] * i4(c, i, k, j, m) for j in range(n) for m in range(n))
            kick[i, k] = whole + sigma**2 * 2 / np.pi / tilt**0.5
    width = np.sqrt(1 + np.diag(c))
    i2 = 2 / np.pi * np.arcsin(c / np.outer(width, width))
    dq = pull[:, :K] + pull[:, :K].T + eta**2 * np.outer(v, v) * kick
    return dq, pull[:, K:], -second * (i2 @ s)[:K]


def test_the_mean_of_a_step_is_the_drift():
    """N (Q' - Q), ... of one step, averaged over examples, within its standard error."""
    N, K, count, eta, second, sigma = 1500, 2, 6000, 0.8, 0.5, 0.3
    rng = np.random.default_rng(5)
    w, teacher = rng.standard_normal((2, N)) * [[0.6], [0.9]], rng.standard_normal((3, N))
    w[0] += 0.5 * teacher[0]
    v, v_teacher = np.array([1.2, -0.7]), np.array([1.0, 0.5, -1.0])
    both = np.concatenate([w, teacher])
    step = network(first=eta, second=second)
    state = single(State(w, v))

    def change(x, y):
        after = step.steps(state, x[None, None], y[None, None], jnp.asarray(1))
        dw = (after.w - state.w).astype(float)
        dr = dw @ both.T
        dq = dr[:, :K] + dr[:, :K].T + dw @ dw.T
        return dq, dr[:, K:], N * (after.v - state.v).astype(float)

    x = rng.standard_normal((count, N), dtype=np.float32)
    noise = (sigma * rng.standard_normal(count)).astype(np.float32)
    y = network().labels(single(Teacher(teacher, v_teacher)), x, jnp.zeros(count, np.float32))
    found = jax.lax.map(lambda pair: change(*pair), (jnp.asarray(x), y + noise), batch_size=100)
    wanted = drift(both @ both.T / N, np.concatenate([v, -v_teacher]), K, eta, second, sigma)
    for one, other in zip(found, wanted, strict=True):
        one = np.asarray(one)
        z = (one.mean(axis=0) - other) / (one.std(axis=0) / count**0.5)
        assert np.max(np.abs(z)) < 4, z
