"""One finite problem: what the statistician sees, and the signal that only `measure` sees."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float


class Data(eqx.Module):
    """What an algorithm is given.

    Attributes:
        design: X, shape (n, p): a numpy or JAX array, a `numpy.memmap`, a SciPy sparse matrix or
            an object with `shape`, `matvec` and `rmatvec`; of a network a tuple of them.
        observation: y, shape (n,), or (n, k) for k right-hand sides on one design.
        design_u: where the observation is a matrix, the weights of the network that generates the
            spike along its rows; `design` are those of the spike along its columns.
    """

    design: Any
    observation: Any
    design_u: Any = None


class Instance(eqx.Module):
    """A problem with its answer, for finite-size experiments.

    Attributes:
        data: what the algorithm sees.
        signal: w*, shape (p,), or (p, k): what it should find.
        hidden: units between the signal and the observation, layer by layer.
    """

    data: Data
    signal: Float[Array, "..."] | Float[np.ndarray, "..."]
    hidden: tuple[Float[np.ndarray, "..."], ...] = ()
