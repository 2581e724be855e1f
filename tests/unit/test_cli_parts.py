"""Parts of the command line: grids, arrays from files, numbers in tables, the bibliography."""

import math

import numpy as np
import pytest

import solvable as sv
from solvable.cli import cite, grids, infer, tables, weights


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("alpha=0.5:2:4", [0.5, 1.0, 1.5, 2.0]),
        (" alpha = -1 : 1 : 3 ", [-1.0, 0.0, 1.0]),
        ("alpha=log:1e-2:100:5", [0.01, 0.1, 1.0, 10.0, 100.0]),
        ("alpha=3", [3.0]),
        ("alpha=1,0.5, 2", [1.0, 0.5, 2.0]),
    ],
)
def test_grids(text, values):
    name, found = grids.read_grid("over", text)
    assert name == "alpha"
    assert found == pytest.approx(values, rel=1e-14)
    assert found[0] == values[0]
    assert found[-1] == values[-1]


@pytest.mark.parametrize(
    "text",
    [
        *("", "alpha", "alpha=", "=1:2:3", "alpha=1:2", "alpha=1:2:3:4", "alpha=log:1:2"),
        *("alpha=2:1:5", "alpha=1:1:5", "alpha=log:0:1:5", "alpha=log:-1:1:5", "alpha=lin:1:2:3"),
        *("alpha=1:2:0", "alpha=1:2:1", "alpha=1:2:-3", "alpha=1:2:2.5", "alpha=1:2:9999999"),
        *("alpha=1:2:1" + "0" * 5000, "alpha=1:2:²"),
        *("alpha=nan", "alpha=1,inf", "alpha=nan:2:3", "alpha=1:1e999:3", "alpha=a,b", "alpha=1,"),
        "alpha=1,1",
    ],
)
def test_bad_grids_get_one_sentence(text):
    with pytest.raises(ValueError, match=r"^Argument `over` must [^\n]*, but was `[^\n]*`\.$"):
        grids.read_grid("over", text)


def test_several_grids_keep_their_order():
    found = grids.read_grids("over", ["b=1,2", "a=0:1:2"])
    assert list(found) == ["b", "a"]
    with pytest.raises(ValueError, match="names `b` twice"):
        grids.read_grids("over", ["b=1,2", "b=3"])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.arange(6.0).reshape(3, 2)
    np.save("X.npy", X)
    np.save("text.npy", np.array(["a"]))
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    np.savez("one.npz", X=X)
    np.savez("two.npz", X=X, y=X[:, 0])
    np.savetxt("X.csv", X, delimiter=",")
    np.savetxt("y.csv", X[:, 0])
    np.savetxt("named.csv", X, delimiter=",", header="a,b", comments="")
    for name, text in (
        ("bad.csv", "1,2\n3\n"),
        ("empty.csv", ""),
        ("X.txt", "1"),
        ("X2.npz", "z"),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "short.npy").write_bytes(b"\x93NUMPY")
    return X


@pytest.mark.parametrize(
    "name", ["X.npy", "one.npz", "one.npz:X", "two.npz:X", "X.csv", "named.csv"]
)
def test_arrays_from_files(folder, name):
    assert np.array_equal(infer.read_array("design", name), folder)


def test_a_column_is_a_vector_and_npy_stays_on_disk(folder):
    assert np.array_equal(infer.read_array("observation", "y.csv"), folder[:, 0])
    assert isinstance(infer.read_array("design", "X.npy"), np.memmap)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.npy", "must be an existing file, but was `none.npy`"),
        ("none.npz:X", "must be an existing file, but was `none.npz`"),
        ("two.npz", "must say which array of `two.npz` is meant, as in `two.npz:X`"),
        ("two.npz:Z", "must name an array of `two.npz`, but `Z` is none"),
        ("text.npy", "must hold real numbers, but `text.npy` holds <U1"),
        ("objects.npy", "must be a file of numbers, but `objects.npy` is not"),
        ("short.npy", "must be a file of numbers, but `short.npy` is not"),
        ("X2.npz", "must be a file of numbers, but `X2.npz` is not"),
        ("bad.csv", "must be a file of numbers, but `bad.csv` is not"),
        ("empty.csv", "must be a file of numbers, but `empty.csv` is not: it is empty"),
        ("X.txt", "must be a file of kind"),
        (".", "must be an existing file"),
    ],
)
def test_files_that_hold_no_array(folder, name, message):
    with pytest.raises(ValueError, match=r"^Argument `design` ") as error:
        infer.read_array("design", name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.24468044, 1.2e-6, "1.2446804 ± 1.2e-06"),
        (0.123456, 0.0021, "0.1235 ± 0.0021"),
        (12.3456, 0.5, "12.35 ± 0.50"),
        (1.79838e-7, 3e-10, "1.7984e-07 ± 3.0e-10"),
        (1.5, 0.0, "1.5"),
        (1.5, math.nan, "1.5"),
        (math.inf, 0.1, "inf"),
        (math.nan, 0.1, "-"),
        (None, None, "-"),
    ],
)
def test_numbers_with_errors(value, error, text):
    assert tables.plus_minus(value, error) == text


def test_the_bibliography_is_read_whole():
    known = cite.bibliography()
    assert known["barbier2019"].startswith("@article{barbier2019,")
    assert all(entry.count("{") == entry.count("}") for entry in known.values())


def test_weights_and_their_biases_from_a_file(tmp_path):
    W = [np.ones((3, 2)), np.ones((4, 3)), np.ones((1, 4))]
    b = [np.arange(3.0), np.arange(1.0)]
    path = tmp_path / "w.npz"
    np.savez(path, W1=W[0], W2=W[1], W10=W[2], b1=b[0], b10=b[1])
    matrices, biases = weights.read_weights(str(path), "weights")
    assert [m.shape for m in matrices] == [(3, 2), (4, 3), (1, 4)]
    np.testing.assert_array_equal(biases[0], b[0])
    np.testing.assert_array_equal(biases[2], b[1])
    assert biases[1] is None
    np.savez(path, W1=W[0], b2=b[0])
    with pytest.raises(ValueError, match=r"one matrix W2 beside the bias `b2`, but .* holds W1"):
        weights.read_weights(str(path), "weights")


def test_biases_from_a_file_go_into_the_model():
    layers = [sv.Layer(channel=sv.ReLU()), sv.Layer(channel=sv.Linear(), bias=[0.5])]
    model = sv.MultiLayer(prior=sv.Gaussian(), layers=layers)
    biased = infer.with_biases(model, [np.ones(3), None])
    assert [list(layer.bias) for layer in biased.layers] == [[1, 1, 1], [0.5]]
    assert biased.layers[0].channel == sv.ReLU()
    with pytest.raises(
        ValueError, match=r"no bias of matrix 2, because the model's `layers\[1\]`"
    ):
        infer.with_biases(model, [None, np.ones(1)])
