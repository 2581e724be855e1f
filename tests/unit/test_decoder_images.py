"""Message passing through a decoder, and what becomes of images where it does not converge."""

import numpy as np

from solvable import io
from solvable.core.randomness import key_for, normal_matrix
from solvable.core.status import Status
from solvable.gallery import decoder_images
from solvable.gallery.decoder_training import Decoder
from solvable.gallery.latent_descent import descend

TINY = {
    **decoder_images.settings(quick=True),
    "count": 8,
    "measurements": [24, 40],
    "shown": [24],
    "training": {"latent": 6, "hidden": 40, "epochs": 20, "batch": 50},
    "descent_steps": 100,
}


def random_decoder(latent=20, hidden=80, pixels=100):
    def matrix(name, shape):
        return normal_matrix(key_for(0, "test", name), shape, scale=shape[1] ** -0.5)

    biases = (0.2 * matrix("b_1", (hidden, 1))[:, 0], matrix("b_2", (pixels, 1))[:, 0])
    return Decoder((matrix("W_1", (hidden, latent)), matrix("W_2", (pixels, hidden))), biases)


def test_message_passing_finds_what_the_decoder_made():
    """Of the model's own images, nearly without noise; descent finds the same."""
    decoder, noise_norm = random_decoder(), 1e-3
    z = normal_matrix(key_for(0, "test", "z"), (6, decoder.latent))
    design, observed = decoder_images.measure(decoder(z), 70, noise_norm, seed=0)
    measured, delta = decoder.measured(design), noise_norm**2 / 70
    outcome = decoder_images.vector_amp(measured, observed, delta, {**TINY, "tolerance": 1e-6})
    assert np.all(outcome.status == Status.converged)
    assert np.max(np.abs(outcome.mean.T - z)) < 1e-2
    hidden = np.maximum(z @ decoder.weights[0].T + decoder.biases[0], 0)
    assert np.max(np.abs(outcome.hidden_means[0].T - hidden)) < 1e-2
    found = descend(measured, observed, key_for(0, "restarts"), penalty=delta)
    assert np.max(np.abs(outcome.mean.T - found.latents)) < 1e-2


def test_images_without_convergence_get_the_result_of_descent(tmp_path):
    made = decoder_images.make_data({**TINY, "max_steps": 2}, 0, lambda text, done: None)
    data = io.read(io.write(made, tmp_path / "made.nc"))
    assert all(np.all(np.isfinite(data[name])) for name in data.data_vars)
    assert np.all(data["vamp_status"] == Status.max_steps)
    descent, passed = (data["mse"].sel(algorithm=name).values for name in ("descent", "vamp"))
    np.testing.assert_array_equal(passed, descent)
    assert not np.any(data["vamp_best_iterate_mse"].values == descent)
    found = decoder_images.compare(data)
    assert found.number == 1
    assert "16 of 16 runs did not converge" in found.meaning
    assert np.all(data["seconds"] > 0)
