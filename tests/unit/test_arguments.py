"""Every check returns the canonical value or one sentence that names the argument."""

import copy
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvable.core import arguments
from solvable.core.arguments import UNSET


def one_sentence(error, name):
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"Argument `{name}` must ")
    assert text.endswith(".")


def test_unset_is_one_object():
    assert repr(UNSET) == "UNSET"
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert {UNSET: 1}[UNSET] == 1


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0)])
def test_numbers_become_python_floats(value):
    x = arguments.finite("x", value)
    assert type(x) is float
    assert x == 2.0


def test_jax_scalars_become_python_floats():
    assert type(arguments.finite("x", jnp.float64(2))) is float


@pytest.mark.parametrize("value", [True, np.True_, "2", None, 1j, [2], np.array([2.0]), UNSET])
def test_what_is_no_number(value):
    with pytest.raises(ValueError) as error:
        arguments.finite("x", value)
    one_sentence(error, "x")


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        (arguments.finite, [np.inf, np.nan, -np.inf, 10**400]),
        (arguments.positive, [0, -1, np.inf, np.nan]),
        (arguments.non_negative, [-1e-300, np.inf]),
        (arguments.probability, [-0.1, 1.1, np.nan]),
        (arguments.fraction, [0.0, -0.1, 1.1, np.nan]),
        (arguments.vector, [1.0, [], [[1.0]], [np.nan], [1, "a"], [[1], [1, 2]], [True], [1j]]),
        (arguments.breakpoints, [[1, 1], [2, 1], [np.inf]]),
        (arguments.probability_vector, [[0.5, 0.6], [1.5, -0.5], [], [np.nan]]),
        (arguments.non_negative_vector, [[-1.0]]),
        (arguments.grid, [[], [1, 1], [np.nan], "a", True]),
        (arguments.integer, [1.0, True, "1", None]),
        (arguments.boolean, [1, 0, "True", None]),
    ],
)
def test_out_of_domain(check, bad):
    for value in bad:
        with pytest.raises(ValueError) as error:
            check("x", value)
        one_sentence(error, "x")


def test_integers_have_bounds():
    assert arguments.integer("n", np.int32(3), low=1) == 3
    for value, low, high in [(0, 1, None), (5, 1, 4), (5, None, 4)]:
        with pytest.raises(ValueError) as error:
            arguments.integer("n", value, low=low, high=high)
        one_sentence(error, "n")


@pytest.mark.parametrize(
    ("closed", "good", "bad"),
    [
        ("both", [0, 1], [-1, 2]),
        ("left", [0], [1]),
        ("right", [1], [0]),
        ("neither", [0.5], [0, 1]),
    ],
)
def test_intervals(closed, good, bad):
    for value in good:
        assert arguments.in_interval("x", value, 0, 1, closed) == value
    for value in [*bad, np.nan]:
        with pytest.raises(ValueError) as error:
            arguments.in_interval("x", value, 0, 1, closed)
        one_sentence(error, "x")


def test_choice_does_not_mix_types():
    assert arguments.choice("x", "a", ["a", "b"]) == "a"
    for value in ("c", True, 1.0):
        with pytest.raises(ValueError, match="be one of 'a', 1, but was"):
            arguments.choice("x", value, ["a", 1])


def test_arrays_keep_shape_and_name_the_bad_position():
    assert arguments.array("x", [[1, 2], [3, 4]]).dtype == np.float64
    with pytest.raises(ValueError, match=r"held nan at position \(1,\)"):
        arguments.vector("x", [1, np.nan])
    with pytest.raises(ValueError, match=r"have shape \(any, 3\), but had \(2, 2\)"):
        arguments.array("x", np.ones((2, 2)), shape=(None, 3))
    with pytest.raises(ValueError, match="real numbers, but was complex numbers"):
        arguments.array("x", np.ones(2, dtype=complex))


def test_probabilities_are_read_again_unchanged():
    once = arguments.probability_vector("x", [1 / 3 + 1e-10, 1 / 3, 1 / 3])
    assert abs(once.sum() - 1) < 1e-15
    assert np.array_equal(arguments.probability_vector("x", once.tolist()), once)


def test_traced_values_pass():
    checks = (arguments.positive, arguments.probability)
    assert jax.jit(lambda x: sum(check("x", x) for check in checks))(-2.0) == -4.0
    assert jax.jit(lambda x: arguments.probability_vector("x", x))(jnp.ones(2)).shape == (2,)


def test_a_parameter_is_checked_when_an_object_is_built():
    class Thing(eqx.Module):
        rho: float = arguments.parameter("rho", arguments.probability)
        alpha: float = arguments.parameter("alpha", arguments.positive, default=UNSET)

    assert Thing(rho=1).alpha is UNSET
    assert type(Thing(1).rho) is float
    with pytest.raises(ValueError, match=r"Argument `rho` must be in \[0, 1\], but was 2\."):
        Thing(rho=2)


def test_long_values_are_cut():
    with pytest.raises(ValueError) as error:
        arguments.finite("x", "a" * 1000)
    assert len(str(error.value)) < 150
