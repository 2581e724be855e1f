"""One or more samples of every registered brick; a test fails when a new one has none."""

import jax.numpy as jnp
from jax.nn import log_sigmoid

import solvable as sv
from solvable.core.special import log_ndtr, log_normal

PRIORS = {
    "Gaussian": sv.Gaussian(),
    "Gaussian shifted": sv.Gaussian(mean=0.5, variance=2.0),
    "Rademacher": sv.Rademacher(),
    "GaussBernoulli": sv.GaussBernoulli(rho=0.25),
    "GaussBernoulli shifted": sv.GaussBernoulli(rho=0.6, mean=-1.0, variance=0.5),
    "SparseRademacher": sv.SparseRademacher(rho=0.3),
    "Discrete": sv.Discrete(values=[-1, 0, 2], probabilities=[0.3, 0.5, 0.2]),
    "GaussianMixture": sv.GaussianMixture(
        weights=[0.2, 0.5, 0.3], means=[-1, 0, 1], variances=[0, 0.1, 1]
    ),
    "Laplace": sv.Laplace(scale=0.7),
    "Density": sv.Density(log_density=lambda h: -(jnp.abs(h) ** 3), support=[-4, 4]),
}

CHANNELS = {
    "Linear": sv.Linear(delta=0.2),
    "Linear noiseless": sv.Linear(),
    "Sign": sv.Sign(),
    "Sign probit": sv.Sign(delta=0.3),
    "Logistic": sv.Logistic(),
    "Abs": sv.Abs(delta=0.1),
    "Abs noiseless": sv.Abs(),
    "ReLU": sv.ReLU(delta=0.1, pre_delta=0.2),
    "ReLU noiseless": sv.ReLU(),
    "Erf": sv.Erf(),
    "SymmetricDoor": sv.SymmetricDoor(k=0.67449),
    "PiecewiseLinear": sv.PiecewiseLinear(
        breakpoints=[0.5], slopes=[0.3, 1], offsets=[0, -0.35], delta=0.1
    ),
    "PiecewiseLinear noiseless": sv.PiecewiseLinear(
        breakpoints=[-1, 1], slopes=[0, 1, -0.5], offsets=[-1, 0, 1.5]
    ),
    "Activation": sv.Activation(function="tanh", delta=0.2),
    "Likelihood": sv.Likelihood(log_prob=lambda y, z: log_sigmoid(y * z), outputs=[-1, 1]),
}

MATRIX_CHANNELS = {
    "BernoulliEdges": sv.BernoulliEdges(probability=0.3, contrast=1.7),
    "BernoulliEdges between groups": sv.BernoulliEdges(probability=0.8, contrast=-0.5),
    "PoissonCounts": sv.PoissonCounts(rate=0.4, contrast=1.2),
    "PoissonCounts many": sv.PoissonCounts(rate=300.0, contrast=-0.05),
    "StudentNoise": sv.StudentNoise(degrees=3.5, scale=0.7),
    "StudentNoise Cauchy": sv.StudentNoise(degrees=1),
    "ContaminatedNoise": sv.ContaminatedNoise(fraction=0.1, variance=0.5, outlier_variance=80.0),
    "ContaminatedNoise clean": sv.ContaminatedNoise(
        fraction=0, variance=0.5, outlier_variance=80.0
    ),
}

# A general channel and the closed form that it must reproduce to 1e-8.
TWINS = {
    "linear": (
        sv.PiecewiseLinear(breakpoints=[], slopes=[1], offsets=[0], delta=0.1),
        sv.Linear(delta=0.1),
    ),
    "sign": (
        sv.PiecewiseLinear(breakpoints=[0], slopes=[0, 0], offsets=[-1, 1]),
        sv.Sign(),
    ),
    "probit": (
        sv.PiecewiseLinear(breakpoints=[0], slopes=[0, 0], offsets=[-1, 1], pre_delta=0.3),
        sv.Sign(delta=0.3),
    ),
    "abs": (
        sv.PiecewiseLinear(breakpoints=[0], slopes=[-1, 1], offsets=[0, 0], delta=0.1),
        sv.Abs(delta=0.1),
    ),
    "relu": (
        sv.PiecewiseLinear(breakpoints=[0], slopes=[0, 1], offsets=[0, 0]),
        sv.ReLU(),
    ),
    "door": (
        sv.PiecewiseLinear(breakpoints=[-0.67449, 0.67449], slopes=[0, 0, 0], offsets=[1, -1, 1]),
        sv.SymmetricDoor(k=0.67449),
    ),
    "activation linear": (sv.Activation(function="linear", delta=0.1), sv.Linear(delta=0.1)),
    "activation relu": (sv.Activation(function="relu", delta=0.1), sv.ReLU(delta=0.1)),
    "activation abs": (sv.Activation(function="abs", delta=0.1), sv.Abs(delta=0.1)),
    "activation erf": (sv.Activation(function="erf", delta=0.1), sv.Erf(delta=0.1)),
    "likelihood probit": (
        sv.Likelihood(log_prob=lambda y, z: log_ndtr(y * z / 0.3**0.5), outputs=[-1, 1]),
        sv.Sign(delta=0.3),
    ),
    "likelihood logistic": (CHANNELS["Likelihood"], sv.Logistic()),
    "likelihood linear": (
        sv.Likelihood(
            log_prob=lambda y, z: log_normal(y - z, jnp.asarray(0.5)),
            outputs="real",
            support=[-14, 14],
        ),
        sv.Linear(delta=0.5),
    ),
}
