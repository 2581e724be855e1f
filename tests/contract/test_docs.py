"""The documents say what is there: examples run, links lead somewhere, nothing is left out."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable
from solvable import catalog
from solvable.bricks.channels.base import channel_moments, predict_mean
from solvable.bricks.priors.base import posterior, prior_moments
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


def documented_priors() -> list:
    names = documented_bricks()
    return [names["uniform"], names["Ternary"](rho=0.5)]


def documented_channels() -> list:
    names = documented_bricks()
    return [names["flipped"], names["DeadZone"](k=0.5), names["FlippedSign"](flip=0.1)]


@pytest.mark.parametrize("prior", documented_priors(), ids=lambda prior: type(prior).__name__)
def test_a_documented_prior_keeps_the_contract(prior):
    @jax.jit
    @jax.vmap
    def moments_and_slope(q_hat):
        slope = jax.grad(lambda x: prior_moments(prior, x).information)(q_hat)
        return prior_moments(prior, q_hat), slope

    moments, slope = moments_and_slope(jnp.array([0.1, 1.0, 10.0]))
    rho = prior.second_moment()
    np.testing.assert_allclose(moments.overlap + moments.variance, rho, atol=1e-10)
    np.testing.assert_allclose(moments.variance, 2 * slope, atol=1e-9)  # I-MMSE
    field, precision = jnp.linspace(-3.0, 3.0, 7), jnp.asarray(0.7)
    mean, variance = jax.jit(posterior)(prior, field, precision)
    tangent = jax.jvp(lambda b: prior.log_partition(b, precision), (field,), (field * 0 + 1,))[1]
    np.testing.assert_allclose(mean, tangent, atol=1e-10)
    assert np.all(variance > 0)
    drawn = np.asarray(prior.sample(jax.random.key(1), (100_000,)))
    np.testing.assert_allclose(np.mean(drawn**2), rho, atol=0.01)


@pytest.mark.parametrize("channel", documented_channels(), ids=lambda c: type(c).__name__)
def test_a_documented_channel_keeps_the_contract(channel):
    q, step = jnp.array([0.1, 0.5, 0.9]), 1e-4
    average = jax.jit(jax.vmap(channel_moments, in_axes=(None, 0, 0)))
    snr = average(channel, q, 1 - q).snr
    above, below = (average(channel, q + s, 1 - q - s).potential for s in (step, -step))
    np.testing.assert_allclose(snr, (above - below) / step, rtol=1e-5)  # state evolution
    omega, variance = 0.3, 0.5
    z = omega + np.sqrt(variance) * jax.random.normal(jax.random.key(2), (100_000,))
    drawn = np.asarray(channel.sample(jax.random.key(3), z))
    expected = predict_mean(channel, jnp.asarray([omega]), jnp.asarray(variance))[0]
    np.testing.assert_allclose(np.mean(drawn), expected, atol=0.015)


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
