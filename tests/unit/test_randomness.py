"""Random streams by identity."""

import jax
import numpy as np
import pytest

from solvable.core.randomness import fold, key_for, normal_matrix, numpy_generator, numpy_streams


def data(key):
    return jax.random.key_data(key).tolist()


def test_identity_names_the_stream():
    assert data(key_for(0, "a", 1)) == data(key_for(0, "a", 1))
    assert data(key_for(0, "a", np.int64(1))) == data(key_for(0, "a", 1))
    keys = [
        key_for(0),
        key_for(1),
        key_for(0, "a"),
        key_for(0, "a", 1),
        key_for(0, "a", 1.0),
        key_for(0, "a", "1"),
        key_for(0, "a1"),
        key_for(0, 1, "a"),
        fold(key_for(0, "a"), "b"),
        fold(key_for(0, "b"), "a"),
    ]
    assert len({tuple(data(key)) for key in keys}) == len(keys)


# Hazard 20: one seed for design and signal made the signal the design's first row.
def test_streams_of_one_seed_are_independent():
    design = normal_matrix(key_for(0, "design"), (400, 400))
    signal = numpy_generator(key_for(0, "signal")).standard_normal(400)
    correlations = design @ signal / 20
    assert abs(correlations).max() < 6 * np.std(signal)
    flat = design.ravel()
    assert abs(np.mean(flat)) < 5 / 400 and abs(np.var(flat) - 1) < 5 * 2**0.5 / 400
    rows = design @ design.T / 20
    assert abs(rows[~np.eye(400, dtype=bool)]).max() < 6


def test_rows_do_not_depend_on_their_number():
    key = key_for(3, "rows")
    long, short = normal_matrix(key, (1300, 7)), normal_matrix(key, (600, 7))
    assert np.array_equal(long[:600], short)
    single = normal_matrix(key, (600, 7), 0.5, "float32")
    assert single.dtype == np.float32 and abs(single.std() - 0.5) < 0.05
    assert long.ctypes.data % 64 == 0


def test_bad_seeds_and_identities():
    for seed in (-1, 1.5, True, "0"):
        with pytest.raises(ValueError, match="Argument `seed` must"):
            key_for(seed)
    with pytest.raises(TypeError, match="names and numbers"):
        key_for(0, ["list"])


def test_streams_are_the_numbered_parts_of_a_key():
    key = key_for(0, "parts")
    stream = numpy_streams(key)
    for part in (0, 3, 1000):
        assert stream(part).random() == numpy_generator(key, part).random()
    assert stream(0).random() != stream(1).random()
