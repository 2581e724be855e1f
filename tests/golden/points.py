"""What a golden point of one model must satisfy."""

import pytest

import solvable as sv
from solvable.core.status import Status


def check_point(case):
    """Converged, with a small error bound, and the right values, on both reachable branches."""
    data = sv.curve(sv.parse(case["model"]))
    for branch in ("bayes", "amp"):
        here = data.sel(branch=branch)
        assert int(here.status) == Status.converged
        assert float(here.error_bound) < 1e-9
        for name, value in case["values"].items():
            assert float(here[name]) == pytest.approx(value, abs=case["tolerance"]), name
