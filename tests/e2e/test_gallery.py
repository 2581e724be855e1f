"""The gallery in small: every figure makes its three files, a comparison and a table."""

import json

import numpy as np
import pytest

from solvable import catalog, io
from solvable.gallery import digits_mosaic, expand, run

LONG = ("information-bottleneck",)  # minutes of compilation
NAMES = sorted(catalog.names("gallery"))
FIGURES = [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMES]
WITHOUT_THRESHOLDS = (
    "deep-entropy",
    "information-bottleneck",
    "decoder-images",
    "generative-phase-diagram",
    "lamp-images",
    "lamp-spectrum",
    "online-sgd",
    "online-sgd-asymptotics",
    "plateau",
    "hidden-manifold",
    "hidden-manifold-versus-images",
    "independent-students",
    "weak-recovery",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Reports of all figures, made once on first use."""
    folder = tmp_path_factory.mktemp("gallery")
    reports = {}

    def make(name):
        if name not in reports:
            reports[name] = run(name, folder, quick=True)
        return reports[name]

    return make


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_made(made, name):
    report = made(name)
    assert [path.suffix for path in report.files] == [".nc", ".png", ".svg"]
    assert all(path.stat().st_size > 10_000 for path in report.files)
    assert np.isfinite(report.comparison.number)
    assert report.comparison.meaning and report.summary
    assert not report.reused and not report.failed
    assert len({path.name for path in report.files[0].parent.glob(".*")}) == 0
    document = json.loads(io.dumps(report.document()))
    assert document["name"] == name
    assert bool(document["thresholds"]) == (name not in WITHOUT_THRESHOLDS)
    assert str(report).startswith(name)


def test_thresholds_are_those_of_the_talk(made):
    def value(name, threshold):
        return made(name).thresholds[0]["thresholds"][threshold]["value"]

    assert value("perceptron-binary", "information_theoretic") == pytest.approx(1.24468, abs=1e-4)
    assert value("perceptron-binary", "algorithmic") == pytest.approx(1.49263, abs=1e-4)
    assert value("perceptron-door", "algorithmic") == pytest.approx(1.56643, abs=1e-4)
    assert value("phase-retrieval", "weak_recovery") == pytest.approx(0.5, abs=1e-6)
    assert "1.49263" in made("perceptron-binary").summary
    generated, _ = made("generative-compressed-sensing").thresholds  # no transition at all
    assert all(found["status"] == "no_branch" for found in generated["thresholds"].values())


def test_points_lie_on_the_lines(made):
    assert made("perceptron-gaussian").comparison.number < 0.03
    assert made("multilayer").comparison.number < 0.03
    assert made("generative-compressed-sensing").comparison.number < 0.03
    assert made("deep-entropy").comparison.number < 0.05
    assert 1 <= made("digits-mosaic").comparison.number < 1.5


def test_spectra_have_the_density_and_the_edge_of_theory(made):
    report = made("lamp-spectrum")
    data = io.read(report.files[0])
    assert report.comparison.number < 0.03  # p = 300; that of other noise is 0.08 or more apart
    below = data.sel(relative=0.4)
    np.testing.assert_array_equal(below["outlier"], 1.0)
    assert np.all(below["eigenvalue"][:, -1] > below["edge"][:, 1])
    assert np.all(below["eigenvalue"][:, -2] < below["edge"][:, 1] + 0.05)
    np.testing.assert_allclose(data.sel(relative=1.0)["edge"][:, 1], 1.0, atol=1e-9)
    assert "sign" in report.summary


def test_thresholds_of_generated_spikes(made):
    """1 + alpha and 1 + 4 alpha / pi^2; the same command gives all three methods' lines."""
    linear, sign = (
        found["thresholds"]["weak_recovery"]["value"]
        for found in made("spectral-transition").thresholds
    )
    assert linear == pytest.approx(3.0, abs=1e-9)
    assert sign == pytest.approx(1 + 8 / np.pi**2, abs=1e-9)


def test_students_on_manifolds_and_images(made):
    """On theory; a plateau on isotropic inputs; one function there, elsewhere only where seen."""
    assert 0.2 < made("online-sgd").comparison.number < 0.8
    assert 1 < made("online-sgd-asymptotics").comparison.number < 1.1
    assert made("plateau").comparison.number == pytest.approx(1, abs=0.05)
    assert made("hidden-manifold").comparison.number < 0.06
    assert made("hidden-manifold-versus-images").comparison.number > 0.5
    images = io.read(made("hidden-manifold-versus-images").files[0]).isel(task=-1)
    ratio = images["error"].mean("instance") / images["theory"]
    assert 0.9 < float(ratio.mean()) < 1.1
    data = io.read(made("independent-students").files[0])
    assert made("independent-students").comparison.number > 2
    last = data["difference"].isel(time=-1).mean("pair")
    isotropic = last.isel(task=0)
    assert float(isotropic.max() / isotropic.min()) < 1.3
    assert np.all(last.isel(task=[1, 2]).sel(place="isotropic") > 2 * last.sel(place="own")[1:])


@pytest.mark.slow
def test_linear_layers_follow_their_determinants(made):
    """The first layer to rounding; the next up to finite size and what learning correlates."""
    report = made("information-bottleneck")
    linear = io.read(report.files[0]).sel(network="linear")
    apart = np.abs(linear["input_information"] / linear["exact"] - 1)
    assert float(apart.sel(layer=1).max()) < 1e-8
    assert float(apart.max()) == pytest.approx(report.comparison.number)
    assert report.comparison.number < 0.05


def test_data_are_reused_only_from_the_same_recipe(made):
    first = made("perceptron-gaussian")
    folder = first.files[0].parent
    before = [path.read_bytes() for path in first.files]
    again = run("perceptron-gaussian", folder, quick=True)
    assert again.reused
    assert [path.read_bytes() for path in again.files] == before
    told = []
    other = run(
        "perceptron-gaussian", folder, quick=True, seed=1, progress=lambda *x: told.append(x)
    )
    assert not other.reused
    assert other.comparison.number != first.comparison.number
    assert told and all(0 <= fraction <= 1 for _, fraction in told)
    first.files[0].write_bytes(b"half a fi")
    mended = run("perceptron-gaussian", folder, quick=True)
    assert not mended.reused and mended.comparison == first.comparison


def test_names():
    assert expand("all") == NAMES
    assert expand("main") == [
        "perceptron-gaussian",
        "perceptron-binary",
        "perceptron-door",
        "digits-mosaic",
    ]
    with pytest.raises(ValueError, match="perceptron-door"):
        expand("perceptron-dor")


def test_the_mosaic_and_its_histogram_share_no_digit():
    mosaic, others = digits_mosaic.split_digits(8, seed=0)
    assert mosaic.shape == (64, 64) and len(others) == 1797 - 64
    np.testing.assert_array_equal(np.unique(mosaic) * 16, np.arange(17))
    first = mosaic[:8, 8:16]  # the second digit, whole
    assert not (others == first).all(axis=(1, 2)).any()
    again, _ = digits_mosaic.split_digits(8, seed=0)
    np.testing.assert_array_equal(mosaic, again)
