"""Where first-order lines end, against published values and a plain solver of state evolution."""

import tomllib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, fsolve
from scipy.special import expit

import solvable as sv
from solvable.bricks.priors.mixture import AbstractMixturePrior, Components
from solvable.core.arguments import in_interval, parameter
from solvable.core.status import Status

GOLDEN = tomllib.loads((Path(__file__).parent / "low_rank.toml").read_text(encoding="utf-8"))
SPECS = {
    "SparseRademacher": sv.SpikedWigner(prior=sv.SparseRademacher()),
    "GaussBernoulli": sv.SpikedWigner(prior=sv.GaussBernoulli()),
}
# independent routes begin here: ln q_hat of a cusp, rho, and ln q_hat of the informed branch
GUESSES = {"SparseRademacher": (0.5, 0.095, 1.4), "GaussBernoulli": (-1.0, 0.27, 0.0)}


def inside(name, value):
    return in_interval(name, value, 0.0, 1.0, closed="neither")


class TwoPoint(AbstractMixturePrior):
    """Two values of mean 0 and variance 1, the larger with probability rho."""

    rho: float = parameter("rho", inside)

    def components(self):
        rho = jnp.asarray(self.rho)
        odds = jnp.sqrt(rho / (1 - rho))
        values = jnp.stack([-odds, 1 / odds])
        return Components(jnp.stack([1 - rho, rho]), values, jnp.zeros(2))


@pytest.fixture(scope="module")
def found():
    return {name: sv.critical_points(model, "rho") for name, model in SPECS.items()}


@pytest.mark.parametrize("case", GOLDEN["critical_points"], ids=lambda case: case["model"])
def test_published_sparsities(case):
    points = sv.critical_points(sv.parse(case["model"]), "rho")
    for name, rho in case["values"].items():
        assert points[name].status is Status.converged
        assert points[name].parameter == pytest.approx(rho, abs=case["tolerance"]), name
        assert points[name].parameter_error < 1e-9
    for name in ("critical_end_point", "spinodal_end_point"):
        assert points[name].scale == pytest.approx(points[name].parameter ** 2, rel=1e-12)
    assert points["tricritical_point"].status is Status.no_branch
    assert points["tricritical_point"].parameter is None


