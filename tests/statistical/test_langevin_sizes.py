"""Dynamics of hundreds of components approaches infinite dimension as their number grows."""

import numpy as np
import pytest

import solvable as sv

SIZES, COUNTS = (250, 500, 1000), (16, 8, 4)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_simulations_approach_theory_as_they_grow(temperature):
    """Energy and overlap in the easy phase; the mean distance falls with N, within its error."""
    model = sv.SpikedMatrixTensor(delta2=0.3, deltap=1.0, p=3)
    distances, errors = [], []
    for size, count in zip(SIZES, COUNTS, strict=True):
        data = sv.dynamics(
            model,
            [0.5, 1.0, 1.5],
            temperature=temperature,
            initial_overlap=0.3,
            simulate=True,
            size=size,
            instances=count,
        )
        apart = np.abs(data.overlap_mean - data.overlap)
        distances.append(float(apart.mean()))
        errors.append(float(data.overlap_standard_error.mean()))
        assert np.all(np.abs(data.energy_mean - data.energy) < 6 * data.energy_standard_error)
    assert distances[2] < distances[0]
    # what is left at the largest size is within the noise of its mean
    assert distances[2] < 4 * errors[2]
