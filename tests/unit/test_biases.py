"""Biases of layers: their quadrature, averages over them, entropies; against other routes."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import solvable as sv
from solvable.bricks.channels.base import channel_errors, channel_moments
from solvable.bricks.channels.biased import Biased
from solvable.bricks.channels.hidden import hidden_averages
from solvable.bricks.channels.noisy_function import AbstractTwoNoiseChannel
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece
from solvable.core.gauss_rules import recurrence
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.special import normal_entropy
from solvable.core.specification import numeric
from solvable.core.status import Status

BIASES = np.array([-1.0, -0.3, 0.2, 0.5, 1.4])
POINTS = ((0.3, 0.7, 2.0), (0.0, 1.0, 5.0), (0.99, 0.01, 300.0), (1e-6, 1.0, 20.0))


def law(channel, biases=BIASES):
    return numeric(sv.Layer(channel=channel, bias=biases)).law()


class Shifted(AbstractPiecewiseChannel, AbstractTwoNoiseChannel):
    """f(z + bias) written as a function of z: 0 below 0, then z, then 0.3 z + 0.7 from 1 on."""

    bias: float
    delta: float
    pre_delta: float = 0.0

    def pieces(self):
        b = self.bias
        return [
            Piece(0.0, 0.0, None, -b),
            Piece(1.0, b, -b, 1 - b),
            Piece(0.3, 0.7 + 0.3 * b, 1 - b, None),
        ]


def mean_over(biases, function, *at):
    """The average of a function of the shifted channel, one bias after the other."""
    alone = numeric(Shifted(bias=0.5, delta=0.05))

    @eqx.filter_jit
    def each(biases):
        return jax.lax.map(
            lambda b: function(eqx.tree_at(lambda c: c.bias, alone, b), *at), biases
        )

    return np.mean(np.array(each(jnp.asarray(biases))), axis=1)


averages = eqx.filter_jit(lambda c, q, V, q_hat: hidden_averages(c, q, V, q_hat, 9))
moments = eqx.filter_jit(channel_moments)
errors = eqx.filter_jit(channel_errors)
RAMP = sv.PiecewiseLinear(slopes=[0, 1, 0.3], breakpoints=[0, 1], offsets=[0, 0, 0.7], delta=0.05)


def test_nodes_of_a_law_integrate_its_polynomials():
    values = np.random.default_rng(0).exponential(size=300)
    x, weight = recurrence(values).nodes(6)
    for power in range(12):
        wanted = np.mean(values**power)
        assert float(weight @ x**power) == pytest.approx(wanted, rel=1e-10)
    x, weight = recurrence(np.repeat(BIASES, [1, 2, 3, 3, 1])).nodes(9)
    np.testing.assert_allclose(x, BIASES, atol=1e-12)
    np.testing.assert_allclose(weight, [0.1, 0.2, 0.3, 0.3, 0.1], atol=1e-12)
    assert recurrence(np.full(7, 0.4)).centers == pytest.approx([0.4])


@pytest.mark.slow
def test_a_biased_unit_is_the_mean_of_shifted_functions():
    for point in POINTS:
        at = [jnp.asarray(x) for x in point]
        for function, given in ((averages, at), (moments, at[:2]), (errors, at[:2])):
            found = np.array(function(law(RAMP), *given))
            np.testing.assert_allclose(found, mean_over(BIASES, function, *given), rtol=1e-8)


def test_the_dimension_is_the_mean_over_biases():
    dimension = law(sv.ReLU()).dimension(jnp.asarray(2.0))
    assert float(dimension) == pytest.approx(np.mean(scipy.stats.norm.cdf(BIASES / 2**0.5)))


def test_many_biases_take_few_nodes_and_say_how_well():
    values = 0.5 * np.random.default_rng(1).normal(size=60)
    at = jnp.asarray(0.6), jnp.asarray(0.5)
    exact = mean_over(values, moments, *at)
    coarse, fine = (np.array(moments(law(RAMP, values), *at, n)) for n in (ORDER, FINE_ORDER))
    np.testing.assert_allclose(fine, exact, rtol=1e-9)
    assert np.all(np.abs(fine - coarse) <= 1e-7 * np.abs(exact))


def test_relu_with_biases_by_monte_carlo():
    """E -log p(r | omega) and E <h>^2 over draws of b, omega and r = h + xi / sqrt(q_hat)."""
    q, V, q_hat, delta, count = 0.5, 0.6, 4.0, 0.1, 200_000
    found = averages(law(sv.ReLU(delta=delta)), *(jnp.asarray(x) for x in (q, V, q_hat)))
    rng = np.random.default_rng(2)
    omega = rng.choice(BIASES, count) + np.sqrt(q) * rng.normal(size=count)
    h = np.maximum(omega + np.sqrt(V) * rng.normal(size=count), 0)
    r = h + np.sqrt(delta + 1 / q_hat) * rng.normal(size=count)
    noisy = sv.ReLU(delta=delta + 1 / q_hat)
    entropy = -np.asarray(jax.jit(noisy.log_partition)(r, omega, V))
    mean = np.asarray(jax.jit(sv.ReLU(delta=delta).hidden)(q_hat * r, q_hat, omega, V).mean)
    noise = float(normal_entropy(jnp.asarray(1 / q_hat)))
    for draws, wanted in ((entropy - noise, found.information), (mean**2, found.overlap)):
        z = (np.mean(draws) - float(wanted)) / (np.std(draws) / np.sqrt(count))
        assert abs(z) < 4


def test_a_sign_with_a_bias_has_the_entropy_of_a_coin():
    chance = scipy.stats.norm.cdf(BIASES / np.sqrt(1.3))
    wanted = np.mean([scipy.stats.entropy([p, 1 - p]) for p in chance])
    found = moments(law(sv.Sign()), jnp.asarray(0.0), jnp.asarray(1.3))
    assert -float(found.potential) == pytest.approx(wanted, rel=1e-9)
    # few units of a wide input are independent, so that their entropies add
    rng = np.random.default_rng(3)
    matrix = rng.normal(size=(5, 4000)) / np.sqrt(4000)
    layer = sv.entropy([matrix], ["sign"], delta=0.0, biases=[BIASES])
    scale = np.mean(np.sum(matrix**2, axis=1))
    chance = scipy.stats.norm.cdf(BIASES / np.sqrt(scale))
    wanted = sum(scipy.stats.entropy([p, 1 - p]) for p in chance)
    assert 4000 * float(layer.mutual_information[0]) == pytest.approx(wanted, rel=2e-3)


def chain(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(sizes)]
    return weights, [0.4 * rng.normal(size=b) for b in sizes[1:]]


def test_a_bias_changes_nothing_in_linear_layers():
    weights, biases = chain(60, 50, 40)
    alone = sv.entropy(weights, ["linear", "linear"], delta=0.1)
    with_biases = sv.entropy(weights, ["linear", "linear"], delta=0.1, biases=biases)
    for name in ("entropy", "mutual_information"):
        np.testing.assert_allclose(with_biases[name], alone[name], atol=1e-10)


def test_zero_biases_are_none():
    layer = sv.Layer(channel=sv.Abs(), bias=np.zeros(4))
    assert layer.law() is layer.channel
    assert isinstance(sv.Layer(channel=sv.Abs(), bias=[0, 1]).law(), Biased)


def test_an_even_layer_with_biases_is_not_blind():
    def limits(bias):
        layers = [
            sv.Layer(ratio=2, channel=sv.Abs(), bias=bias),
            sv.Layer(ratio=1, channel=sv.Linear(delta=0.1)),
        ]
        return sv.MultiLayer(prior=sv.Gaussian(), layers=layers).limits()

    assert limits(None).trivial
    assert not limits([0.3, -0.3]).trivial


@pytest.mark.slow
def test_entropies_agree_with_the_curve_of_the_chain():
    weights, biases = chain(60, 90, 45, seed=4)
    found = sv.entropy(weights, ["relu", "relu"], delta=0.05, biases=biases)
    assert np.all(found.status == Status.converged)
    layers = [
        sv.Layer(
            ratio=w.shape[0] / w.shape[1],
            channel=sv.ReLU(delta=0.05),
            weights=sv.Empirical(
                singular_values=np.linalg.svd(w, compute_uv=False), normalize=False
            ),
            bias=b,
        )
        for w, b in zip(weights, biases, strict=True)
    ]
    data = sv.curve(sv.MultiLayer(prior=sv.Gaussian(), layers=layers)).sel(branch="bayes")
    assert float(found.entropy[1]) == pytest.approx(-float(data.free_entropy), abs=1e-7)
    assert float(found.mutual_information[1]) == pytest.approx(
        float(data.mutual_information), abs=1e-7
    )


def test_a_layer_with_biases_reads_back():
    layer = sv.Layer(channel=sv.ReLU(), ratio=2, bias=np.linspace(-1, 1, 11))
    assert repr(layer).endswith("0.8, 1.0])")
    assert sv.parse(repr(layer)) == layer
    assert "bias" not in repr(sv.Layer(channel=sv.ReLU()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sv.Layer(channel=sv.ReLU(), bias=0.3), "`bias` must have 1 dimension"),
        (lambda: sv.Layer(channel=sv.ReLU(), bias=[]), "`bias` must not be empty"),
        (lambda: sv.Layer(channel=sv.ReLU(), bias=[1, np.nan]), "`bias` must hold finite numbers"),
        (
            lambda: sv.entropy([np.eye(3)], ["relu"], biases=[np.ones(2)]),
            r"`biases\[0\]` must have shape \(3\), but had \(2,\)",
        ),
        (
            lambda: sv.entropy([np.eye(3)], ["relu"], biases=[None, None]),
            "`biases` must list a vector or None for each of 1 matrices",
        ),
    ],
)
def test_bad_biases_are_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
