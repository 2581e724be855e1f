"""The documents say what is there: examples run, links lead somewhere, nothing is left out."""

import ast
import doctest
import importlib
import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.contract import test_channels, test_matrix_channels, test_priors
from tests.contract.samples import CHANNELS, MATRIX_CHANNELS, PRIORS

import solvable
from solvable import catalog
from solvable.bricks.channels.base import channel_moments
from solvable.core.status import Status

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "solvable"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text()],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_docstring_examples(path, tmp_path, monkeypatch, checker):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(module_name(path))
    public = {name: getattr(solvable, name) for name in solvable.__all__}
    names = {"sv": solvable, "np": np, "jnp": jnp, "jax": jax, **public}
    runner = doctest.DocTestRunner(checker, optionflags=FLAGS)
    report: list[str] = []
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__):
        test.globs = {**names, **vars(module)}
        runner.run(test, out=report.append)
    assert runner.tries
    assert not runner.failures, "".join(report)


def test_readme_examples(checker):
    text = "\n".join(blocks(ROOT / "README.md", "pycon"))
    test = doctest.DocTestParser().get_doctest(text, {}, "README.md", "README.md", 0)
    report: list[str] = []
    result = doctest.DocTestRunner(checker, optionflags=FLAGS).run(test, out=report.append)
    assert not result.failed, "".join(report)
    assert result.attempted >= 5


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_the_readme_lists_everything():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [name for name in catalog.entries() if f"`{name}`" not in text]
    assert not missing


def test_the_error_page_lists_every_status():
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for status in Status:
        assert f"| `{status.name}` | {int(status)} |" in text


def documented_bricks() -> dict:
    """What the Python blocks of the page on extending define."""
    names: dict = {}
    for block in blocks(ROOT / "docs" / "extending.md", "python"):
        exec(compile(block, "docs/extending.md", "exec"), names)
    return names


def contract(module, samples: dict) -> list:
    """The contract tests that hold for every brick; those in a page are not registered names."""
    marked = [test for test in vars(module).values() if hasattr(test, "pytestmark")]
    general = [test for test in marked if test.pytestmark[0].kwargs.get("ids") == samples.keys()]
    return [test for test in general if test.__name__ != "test_specification_reads_back"]


@pytest.mark.parametrize("test", contract(test_priors, PRIORS), ids=lambda test: test.__name__)
def test_the_documented_prior_keeps_the_contract(test):
    test(documented_bricks()["Ternary"](rho=0.5))


@pytest.mark.parametrize("name", ["DeadZone", "FlippedSign"])
@pytest.mark.parametrize("test", contract(test_channels, CHANNELS), ids=lambda test: test.__name__)
def test_the_documented_channels_keep_the_contract(test, name):
    test(documented_bricks()[name](0.3))


@pytest.mark.parametrize(
    "test", contract(test_matrix_channels, MATRIX_CHANNELS), ids=lambda test: test.__name__
)
def test_the_documented_noise_keeps_the_contract(test):
    given = {"w": 0.1} if "w" in inspect.signature(test).parameters else {}
    test(documented_bricks()["LogisticNoise"](scale=0.4), **given)


def test_there_is_a_contract():
    assert len(contract(test_matrix_channels, MATRIX_CHANNELS)) >= 5
    assert len(contract(test_priors, PRIORS)) >= 5
    assert len(contract(test_channels, CHANNELS)) >= 5


def test_the_two_ways_to_flip_a_sign_agree():
    names = documented_bricks()
    q, rest = jnp.asarray(0.4), jnp.asarray(0.6)
    moments = jax.jit(channel_moments)
    by_class = moments(names["FlippedSign"](flip=0.1), q, rest)
    by_function = moments(names["flipped"], q, rest)
    np.testing.assert_allclose(by_class, by_function, atol=1e-9)


def test_ten_lines_are_enough():
    (text,) = [b for b in blocks(ROOT / "docs" / "extending.md", "python") if "Ternary" in b]
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            lines = ast.unparse(node).splitlines()
            assert len([line for line in lines if line.strip()]) <= 10, node.name
