"""`solvable denoise` as a user runs it."""

import numpy as np


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
