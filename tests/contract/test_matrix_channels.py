"""What every channel of a matrix's entries must satisfy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from tests.contract.samples import MATRIX_CHANNELS

import solvable as sv
from solvable import catalog
from solvable.bricks.matrix_channels.base import (
    AbstractAnalyticMatrixChannel,
    fisher_information,
    general_fisher_information,
    noise_variance,
)
from solvable.core.specification import numeric, parse

DRAWS = 400_000
each_channel = pytest.mark.parametrize(
    "channel", MATRIX_CHANNELS.values(), ids=MATRIX_CHANNELS.keys()
)


def law(channel, w):
    """P(y | w) of scipy, at many y."""
    match channel:
        case sv.BernoulliEdges():
            return lambda y: scipy.stats.bernoulli.pmf(
                y, channel.probability + channel.contrast * w
            )
        case sv.PoissonCounts():
            return lambda y: scipy.stats.poisson.pmf(
                y, channel.rate * np.exp(channel.contrast * w)
            )
        case sv.StudentNoise():
            return lambda y: scipy.stats.t.pdf(y, channel.degrees, w, channel.scale)
        case _ if type(channel).__name__ == "LogisticNoise":  # of the page on extending
            return lambda y: scipy.stats.logistic.pdf(y, w, channel.scale)
    parts = (
        (1 - channel.fraction, channel.variance),
        (channel.fraction, channel.outlier_variance),
    )
    return lambda y: sum(f * scipy.stats.norm.pdf(y, w, v**0.5) for f, v in parts)


def integrated(channel, function):
    """The sum, or integral, of a function of y over all that the channel emits."""
    if isinstance(channel, sv.BernoulliEdges | sv.PoissonCounts):
        y = np.arange(2 if isinstance(channel, sv.BernoulliEdges) else 1200)
        return function(y).sum()
    places = [0.0, 0.1, 1.0, 5.0, 30.0, 300.0]
    bounds = zip([*places], [*places[1:], np.inf], strict=True)
    return 2 * sum(
        scipy.integrate.quad(function, *bound, epsabs=1e-13, epsrel=1e-11)[0] for bound in bounds
    )


def mean(channel, values, w):
    """E over y ~ P(. | w) of values at the channel's own outputs."""
    y, weight = channel.outputs()
    log_law = channel.log_likelihood(y, jnp.full_like(y, w))
    return jnp.sum(weight * jnp.where(jnp.isfinite(log_law), jnp.exp(log_law) * values, 0.0))


def test_every_registered_matrix_channel_has_a_sample():
    names = {type(channel).__name__ for channel in MATRIX_CHANNELS.values()}
    assert names == set(catalog.names("matrix channel"))


@each_channel
def test_outputs_carry_all_probability_and_the_score_has_no_mean(channel):
    y, _ = channel.outputs()
    assert float(mean(channel, jnp.ones_like(y), 0.0)) == pytest.approx(1, abs=1e-12)
    width = float(fisher_information(channel)) ** 0.5
    assert float(mean(channel, channel.score(y), 0.0)) == pytest.approx(0, abs=1e-11 * width)
    slope = float(mean(channel, channel.score(y), 1e-4) - mean(channel, channel.score(y), -1e-4))
    assert slope / 2e-4 == pytest.approx(width**2, rel=1e-5)  # Delta S(Y) has the mean w


@each_channel
def test_closed_forms_agree_with_summation(channel):
    found = float(general_fisher_information(channel))
    assert float(fisher_information(channel)) == pytest.approx(found, rel=1e-10)
    assert float(noise_variance(channel)) == pytest.approx(1 / found, rel=1e-10)
    jitted = eqx.filter_jit(fisher_information)(numeric(channel))
    assert float(jitted) == pytest.approx(found, rel=1e-10)


@each_channel
def test_fisher_information_against_differences_of_another_library(channel):
    step = 1e-4
    up, here, down = (law(channel, w) for w in (step, 0.0, -step))

    def curvature(y):
        slope = (up(y) - down(y)) / (2 * step)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.nan_to_num(slope**2 / here(y))

    found = integrated(channel, curvature)
    assert float(fisher_information(channel)) == pytest.approx(found, rel=3e-7)


@each_channel
def test_likelihoods_are_those_of_another_library(channel):
    y = np.arange(2.0) if isinstance(channel, sv.BernoulliEdges) else np.arange(12.0)
    for w in (-0.1, 0.2):
        found = channel.log_likelihood(jnp.asarray(y), jnp.full(len(y), w))
        np.testing.assert_allclose(np.exp(found), law(channel, w)(y), rtol=1e-9)


@pytest.mark.parametrize("w", [0.0, 0.15])
@each_channel
def test_draws_follow_the_law(channel, w):
    """First and second moments of the score, which exist for heavy tails too."""
    drawn = channel.sample(jax.random.key(3), np.full(DRAWS, w))
    assert np.all(channel.emits(drawn))
    nodes, _ = channel.outputs()
    for power in (1, 2):
        seen = np.asarray(channel.score(drawn)) ** power
        expected = float(mean(channel, channel.score(nodes) ** power, w))
        error = seen.std() / DRAWS**0.5
        assert abs(seen.mean() - expected) < 4.5 * max(error, 1e-12)


@each_channel
def test_specification_reads_back(channel):
    assert parse(repr(channel)) == channel


@each_channel
def test_what_an_entry_cannot_be(channel):
    strays = [2.0, -1.0, 0.5] if isinstance(channel, sv.BernoulliEdges) else [-1.0, 0.5]
    if isinstance(channel, sv.BernoulliEdges | sv.PoissonCounts):
        assert not np.any(channel.emits(np.array(strays)))
        assert np.all(channel.emits(np.array([0, 1])))
    assert not np.any(channel.emits(np.array([np.nan])))


@each_channel
def test_information_is_above_that_of_gaussian_noise_of_the_same_variance(channel):
    """Cramer-Rao at w = 0 for y as an estimate of w, where y has a variance."""
    if isinstance(channel, sv.BernoulliEdges | sv.PoissonCounts):
        slope = channel.contrast * (channel.rate if isinstance(channel, sv.PoissonCounts) else 1)
    elif isinstance(channel, sv.StudentNoise) and channel.degrees <= 2:
        return
    else:
        slope = 1.0
    variance = integrated(channel, lambda y: law(channel, 0.0)(y) * y**2)
    if slope != 1.0:
        variance -= integrated(channel, lambda y: law(channel, 0.0)(y) * y) ** 2
    bound = slope**2 / variance
    assert float(fisher_information(channel)) >= bound * (1 - 1e-9)


def test_closed_forms_are_for_those_that_have_them():
    closed = {
        k for k, x in MATRIX_CHANNELS.items() if isinstance(x, AbstractAnalyticMatrixChannel)
    }
    assert {k.split()[0] for k in closed} == {"BernoulliEdges", "PoissonCounts", "StudentNoise"}


def test_noise_with_heavy_tails_is_worth_less_than_its_width_and_more_than_its_variance():
    for nu in (2.5, 3.0, 6.0, 50.0):
        delta = float(noise_variance(sv.StudentNoise(degrees=nu, scale=0.5)))
        assert delta == pytest.approx(0.25 * (nu + 3) / (nu + 1), rel=1e-14)
        assert 0.25 < delta < 0.25 * nu / (nu - 2)
    far = np.asarray(sv.StudentNoise(degrees=3).score(np.array([1e3, 1e6])))
    np.testing.assert_allclose(far, [4e-3, 4e-6], rtol=1e-4)
