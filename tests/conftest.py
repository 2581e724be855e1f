"""What all tests share: Hypothesis settings, the compilation cache, what a skip means."""

import doctest
import gc
import pathlib
import re

import hypothesis
import jax
import pytest

from solvable.core.precision import enable_compilation_cache

# Compiled programs are kept between runs and shared by the workers: a second run is much faster.
enable_compilation_cache()

hypothesis.settings.register_profile(
    "solvable",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=25,
    print_blob=False,
)
hypothesis.settings.load_profile("solvable")

_NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class NumericChecker(doctest.OutputChecker):
    """Compares outputs of examples: words exactly, spaces loosely, numbers to 1e-6."""

    def check_output(self, want, got, optionflags):
        if super().check_output(want, got, optionflags):
            return True
        wanted, found = (_NUMBER.findall(text) for text in (want, got))
        words = [_NUMBER.sub("#", text) for text in (want, got)]
        return super().check_output(*words, optionflags) and [
            pytest.approx(float(number), rel=1e-6, abs=1e-9) for number in wanted
        ] == [float(number) for number in found]


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Compiled programs are forgotten before their memory maps reach Linux's limit of 65,530.

    XLA maps every program several times, and a process that reaches the limit aborts. What is
    forgotten comes back from the compilation cache.
    """
    yield
    if _MAPS.exists() and _MAPS.read_bytes().count(b"\n") > _MANY_MAPS:
        jax.clear_caches()
        gc.collect()


_MAPS = pathlib.Path("/proc/self/maps")
_MANY_MAPS = 20_000


@pytest.fixture
def checker():
    return NumericChecker()


def pytest_addoption(parser):
    parser.addoption(
        "--fail-on-skip",
        action="store_true",
        help="count a skipped test as failed (continuous integration has all that tests need)",
    )


def _refuse_skip(report, config):
    # an expected failure is reported as skipped too, but carries `wasxfail`
    if config.getoption("--fail-on-skip") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped under --fail-on-skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _refuse_skip(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _refuse_skip(report, collector.config)
    return report
