"""Spectra of weights: transforms, finite matrices, and what a layer makes of messages."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.integrate

from solvable.bricks.spectra import (
    Empirical,
    LogUniform,
    MarchenkoPastur,
    Orthogonal,
    general_mix,
    mix,
    respond,
    saddle,
)
from solvable.bricks.spectra.base import haar_frame
from solvable.core.randomness import key_for
from solvable.core.specification import numeric, parse

LAWS = {
    "MarchenkoPastur": MarchenkoPastur(),
    "Orthogonal": Orthogonal(),
    "Empirical with zeros": Empirical(singular_values=[0, 0.1, 1, 2, 2.5]),
    "Empirical as is": Empirical(singular_values=[0.3, 1, 4], normalize=False),
    "LogUniform": LogUniform(),
    "LogUniform extreme": LogUniform(condition=1e16),
    "LogUniform narrow": LogUniform(condition=1.001),
}
RATIOS = [0.3, 1.0, 2.5]
EVERY_LAW = pytest.mark.parametrize("law", LAWS)
USUAL_LAW = pytest.mark.parametrize(
    "law", ["MarchenkoPastur", "Orthogonal", "Empirical with zeros", "LogUniform"]
)


@functools.cache
def transforms(name):
    """Jitted u, ratio -> s, 1 - s, s of W W^T, E ln(lambda + u), and the slope of the last."""
    law = LAWS[name]

    def evaluate(u, ratio):
        log_mean, slope = jax.value_and_grad(law.log_mean)(u, ratio)
        s, absorbed = law.stieltjes(u, ratio), law.absorbed(u, ratio)
        return s, absorbed, law.output_stieltjes(u, ratio), log_mean, slope

    return jax.jit(jax.vmap(evaluate, in_axes=(0, None)))


@functools.cache
def mixing(name, route=mix):
    return jax.jit(jax.vmap(functools.partial(route, LAWS[name]), in_axes=(None, 0, 0)))


def direct_average(name, ratio, function):
    """E function(lambda) in 30 digits, from the definition of the law."""
    law, a, total = LAWS[name], mpmath.mpf(ratio), mpmath.mpf(0)
    rank = min(a, 1)
    if isinstance(law, LogUniform):
        length = 2 * mpmath.log(mpmath.mpf(law.condition))
        top = mpmath.log(max(a, 1) * length / (1 - mpmath.exp(-length)))
        grid = mpmath.linspace(top - length, top, 2 + int(length / 3))
        total = mpmath.quad(lambda y: function(mpmath.exp(y)), grid) / length
    else:
        values = [mpmath.mpf(x) for x in getattr(law, "singular_values", [1.0])]
        scale = mpmath.mpf(1)
        if getattr(law, "normalize", True):
            scale = max(a, 1) * len(values) / sum(x**2 for x in values)
        total = sum(function(scale * x**2) for x in values) / len(values)
    return rank * total + (1 - rank) * function(mpmath.mpf(0))


U = [1e-12, 1e-6, 1e-2, 1.0, 30.0, 1e6, 1e12]


@EVERY_LAW
@pytest.mark.parametrize("ratio", RATIOS)
def test_transforms_against_the_definition(law, ratio):
    if law == "MarchenkoPastur":  # its density has a test of its own
        expected = [marchenko_pastur(u, ratio) for u in U]
    else:
        with mpmath.workdps(30):
            expected = [
                [
                    direct_average(law, ratio, lambda x, u=u: u / (u + x)),
                    direct_average(law, ratio, lambda x, u=u: x / (u + x)),
                    direct_average(law, ratio, lambda x, u=u: mpmath.log(u + x)),
                ]
                for u in map(mpmath.mpf, U)
            ]
    s, absorbed, output, log_mean, slope = transforms(law)(jnp.asarray(U), ratio)
    expected = np.array(expected, float).T
    np.testing.assert_allclose(s, expected[0], rtol=2e-14)
    np.testing.assert_allclose(absorbed, expected[1], rtol=2e-14)
    np.testing.assert_allclose(output, 1 - expected[1] / ratio, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(log_mean, expected[2], rtol=2e-14, atol=1e-14)
    np.testing.assert_allclose(slope * np.array(U), expected[0], rtol=1e-12, atol=1e-15)


def marchenko_pastur(u, ratio):
    """s, 1 - s and the mean logarithm from the quadratic equation in 60 digits."""
    with mpmath.workdps(60):
        u, a = mpmath.mpf(u), mpmath.mpf(ratio)
        b = u + a - 1
        s = (mpmath.sqrt(b * b + 4 * u) - b) / 2
        q_hat = a / (u + s)
        log = mpmath.log(1 + q_hat) - q_hat * s + a * mpmath.log(1 + s / u)
        return [s, 1 - s, mpmath.log(u) + log]


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("u", [1e-3, 0.1, 1.0, 30.0])
def test_marchenko_pastur_against_its_density(u, ratio):
    middle, half = 1 + ratio, 2 * ratio**0.5

    def average(function):
        def integrand(phi):  # lambda = middle - half cos(phi)
            x = middle - half * np.cos(phi)
            return function(x) * (half * np.sin(phi)) ** 2 / (2 * np.pi * x)

        bulk = scipy.integrate.quad(integrand, 0, np.pi, epsabs=1e-12, epsrel=1e-11, limit=400)
        return bulk[0] + max(0, 1 - ratio) * function(0.0)

    s, absorbed, _, log_mean, _ = transforms("MarchenkoPastur")(jnp.asarray([u]), ratio)
    assert float(s[0]) == pytest.approx(average(lambda x: u / (u + x)), rel=1e-11)
    assert float(absorbed[0]) == pytest.approx(average(lambda x: x / (u + x)), rel=1e-11)
    assert float(log_mean[0]) == pytest.approx(average(lambda x: np.log(u + x)), abs=1e-11)


@USUAL_LAW
@pytest.mark.parametrize("shape", [(600, 300), (300, 600)])
def test_transforms_of_finite_matrices(law, shape):
    n, p = shape
    W = LAWS[law].sample(key_for(1, law), n, p)
    eigenvalues = np.zeros(p)
    eigenvalues[: min(n, p)] = np.linalg.svd(W, compute_uv=False) ** 2
    u = np.array([[0.1], [1.0], [10.0]])
    s, absorbed, output, log_mean, _ = transforms(law)(jnp.asarray(u[:, 0]), n / p)
    np.testing.assert_allclose(s, np.mean(u / (u + eigenvalues), axis=1), atol=3e-3)
    direct = np.mean(eigenvalues / (u + eigenvalues), axis=1)
    np.testing.assert_allclose(absorbed, direct, atol=3e-3)
    np.testing.assert_allclose(output, 1 - direct * p / n, atol=6e-3)
    np.testing.assert_allclose(log_mean, np.mean(np.log(u + eigenvalues), axis=1), atol=1e-2)
    scale = float(LAWS[law].mean(n / p))
    assert eigenvalues.mean() == pytest.approx(scale, rel=0.02)


@EVERY_LAW
def test_a_sample_has_the_stated_singular_values(law):
    n, p = 40, 25
    key = key_for(3, law)
    W = LAWS[law].sample(key, n, p)
    assert W.shape == (n, p)
    assert W.dtype == np.float64
    np.testing.assert_array_equal(W, LAWS[law].sample(key, n, p))
    values = LAWS[law].sample_singular_values(key, n, p)
    assert values.shape == (p,)
    assert np.all(np.diff(values) <= 0)
    np.testing.assert_allclose(np.linalg.svd(W, compute_uv=False), values, atol=1e-13)


def test_empirical_values_come_back_as_they_were_given():
    values = [3.0, 0.5, 2.0, 0.0, 1.0]
    law = Empirical(singular_values=values, normalize=False)
    found = law.sample_singular_values(key_for(0), 5, 10)
    np.testing.assert_array_equal(found, sorted(values, reverse=True))
    scaled = Empirical(singular_values=values).sample_singular_values(key_for(0), 10, 5)
    assert np.sum(scaled**2) == pytest.approx(10, rel=1e-14)


def test_orthogonal_rows_and_columns():
    wide = Orthogonal().sample(key_for(0, "wide"), 20, 50)
    np.testing.assert_allclose(wide @ wide.T, np.eye(20), atol=1e-14)
    tall = Orthogonal().sample(key_for(0, "tall"), 50, 20)
    np.testing.assert_allclose(tall.T @ tall, 2.5 * np.eye(20), atol=1e-13)


def test_frames_are_uniform():
    frames = np.array([haar_frame(key_for(k, "frame"), 4, 3) for k in range(400)])
    np.testing.assert_allclose(frames.transpose(0, 2, 1) @ frames, [np.eye(3)] * 400, atol=1e-14)
    scores = frames.mean(axis=0) * (4 * 400) ** 0.5
    assert np.abs(scores).max() < 4  # without fixed signs the diagonal is at 30
    kurtosis = np.mean(frames**4, axis=0)
    np.testing.assert_allclose(kurtosis, 3 / (4 * 6), atol=0.04)


# The messages of a Gaussian layer under linear observation with noise delta are those at u = delta
DELTAS = np.array([1e-4, 1e-2, 0.3, 1.0, 30.0, 1e4, 1e8, 1e12])


@EVERY_LAW
@pytest.mark.parametrize("ratio", RATIOS)
def test_mix_gives_the_exact_potential_of_linear_regression(law, ratio):
    s, absorbed, _, log_mean, _ = transforms(law)(jnp.asarray(DELTAS), ratio)
    q_hat, V = absorbed / s, s
    found = mixing(law, general_mix)(jnp.asarray(ratio), q_hat, V)
    np.testing.assert_allclose(found.snr * (DELTAS + found.variance), 1, rtol=1e-10)
    information = (
        0.5 * np.log1p(q_hat) - found.coupling + 0.5 * ratio * np.log1p(found.variance / DELTAS)
    )
    expected = 0.5 * jax.vmap(LAWS[law].log_determinant, in_axes=(0, None))(1 / DELTAS, ratio)
    np.testing.assert_allclose(information, expected, rtol=1e-13)
    np.testing.assert_allclose(expected, 0.5 * (log_mean - np.log(DELTAS)), atol=1e-13)
    back = jax.vmap(functools.partial(respond, LAWS[law]), in_axes=(None, 0, 0))(
        ratio, 1 / V - q_hat, found.snr / (1 - found.snr * found.variance)
    )
    np.testing.assert_allclose(back.q_hat, q_hat, rtol=1e-9)
    np.testing.assert_allclose(back.variance, found.variance, rtol=1e-9)


@pytest.mark.parametrize("ratio", RATIOS)
def test_gaussian_weights_leave_messages_as_they_are(ratio):
    rank = min(1.0, ratio)
    V = np.array([1e-6, 0.2, 0.5, 1.0, 3.0, 40.0])
    q_hat = rank * np.array([0.9999, 0.97, 0.6, 1e-9, 0.3, 0.05]) / V
    closed, general = (
        mixing("MarchenkoPastur", route)(jnp.asarray(ratio), jnp.asarray(q_hat), jnp.asarray(V))
        for route in (mix, general_mix)
    )
    np.testing.assert_array_equal(closed.snr, q_hat / ratio)
    np.testing.assert_array_equal(closed.variance, V)
    np.testing.assert_array_equal(closed.coupling, 0.5 * (q_hat * V))
    for exact, found in zip(closed, general, strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-11)


def test_row_orthogonal_weights_against_known_values():
    ratio, delta = 0.5, 0.3
    V = 1 - ratio + ratio * delta / (1 + delta)
    q_hat = 1 / V - 1
    found = mix(Orthogonal(), ratio, q_hat, V)
    assert pytest.approx(0.615385, abs=1e-6) == V
    assert float(found.snr * V) == pytest.approx(0.4734, abs=1e-4)  # x
    assert float(found.snr * found.variance) == pytest.approx(0.7692, abs=1e-4)  # theta
    assert float(found.variance) == pytest.approx(1.0, rel=1e-13)
    information = (
        0.5 * np.log1p(q_hat)
        - float(found.coupling)
        + 0.5 * ratio * np.log1p(float(found.variance) / delta)
    )
    assert information == pytest.approx(0.366584, abs=1e-6)
    assert information == pytest.approx(0.5 * ratio * np.log1p(1 / delta), rel=1e-13)


@USUAL_LAW
@pytest.mark.parametrize("ratio", RATIOS)
def test_saddle_against_its_variational_form(law, ratio):
    """F_W as printed, its stationarity in theta, and dF / dx = a theta / x."""
    spectrum = LAWS[law]
    rank = float(spectrum.rank(ratio))

    def printed(x, theta):
        # E ln[x lambda + c] by the spectrum, at fixed x and theta
        c = (1 - theta) * (1 - ratio * theta)
        logs = spectrum.log_determinant(x / c, ratio) + jnp.log(c)
        return 2 * ratio * theta + (ratio - 1) * jnp.log1p(-theta) + logs

    for w in (0.03, 0.4, 6.0):
        found, slope = jax.jvp(functools.partial(saddle, spectrum, ratio), (w,), (1.0,))
        gain = ratio * found.theta / found.x
        assert float(slope.F / slope.x) == pytest.approx(float(gain), rel=1e-9)
        assert float(found.gain) == pytest.approx(float(gain), rel=1e-12)
        F, (by_x, by_theta) = jax.value_and_grad(printed, (0, 1))(found.x, found.theta)
        assert float(F) == pytest.approx(float(found.F), abs=1e-12)
        assert float(by_x) == pytest.approx(float(gain), rel=1e-10)
        assert float(by_theta) == pytest.approx(0, abs=1e-9)
        assert 0 < found.theta < rank / ratio + 1e-15


def test_x_of_orthogonal_weights_has_a_maximum():
    # x = (1 - a + u) / (1 + u)^2 is largest at u = 2 a - 1, so that x does not tell the saddle
    ratio = 0.8
    x = [float(saddle(Orthogonal(), ratio, 1 / u).x) for u in (0.5, 0.6, 0.7)]
    assert x[1] == pytest.approx(1 / (4 * ratio), rel=1e-14)
    assert x[1] > max(x[0], x[2])


@USUAL_LAW
@pytest.mark.parametrize("ratio", RATIOS)
def test_mix_outside_its_domain(law, ratio):
    rank = float(LAWS[law].rank(ratio))
    V = jnp.full(4, 0.7)
    q_hat = jnp.asarray([-1e-3, rank * 1.001, 5.0, jnp.nan]) / 0.7
    for number in mixing(law)(jnp.asarray(ratio), q_hat, V):
        assert np.all(np.isnan(number))


@EVERY_LAW
@pytest.mark.parametrize("ratio", RATIOS)
def test_mix_at_no_signal(law, ratio):
    """At q_hat = 0 all is regular, slopes included: gain = m + [m (1 + 1/a) - m2 / m] q_hat V."""
    spectrum, V = LAWS[law], 1.7
    m = float(spectrum.mean(ratio))
    rank = float(spectrum.rank(ratio))
    second = -rank * float(jax.grad(spectrum.weighted_resolvent)(0.0, ratio))
    found, slope = jax.jvp(
        lambda q: general_mix(spectrum, ratio, q, V), (jnp.asarray(0.0),), (1.0,)
    )
    assert float(found.snr) == 0
    assert float(found.variance) == pytest.approx(V * m / ratio, rel=1e-13)
    assert float(found.coupling) == pytest.approx(0, abs=1e-15)
    assert float(slope.snr) == pytest.approx(1 / m, rel=1e-12)
    bend = m * (1 + 1 / ratio) - second / m
    assert float(slope.variance) == pytest.approx(V * V * bend / ratio, rel=1e-11, abs=1e-11)
    assert float(slope.coupling) == pytest.approx(V / 2, rel=1e-12)


@functools.cache
def derivatives(name):
    """Jitted d snr, d^2 snr and d coupling / d q_hat: by mix, and along the curve in w."""
    spectrum, V = LAWS[name], 0.8

    def by_mix(q_hat, ratio):
        def snr(q):
            return general_mix(spectrum, ratio, q, V).snr

        def coupling(q):
            return general_mix(spectrum, ratio, q, V).coupling

        return jax.grad(snr)(q_hat), jax.grad(jax.grad(snr))(q_hat), jax.grad(coupling)(q_hat)

    def along(w, ratio):
        def q_hat(w):
            return ratio * saddle(spectrum, ratio, w).theta / V

        def snr(w):
            return saddle(spectrum, ratio, w).x / V

        def coupling(w):
            found = saddle(spectrum, ratio, w)
            return ratio * found.theta - 0.5 * found.F

        def first(w):
            return jax.grad(snr)(w) / jax.grad(q_hat)(w)

        slopes = first(w), jax.grad(first)(w) / jax.grad(q_hat)(w)
        return q_hat(w), (*slopes, jax.grad(coupling)(w) / jax.grad(q_hat)(w))

    return jax.jit(by_mix), jax.jit(along)


@USUAL_LAW
@pytest.mark.parametrize("ratio", RATIOS)
def test_derivatives_of_mix(law, ratio):
    by_mix, along = derivatives(law)
    q_hat, expected = along(0.7, ratio)
    for found, exact in zip(by_mix(q_hat, ratio), expected, strict=True):
        assert float(found) == pytest.approx(float(exact), rel=1e-9, abs=1e-12)


@USUAL_LAW
def test_derivatives_in_the_ratio_and_parameters(law):
    def snr(spectrum, ratio):
        return general_mix(spectrum, ratio, 0.3, 0.9).snr

    spectrum, ratio = numeric(LAWS[law]), jnp.asarray(0.7)
    by_ratio = jax.jit(jax.grad(snr, 1))(spectrum, ratio)
    ends = [snr(LAWS[law], ratio + step) for step in (-1e-5, 1e-5)]
    assert float(by_ratio) == pytest.approx(float((ends[1] - ends[0]) / 2e-5), rel=1e-7)
    for leaf in jax.tree.leaves(jax.grad(snr)(spectrum, ratio)):
        assert np.all(np.isfinite(leaf))


def test_derivative_in_the_condition():
    def snr(condition):
        return mix(numeric(LogUniform(condition=condition)), 0.7, 0.3, 0.9).snr

    slope = jax.grad(snr)(50.0)
    assert float(slope) == pytest.approx(float(snr(50.01) - snr(49.99)) / 0.02, rel=1e-6)


def test_the_transforms_are_smooth_in_the_ratio_at_one():
    # Marchenko-Pastur is written with |1 - a| and min(1, a), whose kinks cancel
    law = MarchenkoPastur()
    for function in (law.stieltjes, law.absorbed, law.log_mean):
        at_one = jax.grad(function, 1)(0.3, 1.0)
        ends = [float(function(0.3, 1.0 + step)) for step in (-1e-5, 1e-5)]
        assert float(at_one) == pytest.approx((ends[1] - ends[0]) / 2e-5, rel=1e-8)


@EVERY_LAW
def test_a_law_prints_what_it_is_read_from(law):
    assert parse(repr(LAWS[law])) == LAWS[law]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Empirical(singular_values=[]), "`singular_values` must not be empty"),
        (lambda: Empirical(singular_values=[1, -1]), "must hold non-negative numbers"),
        (lambda: Empirical(singular_values=[0, 0]), "must hold a positive number"),
        (lambda: Empirical(singular_values=[1, np.inf]), "must hold finite numbers"),
        (lambda: Empirical(singular_values=[1], normalize=1), "must be True or False"),
        (lambda: LogUniform(condition=1), r"`condition` must be in \(1, 1e\+16\]"),
        (lambda: LogUniform(condition="large"), "`condition` must be a number"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()
