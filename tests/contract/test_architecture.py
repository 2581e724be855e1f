"""The shape of the package: which way imports point, what is imported when, sizes, cards."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from solvable import catalog

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "solvable"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TEXTS = sorted(
    path
    for folder in ("src", "tests", "benchmarks", "tools", "docs")
    for pattern in ("*.py", "*.md")
    for path in (ROOT / folder).rglob(pattern)
)

# An import may point to a part of the same or a lower rank.
RANKS = {
    "catalog": 0,
    "datasets": 0,
    "core": 1,
    "bricks": 2,
    "algorithms": 3,
    "models": 4,
    "io": 5,
    "studies": 6,
    "": 7,  # `import solvable`: the public surface, which shows the studies
    "plotting": 7,
    "gallery": 8,
    "estimators": 8,
    "cli": 9,
    "web": 9,
    "__main__": 10,
}
LEAVES = ("catalog", "datasets")


def part_of(path: Path) -> str:
    """The part that a file belongs to: `core`, `bricks`, ... or "" for the package's surface."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a file imports, at its top, inside functions or for types."""
    package = ["solvable", *path.relative_to(PACKAGE).parts[:-1]]
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module or "").split(".")]
            modules += [".".join([*filter(None, module), alias.name]) for alias in node.names]
    inside = [module.split(".") for module in modules if module.split(".")[0] == "solvable"]
    parts = {names[1] if len(names) > 1 else "" for names in inside}
    return {part if part in RANKS else "" for part in parts}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_import_points_back(path):
    part = part_of(path)
    assert part in RANKS, f"{part} has no place in the architecture"
    if part == "":
        return  # the lazy surface may name everything; what it imports is tested below
    back = {other for other in imported_parts(path) if RANKS[other] > RANKS[part]}
    assert not back, f"{part} imports {', '.join(other or 'the public surface' for other in back)}"
    if part in LEAVES:
        assert imported_parts(path) <= {part}, f"{part} imports nothing of the package"


def test_the_walk_sees_an_import_that_points_back(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "core").mkdir()
    bad = tmp_path / "core" / "bad.py"
    for line in (
        "import solvable.studies.curve",
        "from solvable.studies import curve",
        "from solvable import studies",
        "from ..studies import curve",
        "from .. import studies",
        "def inside():\n    from ..studies.curve import curve",
    ):
        bad.write_text(line)
        assert imported_parts(bad) == {"studies"}, line
    bad.write_text("from solvable import curve")
    assert imported_parts(bad) == {""}
    bad.write_text("from .status import Status\nimport numpy")
    assert imported_parts(bad) == {"core"}


def loaded_after(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after running `code`."""
    report = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    answer = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(answer.stdout.splitlines()[-1].split())


def test_importing_the_package_is_light():
    heavy = {"matplotlib", "xarray", "dask", "sklearn", "fastapi", "pandas"}
    assert not heavy & loaded_after("import solvable")
    assert not heavy & loaded_after("import solvable; solvable.GLM")


@pytest.mark.parametrize("arguments", [["list"], ["list", "priors"], ["--help"]], ids=" ".join)
def test_listing_imports_no_jax(arguments):
    code = (
        "import sys\n"
        f"sys.argv = ['solvable', *{arguments}]\n"
        "from solvable.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
    )
    assert not {"jax", "jaxlib", "equinox", "xarray", "matplotlib"} & loaded_after(code)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_finished(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        assert len(text.splitlines()) <= 500
    for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X"):
        assert word not in text
    if PACKAGE in path.parents:
        assert "NotImplemented" + "Error" not in text, "abstract methods say it with abc"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


def bibliography() -> list[str]:
    text = (PACKAGE / "references.bib").read_text(encoding="utf-8")
    return re.findall(r"^@\w+\{([^,\s]+),$", text, re.MULTILINE)


def test_bibliography_keys_are_unique():
    keys = bibliography()
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("entry", catalog.entries().values(), ids=lambda entry: entry.name)
def test_cards_are_complete(entry):
    assert entry.references, "a card names what its formulas come from"
    assert set(entry.references) <= set(bibliography())
    assert entry.rigour in catalog.RIGOURS
    assert "\n" not in entry.summary
    assert len(entry.summary) <= 99


@pytest.mark.parametrize("folder", ["bricks/priors", "bricks/channels", "models", "gallery"])
def test_the_catalogue_finds_every_card(folder):
    files = (PACKAGE / folder).glob("*.py")
    carded = {path for path in files if re.search(r"^CARD\b", path.read_text(), re.MULTILINE)}
    found = {Path(entry.path) for entry in catalog.entries().values()}
    assert carded, f"{folder} holds no card at all"
    assert carded <= found
