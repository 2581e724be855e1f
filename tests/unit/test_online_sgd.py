"""Online learning: closed forms, inputs that are each other's cases, what is refused."""

import numpy as np
import pytest

import solvable as sv
from solvable import io
from solvable.core.randomness import key_for
from solvable.core.status import Status

TWO = dict(q0=[[0.2, 0], [0, 0.25]], r0=[[0.01, 0], [0, 0.02]], learning_rate=0.5, noise=0.1)
TIMES = [0.0, 1.0, 10.0, 60.0]


def curve(times=TIMES, tolerance=None, **changes):
    settings = dict(activation=sv.Erf()) | TWO | changes
    return sv.dynamics(sv.OnlineSGD(**settings), times, tolerance=tolerance)


def test_inputs_that_are_isotropic_in_disguise():
    plain = curve(tolerance=1e-13)
    same = (
        sv.Isotropic(),
        sv.GaussianInputs(eigenvalues=[1.0, 1.0, 1.0]),
        sv.HiddenManifold(function="linear", ratio=1.0, features="orthogonal"),
        sv.HiddenManifold(function="linear", ratio=2.0, features=[1.0]),
    )
    for inputs in same[:3]:
        found = curve(inputs=inputs, tolerance=1e-13)
        for name in ("generalization_error", "q", "r"):
            np.testing.assert_allclose(found[name], plain[name], rtol=1e-10)
    # half of the latent vector is not in the inputs: their best student errs
    hidden = same[3].modes("latent")
    assert float(hidden.signal[0]) == pytest.approx(0.5)
    seen = curve(inputs=same[3], teacher_on="input", tolerance=1e-13)
    np.testing.assert_allclose(seen.r, plain.r, rtol=1e-10)


def test_density_and_eigenvalues_of_a_manifold_agree():
    """The law of Marchenko and Pastur, and the eigenvalues of one large F with normalized rows."""
    N, ratio = 800, 0.5
    F = np.random.default_rng(0).standard_normal((N, int(ratio * N)))
    F *= (F.shape[1] ** 0.5 / np.linalg.norm(F, axis=1))[:, None]
    eigenvalues = np.maximum(np.linalg.eigvalsh(F @ F.T / F.shape[1]), 0.0)
    laws = [
        sv.HiddenManifold(function="sign", ratio=ratio, features=features)
        for features in ("gaussian", eigenvalues)
    ]
    for teacher in ("latent", "input"):
        one, other = (curve(inputs=law, teacher_on=teacher) for law in laws)
        np.testing.assert_allclose(one.generalization_error, other.generalization_error, rtol=5e-3)


def test_order_parameters_at_time_zero_are_those_asked_for():
    law = sv.HiddenManifold(function="tanh", ratio=0.3)
    found = curve(inputs=law, times=[0.0, 0.1])
    np.testing.assert_allclose(found.q[0], TWO["q0"], atol=1e-12)
    np.testing.assert_allclose(found.r[0], TWO["r0"], atol=1e-12)


def test_covariances_of_data():
    samples = np.random.default_rng(1).standard_normal((4000, 3)) * np.sqrt([0.5, 1.0, 2.0])
    law = sv.GaussianInputs.of(samples)
    np.testing.assert_allclose(law.eigenvalues, [0.5, 1.0, 2.0], rtol=0.1)


def test_linear_networks_end_at_their_closed_form():
    """eta K sigma^2 / (2 (2 - eta K)), all v = 1, whatever the start (Goldt et al. 2019)."""
    eta, sigma = 0.3, 0.2
    found = curve(
        [300.0], activation=sv.Linear(), learning_rate=eta, noise=sigma, r0=[[0.1], [0.0]]
    )
    exact = eta * 2 * sigma**2 / (2 * (2 - 2 * eta))
    assert float(found.generalization_error[0]) == pytest.approx(exact, rel=1e-9)


