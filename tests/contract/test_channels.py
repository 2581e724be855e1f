"""What every channel must satisfy, as an output and between two layers."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.contract.samples import CHANNELS, TWINS

from solvable import Linear, catalog
from solvable.bricks.channels.base import (
    channel_errors,
    channel_moments,
    output_by_differentiation,
    output_moments,
    outputs,
)
from solvable.bricks.channels.hidden import (
    AbstractHiddenChannel,
    general_hidden_averages,
    hidden_averages,
    hidden_by_differentiation,
)
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.special import normal_entropy
from solvable.core.specification import numeric, parse

RHO = 1.3
OVERLAPS = np.array([0.0, 0.2, 0.6, 1.1])
OMEGAS = np.array([-2.3, -0.4, 0.0, 0.9, 3.1])
V = 0.4
each_channel = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())


ROWS = 15


@eqx.filter_jit
def _moments(channel, q, variance, order):
    return jax.lax.map(lambda row: channel_moments(channel, *row, order), (q, variance))


def moments(channel, q, variance, order=ORDER):
    """One shape for all tests: one program a channel."""
    rows = [np.concatenate([x, np.full(ROWS - len(x), x[-1])]) for x in (q, variance)]
    found = _moments(channel, *rows, order)
    return jax.tree.map(lambda x: np.asarray(x)[: len(q)], found)


@eqx.filter_jit
def errors(channel, q, variance):
    return jax.lax.map(lambda row: channel_errors(channel, *row), (q, variance))


@eqx.filter_jit
def bartlett(channel, omega):
    """Sums over outputs at each omega: Z, Z g, Z g^2, Z (-dg), Z y, Z y^2."""

    def at(w):
        y, weight = outputs(channel, w, jnp.asarray(V), ORDER)
        field = jnp.broadcast_to(w, y.shape)
        log_z = channel.log_partition(y, field, jnp.asarray(V))
        g, curvature = output_moments(channel, y, field, jnp.asarray(V))
        z = weight * jnp.exp(log_z)
        keep = z > 0
        sums = [z, z * g, z * g**2, z * curvature, z * y, z * y**2]
        return jnp.stack([jnp.sum(jnp.where(keep, s, 0.0)) for s in sums])

    return jax.lax.map(at, omega)


def test_every_registered_channel_has_a_sample():
    assert {type(c).__name__ for c in CHANNELS.values()} == set(catalog.names("channel"))


@each_channel
def test_outputs_sum_to_one_and_estimators_are_scores(channel):
    """sum_y Z = 1, E g = 0 and E g^2 = E(-dg): g is the derivative of log Z."""
    total, score, square, curvature, _, _ = bartlett(numeric(channel), OMEGAS).T
    np.testing.assert_allclose(total, 1, rtol=1e-9)
    np.testing.assert_allclose(score, 0, atol=1e-9)
    np.testing.assert_allclose(square, curvature, rtol=1e-8, atol=1e-9)


@each_channel
def test_estimators_are_derivatives_of_the_log_partition(channel):
    omega = jnp.asarray(OMEGAS)
    y = jax.jit(channel.sample)(jax.random.key(0), omega + 0.3)
    found = output_moments(channel, y, omega, jnp.asarray(V))
    wanted = eqx.filter_jit(output_by_differentiation)(numeric(channel), y, omega, jnp.asarray(V))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


@each_channel
def test_gradient_of_the_potential_is_half_the_snr(channel):
    """dPsi / dq = snr / 2 at V = rho - q, by central differences at two steps."""
    q, step = np.array([0.2, 0.6, 1.1]), 2e-3
    grid = np.concatenate([q - 2 * step, q - step, q + step, q + 2 * step, q])
    found = moments(numeric(channel), grid, RHO - grid)
    outer, inner = (
        found.potential[9:12] - found.potential[:3],
        found.potential[6:9] - found.potential[3:6],
    )
    slope = (8 * inner - outer) / (12 * step)
    np.testing.assert_allclose(slope, found.snr[12:] / 2, rtol=2e-7)


@each_channel
def test_snr_rises_with_the_overlap(channel):
    found = moments(numeric(channel), OVERLAPS, RHO - OVERLAPS)
    assert np.all(np.diff(found.snr) > 0)
    assert np.all(found.snr >= 0)


LIGHT = (
    "Sign probit",
    "Logistic",
    "Abs noiseless",
    "ReLU noiseless",
    "SymmetricDoor",
    "Likelihood",
)


@pytest.mark.parametrize("channel", [CHANNELS[name] for name in LIGHT], ids=LIGHT)
def test_a_finer_quadrature_changes_nothing(channel):
    coarse, fine = (
        moments(numeric(channel), OVERLAPS[1:3], RHO - OVERLAPS[1:3], n)
        for n in (ORDER, FINE_ORDER)
    )
    np.testing.assert_allclose(coarse.snr, fine.snr, rtol=1e-9)
    np.testing.assert_allclose(coarse.potential, fine.potential, rtol=1e-9)


@pytest.mark.parametrize(("general", "closed"), TWINS.values(), ids=TWINS.keys())
def test_general_channels_reproduce_closed_forms(general, closed):
    q = np.array([0.1, 0.7])
    found, wanted = (_moments(numeric(c), q, 1 - q, ORDER) for c in (general, closed))
    np.testing.assert_allclose(found.snr, wanted.snr, rtol=1e-8)
    np.testing.assert_allclose(found.potential, wanted.potential, rtol=1e-8)


@each_channel
def test_dimension_is_the_limit_of_V_times_snr(channel):
    """The error shrinks like sqrt V."""
    variance = RHO * np.array([1e-5, 1e-7])
    found = variance * moments(numeric(channel), RHO - variance, variance).snr
    error = np.abs(found - float(channel.dimension(jnp.asarray(RHO))))
    assert error[1] <= max(0.2 * error[0], 1e-9)


@each_channel
def test_samples_follow_the_partition(channel):
    """Mean and mean square of outputs at z ~ N(omega, V) against sum_y Z y, Z y^2."""
    count, member = 20_000, 3
    key, noise = jax.random.split(jax.random.key(5))
    z = OMEGAS[member] + np.sqrt(V) * jax.random.normal(key, (count,))
    y = np.asarray(jax.jit(channel.sample)(noise, z))
    sums = bartlett(numeric(channel), OMEGAS)[member]
    for power, wanted in ((1, sums[4]), (2, sums[5])):
        deviation = np.std(y**power) / np.sqrt(count)
        assert abs(np.mean(y**power) - float(wanted)) <= 4.5 * deviation + 1e-12


@each_channel
def test_errors_are_ordered(channel):
    """Prediction improves with the overlap; Bayes <= Gibbs <= 2 Bayes for labels."""
    q = OVERLAPS[1:]
    found = errors(numeric(channel), q, RHO - q)
    assert np.all(np.diff(found.generalization_error) < 0)
    if not channel.emits_reals():
        assert np.all(found.bayes_error <= found.gibbs_error)
        assert np.all(found.gibbs_error <= 2 * found.bayes_error)


# -------------------------------------------------------------------------------------------------
# Between two layers

MESSAGES = np.array([-1.5, 0.2, 2.5])  # B / A
HIDDEN_SHAPE = (2, len(MESSAGES), len(OMEGAS))
# functions under a quadrature over z, which a narrow message from above outgrows
POINTWISE = ("Erf", "Activation")


@eqx.filter_jit
def _hidden_twice(channel, B, A, omega, variance):
    message = (B, A, omega, variance)
    return channel.hidden(*message), hidden_by_differentiation(channel, *message)


def hidden_twice(channel, B, A, omega, variance=V):
    """The closed moments and those by differentiation, in one shape for all tests."""
    rows = [np.broadcast_to(x, HIDDEN_SHAPE).ravel() for x in (B, A, omega, variance)]
    found = _hidden_twice(numeric(channel), *rows)
    return jax.tree.map(lambda x: np.asarray(x).reshape(HIDDEN_SHAPE), found)


def test_every_channel_can_be_hidden():
    assert all(isinstance(c, AbstractHiddenChannel) for c in CHANNELS.values())


@each_channel
def test_hidden_role_without_a_message_from_above_is_neutral(channel):
    """At B = A = 0 the joint partition is one, its B-derivative E[h], its omega-derivative 0."""
    found, _ = hidden_twice(channel, 0.0, 0.0, OMEGAS)
    log_z, mean, variance, g, curvature = (x[0, 0] for x in found)
    sums = bartlett(numeric(channel), OMEGAS)
    np.testing.assert_allclose(log_z, 0, atol=1e-11)
    np.testing.assert_allclose(mean, sums[:, 4], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(variance, sums[:, 5] - sums[:, 4] ** 2, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(g, 0, atol=1e-9)
    np.testing.assert_allclose(curvature, 0, atol=1e-9)


@each_channel
def test_hidden_moments_are_derivatives_of_the_joint_partition(channel):
    strong = 3.0 if type(channel).__name__ in POINTWISE else 20.0
    A = np.array([0.3, strong])[:, None, None]
    found, wanted = hidden_twice(channel, A * MESSAGES[:, None], A, OMEGAS)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["Linear", "Abs", "ReLU", "PiecewiseLinear", "Activation"])
def test_noisy_observation_is_a_message_from_above(name):
    """Observing y through extra noise D is the message B = y / D, A = 1 / D on the hidden unit."""
    channel, extra, y = numeric(CHANNELS[name]), 0.15, jnp.asarray(0.4)
    noisier = eqx.tree_at(lambda c: c.delta, channel, channel.delta + extra)
    omega = jnp.asarray(OMEGAS)
    joint = channel.log_joint_partition(y / extra, jnp.asarray(1 / extra), omega, jnp.asarray(V))
    wanted = joint - y**2 / (2 * extra) - 0.5 * np.log(2 * np.pi * extra)
    found = noisier.log_partition(jnp.broadcast_to(y, omega.shape), omega, jnp.asarray(V))
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("name", ["activation relu", "likelihood probit", "likelihood linear"])
def test_general_hidden_moments_reproduce_closed_forms(name):
    """By quadrature over z, by a sum over labels and by nodes of a real support."""
    A = np.array([0.3, 5.0])[:, None, None]
    rows = np.broadcast_arrays(A * MESSAGES[:, None], A, OMEGAS, np.asarray(V))
    hidden = eqx.filter_jit(lambda channel, *message: channel.hidden(*message))
    found, wanted = (hidden(numeric(channel), *rows) for channel in TWINS[name])
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


AVERAGES_ORDER = 8
OVERLAP_STEP, SNR_STEP = 5e-3, 1e-2
POINTS = ((0.2, 3.0), (0.8, 6.0))  # (q, q_hat)


@eqx.filter_jit
def _averages(channel, q, variance, q_hat):
    def at(row):
        return hidden_averages(channel, *row, AVERAGES_ORDER)

    return jax.lax.map(at, (q, variance, q_hat))


def averages(channel, q, variance, q_hat):
    """One shape for all tests: one program a channel."""
    rows = np.broadcast_arrays(q, variance, q_hat)
    count = rows[0].size
    padded = [np.concatenate([x, np.full(18 - count, x[-1])]) for x in rows]
    return jax.tree.map(lambda x: np.asarray(x)[:count], _averages(numeric(channel), *padded))


@functools.cache
def stencil(name):
    """Averages at the points, in each at steps -2, -1, 1, 2 of q and ln q_hat, then at none."""
    steps = np.array([-2, -1, 1, 2])
    q, q_hat = np.array(POINTS)[:, :, None].swapaxes(0, 1)
    q = np.concatenate([q + OVERLAP_STEP * steps, np.repeat(q, 5, axis=1)], axis=1)
    factors = np.concatenate([np.ones(4), np.exp(SNR_STEP * steps), [1.0]])
    found = averages(CHANNELS[name], q.ravel(), RHO - q.ravel(), (q_hat * factors).ravel())
    return jax.tree.map(lambda x: x.reshape(len(POINTS), 9), found)


def slope(values, step):
    outer, inner = values[:, 3] - values[:, 0], values[:, 2] - values[:, 1]
    return (8 * inner - outer) / (12 * step)


each_name = pytest.mark.parametrize("name", list(CHANNELS))


@each_name
def test_information_falls_by_half_the_snr_with_the_overlap_below(name):
    """dI / dq = -snr / 2 at fixed rho and q_hat: r is an output of z with potential -I."""
    found = stencil(name)
    fall = slope(found.information[:, :4], OVERLAP_STEP)
    np.testing.assert_allclose(fall, -found.snr[:, 8] / 2, rtol=2e-7)


@each_name
def test_information_grows_by_half_the_variance_with_the_snr_above(name):
    """dI / dq_hat = variance / 2 at fixed q and V (I-MMSE)."""
    found, q_hat = stencil(name), np.array(POINTS)[:, 1]
    growth = slope(found.information[:, 4:8], SNR_STEP) / q_hat
    np.testing.assert_allclose(growth, found.variance[:, 8] / 2, rtol=2e-6)


@each_name
def test_overlap_and_variance_add_to_the_second_moment(name):
    """E <h>^2 + E var(h) = E h^2 at z ~ N(0, rho), whatever the two messages."""
    found = stencil(name)
    alone, _ = hidden_twice(CHANNELS[name], 0.0, 0.0, 0.0, RHO)
    wanted = (alone.variance + alone.mean**2).flat[0]
    np.testing.assert_allclose(found.overlap + found.variance, wanted, rtol=1e-10)
    assert np.all(found.overlap >= 0)
    assert np.all(found.variance > 0)


@pytest.mark.parametrize("delta", [0.0, 0.3])
def test_general_averages_reproduce_the_closed_ones(delta):
    channel = numeric(Linear(delta=delta))
    general = eqx.filter_jit(general_hidden_averages)
    for row in ((0.3, 0.7, 2.0), (0.0, 1.3, 0.1), (1.2, 1e-3, 500.0)):
        point = [jnp.asarray(x) for x in row]
        found, wanted = general(channel, *point), hidden_averages(channel, *point)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["Linear", "Abs", "ReLU", "PiecewiseLinear", "Activation"])
def test_averages_are_those_of_a_channel_with_more_noise(name):
    """r = h + xi / sqrt(q_hat) is an output of the channel with delta + 1 / q_hat."""
    channel, q, q_hat = numeric(CHANNELS[name]), np.array([0.2, 0.8]), 5.0
    found = averages(channel, q, RHO - q, q_hat)
    noisier = eqx.tree_at(lambda c: c.delta, channel, channel.delta + 1 / q_hat)
    wanted = moments(noisier, q, RHO - q)
    information = -wanted.potential - float(normal_entropy(jnp.asarray(1 / q_hat)))
    np.testing.assert_allclose(found.snr, wanted.snr, rtol=1e-7)
    np.testing.assert_allclose(found.information, information, rtol=1e-9)


@pytest.mark.parametrize("name", ["Linear noiseless", "Sign", "Abs noiseless", "ReLU noiseless"])
def test_averages_reach_the_channel_seen_without_noise(name):
    """As q_hat grows snr -> that of the channel, I - dim ln(q_hat / 2 pi e) / 2 -> -Psi."""
    channel, q, q_hat = CHANNELS[name], np.array([0.6]), np.array([1e4, 1e6])
    found = averages(channel, q, RHO - q, q_hat)
    wanted = moments(numeric(channel), q, RHO - q)
    reals = float(channel.dimension(jnp.asarray(RHO)))
    seen = found.information + reals * np.asarray(normal_entropy(jnp.asarray(1 / q_hat)))
    for values, limit in ((found.snr, wanted.snr), (seen, -wanted.potential)):
        error = np.abs(values - limit)
        assert error[0] <= 0.05
        assert error[1] <= max(0.2 * error[0], 1e-9)


@each_channel
def test_specification_reads_back(channel):
    if "<function" in repr(channel):
        with pytest.raises(ValueError, match="registered"):
            parse(repr(channel))
    else:
        assert parse(repr(channel)) == channel


@each_channel
def test_observations_are_checked(channel):
    y = np.asarray(channel.sample(jax.random.key(1), jnp.asarray([0.1, -0.4, 2.0])))
    channel.check_observation(y)
    if not channel.emits_reals():
        with pytest.raises(ValueError, match="Argument `observation` must hold the outputs"):
            channel.check_observation(np.array([0.25]))
