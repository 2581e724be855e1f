"""Given samples with labels, as of images, in place of a law of inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.bricks.inputs.sources import AbstractSource, Block
from solvable.core.arguments import array, fail, integer, vector
from solvable.core.randomness import numpy_streams


@dataclass(frozen=True, eq=False)
class BankSource(AbstractSource):
    """Samples gone through in passes, each in a random order of its own; a label is what is seen.

    A teacher that gives the labels back is the identity with one weight 1.

    Args:
        inputs: shape (count, N).
        labels: shape (count,).
        order: the order of pass number k.
        passes: at most so many.
    """

    inputs: Float[np.ndarray, "count N"]
    labels: Float[np.ndarray, " count"]
    order: Callable[[int], np.ndarray]
    passes: int

    @property
    def size(self) -> int:
        return self.inputs.shape[1]

    @property
    def seen(self) -> int:
        return 1

    def draw(self, rng: np.random.Generator, count: int, first: int = 0) -> Block:
        """The samples number `first` and on, passes over the bank counted.

        Raises:
            ValueError: beyond the last pass.
        """
        if first + count > self.passes * len(self.inputs):
            raise fail("passes", f"be enough for {first + count} samples", self.passes)
        numbers = np.arange(first, first + count)
        passes, places = np.divmod(numbers, len(self.inputs))
        rows = np.empty(count, dtype=int)
        for k in np.unique(passes):
            rows[passes == k] = self.order(int(k))[places[passes == k]]
        return self.inputs[rows], self.labels[rows, None]

    def matched(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count N"]:
        values, vectors = np.linalg.eigh(self.inputs.T @ self.inputs / len(self.inputs))
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        plain = rng.standard_normal((count, self.size), dtype=np.float32)
        return plain @ root.astype(np.float32)

    def covariance(self, w: Float[np.ndarray, "k N"]) -> Float[np.ndarray, "k N"]:
        return ((w @ self.inputs.T) @ self.inputs) / len(self.inputs)

    def signal(self, teacher: Float[np.ndarray, "M seen"]) -> Float[np.ndarray, "M N"]:
        mean = self.labels @ self.inputs / len(self.inputs)
        return teacher * (self.size**0.5 * mean)

    def seen_covariance(self, w: Float[np.ndarray, "k seen"]) -> Float[np.ndarray, "k seen"]:
        return w * float(np.mean(self.labels**2))

    def is_gaussian(self) -> bool:
        return False


def bank(inputs: Any, labels: Any, key: PRNGKeyArray, passes: int = 1) -> BankSource:
    """Samples for `algorithms.sgd.learn`, each used once or in several passes.

    Args:
        inputs: shape (count, N).
        labels: shape (count,).
        key: of the orders.
        passes: how often every sample may be used.

    Raises:
        ValueError: if shapes do not fit, or a number is not finite.
    """
    x, y = array("inputs", inputs, ndim=2), vector("labels", labels)
    if len(x) != len(y):
        raise fail("labels", f"have the length of `inputs`, {len(x)}", y)
    integer("passes", passes, low=1)
    stream = numpy_streams(key)

    @lru_cache(maxsize=4)
    def order(number: int) -> np.ndarray:
        return stream(number).permutation(len(x))

    return BankSource(x.astype(np.float32), y.astype(np.float32), order, passes)