def test_weight_decay_shrinks_a_linear_student():
    """dR / dt = eta (T - (1 + kappa) R), Q by its own equation, for K = M = 1."""
    eta, kappa = 0.4, 0.25
    found = curve(
        [200.0],
        activation=sv.Linear(),
        learning_rate=eta,
        noise=0.0,
        weight_decay=kappa,
        q0=[[0.3]],
        r0=[[0.1]],
    )
    r = 1 / (1 + kappa)
    q = (2 * r + eta * (1 - 2 * r)) / (2 * (1 + kappa) - eta)
    assert float(found.r[0, 0, 0]) == pytest.approx(r, rel=1e-9)
    assert float(found.q[0, 0, 0]) == pytest.approx(q, rel=1e-9)


def test_a_second_layer_learns_alone():
    """With a fixed first layer v solves the normal equations of its features."""
    found = curve([4000.0], learning_rate=0.0, learning_rate_second=0.5, noise=0.3)
    np.testing.assert_allclose(found.q[0], TWO["q0"], rtol=1e-12)
    width = np.sqrt(1 + np.diag(TWO["q0"]))
    angles = np.arcsin(np.array(TWO["q0"]) / np.outer(width, width))
    seen = np.arcsin(np.array(TWO["r0"]) / (width[:, None] * 2**0.5))
    v = np.linalg.solve(angles, seen.sum(axis=1))
    np.testing.assert_allclose(found.v[0], v, rtol=1e-6)


def test_expansions_follow_closed_forms():
    """erf by its Hermite expansion, within the error bound that it gives itself."""
    plain = curve([1.0, 5.0])
    found = curve([1.0, 5.0], activation=sv.Activation(function="erf"))
    off = np.abs(found.generalization_error / plain.generalization_error - 1)
    assert np.all(off < found.error_bound)
    assert np.all(found.error_bound < 1e-3)


def test_a_learning_rate_above_the_limit_runs_away():
    found = curve(
        [0.5, 1.0, 10.0, 100.0], activation=sv.Linear(), learning_rate=1.2, r0=[[0.01], [0]]
    )
    assert int(found.status) == Status.left_domain
    assert "learning rate" in found.attrs["advice"]
    assert found.sizes["time"] == 3
    assert np.all(np.isfinite(found.generalization_error))
    assert io.document(found)["status"] == "left_domain"


def test_an_error_lost_to_rounding_is_left_out():
    found = curve([50.0, 100.0, 1000.0], q0=[[0.25]], r0=[[0.01]], noise=0.0)
    assert int(found.status) == Status.precision_loss
    assert found.sizes["time"] == 2
    assert np.all(found.generalization_error > 0)


def test_random_starts_are_those_of_finite_networks():
    """R of w = a phi + noise has variance (q0 - a t a^T)_kk t_mm / N; Q has the mean q0."""
    T = np.array([[1.0, 0.3], [0.3, 0.8]])
    model = sv.OnlineSGD(
        activation=sv.Erf(), q0=[[0.5, 0.1], [0.1, 0.4]], r0=[[0.2, 0.0], [0.1, 0.3]], t=T
    )
    size, count = 50, 2000
    starts = [model.random_start(key_for(0, "start", k), size) for k in range(count)]
    r, q = (np.array([getattr(x, name) for x in starts]) for name in ("r0", "q0"))
    left = model.q0 - model.r0 @ np.linalg.inv(T) @ model.r0.T
    spread = np.outer(np.diag(left), np.diag(T)) / size
    assert np.all(np.abs(r.mean(0) - model.r0) < 4 * np.sqrt(spread / count))
    np.testing.assert_allclose(r.var(0), spread, rtol=4 * (2 / count) ** 0.5)
    assert np.all(np.abs(q.mean(0) - model.q0) < 4 * q.std(0) / count**0.5)
    whole = [np.block([[x.q0, x.r0], [x.r0.T, T]]) for x in starts]
    assert np.linalg.eigvalsh(np.array(whole)).min() > 0


