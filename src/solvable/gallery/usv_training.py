"""Networks W_l = U_l diag(s_l) V_l^T with fixed random U_l, V_l: only s_l and biases are learned.

Their weight matrices keep singular vectors that are independent of everything else, which is what
the entropies of `solvable.entropy` are right for (Gabrie et al. 2018, section 4). A softmax reads
the last layer out. Activations are noiseless while the network learns; the noise that mutual
information needs is added for the measurements alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from solvable.bricks.channels.functions import FUNCTIONS
from solvable.core.randomness import fold, numpy_generator

_FIRST_BIAS = 0.1  # standard deviation of the biases that learning starts from


class Examples(NamedTuple):
    """Inputs, shape (count, n_0), and their classes, shape (count,)."""

    inputs: Array
    labels: Array


class Network(eqx.Module):
    """A network whose matrices are U_l diag(s_l) V_l^T.

    Args:
        left: U_l of shapes (n_l, k_l), columns orthonormal, k_l = min(n_l, n_{l-1}).
        right: V_l of shapes (n_{l-1}, k_l), columns orthonormal.
        scales: s_l of shapes (k_l,).
        biases: of shapes (n_l,).
        activation: name of the function after every layer but the last, the readout.
    """

    left: tuple[Array, ...]
    right: tuple[Array, ...]
    scales: tuple[Array, ...]
    biases: tuple[Array, ...]
    activation: str = eqx.field(static=True)

    def weights(self) -> list[Array]:
        """W_l of shapes (n_l, n_{l-1}), input first, the readout last."""
        return [(u * s) @ v.T for u, s, v in zip(self.left, self.scales, self.right, strict=True)]

    def logits(self, inputs: Array) -> Array:
        """What the softmax gets, shape (count, classes), from inputs of shape (count, n_0)."""
        *hidden, last = zip(self.weights(), self.biases, strict=True)
        h = inputs
        for matrix, bias in hidden:
            h = FUNCTIONS[self.activation].function(h @ matrix.T + bias)
        return h @ last[0].T + last[1]

    def noisy_layers(
        self, inputs: np.ndarray, delta: float, key: PRNGKeyArray
    ) -> list[np.ndarray]:
        """Hidden layers h_l = f(W_l h_{l-1} + b_l) + sqrt(delta) xi, shapes (count, n_l)."""
        h, found = jnp.asarray(inputs), []
        for k, (matrix, bias) in enumerate(zip(self.weights()[:-1], self.biases, strict=False)):
            h = FUNCTIONS[self.activation].function(h @ matrix.T + bias)
            h = h + np.sqrt(delta) * jax.random.normal(fold(key, k), h.shape)
            found.append(np.asarray(h))
        return found


def random_network(sizes: Sequence[int], activation: str, key: PRNGKeyArray) -> Network:
    """The singular vectors and values of Gaussian matrices of variance 1 / n_{l-1}; small biases.

    Args:
        sizes: n_0, n_1, ..., number of classes.
        activation: name of a function.
        key: of all that is random.
    """
    rng = numpy_generator(key)
    left, right, scales, biases = [], [], [], []
    for inputs, outputs in itertools.pairwise(sizes):
        matrix = rng.normal(size=(outputs, inputs)) / np.sqrt(inputs)
        u, s, vt = np.linalg.svd(matrix, full_matrices=False)
        for held, value in ((left, u), (right, vt.T), (scales, s)):
            held.append(jnp.asarray(value))
        biases.append(jnp.asarray(_FIRST_BIAS * rng.normal(size=outputs)))
    return Network(tuple(left), tuple(right), tuple(scales), tuple(biases), activation)


@eqx.filter_jit
def cross_entropy(network: Network, examples: Examples) -> Array:
    """Mean of -log p(label) under the softmax, in nats."""
    log_p = jax.nn.log_softmax(network.logits(examples.inputs))
    return -jnp.mean(jnp.take_along_axis(log_p, examples.labels[:, None], axis=1))


class Course(NamedTuple):
    """What learning passed through.

    Attributes:
        networks: at the epochs asked for.
        losses: cross-entropy there of the training and of the validation set, shape (epochs, 2).
    """

    networks: list[Network]
    losses: np.ndarray


def train(
    network: Network,
    training: Examples,
    validation: Examples,
    epochs: Sequence[int],
    *,
    rate: float,
    batch: int,
    key: PRNGKeyArray,
) -> Course:
    """Minimize the cross-entropy over scales and biases by Adam.

    Args:
        network: where learning starts.
        training: whose loss is minimized; what is left over of the last batch is left out.
        validation: whose loss is reported.
        epochs: rising numbers of passes over the training set at which to look; 0 is the start.
        rate: step size.
        batch: examples in a step.
        key: of the order of the examples.
    """
    import optax

    learned = eqx.tree_at(
        lambda n: (n.scales, n.biases),
        jax.tree.map(lambda _: False, network),
        replace=jax.tree.map(lambda _: True, (network.scales, network.biases)),
    )
    free, fixed = eqx.partition(network, learned)
    adam = optax.adam(rate)
    steps = len(training.labels) // batch

    @eqx.filter_jit
    def epoch(free, state, key):
        order = jax.random.permutation(key, len(training.labels))[: steps * batch]

        def step(carry, chosen):
            free, state = carry
            part = Examples(training.inputs[chosen], training.labels[chosen])
            slope = jax.grad(lambda f: cross_entropy(eqx.combine(f, fixed), part))(free)
            change, state = adam.update(slope, state, free)
            return (optax.apply_updates(free, change), state), None

        return jax.lax.scan(step, (free, state), order.reshape(steps, batch))[0]

    state, networks, losses = adam.init(free), [], []
    for number in range(max(epochs) + 1):
        if number > 0:
            free, state = epoch(free, state, fold(key, number))
        if number in epochs:
            networks.append(eqx.combine(free, fixed))
            losses.append([float(cross_entropy(networks[-1], s)) for s in (training, validation)])
    return Course(networks, np.array(losses))


class Bound(NamedTuple):
    """A lower bound on I(layer; label) and the standard error of its estimate, in nats."""

    value: float
    error: float


def label_information(
    layer: np.ndarray, labels: np.ndarray, held_out: np.ndarray, held_out_labels: np.ndarray
) -> Bound:
    """H(label) - held-out cross-entropy of a multinomial logistic regression on the layer.

    The cross-entropy of any probe is at least H(label | layer), hence a lower bound; negative
    where the probe is worse than the shares of the classes.

    Args:
        layer: activations that the probe learns from, shape (count, n).
        labels: their classes.
        held_out: activations that it is judged by, shape (m, n).
        held_out_labels: their classes, whose shares give H(label).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(layer)
    probe = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(layer), labels)
    log_p = probe.predict_log_proba(scaler.transform(held_out))
    place = np.searchsorted(probe.classes_, held_out_labels)
    share = np.bincount(held_out_labels) / len(held_out_labels)
    surprise = -np.log(share[held_out_labels])  # its mean is H(label)
    gain = surprise + log_p[np.arange(len(place)), place]
    return Bound(float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain))))


def gaussian_information(
    weights: Sequence[np.ndarray], root: np.ndarray, delta: float
) -> np.ndarray:
    """I(x; h_l) in nats of the linear layers h_l = W_l h_{l-1} + noise, x ~ N(0, root root^T).

    (log det C_l - log det N_l) / 2 with C_l the covariance of h_l and N_l that given x.
    """
    covariance, noise, found = root @ root.T, np.zeros_like(root), []
    for matrix in weights:
        own = delta * np.eye(len(matrix))
        covariance = matrix @ covariance @ matrix.T + own
        noise = matrix @ noise @ matrix.T + own
        found.append(0.5 * (np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(noise)[1]))
    return np.array(found)
