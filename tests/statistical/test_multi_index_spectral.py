"""The spectral method for links: its second moments, and what it finds on either side."""

import numpy as np
import pytest

from solvable.algorithms.multi_index_spectral import shared, spectral_subspace
from solvable.core.links import link_of
from solvable.core.randomness import key_for, numpy_generator
from solvable.models.multi_index import second_moments


def found(link, alpha, size, seed):
    f, key = link_of(link), key_for(seed, link)
    random = numpy_generator(key)
    design = random.standard_normal((round(alpha * size), size)) / size**0.5
    truth = random.standard_normal((size, f.k))
    table = second_moments(f)
    return shared(spectral_subspace(design, f(design @ truth), table, key), truth)


def test_second_moments_have_closed_forms():
    y = np.array([0.2, 1.0, 2.5])
    np.testing.assert_allclose(second_moments(link_of("abs(z1)"))(y)[:, 0, 0], y**2, rtol=0.02)
    labels = second_moments(link_of("sign(z1*z2)"))(np.array([-1.0, 1.0]))
    wanted = np.array([[[1, s * 2 / np.pi], [s * 2 / np.pi, 1]] for s in (-1, 1)])
    np.testing.assert_allclose(labels, wanted, atol=1e-8)


@pytest.mark.parametrize(
    ("link", "below", "above"), [("z1*z2", 0.3, 4.0), ("sign(z1*z2)", 1.2, 9.0)]
)
def test_it_finds_nothing_below_and_much_above_weak_recovery(link, below, above):
    """Three instances of p = 250, chance 2 / p; far from the threshold on either side."""
    few = np.mean([found(link, below, 250, seed) for seed in range(3)])
    many = np.mean([found(link, above, 250, seed) for seed in range(3)])
    assert few < 0.1
    assert many > 0.5
