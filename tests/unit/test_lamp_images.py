"""AMP of an image in a noisy matrix: Gaussian prior, decoder, and what falls back to the first."""

import numpy as np
import pytest

from solvable import io
from solvable.algorithms import low_rank_amp
from solvable.algorithms.low_rank_amp import Problem, Start
from solvable.algorithms.low_rank_spectral import lamp_wigner, pca_wigner
from solvable.core.random_matrix import WignerLinearized
from solvable.core.randomness import add_outer, key_for, normal_matrix, symmetric_noise
from solvable.core.spectral_laws import eigenvalue_law
from solvable.core.status import Status
from solvable.gallery import lamp_images
from solvable.gallery.decoder_training import Decoder
from solvable.gallery.lamp_images import Knowledge, gaussian_amp, squared_cosines

RUN = {"damping": 0.5, "tolerance": 1e-6, "max_steps": 300}


def observed(v, delta, *name):
    Y = symmetric_noise(key_for(0, "test", *name), len(v), delta**0.5)
    add_outer(Y, v, v, len(v) ** -0.5)
    return Y


def test_amp_with_a_gaussian_prior_reaches_the_theory_of_lamp():
    """A fixed point that is an eigenvector of LAMP's matrix, and as good as predicted."""
    p, delta = 400, 0.5
    factor = normal_matrix(key_for(0, "test", "F"), (p, p // 2), (p // 2) ** -0.5)
    eigenvalues, vectors = np.linalg.eigh(factor @ factor.T)
    known: Knowledge = type("Known", (), {"eigenvalues": eigenvalues, "vectors": vectors})()  # pyright: ignore
    cosines = []
    for number in range(10):
        v = factor @ normal_matrix(key_for(0, "test", "w", number), (p // 2, 1))[:, 0]
        Y = observed(v, delta, "Y", number)
        lamp = lamp_wigner(Y, factor, delta).vector
        found = gaussian_amp(Y, delta, known, lamp, RUN)
        image = factor @ (factor.T @ (Y @ found / p**0.5))
        shift = factor @ (factor.T @ found)
        inside = np.stack([found, shift], axis=1)
        rest = image - inside @ np.linalg.lstsq(inside, image, rcond=None)[0]
        assert np.linalg.norm(rest) < 1e-4 * np.linalg.norm(image)
        cosines.append(squared_cosines(found, v))
    theory = WignerLinearized(eigenvalue_law(np.maximum(eigenvalues, 0)), delta).squared_cosine
    error = np.std(cosines, ddof=1) / len(cosines) ** 0.5
    assert abs(np.mean(cosines) - theory) < 4 * error


def test_amp_through_a_decoder_finds_what_it_made():
    """An image of a random decoder, better than PCA, up to the error that it states itself."""
    k, hidden, p, error = 20, 100, 300, 1e-3
    weights = (
        normal_matrix(key_for(0, "test", "W1"), (hidden, k), k**-0.5),
        normal_matrix(key_for(0, "test", "W2"), (p, hidden), (2 / hidden) ** 0.5),
    )
    decoder = Decoder(weights, (np.zeros(hidden), np.zeros(p)))
    v = decoder(normal_matrix(key_for(0, "test", "z"), (1, k)))[0]
    prior = lamp_images.decoder_prior(decoder, error)
    Y = observed(v, 0.5, "Y")
    noisy = v + 0.5 * normal_matrix(key_for(0, "test", "start"), (1, p))[0]
    outcome = low_rank_amp.run(Problem(Y, 0.5, prior), start=Start(noisy, 0.25), **RUN)
    assert np.ravel(outcome.status)[0] == Status.converged
    apart = np.mean((outcome.mean - v) ** 2)
    assert apart == pytest.approx(np.mean(outcome.variance), rel=0.5)
    assert squared_cosines(outcome.mean, v) > squared_cosines(pca_wigner(Y).vector, v) + 0.1


def test_images_without_convergence_get_the_gaussian_prior(tmp_path):
    tiny = {
        **lamp_images.settings(quick=True),
        "count": 4,
        "delta": [0.1, 1.0],
        "max_steps": 2,
        "training": {"latent": 4, "hidden": 20, "epochs": 2, "batch": 50},
    }
    made = lamp_images.make_data(tiny, 0, lambda text, done: None)
    data = io.read(io.write(made, tmp_path / "made.nc"))
    assert all(np.all(np.isfinite(data[name])) for name in data.data_vars)
    assert np.all(data["amp_status"] == Status.max_steps)
    assert not np.any(data["squared_cosine"].sel(algorithm="amp") == data["amp_own"])
    assert "8 of 8 runs did not converge" in lamp_images.compare(data).meaning
    size = data["original"][0].size
    np.testing.assert_allclose((data["original"] ** 2).sum(["row", "column"]), size)
    overlap = (data["original"] * data["estimate"]).sum(["row", "column"])
    assert np.all(overlap >= 0)  # signs of the truth
