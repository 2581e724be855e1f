"""Students that learn a task by stochastic gradient descent, and how much two of them differ.

A task is a source of inputs with labels: those of a teacher, or the parity of digits (Goldt et al.
2020). All inputs have the mean square N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

import solvable as sv
from solvable import datasets
from solvable.algorithms.sgd import (
    Network,
    Path,
    Rates,
    State,
    Teacher,
    drawn_teacher,
    learn,
    single,
)
from solvable.bricks.inputs.bank import bank
from solvable.bricks.inputs.sources import AbstractSource
from solvable.core.randomness import fold, key_for, numpy_generator

Block = tuple[np.ndarray, np.ndarray]
IMAGES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "digits": "scikit-learn's digits"}
_MOST = 10_000  # images
_TEST = 0.2  # of them are held out
_LINEAR = 1e-4  # variance of the field of an erf that is linear to its last digits


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned.

    Args:
        source: of the inputs.
        teacher: weights that turn what it sees into labels.
        function: of the teacher's units.
        own: fresh inputs, and what the teacher sees of them.
    """

    source: AbstractSource
    teacher: Teacher
    function: Callable[[Any], Any]
    own: Block

    def network(self, learning_rate: float) -> Network:
        """Students with error functions, whose first layer learns."""
        rates = Rates(*(jnp.asarray(x) for x in (learning_rate, 0.0, 0.0, 0.0)))
        return Network(sv.Erf().evaluate, self.function, rates, 1)


def image_names(quick: bool) -> list[str]:
    """Digits of 8 x 8, then Fashion-MNIST and MNIST where they are installed, if not quick."""
    installed = {"fashion-mnist": datasets.has_fashion_mnist, "mnist": datasets.has_mnist}
    return ["digits", *(name for name, has in installed.items() if not quick and has())]


def parity_of_images(name: str) -> tuple[Block, Block]:
    """Training and held-out images, 10,000 at most, labels +1 (even class) and -1 (odd class).

    Pixels lack their mean over the training images, whose mean square is then 1.
    """
    load = {"mnist": datasets.mnist, "fashion-mnist": datasets.fashion_mnist}
    found = load.get(name, datasets.digits)()
    order = numpy_generator(key_for(0, "parity", name)).permutation(len(found))[:_MOST]
    x = found.images[order].reshape(len(order), -1).astype(np.float32)
    y = np.where(found.labels[order] % 2 == 0, 1.0, -1.0).astype(np.float32)
    count = round((1 - _TEST) * len(x))
    x -= x[:count].mean(axis=0)
    x /= np.sqrt(np.mean(x[:count] ** 2, dtype=np.float64)).astype(np.float32)
    return (x[:count], y[:count]), (x[count:], y[count:])


def image_task(train: Block, test: Block, passes: int, key: PRNGKeyArray) -> Task:
    """Labels of images; the training images are gone through in passes, in the key's order."""
    source = bank(*train, key, passes)
    gives_back = Teacher(np.ones((1, 1)), np.ones(1))
    return Task(source, gives_back, sv.Linear().evaluate, (test[0], test[1][:, None]))


def image_theory(train: Block, norm: float, learning_rate: float) -> sv.OnlineSGD:
    """Two students of Gaussian inputs with the covariance of images, and labels correlated alike.

    What is linear in the labels is a signal, the rest noise. A teacher's weak erf is linear, so
    that all averages are in closed form; the students start without knowing it.
    """
    x, y = (part.astype(float) for part in train)
    scale = _LINEAR**0.5
    return sv.OnlineSGD(
        activation=sv.Erf(),
        q0=norm * np.eye(2),
        r0=np.array([[0.01 * scale], [-0.01 * scale]]),
        t=np.array([[_LINEAR]]),
        teacher_v=np.array([(np.pi / 2) ** 0.5 / scale * np.std(y)]),
        learning_rate=learning_rate,
        inputs=sv.GaussianInputs.of(x, fields=y),
    )


def teacher_task(law: Any, size: int, units: int, count: int, key: PRNGKeyArray) -> Task:
    """Labels of a random teacher with orthonormal units, on the latent vector if there is one."""
    source = law.source(fold(key, "inputs"), size, "latent")
    rng = numpy_generator(fold(key, "teacher"))
    teacher = Teacher(drawn_teacher(rng, source, np.eye(units)), np.ones(units))
    own = source.draw(numpy_generator(fold(key, "fresh")), count)
    return Task(source, teacher, sv.Erf().evaluate, own)


def trained(
    task: Task, units: int, norm: float, learning_rate: float, times: Any, key: PRNGKeyArray
) -> Path:
    """A student with random weights of squared norm `norm` N at time 0, at times t = steps / N."""
    rng = numpy_generator(key)
    w = norm**0.5 * rng.standard_normal((units, task.source.size))
    start = State(w, np.ones(units))
    return learn(task.network(learning_rate), task.source, task.teacher, start, times, rng)


def errors(task: Task, path: Path) -> np.ndarray:
    """Half the mean squared error on the task's fresh inputs, at the times of a path."""
    network, teacher = task.network(0.0), single(task.teacher)
    return np.array([float(network.error(single(s), teacher, *task.own)) for s in path.states])


def differences(task: Task, one: Path, other: Path, x: np.ndarray) -> np.ndarray:
    """E (f_1 - f_2)^2 / (E f_1^2 + E f_2^2) over inputs x: 0 if alike, 1 if uncorrelated."""

    def outputs(state: State) -> np.ndarray:
        fields = x @ np.asarray(state.w, np.float32).T / np.float32(x.shape[1] ** 0.5)
        values = task.network(0.0).student(jnp.asarray(fields))
        return np.asarray(values, dtype=float) @ state.v

    found = []  # both run equally long unless one ran away
    for a, b in zip(one.states, other.states, strict=False):
        f, g = outputs(a), outputs(b)
        found.append(np.mean((f - g) ** 2) / (np.mean(f**2) + np.mean(g**2)))
    return np.array(found)
