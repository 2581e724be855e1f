"""One-pass stochastic gradient descent of a two-layer network on the labels of another.

    w_k <- (1 - eta kappa / N) w_k - eta / sqrt(N) <v_k g'(lambda_k) Delta x>,
    v_k <- v_k - eta_v / N <g(lambda_k) Delta>,

with the mean over the examples of a step. Examples are drawn in blocks, each from a stream of its
own, on two threads beside the compiled loop that learns from the blocks before; a step reads its
example once. Random numbers take most of the time. Weights in single precision resolve errors down
to about 1e-12.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.inputs.sources import AbstractSource
from solvable.core.status import Status

_THREADS = 2
_BLOCK = 2**20  # numbers in a block of examples
_LARGEST = 1e6  # of a weight: beyond it a network has run away


class Rates(NamedTuple):
    """The parameters of a step.

    Attributes:
        first: eta.
        second: eta_v.
        decay: kappa.
        noise: standard deviation of the labels' noise.
    """

    first: Any
    second: Any
    decay: Any
    noise: Any


class Teacher(NamedTuple):
    """Where labels come from.

    Attributes:
        weights: of its first layer, shape (M, seen).
        v: of its second, shape (M,).
    """

    weights: Any
    v: Any


class State(NamedTuple):
    """A network: its two layers."""

    w: Any
    v: Any


@dataclass(frozen=True, eq=False)
class Path:
    """A network at the times that were reached.

    Attributes:
        times: steps / N.
        states: the networks.
        status: converged, or left_domain where the weights ran away.
    """

    times: Float[np.ndarray, " t"]
    states: list[State]
    status: Status


def correlated(
    rng: np.random.Generator,
    source: AbstractSource,
    teacher: Float[np.ndarray, "M seen"],
    q: Float[np.ndarray, "K K"],
    r: Float[np.ndarray, "K M"],
) -> Float[np.ndarray, "K N"]:
    """Weights with exactly w Omega w^T / N = q and w phi^T / N = r, else random.

    They are multiples of phi plus random vectors without a part along phi or Omega phi.

    Raises:
        ValueError: if there are none.
    """
    N, phi = source.size, source.signal(teacher)
    a = r @ np.linalg.pinv(phi @ phi.T / N)
    left = q - a @ (source.covariance(phi) @ phi.T / N) @ a.T
    low = float(np.linalg.eigvalsh(left)[0])
    if low < -1e-6 * np.trace(q):
        raise ValueError("Argument `r0` must be smaller beside `q0` at this size.")
    noise = rng.standard_normal((len(q), N))
    span = np.linalg.qr(np.concatenate([phi, source.covariance(phi)]).T)[0]
    noise -= (noise @ span) @ span.T
    noise = _root(left) @ _whitened(noise, source.covariance(noise) @ noise.T / N)
    return a @ phi + noise


def random_overlaps(
    rng: np.random.Generator,
    size: int,
    q: Float[np.ndarray, "K K"],
    r: Float[np.ndarray, "K M"],
    t: Float[np.ndarray, "M M"],
) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "K M"]]:
    """w w^T / N and w phi^T / N of random w, whose means are q and r, beside phi phi^T / N = t.

    Without loss of generality phi = sqrt(N t) lies along the first axes.
    """
    a, root = r @ np.linalg.pinv(t), _root(t)
    w = _root(q - a @ t @ a.T) @ rng.standard_normal((len(q), size))
    w[:, : len(t)] += size**0.5 * a @ root
    found = w @ w.T / size
    return 0.5 * (found + found.T), w[:, : len(t)] @ root / size**0.5


def drawn_teacher(
    rng: np.random.Generator, source: AbstractSource, t: Float[np.ndarray, "M M"]
) -> Float[np.ndarray, "M seen"]:
    """A teacher whose fields have exactly the covariance t."""
    raw = rng.standard_normal((len(t), source.seen))
    return _root(t) @ _whitened(raw, source.seen_covariance(raw) @ raw.T / source.seen)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _whitened(vectors: np.ndarray, gram: np.ndarray) -> np.ndarray:
    return np.linalg.solve(np.linalg.cholesky(gram), vectors)


class Network(eqx.Module):
    """The activations of student and teacher, and the parameters of a step; compiled once."""

    student: Callable[[Array], Array]
    teacher: Callable[[Array], Array]
    rates: Rates
    batch: int = eqx.field(static=True)

    @eqx.filter_jit
    def labels(self, teacher: Teacher, seen: Any, noise: Any) -> Array:
        """y of a block."""
        fields = seen @ teacher.weights.T / seen.shape[1] ** 0.5
        return self.teacher(fields) @ teacher.v + self.rates.noise.astype(noise.dtype) * noise

    @eqx.filter_jit
    def steps(self, state: State, x: Array, y: Array, count: Array) -> State:
        """The first `count` steps of a block: x (steps, batch, N), y (steps, batch)."""
        N = x.shape[-1]
        first, second, decay = (z.astype(x.dtype) for z in self.rates[:3])

        def step(k: Array, state: State) -> State:
            example, label = x[k], y[k]
            fields = example @ state.w.T / N**0.5
            value, slope = jax.jvp(self.student, (fields,), (jnp.ones_like(fields),))
            error = value @ state.v - label
            push = (slope * state.v * error[:, None]).T @ example / self.batch
            w = (1 - first * decay / N) * state.w - first / N**0.5 * push
            return State(w, state.v - second / N * (error @ value) / self.batch)

        return jax.lax.fori_loop(0, count, step, state)

    @eqx.filter_jit
    def error(self, state: State, teacher: Teacher, x: Any, seen: Any) -> Array:
        """E (student - teacher)^2 / 2 over given inputs."""
        fields = x @ state.w.T / x.shape[1] ** 0.5
        clean = self.labels(teacher, seen, jnp.zeros(len(x), x.dtype))
        return 0.5 * jnp.mean((self.student(fields) @ state.v - clean) ** 2)


def learn(
    network: Network,
    source: AbstractSource,
    teacher: Teacher,
    start: State,
    times: Float[np.ndarray, " t"],
    rng: np.random.Generator,
    tell: Callable[[float], None] | None = None,
    precision: str = "float32",
) -> Path:
    """Stochastic gradient descent from a start, each example used once.

    Args:
        network: activations, rates and batch size.
        source: of the inputs.
        teacher: of the labels.
        start: the network at time 0.
        times: steps / N at which the network is kept, rising, >= 0; steps are whole numbers.
        rng: of the examples.
        tell: is told the fraction done.
        precision: of weights and steps, "float32" or "float64"; examples are in single precision.
    """
    N, batch, dtype = source.size, network.batch, np.dtype(precision)
    marks = np.round(np.asarray(times) * N).astype(int)
    most = max(1, _BLOCK // (N * batch))
    teacher, state = _in_precision(teacher, dtype), _in_precision(start, dtype)
    kept: list[State] = []
    total = int(marks.max(initial=1))

    def block(first: int, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
        drawn = source.draw(rng, count * batch, first * batch)
        x, seen = (part.astype(dtype, copy=False) for part in drawn)
        noise = rng.standard_normal(count * batch, dtype=np.float32).astype(dtype, copy=False)
        y = network.labels(teacher, _padded(seen, most * batch), _padded(noise, most * batch))
        return _padded(x, most * batch).reshape(most, batch, N), y.reshape(most, batch)

    done, coming, waiting = 0, deque(), _sizes(marks, most)
    with ThreadPoolExecutor(_THREADS) as pool:

        def ask() -> None:
            for first, count, is_mark in islice(waiting, 1):
                drawn = pool.submit(block, first, count, rng.spawn(1)[0])
                coming.append((count, is_mark, drawn))

        for _ in range(_THREADS + 1):
            ask()
        while coming:
            count, is_mark, drawn = coming.popleft()
            x, y = drawn.result()
            ask()
            state = network.steps(state, x, y, jnp.asarray(count))
            size = float(jnp.max(jnp.abs(state.w)))
            if not size < _LARGEST:
                return Path(marks[: len(kept)] / N, kept, Status.left_domain)
            if is_mark:
                kept.append(State(*(np.asarray(z, dtype=float) for z in state)))
            done += count
            if tell is not None:
                tell(done / total)
    return Path(marks / N, kept, Status.converged)


def single(numbers: Any) -> Any:
    """Arrays in the precision of examples."""
    return _in_precision(numbers, np.dtype("float32"))


def _in_precision(numbers: Any, dtype: np.dtype) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), numbers)


def _sizes(marks: np.ndarray, most: int) -> Iterator[tuple[int, int, bool]]:
    """First step and length of one block after the other, and whether a mark is at its end."""
    at = 0
    for mark in marks:
        while mark - at > most:
            yield at, most, False
            at += most
        yield at, int(mark - at), True
        at = int(mark)


def _padded(block: np.ndarray, length: int) -> np.ndarray:
    """A block of one length for all, so that the loop is compiled once."""
    if len(block) == length:
        return block
    return np.concatenate([block, np.zeros((length - len(block), *block.shape[1:]), block.dtype)])
