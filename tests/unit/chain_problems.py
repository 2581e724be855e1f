"""Instances of small chains that several test files solve."""

import itertools

import numpy as np

from solvable.bricks.channels.linear import Linear
from solvable.core.randomness import key_for, normal_matrix

NOISY = Linear(delta=1e-2)


def draw(sizes, seed=0):
    """Weights of a chain and a standard normal input."""
    weights = [
        normal_matrix(key_for(seed, "weights", k), (n, p), p**-0.5)
        for k, (p, n) in enumerate(itertools.pairwise(sizes))
    ]
    return weights, np.random.default_rng(seed).normal(size=sizes[0])


def relu_problem(sizes=(200, 400, 300), columns=None, bias=None, seed=0):
    """Weights, observation, input and hidden units of a ReLU layer seen through a noisy one."""
    weights, x = draw(sizes, seed)
    rng = np.random.default_rng(seed + 1)
    if columns is not None:
        x = rng.normal(size=(sizes[0], columns))
    shift = 0.0 if bias is None else bias[:, None] if columns is not None else bias
    h = np.maximum(weights[0] @ x + shift, 0)
    z = weights[1] @ h
    return weights, z + 0.1 * rng.normal(size=z.shape), x, h
