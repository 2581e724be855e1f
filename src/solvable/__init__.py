"""Exactly solvable models of machine learning: theory, algorithm and experiment in one object.

Names are imported when they are first used, so that `import solvable` costs nothing. The first
one switches JAX to double precision.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "curve": "solvable.studies.curve",
    "thresholds": "solvable.studies.thresholds",
    "entropy": "solvable.studies.entropy",
    "phase_diagram": "solvable.studies.phase",
    "critical_points": "solvable.studies.critical_points",
    "experiment": "solvable.studies.experiment",
    "dynamics": "solvable.studies.dynamics",
    "asymptotics": "solvable.studies.asymptotics",
    "weak_recovery": "solvable.studies.weak_recovery",
    "relaxation": "solvable.studies.relaxation",
    "infer": "solvable.studies.infer",
    "denoise": "solvable.studies.denoise",
    "parse": "solvable.core.specification",
    "Status": "solvable.core.status",
    "GLM": "solvable.models.glm",
    "MultiLayer": "solvable.models.multi_layer",
    "SpikedWigner": "solvable.models.spiked_wigner",
    "SpikedWishart": "solvable.models.spiked_wishart",
    "SpikedMatrixTensor": "solvable.models.spiked_matrix_tensor",
    "Committee": "solvable.models.committee",
    "OnlineSGD": "solvable.models.online_sgd",
    "QuadraticNetwork": "solvable.models.quadratic_network",
    "LargeCommittee": "solvable.models.large_committee",
    "Polynomial": "solvable.bricks.activations.polynomial",
    "Isotropic": "solvable.bricks.inputs.isotropic",
    "HiddenManifold": "solvable.bricks.inputs.hidden_manifold",
    "GaussianInputs": "solvable.bricks.inputs.gaussian_inputs",
    "Generative": "solvable.bricks.generative",
    "Layer": "solvable.bricks.layer",
    "Gaussian": "solvable.bricks.priors.gaussian",
    "Rademacher": "solvable.bricks.priors.rademacher",
    "GaussBernoulli": "solvable.bricks.priors.gauss_bernoulli",
    "Discrete": "solvable.bricks.priors.discrete",
    "GaussianMixture": "solvable.bricks.priors.gaussian_mixture",
    "Laplace": "solvable.bricks.priors.laplace",
    "Density": "solvable.bricks.priors.density",
    "OneHot": "solvable.bricks.priors.one_hot",
    "VectorGaussianMixture": "solvable.bricks.priors.vector_gaussian_mixture",
    "MarchenkoPastur": "solvable.bricks.spectra.marchenko_pastur",
    "Orthogonal": "solvable.bricks.spectra.orthogonal",
    "Empirical": "solvable.bricks.spectra.empirical",
    "LogUniform": "solvable.bricks.spectra.log_uniform",
    "Linear": "solvable.bricks.channels.linear",
    "Sign": "solvable.bricks.channels.sign",
    "Logistic": "solvable.bricks.channels.logistic",
    "Abs": "solvable.bricks.channels.abs",
    "ReLU": "solvable.bricks.channels.relu",
    "Erf": "solvable.bricks.channels.erf",
    "SymmetricDoor": "solvable.bricks.channels.symmetric_door",
    "SparseRademacher": "solvable.bricks.priors.sparse_rademacher",
    "PiecewiseLinear": "solvable.bricks.channels.piecewise_linear",
    "Activation": "solvable.bricks.channels.activation",
    "Likelihood": "solvable.bricks.channels.likelihood",
    "BernoulliEdges": "solvable.bricks.matrix_channels.bernoulli_edges",
    "PoissonCounts": "solvable.bricks.matrix_channels.poisson_counts",
    "StudentNoise": "solvable.bricks.matrix_channels.student_noise",
    "ContaminatedNoise": "solvable.bricks.matrix_channels.contaminated_noise",
}

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'solvable' has no attribute {name!r}")
    importlib.import_module("solvable.core.precision")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from solvable.bricks.activations.polynomial import Polynomial
    from solvable.bricks.channels.abs import Abs
    from solvable.bricks.channels.activation import Activation
    from solvable.bricks.channels.erf import Erf
    from solvable.bricks.channels.likelihood import Likelihood
    from solvable.bricks.channels.linear import Linear
    from solvable.bricks.channels.logistic import Logistic
    from solvable.bricks.channels.piecewise_linear import PiecewiseLinear
    from solvable.bricks.channels.relu import ReLU
    from solvable.bricks.channels.sign import Sign
    from solvable.bricks.channels.symmetric_door import SymmetricDoor
    from solvable.bricks.generative import Generative
    from solvable.bricks.inputs.gaussian_inputs import GaussianInputs
    from solvable.bricks.inputs.hidden_manifold import HiddenManifold
    from solvable.bricks.inputs.isotropic import Isotropic
    from solvable.bricks.layer import Layer
    from solvable.bricks.matrix_channels.bernoulli_edges import BernoulliEdges
    from solvable.bricks.matrix_channels.contaminated_noise import ContaminatedNoise
    from solvable.bricks.matrix_channels.poisson_counts import PoissonCounts
    from solvable.bricks.matrix_channels.student_noise import StudentNoise
    from solvable.bricks.priors.density import Density
    from solvable.bricks.priors.discrete import Discrete
    from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
    from solvable.bricks.priors.gaussian import Gaussian
    from solvable.bricks.priors.gaussian_mixture import GaussianMixture
    from solvable.bricks.priors.laplace import Laplace
    from solvable.bricks.priors.one_hot import OneHot
    from solvable.bricks.priors.rademacher import Rademacher
    from solvable.bricks.priors.sparse_rademacher import SparseRademacher
    from solvable.bricks.priors.vector_gaussian_mixture import VectorGaussianMixture
    from solvable.bricks.spectra.empirical import Empirical
    from solvable.bricks.spectra.log_uniform import LogUniform
    from solvable.bricks.spectra.marchenko_pastur import MarchenkoPastur
    from solvable.bricks.spectra.orthogonal import Orthogonal
    from solvable.core.specification import parse
    from solvable.core.status import Status
    from solvable.models.committee import Committee
    from solvable.models.glm import GLM
    from solvable.models.large_committee import LargeCommittee
    from solvable.models.multi_layer import MultiLayer
    from solvable.models.online_sgd import OnlineSGD
    from solvable.models.quadratic_network import QuadraticNetwork
    from solvable.models.spiked_matrix_tensor import SpikedMatrixTensor
    from solvable.models.spiked_wigner import SpikedWigner
    from solvable.models.spiked_wishart import SpikedWishart
    from solvable.studies.asymptotics import asymptotics
    from solvable.studies.critical_points import critical_points
    from solvable.studies.curve import curve
    from solvable.studies.denoise import denoise
    from solvable.studies.dynamics import dynamics
    from solvable.studies.entropy import entropy
    from solvable.studies.experiment import experiment
    from solvable.studies.infer import infer
    from solvable.studies.phase import phase_diagram
    from solvable.studies.relaxation import relaxation
    from solvable.studies.thresholds import thresholds
    from solvable.studies.weak_recovery import weak_recovery
