"""Gradient descent on the latent variables of a decoder, from several starts at once.

Of measurements y of an image through a decoder G (Bora et al. 2017),

    minimize |y - G_M(z)|^2 + penalty |z|^2   over z,

by Adam, where G_M is the decoder of measurements, `Decoder.measured`. With penalty = the noise
variance this is the most probable z under z ~ N(0, I). It is not convex: of the starts, drawn from
the prior, the end with the least loss is taken.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from solvable.core.arguments import fail, integer, non_negative, positive
from solvable.gallery.decoder_training import Decoder


@dataclass(frozen=True, eq=False)
class Descent:
    """Where gradient descent ended.

    Args:
        latents: the best end of each image, shape (count, k).
        losses: loss of every start at its end, shape (count, restarts).
        slopes: norm of the gradient at the best end relative to the loss at z = 0, shape (count,).
    """

    latents: np.ndarray
    losses: np.ndarray
    slopes: np.ndarray


def descend(
    decoder: Decoder,
    observations: np.ndarray,
    key: PRNGKeyArray,
    *,
    penalty: float,
    restarts: int = 8,
    steps: int = 500,
    rate: float = 0.1,
) -> Descent:
    """The latents that fit observations best.

    Args:
        decoder: G_M, the decoder of what is observed.
        observations: y, shape (count, m), one image a row.
        key: for the starts, drawn from N(0, I).
        penalty: of |z|^2, >= 0.
        restarts: starts of each image.
        steps: Adam's steps; the rate falls to zero like a cosine.
        rate: the first one.

    Raises:
        ValueError: if `observations` does not fit the decoder, or an option is out of its range.
    """
    integer("restarts", restarts, low=1)
    integer("steps", steps, low=1)
    non_negative("penalty", penalty)
    positive("rate", rate)
    y = np.asarray(observations, dtype=float)
    if y.ndim != 2 or y.shape[1] != decoder.pixels:
        raise fail("observations", f"have shape (count, {decoder.pixels})", y.shape)
    starts = jax.random.normal(key, (restarts, len(y), decoder.latent))
    (W_1, W_2), (b_1, b_2) = decoder.weights, decoder.biases
    # |y - b_2 - W_2 h|^2 by W_2^T W_2: one compiled program for any number of measurements
    square = np.sum((y - b_2) ** 2, axis=1)
    data = (W_1, b_1, W_2.T @ W_2, (y - b_2) @ W_2, square)
    found = _descend(starts, data, penalty, rate, steps)
    latents, losses, slopes, scale = (np.asarray(x) for x in found)
    best, images = np.argmin(losses, axis=0), np.arange(len(y))
    return Descent(latents[best, images], losses.T, slopes[best, images] / scale)


@functools.partial(jax.jit, static_argnames="steps")
def _descend(starts: Any, data: Any, penalty: Any, rate: Any, steps: int) -> tuple[Any, ...]:
    """Ends, losses and gradient norms of all starts, and every image's loss at z = 0."""
    import optax

    W_1, b_1, gram, field, square = data

    def loss(z: Any) -> Any:
        h = jnp.maximum(z @ W_1.T + b_1, 0)
        fit = square + jnp.sum(h * (h @ gram - 2 * field), axis=-1)
        return fit + penalty * jnp.sum(z**2, axis=-1)

    slope = jax.grad(lambda z: jnp.sum(loss(z)))  # starts do not meet: one gradient for all
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def step(carry: Any, _: None) -> tuple[Any, None]:
        z, state = carry
        change, state = optimizer.update(slope(z), state)
        return (z + change, state), None

    (z, _), _ = jax.lax.scan(step, (starts, optimizer.init(starts)), None, steps)
    return z, loss(z), jnp.linalg.norm(slope(z), axis=-1), loss(jnp.zeros_like(starts[0]))