def test_curves_of_many_starts_are_those_of_each():
    model = sv.OnlineSGD(activation=sv.Erf(), **TWO)
    found = sv.dynamics(model, TIMES, starts=3, size=40, seed=5)
    for k in range(3):
        start = model.random_start(key_for(5, "start", repr(model), 40, k), 40)
        alone = sv.dynamics(start, TIMES)
        for name in ("generalization_error", "q", "r", "v"):
            np.testing.assert_allclose(found[f"{name}_starts"][k], alone[name], rtol=1e-8)
    np.testing.assert_array_equal(found.generalization_error, curve().generalization_error)


def test_starts_that_run_away_are_counted():
    model = sv.OnlineSGD(
        activation=sv.Linear(), q0=[[0.2]], r0=[[0.1]], learning_rate=2.5, noise=0.1
    )
    found = sv.dynamics(model, [1.0, 200.0], starts=2, size=40)
    assert np.all(found.start_status == Status.left_domain)
    assert np.all(np.isfinite(found.generalization_error_starts[:, : found.sizes["time"]]))
    assert "learning rate" in found.attrs["advice"]


def test_a_student_may_begin_as_its_teacher():
    found = curve(q0=np.eye(2), r0=np.eye(2), noise=0.0)
    assert np.all(found.generalization_error < 1e-15)


def test_a_specification_reads_back():
    model = sv.OnlineSGD(activation=sv.Erf(), **TWO, inputs=sv.HiddenManifold("sign", 0.5))
    assert sv.parse(repr(model)) == model


@pytest.mark.parametrize(
    "change, match",
    [
        (dict(r0=[[0.9, 0], [0, 0]]), "positive semidefinite, but its least eigenvalue was -"),
        (dict(noise=-0.1), "`noise` must be non-negative"),
        (dict(learning_rate=-1), "`learning_rate` must be non-negative"),
        (dict(q0=[[0.2]]), r"`q0` must have shape \(2, 2\) beside `r0` of shape \(2, 2\)"),
        (dict(q0=[[0.2, 0.1], [0, 0.2]]), "`q0` must be a symmetric matrix"),
        (dict(v0=[1.0]), r"`v0` must have shape \(2,\)"),
        (dict(t=[[1.0]]), r"`t` must have shape \(2, 2\)"),
        (dict(activation=sv.Sign()), "`activation` must have a derivative"),
        (dict(inputs=3), "`inputs` must be a law of inputs or None"),
        (dict(teacher_on="moon"), "`teacher_on` must be"),
    ],
)
def test_what_is_refused(change, match):
    with pytest.raises(ValueError, match=match):
        sv.OnlineSGD(**(dict(activation=sv.Erf()) | TWO | change))


def test_what_the_study_refuses():
    model = sv.OnlineSGD(activation=sv.Erf(), **TWO)
    for arguments, match in (
        (dict(times=[2.0, 1.0]), "`times` must be strictly rising"),
        (dict(times=[-1.0, 1.0]), "`times` must be strictly rising and >= 0"),
        (dict(times=[1.0], temperature=1.0), "`temperature` must be left out for OnlineSGD"),
        (dict(times=[1.0], waiting=[1.0]), "`waiting` must be left out"),
        (dict(times=[1.0], tolerance=0.0), "`tolerance` must be positive"),
    ):
        with pytest.raises(ValueError, match=match):
            sv.dynamics(model, **arguments)
    with pytest.raises(ValueError, match="`learning_rate` must be given"):
        sv.dynamics(sv.OnlineSGD(activation=sv.Erf(), q0=[[0.2]], r0=[[0.1]]), [1.0])
    with pytest.raises(ValueError, match="`features` must be zero but for a part of 0"):
        sv.HiddenManifold(function="sign", ratio=0.4, features=[0.0, 2.0])
    with pytest.raises(ValueError, match="`features` must have the mean 1"):
        sv.HiddenManifold(function="sign", ratio=1.0, features=[1.0, 2.0])
    with pytest.raises(ValueError, match="`eigenvalues` must"):
        sv.GaussianInputs(eigenvalues=[1.0, -0.1])
