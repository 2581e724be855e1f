"""What every registered model must satisfy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable import catalog, io
from solvable.bricks.priors.vectors import AbstractVectorPrior
from solvable.core.specification import get, inject, numeric
from solvable.core.status import Status
from solvable.models import scalar
from solvable.models.base import AbstractInstanceModel
from solvable.models.chain import INPUT, AbstractChainModel
from solvable.models.chain_instances import AbstractFiniteChain
from solvable.models.low_rank import AbstractLowRankModel

# One a registered model at least, over channels of every kind: labels, reals, mixed, even, noisy.
MODELS = {
    "binary perceptron": sv.GLM(prior=sv.Rademacher(), channel=sv.Sign(), alpha=1.3),
    "probit": sv.GLM(prior=sv.Gaussian(mean=0.3), channel=sv.Sign(delta=0.2), alpha=2.0),
    "compressed sensing": sv.GLM(
        prior=sv.GaussBernoulli(rho=0.2), channel=sv.Linear(delta=1e-3), alpha=0.3
    ),
    "phase retrieval": sv.GLM(prior=sv.Gaussian(), channel=sv.Abs(), alpha=1.05),
    "rectifier": sv.GLM(prior=sv.Gaussian(), channel=sv.ReLU(), alpha=1.2),
    "logistic": sv.GLM(prior=sv.Laplace(scale=0.7), channel=sv.Logistic(), alpha=2.0),
    "rectifier network": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=1.5, channel=sv.ReLU()),
            sv.Layer(ratio=0.8, channel=sv.Linear(delta=0.05)),
        ],
    ),
    "rectifier network with biases": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=1.5, channel=sv.ReLU(), bias=[-0.5, 0.1, 0.6, 0.2]),
            sv.Layer(ratio=0.8, channel=sv.Sign(delta=0.2), bias=[0.3, -0.3]),
        ],
    ),
    "network of signs": sv.MultiLayer(
        prior=sv.Rademacher(),
        layers=[
            sv.Layer(ratio=1.2, channel=sv.Sign()),
            sv.Layer(ratio=1.5, channel=sv.Sign(delta=0.1)),
        ],
    ),
    "sparse component": sv.SpikedWigner(prior=sv.GaussBernoulli(rho=0.3), delta=0.05),
    "three groups": sv.SpikedWigner(prior=sv.OneHot(k=3), delta=0.06),
    "clusters": sv.SpikedWigner(
        prior=sv.VectorGaussianMixture(
            weights=[0.4, 0.6],
            means=[[0.9, 0.3], [-0.6, -0.2]],
            covariances=[[[0.5, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.6]]],
        ),
        delta=0.3,
    ),
    "clusters of columns": sv.SpikedWishart(
        prior_u=sv.Gaussian(),
        prior_v=sv.VectorGaussianMixture(
            weights=[0.4, 0.6],
            means=[[0.9, 0.3], [-0.6, -0.2]],
            covariances=[[[0.5, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.6]]],
        ),
        beta=1.5,
        delta=0.3,
    ),
    "graph": sv.SpikedWigner(
        prior=sv.SparseRademacher(rho=0.3),
        channel=sv.BernoulliEdges(probability=0.4, contrast=2.0),
    ),
    "rectangular matrix": sv.SpikedWishart(
        prior_u=sv.GaussBernoulli(rho=0.4), prior_v=sv.Rademacher(), beta=1.5, delta=0.3
    ),
    "matrix of two networks": sv.SpikedWishart(
        prior_u=sv.Generative(
            prior=sv.Gaussian(), layers=[sv.Layer(ratio=1.5, channel=sv.Linear())]
        ),
        prior_v=sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=2, channel=sv.Sign())]),
        beta=1.4,
        delta=0.8,
    ),
    "generated spike": sv.SpikedWigner(
        prior=sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=2, channel=sv.ReLU())]),
        delta=0.3,
    ),
    "matrix and tensor": sv.SpikedMatrixTensor(delta2=0.7, deltap=0.6, p=3),
    "tensor": sv.SpikedMatrixTensor(delta2=None, deltap=0.1, p=4),
    "committee": sv.Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=3.0),
    "quadratic network": sv.QuadraticNetwork(kappa=0.5, delta=0.1, alpha=0.3),
    "narrow quadratic network": sv.QuadraticNetwork(kappa=0.2, delta=0.0, alpha=0.12),
    "wide quadratic network": sv.QuadraticNetwork(kappa=1.5, delta=0.0, alpha=0.3),
    "large committee": sv.LargeCommittee(prior=sv.Gaussian(), alpha=8.0),
    "large binary committee": sv.LargeCommittee(prior=sv.Rademacher(), alpha=1.7),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


@pytest.fixture(scope="module")
def solved():
    return {}


def curve_of(model, solved):
    if repr(model) not in solved:
        name = model.scale_parameter or "contrast"  # the scale of a graph is its square
        power = 0.5 if model.scale_parameter is None else float(model.scale_power)
        scales = np.array([0.5, 0.75, 1.0, 1.5]) ** power
        over = {name: float(get(model, name)) * scales}
        solved[repr(model)] = sv.curve(model, over=over)
    return solved[repr(model)]


_START = dict(q0=[[0.2, 0], [0, 0.25]], r0=[[0.02], [0.05]], learning_rate=0.5, noise=0.1)
LEARNERS = {
    "erf": sv.OnlineSGD(activation=sv.Erf(), learning_rate_second=0.2, **_START),
    "rectifiers": sv.OnlineSGD(activation=sv.ReLU(), **_START),
    "linear": sv.OnlineSGD(activation=sv.Linear(), weight_decay=0.1, batch_size=3, **_START),
    "cubic": sv.OnlineSGD(
        activation=sv.Polynomial(coefficients=[0, 1, 0, -0.1]),
        teacher_activation=sv.Polynomial(coefficients=[0, 1]),
        inputs=sv.GaussianInputs(eigenvalues=[0.5, 1.5]),
        **_START,
    ),
    "manifold": sv.OnlineSGD(
        activation=sv.Erf(), inputs=sv.HiddenManifold(function="sign", ratio=0.4), **_START
    ),
}


def subject_of(model):
    return model.subject() if isinstance(model, AbstractChainModel) else INPUT


def overlap_of(model):
    return f"overlap{subject_of(model).label}"


def test_every_registered_model_has_a_sample():
    names = {type(m).__name__ for m in (*MODELS.values(), *LEARNERS.values())}
    assert names == set(catalog.names("model"))


@pytest.mark.parametrize("model", LEARNERS.values(), ids=LEARNERS)
def test_learners_print_save_load_and_cite(model, tmp_path):
    assert sv.parse(repr(model)) == model
    data = sv.dynamics(model, [0.5, 2.0], simulate=True, size=60, instances=2)
    io.write(data, tmp_path / "found.nc")
    assert io.document(io.read(tmp_path / "found.nc")) == io.document(data)
    assert int(data.status) == Status.converged
    assert data.attrs["references"] and data.attrs["rigour"] in ("theorem", "replica")
    assert np.all(data.generalization_error > 0) and np.all(data.error_bound < 1e-3)
    # the drift is that of the order parameters: a short step from time 0
    later = sv.dynamics(model, [1e-5])
    order, drift = model.initial(), model.learning().drift(model.initial())
    moved = model.learning().totals(order)[1] + 1e-5 * model.learning().totals(drift)[1]
    np.testing.assert_allclose(later.r[0], moved, atol=1e-9)


@each_model
def test_branches_are_within_their_limits(model, solved):
    data = curve_of(model, solved)
    layer, label = subject_of(model)
    is_chain = isinstance(model, AbstractChainModel)
    rho = float(model._facts().rho[layer]) if is_chain else 1.0  # on the sphere
    law = model.spikes()[0] if isinstance(model, AbstractLowRankModel) else None
    if isinstance(law, AbstractVectorPrior):
        rho = float(jnp.trace(law.second_moments()))
    there = data.status == Status.converged
    overlap = data[f"overlap{label}"].values[there.values]
    assert np.all((overlap >= 0) & (overlap <= rho * (1 + 1e-12)))
    assert np.all(data.error_bound.values[there.values] < 1e-8)
    # the averages of hidden layers take six nodes a panel, which reach 1e-8
    rtol = 1e-8 if layer else 1e-9
    np.testing.assert_allclose(overlap + data[f"mse{label}"].values[there.values], rho, rtol=rtol)


@each_model
def test_more_samples_never_hurt(model, solved):
    data = curve_of(model, solved)
    errors = ("generalization_error", "matrix_mse", "mse")
    error = next(name for name in errors if name in data)
    for branch in ("amp", "bayes", "informed"):
        assert np.all(np.diff(data[overlap_of(model)].sel(branch=branch)) > -1e-12)
        assert np.all(np.diff(data[error].sel(branch=branch)) < 1e-12)


@each_model
def test_bayes_has_the_largest_free_entropy_and_amp_is_below_informed(model, solved):
    data = curve_of(model, solved)
    bayes = data.free_entropy.sel(branch="bayes").values
    for branch in ("amp", "informed"):
        other = data.free_entropy.sel(branch=branch).values
        assert np.all(bayes >= other)
    name = overlap_of(model)
    amp, informed = (data[name].sel(branch=b).values for b in ("amp", "informed"))
    assert np.all(amp <= informed + 1e-12)


@each_model
def test_fixed_points_of_state_evolution_are_stationary(model):
    """At a root one update changes nothing, and the free entropy is stationary in every q_hat."""
    model = scalar.canonical(model)
    scale = scalar.scale_of(model)
    table, roots, _ = scalar.solve(model, scale * np.array([1.0, 0.5, 1.5]))
    order = table.model.order_at(jnp.asarray(roots.point[0]))
    brick = numeric(model)
    updated = eqx.filter_jit(lambda m, o: m.update(o))(brick, order)
    for name in ("overlap", "q_hat"):
        np.testing.assert_allclose(updated.both(name), order.both(name), rtol=1e-7)
    entropy = eqx.filter_jit(lambda p, m, x: m.free_entropy(p.order_at(x)))
    sizes = np.abs(order.both("q_hat") * order.both("variance"))
    for axis, size in enumerate(sizes):
        step = 1e-3 * np.eye(len(sizes))[axis]
        values = [
            float(entropy(table.model, brick, jnp.asarray(roots.point[0] + k * step)))
            for k in (-2, -1, 1, 2)
        ]
        derivative = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * 1e-3)
        assert abs(derivative) < 1e-6 * max(float(size), 1e-2)


@each_model
def test_named_starts_bracket_the_branches(model, solved):
    starts = model.starts()
    assert np.all(starts["uninformed"].overlap < starts["informed"].overlap)


@each_model
def test_results_print_save_load_and_cite(model, solved, tmp_path):
    data = curve_of(model, solved)
    path = io.write(data, tmp_path / "curve.nc")
    again = io.read(path)
    for name in data.data_vars:
        np.testing.assert_array_equal(again[name].values, data[name].values)
    assert sv.parse(data.attrs["model"]) == model
    assert data.attrs["references"]
    assert sv.parse(repr(model)) == model


@pytest.mark.parametrize(
    "model",
    [m for m in MODELS.values() if isinstance(m, AbstractFiniteChain)],
    ids=repr,
)
def test_an_instance_is_drawn_solved_and_measured(model):
    """Units follow the ratios; a state, an outcome and state evolution share their observables."""
    assert isinstance(model, AbstractInstanceModel)
    instance = model.sample(jax.random.key(0), 60)
    design = instance.data.design
    weights = design if isinstance(design, tuple) else (design,)
    sizes = [60, *(len(h) for h in instance.hidden), len(instance.data.observation)]
    for matrix, below, above in zip(weights, sizes, sizes[1:], strict=False):
        assert matrix.shape == (above, below)
    ratios = [float(layer.ratio) for layer in model.chain()[1]]
    assert sizes[1:] == [round(r * below) for r, below in zip(ratios, sizes, strict=False)]
    state = model.init(instance.data, jax.random.key(1))
    state, _ = model.step(instance.data, state)
    found = model.measure(state, instance)
    assert {"overlap", "mse", "generalization_error"} <= set(found)
    assert all(np.isfinite(value) for value in found.values())
    path = model.state_evolution(found, 2)
    assert set(found) <= set(path)
    assert {f"overlap_{k}" in found for k in range(1, len(ratios))} <= {True}
    outcome = model.solve(instance.data, jax.random.key(1), max_steps=3)
    assert set(model.measure(outcome, instance)) == set(found)


def test_several_parameters_make_a_product():
    model = sv.GLM(prior=sv.GaussBernoulli(rho=0.2), channel=sv.Linear(delta=0.1))
    data = sv.curve(model, over={"alpha": [0.5, 1.0], "rho": [0.1, 0.2, 0.4]})
    assert data.overlap.dims == ("alpha", "rho", "branch")
    alone = sv.curve(inject(model, {"rho": 0.4}), over={"alpha": [1.0]})
    np.testing.assert_allclose(
        data.mse.sel(alpha=1.0, rho=0.4, branch="amp"),
        alone.mse.sel(branch="amp")[0],
        rtol=1e-12,
    )


def test_thresholds_in_noise_invert_those_in_alpha():
    """At the delta where the fold sits for alpha = 0.21, the fold in alpha sits at 0.21."""
    model = sv.GLM(prior=sv.GaussBernoulli(rho=0.1), channel=sv.Linear(), alpha=0.21)
    found = sv.thresholds(model, "delta")["spinodal_uninformed"]
    assert found.status is Status.converged
    at = sv.GLM(prior=sv.GaussBernoulli(rho=0.1), channel=sv.Linear(delta=found.value))
    there = sv.thresholds(at, "alpha")["spinodal_uninformed"]
    assert there.value == pytest.approx(0.21, abs=1e-9)
    assert found.error_bound < 1e-6 * found.value


def test_phase_diagram_agrees_with_its_own_boundaries():
    model = sv.GLM(prior=sv.GaussBernoulli(rho=0.1), channel=sv.Linear())
    alphas = np.linspace(0.05, 0.35, 13)
    data = sv.phase_diagram(model, x=("alpha", alphas), y=("rho", [0.05, 0.1]))
    for row, rho in enumerate(data.rho.values):
        first = float(data.boundary_information_theoretic[row])
        easy = float(data.boundary_algorithmic[row])
        assert first == pytest.approx(rho)
        wanted = np.where(alphas < first, 2, np.where(alphas < easy, 1, 0))
        np.testing.assert_array_equal(data.phase[row], wanted)


def test_phase_diagram_with_the_scale_upright():
    """The same boundary found as a root in rho at given alpha."""
    model = sv.GLM(prior=sv.GaussBernoulli(rho=0.1), channel=sv.Linear())
    data = sv.phase_diagram(model, x=("rho", np.linspace(0.02, 0.3, 8)), y=("alpha", [0.2075591]))
    assert float(data.boundary_algorithmic[0]) == pytest.approx(0.1, abs=1e-6)
    assert float(data.boundary_information_theoretic[0]) == pytest.approx(0.2075591, abs=1e-9)
