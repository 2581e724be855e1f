"""Cards are read from text; a user's file adds its own."""

import subprocess
import sys

import pytest

from solvable import catalog
from solvable.core.specification import parse

BRICK = '''
"""A brick of a user."""
from solvable.core.arguments import parameter, positive
from solvable.core.specification import Specification


class AbstractPrior(Specification):
    pass


class Triangle{n}(AbstractPrior):
    """A triangle on an interval."""

    width: float = parameter("width", positive, default=1.0)
{card}
'''
CARD = """
CARD = dict(
    name="Triangle2",
    kind="prior",
    summary="(a card) with ) parentheses",
    parameters={"width": "> 0"},
    rigour="replica",
    references=["someone2020"],
)
"""


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(catalog, "_added", {})


def test_every_card_is_complete():
    for entry in catalog.entries().values():
        assert entry.summary
        assert entry.kind in catalog.KINDS


def test_reading_cards_imports_no_jax():
    code = (
        "import sys; from solvable import catalog; catalog.entries(); print('jax' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_unknown_names_suggest_the_nearest():
    assert catalog.nearest("rademaker", ["Rademacher", "Gaussian"]) == "Rademacher"
    assert catalog.nearest("zzz", ["Rademacher", "Gaussian"]) is None
    with pytest.raises(ValueError, match="There is no prior called `Gausian`"):
        catalog.entry("Gausian", "prior")


def test_a_users_file_with_and_without_card(tmp_path):
    for n, card in ((1, ""), (2, CARD)):
        path = tmp_path / f"mine{n}.py"
        path.write_text(BRICK.replace("{n}", str(n)).replace("{card}", card))
        (entry,) = catalog.load_file(path)
        assert entry.kind == "prior"
        assert repr(parse(f"Triangle{n}(width=2)")) == f"Triangle{n}(width=2.0)"
    assert catalog.entry("Triangle1").summary == "A triangle on an interval."
    assert catalog.entry("Triangle2").references == ["someone2020"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (", "must be a readable Python file"),
        ("class X(P.Prior): pass", "must be a file that runs, but .* raised NameError"),
        ("x = 1", "must be a file that defines a prior, channel or model"),
        ("CARD = dict(name=open('x'), kind='prior', summary='')", "must be a literal dict"),
        ("CARD = dict(kind='prior', summary='')", "must have a text `name`"),
        ("CARD = dict(name='X', kind='thing', summary='')", "must have a `kind` among"),
    ],
)
def test_bad_files(tmp_path, text, message):
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        catalog.load_file(path)
    assert not catalog._added


def test_a_missing_file():
    with pytest.raises(
        ValueError, match=r"must be an existing Python file, but was `nowhere\.py`"
    ):
        catalog.load_file("nowhere.py")
