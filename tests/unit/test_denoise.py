"""`denoise`: scale and noise estimated from a matrix, the verdict, and what is refused."""

import dataclasses

import jax
import numpy as np
import pytest

import solvable as sv
from solvable.core.arguments import UNSET
from solvable.core.status import Status

SIGNS = sv.SpikedWigner(prior=sv.Rademacher())
PAIR = sv.SpikedWishart(prior_u=sv.Gaussian(), prior_v=sv.GaussBernoulli(rho=0.3))


def wigner(delta, size=800, seed=0):
    model = sv.SpikedWigner(prior=sv.Rademacher(), delta=delta)
    return model.sample(jax.random.key(seed), size)


def test_scale_and_noise_of_a_symmetric_matrix_are_found():
    """c = 5 and delta = 0.3 within a few standard errors 1 / sqrt(p); a constant is taken out."""
    instance = wigner(0.3)
    answer = sv.denoise(SIGNS, 5 * instance.data.observation + 2.0)
    assert answer.status is Status.converged
    assert answer.scale == pytest.approx(5, rel=0.1)
    assert float(answer.model.delta) == pytest.approx(0.3, rel=0.15)
    assert answer.detectable
    overlap = abs(np.mean(answer.mean * instance.signal))
    exact = float(sv.curve(answer.model).sel(branch="amp").overlap)
    assert overlap == pytest.approx(exact, abs=0.1)
    assert answer.expected_mse == pytest.approx(1 - exact, abs=1e-9)


def test_scale_and_noise_of_a_rectangular_matrix_are_found():
    model = sv.SpikedWishart(
        prior_u=sv.Gaussian(), prior_v=sv.GaussBernoulli(rho=0.3), beta=1.5, delta=0.1
    )
    instance = model.sample(jax.random.key(1), 600)
    answer = sv.denoise(PAIR, 0.2 * instance.data.observation)
    assert answer.scale == pytest.approx(0.2, rel=0.15)
    assert float(answer.model.delta) == pytest.approx(0.1, rel=0.25)
    assert float(answer.model.beta) == pytest.approx(1.5)
    sign = np.sign(np.mean(answer.mean * instance.signal))
    u, v = sign * answer.mean_u, sign * answer.mean
    assert np.mean((u - instance.hidden[0]) ** 2) < 0.5
    error = np.mean((v - instance.signal) ** 2)
    assert error == pytest.approx(answer.estimated_mse, rel=0.3)


def test_a_generated_spike_takes_its_weights():
    prior = sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=2, channel=sv.Sign())])
    model = sv.SpikedWigner(prior=prior, delta=0.5)
    instance = model.sample(jax.random.key(2), 600)
    answer = sv.denoise(model, instance.data.observation, weights=instance.data.design)
    assert abs(np.mean(answer.mean * instance.signal)) > 0.6
    with pytest.raises(ValueError, match="`weights` must hold one matrix for each of 1 layers"):
        sv.denoise(model, instance.data.observation)
    with pytest.raises(ValueError, match=r"`weights\[0\]` must have 600 rows"):
        sv.denoise(model, instance.data.observation, weights=[np.ones((500, 300))])


def test_beyond_the_threshold_nothing_is_promised():
    model = sv.SpikedWigner(prior=sv.Rademacher(), delta=1.5)
    answer = sv.denoise(model, model.sample(jax.random.key(3), 400).data.observation)
    assert not answer.detectable
    assert "no method is expected to find this" in answer.verdict
    hard = sv.SpikedWigner(prior=sv.GaussBernoulli(rho=0.05), delta=0.004)
    answer = sv.denoise(hard, hard.sample(jax.random.key(4), 400).data.observation)
    assert answer.detectable
    assert answer.verdict.startswith("Hard")


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (np.ones((3, 4)), "`matrix` must be a square matrix"),
        (np.triu(np.ones((4, 4))), "`matrix` must be symmetric"),
        (np.full((4, 4), np.nan), "`matrix` must hold finite numbers"),
        (np.ones(4), "`matrix` must have 2 dimensions"),
    ],
)
def test_what_is_refused(matrix, sentence):
    with pytest.raises(ValueError, match=sentence):
        sv.denoise(SIGNS, matrix)


def test_noise_alone_asks_for_delta():
    noise = np.random.default_rng(0).normal(size=(300, 300))
    with pytest.raises(ValueError, match="`delta` must be given, because no singular value"):
        sv.denoise(SIGNS, noise + noise.T)


def test_two_generated_spikes_take_the_weights_of_both():
    """Linear networks: v and u are Gaussian vectors, whose errors are those of the theory."""
    prior = sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=2, channel=sv.Linear())])
    model = sv.SpikedWishart(prior_u=prior, prior_v=prior, beta=1.5, delta=0.5)
    data = (instance := model.sample(jax.random.key(3), 600)).data
    networks = {"weights": data.design, "weights_u": data.design_u}
    answer = sv.denoise(model, data.observation, **networks)
    assert answer.status is Status.converged
    assert answer.mean.shape == (600,)
    assert answer.mean_u.shape == (900,)
    sign = np.sign(answer.mean @ instance.signal)
    assert np.mean((sign * answer.mean_u - instance.hidden[0]) ** 2) < 0.4
    assert np.mean((sign * answer.mean - instance.signal) ** 2) == pytest.approx(
        answer.expected_mse, rel=0.3
    )
    with pytest.raises(ValueError, match=r"`weights_u\[0\]` must have 900 rows"):
        sv.denoise(model, data.observation, weights=data.design, weights_u=data.design)
    with pytest.raises(ValueError, match="`weights_u` must hold one matrix for each of 1 layers"):
        sv.denoise(model, data.observation, weights=data.design)


def test_a_rank_above_the_size_is_refused():
    model = sv.SpikedWigner(prior=sv.OneHot(k=6), delta=0.01)
    with pytest.raises(ValueError, match="`matrix` must have at least 5 rows and columns"):
        sv.denoise(model, np.eye(4))
    with pytest.raises(ValueError, match="`size` must be at least 5, the rank of the prior"):
        sv.experiment(model, size=4, instances=1)


CLUSTERS = sv.VectorGaussianMixture(
    weights=[0.4, 0.6],
    means=[[0.9, 0.6], [-0.6, -0.4]],
    covariances=[[[0.5, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.6]]],
)


@pytest.mark.parametrize(
    "model",
    [
        sv.SpikedWigner(prior=sv.OneHot(k=4), delta=0.03),
        sv.SpikedWishart(
            prior_u=sv.Gaussian(variance=1.3), prior_v=CLUSTERS, beta=1.5, delta=0.15
        ),
    ],
    ids=["groups", "clusters of columns"],
)
def test_scale_and_noise_of_a_matrix_of_higher_rank_are_found(model):
    """The strongest directions give the scale, and all take their energy from the noise."""
    instance = model.sample(jax.random.key(3), 600)
    unknown = dataclasses.replace(model, delta=UNSET)
    answer = sv.denoise(unknown, 0.2 * instance.data.observation)
    assert answer.scale == pytest.approx(0.2, rel=0.15)
    assert float(answer.model.delta) == pytest.approx(float(model.delta), rel=0.25)
    found = model.measure(answer.mean, instance)[f"mse{model.subject().label}"]
    assert found == pytest.approx(answer.estimated_mse, rel=0.3)
