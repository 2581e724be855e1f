"""Squared cosines and thresholds of LAMP against published and independently computed numbers."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from solvable.core.random_matrix import WignerLinearized, WishartLinearized
from solvable.core.spectral_laws import feature_covariance_law

GOLDEN = tomllib.loads((Path(__file__).parent / "spectral.toml").read_text(encoding="utf-8"))
PARTS = {"linear": (1.0, 0.0), "sign": ((2 / np.pi) ** 0.5, (1 - 2 / np.pi) ** 0.5)}


def label(case):
    return f"{case['phi']} {case['alpha']}"


@pytest.mark.parametrize("case", GOLDEN["wigner"], ids=label)
def test_wigner(case):
    law = feature_covariance_law(case["alpha"], *PARTS[case["phi"]])
    for delta, value in case["squared_cosine"].items():
        theory = WignerLinearized(law, float(delta))
        assert theory.squared_cosine == pytest.approx(value, abs=case["tolerance"])
        assert theory.threshold == pytest.approx(case["threshold"], abs=1e-6)


@pytest.mark.parametrize("case", GOLDEN["wishart"], ids=label)
def test_wishart(case):
    law = feature_covariance_law(case["alpha"], *PARTS[case["phi"]])
    for delta, value in case["squared_cosine"].items():
        theory = WishartLinearized(law, float(delta), case["beta"])
        assert theory.squared_cosine == pytest.approx(value, abs=case["tolerance"])
        assert theory.threshold == pytest.approx(case["threshold"], abs=1e-6)
