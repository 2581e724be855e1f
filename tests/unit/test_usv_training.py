"""Networks of which only singular values and biases are learned, and what is measured on them."""

import jax.numpy as jnp
import numpy as np
import pytest

from solvable.core.randomness import key_for
from solvable.gallery.usv_training import (
    Examples,
    gaussian_information,
    label_information,
    random_network,
    train,
)


def examples(count, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(count, 12))
    return Examples(jnp.asarray(inputs), jnp.asarray(np.argmax(inputs[:, :3], axis=1)))


@pytest.fixture(scope="module")
def course():
    start = random_network([12, 10, 14, 3], "hardtanh", key_for(0, "start"))
    key = key_for(0, "batches")
    return train(
        start, examples(400, 0), examples(400, 1), [0, 2, 40], rate=0.02, batch=40, key=key
    )


def test_the_loss_falls_and_every_epoch_is_kept(course):
    assert course.losses.shape == (3, 2) and len(course.networks) == 3
    assert np.all(np.diff(course.losses, axis=0) < 0)


def test_singular_vectors_stay_and_values_move(course):
    first, last = course.networks[0], course.networks[-1]
    for before, after, u, v in zip(
        first.weights(), last.weights(), first.left, first.right, strict=True
    ):
        inside = np.asarray(u.T @ after @ v)
        np.testing.assert_allclose(inside, np.diag(np.diag(inside)), atol=1e-12)
        np.testing.assert_allclose(u @ inside @ v.T, after, atol=1e-12)
        assert np.max(np.abs(np.asarray(after - before))) > 1e-2
    assert np.max(np.abs(np.asarray(last.biases[0] - first.biases[0]))) > 1e-3


def test_noisy_layers_are_the_activations_and_noise_of_the_given_variance(course):
    network, inputs = course.networks[-1], np.asarray(examples(5000, 2).inputs)
    quiet = network.noisy_layers(inputs, 0.0, key_for(0, "noise"))
    readout = quiet[-1] @ network.weights()[-1].T + network.biases[-1]
    np.testing.assert_allclose(readout, network.logits(jnp.asarray(inputs)), atol=1e-12)
    loud = network.noisy_layers(inputs, 0.04, key_for(0, "noise"))
    z = (np.mean((loud[0] - quiet[0]) ** 2) / 0.04 - 1) * np.sqrt(loud[0].size / 2)
    assert abs(z) < 4


def test_the_probe_bounds_what_two_gaussians_tell():
    """Labels +-1 seen through Gaussian noise: I by quadrature; the probe is exact here."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=20_000)
    seen = (2 * labels - 1)[:, None] + rng.normal(size=(20_000, 1))
    found = label_information(seen[:10_000], labels[:10_000], seen[10_000:], labels[10_000:])
    x = np.linspace(-9, 11, 20_001)
    density = np.exp(-((x - 1) ** 2) / 2) / np.sqrt(2 * np.pi)
    exact = np.log(2) - np.sum(density * np.log1p(np.exp(-2 * x))) * (x[1] - x[0])
    assert abs(found.value - exact) < 4 * found.error
    alone = label_information(
        rng.normal(size=(200, 50)), labels[:200], rng.normal(size=(2000, 50)), labels[:2000]
    )
    assert alone.value < 0  # nothing is clipped


def test_information_of_linear_layers_adds_for_parallel_channels():
    scales = np.array([0.5, 1.0, 2.0])
    first, second = gaussian_information([np.diag(scales), np.eye(3)], np.eye(3), 0.1)
    assert first == pytest.approx(0.5 * np.sum(np.log1p(scales**2 / 0.1)))
    assert second == pytest.approx(0.5 * np.sum(np.log1p(scales**2 / 0.2)))
