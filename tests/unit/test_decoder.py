"""A decoder trained on images, and gradient descent on its latent variables."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.optimize
import scipy.stats

from solvable import datasets
from solvable.core.randomness import key_for
from solvable.gallery import decoder_images, decoder_training, linear_baselines
from solvable.gallery.decoder_picture import median_interval
from solvable.gallery.decoder_training import Decoder, train
from solvable.gallery.latent_descent import descend

SIZES = {"latent": 8, "hidden": 60, "epochs": 60, "batch": 100}


@pytest.fixture(scope="module")
def digits():
    """Digits for training, and others."""
    found = datasets.digits()
    pixels = found.images.reshape(len(found), -1) / found.maximum
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order[:1500]], pixels[order[1500:]]


@pytest.fixture(scope="module")
def training(digits):
    return train(digits[0], key_for(0, "test"), **SIZES)


def random_decoder(seed=0, latent=4, hidden=40, pixels=30):
    rng = np.random.default_rng(seed)
    weights = (
        rng.normal(size=(hidden, latent)) / latent**0.5,
        rng.normal(size=(pixels, hidden)) / hidden**0.5,
    )
    return Decoder(weights, (0.1 * rng.normal(size=hidden), rng.normal(size=pixels)))


def test_the_loss_falls_and_held_out_images_are_described(digits, training):
    images, held_out = digits
    assert training.losses.shape == (SIZES["epochs"],)
    assert training.losses[-1] < training.losses[SIZES["epochs"] // 4] < training.losses[0]
    mean_image = float(np.mean((held_out - images.mean(axis=0)) ** 2))
    error = training.reconstruction_error(held_out)
    assert error < 0.5 * mean_image
    # eight components explain the most that a linear decoder with so few latents can
    centered = images - images.mean(axis=0)
    basis = np.linalg.svd(centered, full_matrices=False)[2][: SIZES["latent"]]
    rest = held_out - images.mean(axis=0)
    assert error < float(np.mean((rest - rest @ basis.T @ basis) ** 2))
    assert training.reconstruction_error(images) < training.variance  # which has the noise of z


def test_training_is_reproducible(digits, training):
    told = []
    short = {**SIZES, "epochs": 2}
    first = train(digits[0], key_for(1, "test"), **short, progress=told.append)
    again = train(digits[0], key_for(1, "test"), **short)
    assert told == [0.5, 1.0]
    np.testing.assert_array_equal(first.losses, again.losses)
    np.testing.assert_array_equal(first.decoder.weights[1], again.decoder.weights[1])
    assert training.decoder.weights[0].dtype == np.float64


def test_the_loss_is_the_evidence_bound_of_a_linear_gaussian_model():
    """Where no rectifier is off the model is linear, and its evidence is known.

    One pixel x = slope z + noise of variance v has evidence N(x; 0, slope^2 + v), largest where
    slope^2 + v = x^2. With the encoder at the posterior there the bound is tight: the loss is
    (1 + ln x^2) / 2, up to the average over the noise.
    """
    slope, x, far = 0.8, 1.7, 100.0  # `far`: rectifiers stay on
    v = x**2 - slope**2
    gain, variance = slope / x**2, v / x**2
    parameters = {
        "E1": jnp.array([[1.0]]),
        "c1": jnp.array([far]),
        "E2": jnp.array([[gain, 0.0]]),
        "c2": jnp.array([-far * gain, 0.5 * np.log(variance)]),
        "W1": jnp.array([[1.0]]),
        "b1": jnp.array([far]),
        "W2": jnp.array([[slope]]),
        "b2": jnp.array([-far * slope]),
    }
    copies = jnp.full((200_000, 1), x)
    loss, found = decoder_training._loss(parameters, copies, jax.random.key(0))
    offset, spread = x - slope * gain * x, slope**2 * variance
    deviation = np.sqrt((4 * offset**2 * spread + 2 * spread**2) / len(copies))
    assert abs(found - v) < 4 * deviation
    assert abs(loss - 0.5 * (1 + np.log(x**2))) < 4 * deviation / (2 * v)


def test_measurements_merge_with_the_last_layer():
    decoder = random_decoder()
    rng = np.random.default_rng(3)
    design, z = rng.normal(size=(7, decoder.pixels)), rng.normal(size=(5, decoder.latent))
    measured = decoder.measured(design)
    assert (measured.pixels, measured.latent) == (7, decoder.latent)
    np.testing.assert_allclose(measured(z), decoder(z) @ design.T, atol=1e-12)


def test_descent_finds_what_the_decoder_made(training):
    decoder = training.decoder
    rng = np.random.default_rng(4)
    z = rng.normal(size=(12, decoder.latent))
    design = rng.normal(size=(48, decoder.pixels)) / np.sqrt(48)
    found = descend(
        decoder.measured(design), decoder(z) @ design.T, key_for(0, "restarts"), penalty=0.0
    )
    assert found.losses.shape == (12, 8)
    assert np.max(np.abs(decoder(found.latents) - decoder(z))) < 1e-2
    assert np.median(np.abs(found.latents - z)) < 1e-2


def test_descent_ends_where_another_optimizer_does():
    decoder = random_decoder()
    rng = np.random.default_rng(5)
    y = decoder(rng.normal(size=(3, decoder.latent))) + 0.3 * rng.normal(size=(3, decoder.pixels))
    found = descend(decoder, y, key_for(0, "restarts"), penalty=0.09, steps=1500, rate=0.03)

    def loss(z, of):
        return np.sum((of - decoder(z)) ** 2) + 0.09 * np.sum(z**2)

    for k in range(3):
        ends = [
            scipy.optimize.minimize(loss, start, args=(y[k],), method="Powell", tol=1e-10).fun
            for start in rng.normal(size=(6, decoder.latent))
        ]
        assert loss(found.latents[k], y[k]) == pytest.approx(found.losses[k].min(), rel=1e-10)
        assert found.losses[k].min() <= min(ends) * (1 + 1e-3)


def test_bad_arguments_are_named(digits):
    with pytest.raises(ValueError, match="`images` must have shape"):
        train(digits[0][:50], key_for(0, "test"), **SIZES)
    with pytest.raises(ValueError, match="`latent`"):
        train(digits[0], key_for(0, "test"), **{**SIZES, "latent": 0})
    decoder = random_decoder()
    with pytest.raises(ValueError, match=r"`observations` must have shape \(count, 30\)"):
        descend(decoder, np.zeros((2, 31)), key_for(0, "x"), penalty=0.0)
    with pytest.raises(ValueError, match="`penalty`"):
        descend(decoder, np.zeros((2, 30)), key_for(0, "x"), penalty=-1.0)


def test_the_sets_of_images_share_none():
    settings = decoder_images.settings(quick=True)
    found = decoder_images.split_images(settings, seed=0)
    assert len(found.held_out) == settings["count"]
    assert len(found.validation) == settings["validation"]
    sizes = [len(part) for part in (found.training, found.validation, found.held_out)]
    assert sum(sizes) == 1797
    everything = np.concatenate([found.training, found.validation, found.held_out])
    whole = datasets.digits()
    whole = whole.images.reshape(len(whole), -1) / whole.maximum
    np.testing.assert_array_equal(np.sort(everything.sum(axis=1)), np.sort(whole.sum(axis=1)))
    other = decoder_images.split_images(settings, seed=1)
    assert not np.array_equal(other.held_out, found.held_out)


def test_measurements_have_the_stated_scale():
    images = np.random.default_rng(0).uniform(size=(200, 100))
    design, y = decoder_images.measure(images, 400, noise_norm=0.1, seed=0)
    count = design.size
    assert abs(np.mean(design**2) * 400 - 1) < 5 * np.sqrt(2 / count)
    noise = y - images @ design.T
    assert abs(np.mean(np.sum(noise**2, axis=1)) / 0.1**2 - 1) < 5 * np.sqrt(2 / noise.size)


@pytest.mark.parametrize("count", [5, 12, 60])
def test_the_interval_holds_the_median_as_often_as_it_says(count):
    samples = np.random.default_rng(count).exponential(size=(3_000, count))
    ends = np.array([median_interval(sample) for sample in samples])
    held = np.mean((ends[:, 0] < np.log(2)) & (np.log(2) < ends[:, 1]))
    r = int(np.flatnonzero(np.sort(samples[0]) == ends[0, 0])[0]) + 1
    exact = 1 - 2 * scipy.stats.binom.cdf(r - 1, count, 0.5)
    narrower = 1 - 2 * scipy.stats.binom.cdf(r, count, 0.5)
    assert exact > 0.68 >= narrower
    assert abs(held - exact) < 4 * np.sqrt(exact * (1 - exact) / len(samples))


def test_the_lasso_of_cosines_finds_a_sparse_image():
    basis = linear_baselines.cosine_basis(8, 6)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(8, 6))
    coefficients = scipy.fft.dctn(image, norm="ortho")
    np.testing.assert_allclose(basis.T @ image.ravel(), coefficients.ravel(), atol=1e-12)
    sparse = np.zeros(48)
    sparse[[0, 7, 20]] = [3.0, -2.0, 1.5]
    image = basis @ sparse
    design = rng.normal(size=(30, 48)) / np.sqrt(30)
    fit = linear_baselines.lasso_of_cosines(design, design @ image, image, basis)
    in_pixels = linear_baselines.lasso(design, design @ image, image, positive=False)
    assert np.mean((fit.estimate - image) ** 2) < 1e-4 * np.mean(image**2)
    assert np.mean((in_pixels.estimate - image) ** 2) > 1e-2 * np.mean(image**2)
