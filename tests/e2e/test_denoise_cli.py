"""`solvable denoise` as a user runs it."""

import jax
import numpy as np

import solvable as sv


def test_denoise(answer, solvable):
    """A matrix in its own units; what is written is what is printed."""
    rng = np.random.default_rng(0)
    v, noise = rng.choice([-1.0, 1.0], 300), rng.normal(size=(300, 300))
    np.save("Y.npy", 4 * (np.outer(v, v) / 300**0.5 + 0.5 * (noise + noise.T) / 2**0.5))
    model = ("--model", "SpikedWigner(prior=Rademacher())")
    document = answer("denoise", "Y.npy", *model, "--out", "out")
    assert document["detectable"]
    assert abs(np.mean(np.sign(document["mean"]) * v)) > 0.85
    with np.load("out/denoise.npz") as saved:
        np.testing.assert_array_equal(saved["mean"], document["mean"])
    np.save("Y.npy", noise)
    code, out, err = solvable("denoise", "Y.npy", *model)
    assert (code, out) == (2, "")
    assert "`matrix` must be symmetric" in err


def test_denoise_a_graph(answer, solvable):
    """An adjacency matrix as it is, also of flags; what no graph holds is refused in one line."""
    edges = "BernoulliEdges(probability=0.4, contrast=1.0)"
    spec = f"SpikedWigner(prior=Rademacher(), channel={edges})"
    problem = sv.parse(spec).sample(jax.random.key(0), 300)
    np.save("A.npy", problem.data.observation)
    np.save("flags.npy", problem.data.observation.astype(bool))
    document = answer("denoise", "A.npy", "--model", spec)
    assert document["delta"] == 0.24
    assert document["noise"].endswith(f"is that of {edges}.")
    assert abs(np.mean(np.sign(document["mean"]) * problem.signal)) > 0.85
    assert answer("denoise", "flags.npy", "--model", spec) == document
    np.save("A.npy", 2 * problem.data.observation)
    code, out, err = solvable("denoise", "A.npy", "--model", spec)
    assert (code, out) == (2, "")
    assert "Argument `matrix` must hold what BernoulliEdges" in err
    assert "but held 2" in err
