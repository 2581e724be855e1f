"""Contractions of tensors against einsum on full arrays and against derivatives."""

from itertools import combinations, permutations
from math import factorial

import numpy as np
import pytest

from solvable.algorithms.tensor_slabs import tensor_scale
from solvable.algorithms.tensors import (
    FactoredTensor,
    PackedTensor,
    StreamedTensor,
    packed,
    sampled_tensor,
)
from solvable.core.randomness import key_for

EINSUM = {3: "abc,bk,ck->ak", 4: "abcd,bk,ck,dk->ak", 5: "abcde,bk,ck,dk,ek->ak"}


def symmetric(order, size, seed=0):
    """A full symmetric array of random entries, its diagonals included."""
    raw = np.random.default_rng(seed).normal(size=(size,) * order)
    return sum(raw.transpose(axes) for axes in permutations(range(order)))


def off_diagonal(dense):
    kept = np.zeros(dense.shape, bool)
    for index in combinations(range(len(dense)), dense.ndim):
        for permuted in permutations(index):
            kept[permuted] = True
    return np.where(kept, dense, 0)


def full_gradient(dense, x):
    """d/dx of the sum over rising indices, from the array that holds every entry p! times."""
    return np.einsum(EINSUM[dense.ndim], dense, *[x] * (dense.ndim - 1)) / factorial(
        dense.ndim - 1
    )


@pytest.mark.parametrize(("order", "size"), [(3, 11), (3, 3), (4, 9), (4, 4), (5, 8)])
@pytest.mark.parametrize("columns", [1, 2, 5])
def test_a_packed_tensor_against_einsum(order, size, columns):
    dense = symmetric(order, size)
    x = np.random.default_rng(1).normal(size=(size, columns))
    value, gradient = packed(dense).contraction(x)
    wanted = full_gradient(off_diagonal(dense), x)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-13 * scale)
    np.testing.assert_allclose(value, np.sum(x * wanted, axis=0) / order, rtol=1e-11)


@pytest.mark.parametrize(("order", "size"), [(3, 40), (4, 17), (5, 11)])
def test_one_vector_is_one_column_and_single_precision_is_single(order, size):
    dense = symmetric(order, size)
    x = np.random.default_rng(1).normal(size=(size, 4))
    many = packed(dense).contraction(x)
    one = packed(dense).contraction(x[:, 2])
    assert np.ndim(one.value) == 0
    assert one.gradient.shape == (size,)
    scale = np.abs(many.gradient).max()
    np.testing.assert_allclose(one.gradient, many.gradient[:, 2], rtol=0, atol=1e-13 * scale)
    rounded = packed(dense, "float32").contraction(x)
    np.testing.assert_allclose(rounded.gradient, many.gradient, rtol=0, atol=2e-6 * scale)


def test_slabs_of_several_parts_make_one_tensor():
    """p = 4 at N = 150 has slabs of more rows than a cache holds."""
    tensor = sampled_tensor(key_for(0, "tensor"), 4, 150, 1.0, dtype="float64")
    rng = np.random.default_rng(0)
    x, d = rng.normal(size=(2, 150))
    ahead, behind = (tensor.value(x + h * d) for h in (1e-4, -1e-4))
    slope = (ahead - behind) / 2e-4
    assert slope == pytest.approx(tensor.gradient(x) @ d, rel=1e-7)
    assert tensor.value(x) == pytest.approx(tensor.gradient(x) @ x / 4, rel=1e-11)


@pytest.mark.parametrize(("order", "size"), [(3, 9), (4, 8), (5, 7)])
def test_a_factored_tensor_is_exact_off_the_diagonals(order, size):
    rng = np.random.default_rng(2)
    u, w = rng.normal(size=(size, 3)), rng.normal(size=3)
    letters = "abcde"[:order]
    dense = np.einsum(",".join(f"{a}z" for a in letters) + ",z->" + letters, *[u] * order, w)
    x = rng.normal(size=(size, 2))
    value, gradient = FactoredTensor(order, u, w).contraction(x)
    wanted = packed(dense).contraction(x)
    np.testing.assert_allclose(gradient, wanted.gradient, rtol=0, atol=1e-11)
    np.testing.assert_allclose(value, wanted.value, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("order", "size"), [(3, 60), (4, 24), (5, 12)])
