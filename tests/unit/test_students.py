"""Students of the figures: tasks of images, differences of functions, plateaus."""

import numpy as np
import pytest

import solvable as sv
from solvable.algorithms.sgd import Path, State
from solvable.core.randomness import key_for
from solvable.core.status import Status
from solvable.gallery.hidden_manifold_versus_images import plateau
from solvable.gallery.students import (
    differences,
    errors,
    image_task,
    parity_of_images,
    teacher_task,
    trained,
)

TIMES = np.geomspace(1.0, 100.0, 200)


def path(*weights):
    states = [State(np.asarray(w), np.ones(len(w))) for w in weights]
    return Path(np.arange(len(states)), states, Status.converged)


def test_parity_of_digits():
    (x, y), (fresh, labels) = parity_of_images("digits")
    assert len(x) + len(fresh) == 1797 and len(fresh) == 359
    assert set(np.unique(np.concatenate([y, labels]))) == {-1.0, 1.0}
    assert 0.4 < np.mean(y > 0) < 0.6
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    assert np.mean(x.astype(float) ** 2) == pytest.approx(1, rel=1e-5)
    assert np.mean(fresh**2) == pytest.approx(1, rel=0.1)


def test_differences_of_functions():
    """0 for permuted units, 1 for independent ones, 2 for opposite ones."""
    task = teacher_task(sv.Isotropic(), 400, 2, 4000, key_for(0, "task"))
    w, other = np.random.default_rng(0).standard_normal((2, 2, 400))
    x = task.own[0]
    found = differences(task, path(w, w, w), path(w[::-1], other, -w), x)
    assert found[0] < 1e-10
    assert found[1] == pytest.approx(1, abs=0.2)  # overlaps of random weights, N = 400
    assert found[2] == pytest.approx(2, rel=1e-5)


def test_the_error_of_the_teacher_itself_is_zero():
    task = teacher_task(sv.HiddenManifold(function="sign", ratio=0.5), 60, 2, 500, key_for(1))
    plain = teacher_task(sv.Isotropic(), 60, 2, 500, key_for(2))
    assert errors(plain, path(plain.teacher.weights))[0] < 1e-10
    assert task.teacher.weights.shape == (2, 30) and task.own[1].shape == (500, 30)


def test_students_of_digits_learn_in_the_order_of_their_key():
    train, test = parity_of_images("digits")
    tasks = [image_task(train, test, 2, key_for(k, "order")) for k in (0, 0, 1)]
    one, same, other = (
        trained(task, 2, 0.1, 0.2, [0.0, 10.0], key_for(3, "student")) for task in tasks
    )
    np.testing.assert_array_equal(one.states[-1].w, same.states[-1].w)
    np.testing.assert_array_equal(one.states[0].w, other.states[0].w)
    assert np.any(one.states[-1].w != other.states[-1].w)
    first, last = errors(tasks[0], one)
    assert last < 0.7 * first


@pytest.mark.parametrize(
    "error, wanted",
    [
        (1 / TIMES, 0.1),  # no plateau: the time of a fall by a tenth
        (np.where(TIMES < 10, 1.0, 1e-3), np.log(10)),
        (np.where(TIMES < 10, 0.5 / TIMES, 0.5 / TIMES[-1]), 0.1),  # flat at the end: no plateau
        (np.where(TIMES > 50, np.nan, np.where(TIMES < 10, 1.0, 1e-3)), np.log(10)),
    ],
)
def test_plateaus(error, wanted):
    assert plateau(TIMES, error) == pytest.approx(wanted, abs=0.05)
