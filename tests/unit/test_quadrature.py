"""Composite quadrature against closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

from solvable.core.quadrature import feature_nodes, gaussian_nodes, nodes_between


@pytest.mark.parametrize("power", [0, 2, 4, 8])
def test_gaussian_moments(power):
    v, weight = gaussian_nodes()
    wanted = float(np.prod(np.arange(power - 1, 0, -2))) if power else 1.0
    assert float(jnp.sum(weight * v**power)) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize("width", [1.0, 1e-3, 1e-7])
def test_a_feature_of_any_width_is_seen(width):
    """E exp(-v^2 / (2 w^2)) = w / sqrt(1 + w^2): a narrow bump that plain rules miss."""
    v, weight = gaussian_nodes([(jnp.asarray(0.0), jnp.asarray(width))])
    found = float(jnp.sum(weight * jnp.exp(-0.5 * (v / width) ** 2)))
    assert found == pytest.approx(width / np.sqrt(1 + width**2), rel=1e-12)


def test_half_line_serves_even_functions():
    v, weight = gaussian_nodes(half=True)
    assert float(jnp.sum(weight * jnp.cos(v))) == pytest.approx(np.exp(-0.5), rel=1e-13)
    assert bool(jnp.all(v > 0))


def test_a_jump_at_an_edge_costs_nothing():
    v, weight = gaussian_nodes([(jnp.asarray(0.3), jnp.asarray(0.0))])
    found = float(jnp.sum(weight * (v > 0.3)))
    assert found == pytest.approx(0.3820885778110474, rel=1e-13)


def test_exponential_tails_are_reached():
    x, weight = feature_nodes([(jnp.asarray(0.0), jnp.asarray(2.0), "exponential")])
    assert float(jnp.sum(weight * jnp.exp(-jnp.abs(x) / 2))) == pytest.approx(4, rel=1e-12)


def test_edges_in_any_order_with_repeats():
    x, weight = nodes_between(jnp.asarray([1.0, 0.0, 0.5, 0.5, 2.0]))
    assert float(jnp.sum(weight * x**3)) == pytest.approx(4, rel=1e-14)