def test_the_signal_of_a_sampled_tensor_stands_above_its_noise(order, size):
    """The same key with and without signal differs by the factored tensor of the signal."""
    key, rng = key_for(1, "tensor"), np.random.default_rng(3)
    signal, x = rng.normal(size=(2, size))
    spiked, noise = (
        sampled_tensor(key, order, size, 0.7, given, "float64") for given in (signal, None)
    )
    spike = FactoredTensor(order, signal[:, None], np.array([tensor_scale(order, size)]))
    difference = spiked.gradient(x) - noise.gradient(x)
    np.testing.assert_allclose(difference, spike.gradient(x), rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize(("order", "size"), [(3, 60), (4, 30)])
def test_noise_has_its_variance_and_no_diagonal(order, size):
    tensor = sampled_tensor(key_for(2, "tensor"), order, size, 0.49, dtype="float64")
    drawn = tensor.entries[tensor.entries != 0]
    count = int(np.prod(size - np.arange(order))) // factorial(order)
    assert len(drawn) == count
    assert abs(np.mean(drawn)) < 4 * 0.7 / count**0.5
    assert abs(np.mean(drawn**2) / 0.49 - 1) < 4 * (2 / count) ** 0.5
    assert tensor.gradient(np.eye(size)[0]) == pytest.approx(np.zeros(size))


@pytest.mark.parametrize(("order", "size"), [(3, 70), (4, 28)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_streamed_tensor_is_the_sampled_one(order, size, dtype):
    key, rng = key_for(4, "tensor"), np.random.default_rng(5)
    signal, x = rng.normal(size=size), rng.normal(size=(size, 3))
    kept = sampled_tensor(key, order, size, 0.5, signal, dtype).contraction(x)
    drawn = StreamedTensor(key, order, size, 0.5, signal, dtype).contraction(x)
    near = 1e-5 if dtype == "float32" else 1e-12
    scale = np.abs(kept.gradient).max()
    np.testing.assert_allclose(drawn.gradient, kept.gradient, rtol=0, atol=near * scale)
    np.testing.assert_allclose(drawn.value, kept.value, rtol=0, atol=near * scale * size)


def test_entries_are_where_they_are_said_to_be():
    """T(e_i + e_j + e_k) of three unit vectors is T_ijk, the only entry that they meet."""
    dense = symmetric(3, 7)
    tensor = packed(dense)
    for index in combinations(range(7), 3):
        x = np.zeros(7)
        x[list(index)] = 1
        assert tensor.value(x) == pytest.approx(dense[index], rel=1e-13)


def test_bad_arguments_are_refused():
    key = key_for(0)
    with pytest.raises(ValueError, match="Argument `order` must be an integer of at least 3"):
        sampled_tensor(key, 2, 10, 1.0)
    with pytest.raises(ValueError, match="Argument `size` must be an integer of at least 3"):
        StreamedTensor(key, 3, 2, 1.0)
    with pytest.raises(ValueError, match="Argument `signal` must have 10 entries"):
        sampled_tensor(key, 3, 10, 1.0, np.ones(9))
    with pytest.raises(ValueError, match="Argument `dtype` must be one of"):
        sampled_tensor(key, 3, 10, 1.0, dtype="float16")
    with pytest.raises(ValueError, match="Argument `delta` must be non-negative"):
        sampled_tensor(key, 3, 10, -1.0)
    with pytest.raises(ValueError, match="Argument `dense` must be symmetric"):
        packed(np.random.default_rng(0).normal(size=(4, 4, 4)))
    with pytest.raises(ValueError, match="Argument `entries` must have shape"):
        PackedTensor(3, 5, np.zeros(3))
    with pytest.raises(ValueError, match="Argument `x` must have 10 entries"):
        sampled_tensor(key, 3, 10, 1.0).gradient(np.ones(9))
    with pytest.raises(ValueError, match="Argument `weights` must have shape"):
        FactoredTensor(3, np.ones((5, 2)), np.ones(3))
