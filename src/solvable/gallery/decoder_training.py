"""A small decoder trained on images: the generative prior x = G(z), z ~ N(0, I).

    G(z) = W_2 max(W_1 z + b_1, 0) + b_2

is the decoder of a variational autoencoder (Kingma and Welling 2014): with an encoder of the same
sizes it minimizes, by Adam, the negative evidence bound of images x of D pixels,

    E_{z ~ N(m(x), s(x)^2)} |x - G(z)|^2 / (2 v) + D ln(v) / 2 + KL(N(m, s^2) || N(0, I)),

with one variance v of all pixels, at every step the best for the batch: v = mean |x - G(z)|^2 / D,
which makes the first terms D (1 + ln v) / 2 (Rybkin et al. 2021). The output is linear, so that a
linear measurement of an image merges with W_2. Training is in single precision; what comes back
is in double.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from solvable.core.arguments import fail, integer, positive
from solvable.core.randomness import fold


@dataclass(frozen=True, eq=False)
class Decoder:
    """G(z) = W_2 max(W_1 z + b_1, 0) + b_2 for k latent variables, w hidden units, D pixels.

    Args:
        weights: W_1 of shape (w, k) and W_2 of shape (D, w).
        biases: b_1 of shape (w,) and b_2 of shape (D,).
    """

    weights: tuple[np.ndarray, np.ndarray]
    biases: tuple[np.ndarray, np.ndarray]

    @property
    def latent(self) -> int:
        """Number of latent variables, k."""
        return self.weights[0].shape[1]

    @property
    def pixels(self) -> int:
        """Number of pixels, D."""
        return self.weights[1].shape[0]

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """Images of shape (..., D) of latents of shape (..., k)."""
        hidden = np.maximum(latents @ self.weights[0].T + self.biases[0], 0.0)
        return hidden @ self.weights[1].T + self.biases[1]

    def measured(self, design: np.ndarray) -> Decoder:
        """The decoder of measurements y = M x, whose last layer is M W_2 and M b_2.

        Args:
            design: M, shape (m, D).
        """
        return Decoder(
            (self.weights[0], design @ self.weights[1]), (self.biases[0], design @ self.biases[1])
        )


@dataclass(frozen=True, eq=False)
class Training:
    """What training gave.

    Args:
        decoder: the decoder.
        encoder: weights and biases of the encoder, by name, for `reconstruct`.
        losses: mean loss of every epoch in nats an image, shape (epochs,).
        variance: v, the mean over the last epoch.
    """

    decoder: Decoder
    encoder: dict[str, np.ndarray]
    losses: np.ndarray
    variance: float

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """G(m(x)) for images x: shapes (count, D)."""
        return self.decoder(np.asarray(_encode(self.encoder, images)[0]))

    def reconstruction_error(self, images: np.ndarray) -> float:
        """Mean over pixels of (x - G(m(x)))^2, for images of shape (count, D)."""
        return float(np.mean((self.reconstruct(images) - images) ** 2))


def train(
    images: np.ndarray,
    key: PRNGKeyArray,
    *,
    latent: int,
    hidden: int,
    epochs: int,
    batch: int = 200,
    rate: float = 2e-3,
    progress: Callable[[float], None] | None = None,
) -> Training:
    """Train the autoencoder: Adam at a rate that falls to zero like a cosine.

    Args:
        images: pixels from 0 to 1, shape (count, D); what does not fill a batch is left out, other
            images in every epoch.
        key: for the weights' start, the order of the images and the noise.
        latent: k, latent variables.
        hidden: w, hidden units of the decoder and of the encoder.
        epochs: passes through the images.
        batch: images a step.
        rate: first learning rate.
        progress: called after every epoch with the fraction that is done.

    Raises:
        ValueError: if a size is not a positive integer, or `images` holds less than one batch.
    """
    import optax

    integer("latent", latent, low=1)
    integer("hidden", hidden, low=1)
    integer("epochs", epochs, low=1)
    integer("batch", batch, low=1)
    positive("rate", rate)
    pixels = jnp.asarray(images, dtype=jnp.float32)
    if pixels.ndim != 2 or len(pixels) < batch:
        raise fail("images", f"have shape (count, pixels) with count >= {batch}", np.shape(images))
    steps = len(pixels) // batch
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps * epochs))
    parameters = _start(fold(key, "start"), pixels, latent, hidden)
    state = optimizer.init(parameters)
    losses, variance = [], 0.0
    for epoch in range(epochs):
        carry = (parameters, state)
        stream = fold(key, "epoch", epoch)
        carry, found = _epoch(optimizer.update, carry, pixels, stream, steps, batch)
        parameters, state = carry
        loss, variance = (float(x) for x in found)
        losses.append(loss)
        if progress is not None:
            progress((epoch + 1) / epochs)
    trained = {name: np.asarray(value, dtype=float) for name, value in parameters.items()}
    decoder = Decoder((trained["W1"].T, trained["W2"].T), (trained["b1"], trained["b2"]))
    encoder = {name: trained[name] for name in _ENCODER}
    return Training(decoder, encoder, np.array(losses), variance)


_ENCODER = ("E1", "c1", "E2", "c2")


def _start(key: PRNGKeyArray, images: Any, latent: int, hidden: int) -> dict[str, Any]:
    """He's scale for the weights below rectifiers, a smaller one for outputs; the mean image."""
    pixels = images.shape[1]
    sizes = {
        "E1": (pixels, hidden, 2.0),
        "E2": (hidden, 2 * latent, 0.1),
        "W1": (latent, hidden, 2.0),
        "W2": (hidden, pixels, 1.0),
    }
    parameters = {
        name: jax.random.normal(fold(key, name), (inputs, outputs), jnp.float32)
        * np.float32(np.sqrt(gain / inputs))
        for name, (inputs, outputs, gain) in sizes.items()
    }
    zeros = {"c1": hidden, "c2": 2 * latent, "b1": hidden}
    parameters |= {name: jnp.zeros(size, jnp.float32) for name, size in zeros.items()}
    parameters["b2"] = jnp.mean(images, axis=0)
    return parameters


