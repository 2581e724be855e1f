"""Lines, complexities and threshold states of matrix-tensor fields against published numbers."""

import tomllib
from pathlib import Path

import pytest
import scipy.optimize

from solvable.core.covariance import Covariance
from solvable.core.kac_rice import complexity_at_energy, complexity_at_overlap
from solvable.core.transition_lines import (
    langevin_transitions,
    ml_amp_transitions,
    threshold_state,
)
from solvable.core.trivialization import (
    equatorial_complexity,
    trivialization,
    trivialization_all_m,
)

GOLDEN = tomllib.loads(
    (Path(__file__).parent / "tensor_landscape.toml").read_text(encoding="utf-8")
)


def family(case):
    p, size = case["p"], 1 / (case["p"] * case["delta_p"])
    return lambda delta_2: Covariance((2, p), (0.5 / delta_2, size))


def label(case):
    return f"p={case['p']} Dp={case['delta_p']}"


@pytest.mark.parametrize("case", GOLDEN["trivialization"], ids=label)
def test_trivialization(case):
    center, equator = trivialization(family(case)), trivialization_all_m(family(case))
    assert 1 / center.value == pytest.approx(case["center"], abs=case["tolerance"])
    assert 1 / equator.value == pytest.approx(case["equator"], abs=case["tolerance"])
    if "equator_overlap" in case:
        m, _ = equatorial_complexity(family(case)(equator.value))
        assert m == pytest.approx(case["equator_overlap"], abs=5e-5)


@pytest.mark.parametrize("case", GOLDEN["complexity"], ids=label)
def test_complexity(case):
    found = complexity_at_overlap(family(case)(case["delta_2"]), 0.0)
    assert found.complexity == pytest.approx(case["value"], abs=case["tolerance"])


@pytest.mark.parametrize("case", GOLDEN["descent"], ids=label)
def test_descent(case):
    (flow,) = langevin_transitions(family(case), 0.0)
    (ml,) = ml_amp_transitions(family(case))
    langevin = langevin_transitions(family(case), 1.0)
    assert 1 / flow.value == pytest.approx(case["gradient_flow"], abs=case["tolerance"])
    assert 1 / ml.value == pytest.approx(case["ml_amp"], abs=case["tolerance"])
    found = [1 / line.value for line in langevin]
    assert found == pytest.approx(case["langevin"], abs=case["tolerance"])


@pytest.mark.parametrize("case", GOLDEN["threshold_state"], ids=label)
def test_threshold_states(case):
    state = threshold_state(family(case)(case["delta_2"]), case["temperature"])
    assert state.energy == pytest.approx(case["energy"], abs=case["tolerance"])
    assert state.multiplier == pytest.approx(case["multiplier"], abs=case["tolerance"])


@pytest.mark.parametrize("case", GOLDEN["ground_state"], ids=lambda case: f"p={case['p']}")
def test_pure_fields(case):
    field = Covariance((case["p"],), (1.0,))
    threshold = threshold_state(field, 0.0).energy
    assert threshold == pytest.approx(case["threshold"], abs=case["tolerance"])

    def sigma(energy):
        return float(complexity_at_energy(field, 0.0, energy).complexity)

    lowest = scipy.optimize.brentq(sigma, 1.2 * threshold, threshold - 1e-9)
    assert lowest == pytest.approx(case["lowest"], abs=case["tolerance"])
