"""Matrices that are seen through a channel, on the command line."""

import os

import numpy as np
import pytest

GRAPH = "SpikedWigner(prior=Rademacher(), channel=BernoulliEdges(probability=0.5))"
NOISE = '''"""Double exponential noise."""
import jax.numpy as jnp
from solvable.bricks.matrix_channels.base import AbstractAdditiveNoise
from solvable.core.arguments import parameter, positive


class ExponentialNoise(AbstractAdditiveNoise):
    """Noise of density exp(-|x| / scale) / (2 scale)."""

    scale: float = parameter("scale", positive)

    def log_density(self, noise):
        return -jnp.abs(noise) / self.scale - jnp.log(2 * self.scale)

    def width(self):
        return jnp.asarray(self.scale)

    def draw(self, generator, shape):
        return generator.laplace(0.0, self.scale, shape)
'''


def test_thresholds_in_the_contrast(answer):
    found = answer("thresholds", GRAPH, "channel.contrast")["thresholds"]
    assert found["weak_recovery"]["value"] == pytest.approx(0.5, rel=1e-12)
    assert found["algorithmic"]["value"] == pytest.approx(0.5, rel=1e-12)
    assert found["information_theoretic"]["status"] == "no_branch"


def test_experiment_on_graphs(answer, solvable):
    run = ["experiment", GRAPH, "--over", "channel.contrast=0.3,1", "--size", "300"]
    document = answer(*run, "--instances", "3", "--out", "out")
    below, above = document["experiment"]["amp"]["overlap"]["mean"]
    assert below < 0.1
    assert above == pytest.approx(document["branches"]["amp"]["overlap"][1], abs=0.06)
    assert {"amp", "pca"} == set(document["experiment"])
    assert sorted(os.listdir("out")) == ["experiment.nc", "experiment.png", "experiment.svg"]
    code, _, err = solvable("rerun", "out/experiment.nc")
    assert code == 0
    assert "bit for bit" in err


def test_edges_that_nothing_can_have(solvable):
    spec = GRAPH.replace("0.5", "0.5, contrast=99")
    code, out, err = solvable("experiment", spec, "--size", "50", "--instances", "1", "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Argument `contrast` must leave probabilities of edges between 0 and 1" in err


def test_list_and_cite(answer, solvable):
    (kind,) = answer("list", "matrix-channels").values()
    names = {"BernoulliEdges", "ContaminatedNoise", "PoissonCounts", "StudentNoise"}
    assert names == {card["name"] for card in kind}
    code, out, _ = solvable("cite", GRAPH)
    assert code == 0
    assert "deshpande2017" in out


def test_a_users_noise(folder, answer, monkeypatch):
    """|S| = 1 / scale: delta = scale^2."""
    from solvable import catalog

    monkeypatch.setattr(catalog, "_added", {})
    (folder / "noise.py").write_text(NOISE)
    spec = "SpikedWigner(prior=Rademacher(), {})"
    mine = answer(
        "curve", spec.format("channel=ExponentialNoise(scale=0.5)"), "--load", "noise.py"
    )
    known = answer("curve", spec.format("delta=0.25"))
    for branch in ("bayes", "amp"):
        found = mine["branches"][branch]["overlap"]
        np.testing.assert_allclose(found, known["branches"][branch]["overlap"], rtol=1e-9)
