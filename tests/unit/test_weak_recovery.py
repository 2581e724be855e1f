"""Weak recovery of links: what is a link, invariances, other routes to the same numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.core.hermite import coefficients, leaps
from solvable.core.links import link_of


@pytest.mark.parametrize(
    ("link", "k", "message"),
    [
        ("", None, "be an expression"),
        ("z0", None, "name no variables but z1 to z4"),
        ("z5", None, "name no variables but z1 to z4"),
        ("__import__('os')", None, "be an expression"),
        ("z1.real", None, "be an expression"),
        ("exp(z1, z2)", None, "be an expression"),
        ("z1**z2", None, "numbers as exponents"),
        ("z1**100", None, "exponents of at most"),
        ("(" * 400 + "z1" + ")" * 400, None, "be an expression"),
        ("3", None, "depend on z"),
        ("log(z1)", None, "be finite for .* nan at z = "),
        ("1/z1", None, "be finite for .* inf at z = "),
        ("z1*z2", 1, "be at least 2, as the link names z2"),
        ("z1", 0, "be an integer of at least 1"),
        ("z1", 5, "at most 4"),
        (lambda z: z[..., 0], None, "must be given for a Python function"),
        (lambda z: z, 2, "real numbers of shape"),
        (7, 1, "be a text"),
    ],
)
def test_bad_links_are_told_in_one_line(link, k, message):
    with pytest.raises(ValueError, match=message) as told:
        sv.weak_recovery(link, k)
    assert "\n" not in str(told.value) and str(told.value).startswith("Argument `")


def test_noise_must_fit_the_link():
    with pytest.raises(ValueError, match="`noise` must be 0 or at least"):
        sv.weak_recovery("z1", noise=1e-5)
    with pytest.raises(ValueError, match="`noise`"):
        sv.weak_recovery("z1", noise=-1.0)
    with pytest.raises(ValueError, match="`noise` must be 0 for a channel"):
        sv.weak_recovery(sv.Abs(), noise=1.0)
    with pytest.raises(ValueError, match="`k` must be 1 for a channel"):
        sv.weak_recovery(sv.Abs(), 2)


def test_texts_are_functions():
    z = np.random.default_rng(0).standard_normal((5, 3))
    wanted = {
        "-z1**2 + 2*z2/(1 + z3**2)": -(z[:, 0] ** 2) + 2 * z[:, 1] / (1 + z[:, 2] ** 2),
        "relu(z1) - abs(sin(z2))*exp(-z3)": np.maximum(z[:, 0], 0)
        - np.abs(np.sin(z[:, 1])) * np.exp(-z[:, 2]),
        "tanh(z1)**3*z3**-2": np.tanh(z[:, 0]) ** 3 / z[:, 2] ** 2,
    }
    for text, values in wanted.items():
        try:
            found = link_of(text)(z)
        except ValueError:  # a pole at z3 = 0
            continue
        np.testing.assert_allclose(found, values, rtol=1e-14)


@pytest.mark.parametrize(
    "channel",
    [sv.Abs(), sv.Abs(delta=0.3), sv.SymmetricDoor(k=0.67449), sv.Sign(), sv.ReLU()],
    ids=repr,
)
def test_channels_agree_with_the_generalized_linear_model(channel):
    found = sv.weak_recovery(channel)
    model = sv.thresholds(sv.GLM(prior=sv.Gaussian(), channel=channel), "alpha")["weak_recovery"]
    if model.value is None:
        assert found.alpha == 0 and found.directions[0].kind == "trivial"
    else:
        assert found.alpha == pytest.approx(model.value, rel=1e-10)
        assert found.directions[0].kind == "easy"


@pytest.mark.parametrize(
    ("channel", "link", "noise"),
    [
        (sv.Abs(delta=0.1), "abs(z1)", 0.1**0.5),
        (sv.PiecewiseLinear(breakpoints=[-1, 1], slopes=[0, 0, 0], offsets=[1, 0, 1], delta=0.04),
         lambda z: 1.0 * (np.abs(z[..., 0]) > 1), 0.2),
        (sv.Activation(function=lambda z: jnp.cos(2 * z), delta=0.09), "cos(2*z1)", 0.3),
    ],
    ids=["abs", "door", "cosine"],
)  # fmt: skip
def test_noisy_links_agree_with_channels(channel, link, noise):
    by_channel = sv.weak_recovery(channel)
    by_link = sv.weak_recovery(link, 1, noise)
    assert abs(by_link.alpha - by_channel.alpha) <= by_link.error_bound + 1e-6
    assert by_link.error_bound < 1e-3
    assert by_link.information_exponent == by_channel.information_exponent == 2
    assert by_link.generative_exponent == by_channel.generative_exponent == 2


def test_labels_in_noise_have_a_smooth_integral():
    """y = s + sigma xi, s = sign(z1 z2): E tanh(y / sigma^2)^2 less of the noiseless square."""
    sigma = 0.8
    x, w = np.polynomial.hermite_e.hermegauss(80)
    kept = np.sum(w / w.sum() * np.tanh((1 + sigma * x) / sigma**2) ** 2)
    found = sv.weak_recovery("sign(z1*z2)", noise=sigma)
    assert found.alpha == pytest.approx(np.pi**2 / 4 / kept, rel=1e-7)


def test_only_the_span_matters():
    """z1 z2 turned by 45 degrees; a compiled function; an argument that plays no part."""
    found = sv.weak_recovery(lambda z: jnp.square(z[..., 0]) - z[..., 2] ** 2, 3)
    assert [one.kind for one in found.directions] == ["easy", "easy", "irrelevant"]
    assert found.directions[2].vector == (0, 1, 0) and found.directions[2].alpha == np.inf
    assert abs(found.alpha - 0.5937510982) < found.error_bound + 1e-9
    assert found.error_bound < 3e-2
    along = sv.weak_recovery("sign(z1 + z2)")
    assert [one.kind for one in along.directions] == ["trivial", "irrelevant"]
    np.testing.assert_allclose(along.directions[0].vector, 0.5**0.5, atol=1e-9)


def test_outputs_with_atoms_and_kinks():
    """Two rectifiers: the mean is trivial, their difference specializes; as on either grid."""
    found = sv.weak_recovery("relu(z1) + relu(z2)")
    assert [one.kind for one in found.directions] == ["trivial", "easy"]
    assert 1.2 < found.directions[1].alpha < 1.35 and found.directions[1].error_bound < 0.01


@pytest.mark.parametrize(
    ("link", "information", "leap", "generative"),
    [
        ("z1**3 - 3*z1", 3, 3, 1),  # He_3: non-monotone maps of y make odd links trivial
        ("z1**4 - 6*z1**2", 4, 4, 2),
        ("sign(z1*z2*z3)", 3, 3, 3),
        ("tanh(z1)", 1, 1, 1),
    ],
)
def test_exponents(link, information, leap, generative):
    found = sv.weak_recovery(link)
    assert found.information_exponent == information
    assert found.leap == leap
    assert found.generative_exponent == generative
    assert found.online_sgd_exponent == max(1, leap - 1)
    assert found.query_exponent == max(1, generative / 2)
    document = found.document()
    assert document["leap"] == leap and len(document["directions"]) == found.k
    assert str(found).count("\n") == found.k + 4


@pytest.mark.parametrize(
    ("link", "leap"),
    [
        ("z1 + z1*z2 + z1*z2*z3", 1),
        ("z1 + z1*z2*z3", 2),
        ("z1 + z2**2", 2),
        ("z1*z2*z3", 3),
        ("z1 + z2 + (z1 - z2)**2", 2),  # the second direction is not an axis
        ("z1 + z2 + (z1 - z2)*(z1 + z2)", 1),
    ],
)
def test_leaps_do_not_depend_on_the_basis(link, leap):
    f = link_of(link)
    relevant = np.eye(f.k)
    assert leaps(f, 4, relevant).largest == leap
    turn, _ = np.linalg.qr(np.cos(np.arange(f.k**2).reshape(f.k, f.k) ** 1.5))
    assert leaps(f.turned(turn), 4, relevant).largest == leap


def test_coefficients_are_those_of_the_polynomial():
    f = link_of("1 + 2*z1*z2 + 3*(z2**2 - 1)")
    norm = np.sqrt(1 + 4 + 18)
    found = coefficients(f, 3, 10)
    wanted = {(0, 0): 1 / norm, (1, 1): 2 / norm, (0, 2): 3 * 2**0.5 / norm}
    for beta, value in found.items():
        assert value == pytest.approx(wanted.get(beta, 0.0), abs=1e-9)


@pytest.mark.slow
def test_a_staircase():
    """z1 first, then what a parity hides until z1 is known in part (Troiani et al. 2024)."""
    found = sv.weak_recovery("z1**2 + sign(z1*z2*z3)")
    assert [one.kind for one in found.directions] == ["easy"] * 3
    # y = z1^2 + s with s = +-1 independent of z1, by adaptive quadrature; 0.575 in the paper
    assert found.alpha == pytest.approx(0.57516635, abs=1e-3)
    assert abs(found.alpha - 0.57516635) < found.error_bound < 3e-3
    # with z1 known it is the parity of two, and never less
    later = found.directions[1].alpha
    assert np.pi**2 / 4 - 0.01 < later < 2.55
    assert sv.weak_recovery("z1 + z2*z3").directions[1].alpha > 0.5937
