"""Weak recovery of links against closed forms and published values."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import solvable as sv

GOLDEN = tomllib.loads((Path(__file__).parent / "weak_recovery.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["link"], ids=lambda case: case["link"])
def test_links(case):
    found = sv.weak_recovery(case["link"])
    assert found.status == "converged"
    assert [one.kind for one in found.directions] == case["kinds"]
    for one, alpha in zip(found.directions, case["alphas"], strict=True):
        assert one.alpha == pytest.approx(alpha, abs=case["tolerance"])
        if case["link"] != "sign(sign(z1) + sign(z2))":  # known to three digits
            assert one.alpha == alpha or abs(one.alpha - alpha) <= one.error_bound + 1e-9
    basis = np.array([one.vector for one in found.directions])
    np.testing.assert_allclose(basis @ basis.T, np.eye(found.k), atol=1e-9)
    assert found.alpha == found.directions[0].alpha