def _overlap(name: str, snr: float, rho: float) -> float:
    """E h <h> of a component h seen as sqrt(snr) h + noise, by the trapezoidal rule."""
    z = np.linspace(-12, 12, 6001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    if name == "SparseRademacher":
        field = snr + np.sqrt(snr) * z
        mean = rho * np.sinh(field) / ((1 - rho) * np.exp(snr / 2) + rho * np.cosh(field))
        return rho * float(weight @ mean)
    field = np.sqrt(snr * (1 + snr)) * z
    odds = np.log(rho / (1 - rho)) - np.log1p(snr) / 2 + field**2 / (2 * (1 + snr))
    return rho * float(weight @ (expit(odds) * (field / (1 + snr)) ** 2))


def _level(name: str, x: float, rho: float) -> float:
    """h = -ln delta at which ln q_hat = x is a fixed point."""
    return x - np.log(_overlap(name, np.exp(x), rho))


def _slopes(name: str, x: float, rho: float) -> tuple[float, float]:
    """h' and h'' by central differences of eighth order."""
    step = 0.04
    h = np.array([_level(name, x + k * step, rho) for k in range(-4, 5)])
    first = np.array([3, -32, 168, -672, 0, 672, -168, 32, -3]) / 840
    second = np.array([-9, 128, -1008, 8064, -14350, 8064, -1008, 128, -9]) / 5040
    return first @ h / step, second @ h / step**2


@pytest.mark.parametrize("name", SPECS)
def test_cusps_are_where_two_derivatives_of_the_level_vanish(found, name):
    x, rho, _ = GUESSES[name]
    x, rho = fsolve(lambda at: _slopes(name, *at), (x, rho), xtol=1e-9)
    point = found[name]["critical_point"]
    assert point.parameter == pytest.approx(rho, abs=1e-6)
    assert point.scale == pytest.approx(np.exp(-_level(name, x, rho)), abs=1e-6)
    assert point.parameter_error < 1e-9


@pytest.mark.parametrize("name", SPECS)
def test_lines_end_in_weak_recovery(found, name):
    """At delta = rho^2: equal areas under q(q_hat) and delta q_hat; a spinodal h' = 0."""
    _, rho, start = GUESSES[name]

    def gap(rho: float) -> float:
        delta = rho**2
        top = fsolve(lambda x: _level(name, float(x[0]), rho) + np.log(delta), [start])[0]
        return quad(lambda s: _overlap(name, s, rho) - delta * s, 0, np.exp(top), epsabs=1e-13)[0]

    equal = brentq(gap, 0.95 * rho_of(found, name), 1.005 * rho_of(found, name), xtol=1e-10)
    assert rho_of(found, name) == pytest.approx(equal, abs=1e-6)

    def spinodal(at: np.ndarray) -> list[float]:
        x, rho = at
        return [_slopes(name, x, rho)[0], _level(name, x, rho) + 2 * np.log(rho)]

    _, rho = fsolve(spinodal, (start - 0.2, rho_of(found, name)), xtol=1e-9)
    point = found[name]["spinodal_end_point"]
    assert point.parameter == pytest.approx(rho, abs=1e-6)


def rho_of(found, name):
    return found[name]["critical_end_point"].parameter


@pytest.mark.parametrize(
    ("model", "square"),
    [
        (sv.SpikedWigner(prior=TwoPoint(rho=0.3)), 2.0),
        (sv.SpikedWishart(prior_u=sv.Gaussian(), prior_v=TwoPoint(rho=0.3), beta=1.0), 4.0),
    ],
    ids=["Wigner", "Wishart"],
)
def test_weak_recovery_is_first_order_beyond_a_third_cumulant(model, square):
    """kappa_3^2 = (1 - 2 rho)^2 / (rho (1 - rho)) is 2, and 4 where u is Gaussian and beta 1:

    q_v = s - (2 - kappa_3^2) s^2 / 2 and q_u = s - s^2, of which the squares cancel.
    """
    point = sv.critical_points(model, "rho")["tricritical_point"]
    exact = 0.5 - 0.5 * np.sqrt(square / (4 + square))
    assert point.parameter == pytest.approx(exact, abs=1e-8)
    assert abs(point.parameter - exact) <= point.parameter_error < 1e-6
    assert point.scale == pytest.approx(1.0, abs=1e-12)


def test_phase_diagrams_hold_the_points_on_either_axis(found):
    model, wanted = SPECS["SparseRademacher"], found["SparseRademacher"]["critical_end_point"]
    deltas, rhos = ("delta", [0.005, 0.007, 0.01]), ("rho", [0.07, 0.085, 0.12])
    upright = sv.phase_diagram(model, x=rhos, y=deltas, critical=True).sel(
        point="critical_end_point"
    )
    lying = sv.phase_diagram(model, x=deltas, y=rhos, critical=True).sel(
        point="critical_end_point"
    )
    for data, rho, delta in ((upright, "x", "y"), (lying, "y", "x")):
        assert float(data[f"point_{rho}"]) == pytest.approx(wanted.parameter, abs=1e-9)
        assert float(data[f"point_{delta}"]) == pytest.approx(wanted.scale, abs=1e-9)
        assert float(data[f"point_{rho}_error"]) < 1e-9
        assert int(data["point_status"]) == Status.converged


def test_what_has_no_critical_points_is_told():
    model = sv.SpikedWigner(prior=sv.GaussBernoulli(rho=0.1))
    with pytest.raises(ValueError, match="another parameter than `delta`"):
        sv.critical_points(model, "delta")
    points = sv.critical_points(model, "variance")
    assert {place.status for place in points.values()} == {Status.no_branch}
    assert "critical_point: none (no_branch)" in str(points)