def _encode(parameters: dict[str, Any], images: Any) -> tuple[Any, Any]:
    """Mean and log standard deviation of the latents."""
    hidden = jnp.maximum(images @ parameters["E1"] + parameters["c1"], 0)
    out = hidden @ parameters["E2"] + parameters["c2"]
    mean, log_deviation = jnp.split(out, 2, axis=-1)
    return mean, log_deviation


def _loss(parameters: dict[str, Any], images: Any, key: PRNGKeyArray) -> tuple[Any, Any]:
    """The negative evidence bound, up to D ln(2 pi) / 2, in nats an image, and v."""
    mean, log_deviation = _encode(parameters, images)
    noise = jax.random.normal(key, mean.shape, mean.dtype)
    latents = mean + jnp.exp(log_deviation) * noise
    hidden = jnp.maximum(latents @ parameters["W1"] + parameters["b1"], 0)
    errors = images - hidden @ parameters["W2"] - parameters["b2"]
    variance = jnp.mean(errors**2)
    fit = 0.5 * images.shape[1] * (1 + jnp.log(variance))
    divergence = 0.5 * (mean**2 + jnp.exp(2 * log_deviation) - 1) - log_deviation
    return fit + jnp.sum(divergence) / len(images), variance


@functools.partial(jax.jit, static_argnames=("update", "steps", "batch"))
def _epoch(
    update: Callable[..., Any], carry: Any, images: Any, key: PRNGKeyArray, steps: int, batch: int
) -> tuple[Any, Any]:
    """One pass through the images in a new order; its mean loss and v."""
    order = jax.random.permutation(fold(key, "order"), len(images))[: steps * batch]
    keys = jax.random.split(fold(key, "noise"), steps)

    def step(carry: Any, given: Any) -> tuple[Any, Any]:
        parameters, state = carry
        chosen, noise = given
        bound = jax.value_and_grad(_loss, has_aux=True)
        found, slope = bound(parameters, images[chosen], noise)
        change, state = update(slope, state)
        parameters = jax.tree.map(jnp.add, parameters, change)
        return (parameters, state), found

    carry, found = jax.lax.scan(step, carry, (order.reshape(steps, batch), keys))
    return carry, jax.tree.map(jnp.mean, found)
