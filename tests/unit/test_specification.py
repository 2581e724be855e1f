"""The grammar of a specification, its printing, and parameters by name."""

import ast
import contextlib
import dataclasses

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvable import catalog
from solvable.core import arguments, grammar
from solvable.core import specification as sp
from solvable.core.arguments import (
    UNSET,
    finite,
    instance,
    non_negative,
    parameter,
    positive,
    probability,
    vector,
)
from solvable.core.specification import Specification


class Slab(Specification):
    rho: float = parameter("rho", probability)
    mean: float = parameter("mean", finite, default=0.0)


class Noisy(Specification):
    delta: float = parameter("delta", non_negative, default=0.0)
    function: str = "tanh"


class Levels(Specification):
    values: np.ndarray = parameter("values", vector)
    delta2: float | None = None


class Bare(Specification):
    function: object


class Chain(Specification):
    layers: list = dataclasses.field(default_factory=list)


class Machine(Specification):
    prior: Specification = parameter(
        "prior", lambda n, v: instance(n, v, Specification, "a brick")
    )
    channel: Specification
    alpha: float = parameter("alpha", positive, default=UNSET)


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """The test's own classes, as if they came from files with cards."""
    classes = {c.__name__: c for c in (Slab, Noisy, Levels, Bare, Chain, Machine)}
    monkeypatch.setattr(catalog, "names", lambda kind=None: list(classes))
    monkeypatch.setattr(catalog, "load", classes.__getitem__)


MACHINE = Machine(prior=Slab(rho=0.1), channel=Noisy())


@pytest.mark.parametrize(
    "thing",
    [
        MACHINE,
        Machine(prior=Slab(rho=1, mean=-1e-300), channel=Noisy(delta=1e16), alpha=1 / 3),
        Levels(values=[0, -0.5, 1e-9], delta2=2.5),
        Levels(values=[1.0], delta2=None),
        Chain(layers=[Noisy(delta=0.5), Noisy()]),
        Chain(),
        Noisy(function="relu"),
    ],
)
def test_what_is_printed_is_read_back(thing):
    again = sp.parse(repr(thing))
    assert again == thing
    assert hash(again) == hash(thing)
    assert repr(again) == repr(thing)


def test_repr_shows_what_differs_from_the_default():
    assert repr(MACHINE) == "Machine(prior=Slab(rho=0.1), channel=Noisy())"
    assert repr(Slab(rho=0)) == "Slab(rho=0.0)"
    assert repr(Levels(values=np.array([1, 2]))) == "Levels(values=[1.0, 2.0])"
    assert repr(Bare(np.sin)) == "Bare(function=<function sin>)"
    assert repr(Slab(rho=np.float64(0.5), mean=jnp.asarray(2.0))) == "Slab(rho=0.5, mean=2.0)"


def test_equality_is_a_bool():
    assert (Levels([1, 2]) == Levels([1, 2])) is True
    assert (Levels([1, 2]) == Levels([1, 3])) is False
    assert (Levels([1, 2]) == Levels([1])) is False
    assert (MACHINE == 3) is False
    assert Noisy() != Slab(rho=0)
    assert (Levels([1], delta2=1.0) == Levels([1])) is False
    assert Machine(prior=Slab(rho=0.1), channel=Noisy(), alpha=1) != MACHINE


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Slab(0.1)", "a positional argument"),
        ("Slab(*a)", "an unpacking"),
        ("Slab(**{})", "an unpacking"),
        ("Slab(rho=0.1, rho=0.2)", "the keyword `rho` twice"),
        ("Slab(rho=1e999)", "a number that is not finite"),
        ("Slab(rho=" + "9" * 400 + ")", "a number that is not finite"),
        ("Slab(rho=1+1)", r"the operator `\+`"),
        ("Slab(rho=+1)", r"the operator `\+`"),
        ("Slab(rho=2**3)", r"the operator `\*`"),
        ("Slab(rho=~1)", "the operator `~`"),
        ("Slab(rho=1<2)", "the operator `<`"),
        ("Slab(rho==1)", "a comparison"),
        ("Slab(rho=not True)", "the operator `not`"),
        ("Slab(rho=1 and 2)", "the operator `and`"),
        ("Slab(rho=--1)", "a minus that does not stand before a number"),
        ("Slab(rho=-Noisy())", "a minus that does not stand before a number"),
        ("Slab(rho=-True)", "a minus that does not stand before a number"),
        ("Slab(rho=nan)", "the bare name `nan`"),
        ("Slab(rho=Slab)", "the bare name `Slab`"),
        ("Slab(rho=Slab.x)", "an attribute"),
        ("Slab(rho=0.1).x", "an attribute"),
        ("Slab(rho=[1][0])", "a subscript"),
        ("Slab(rho=0.1)[0]", "a subscript"),
        ("Slab(rho=0.1)()", "a call of what is not a name"),
        ("Levels(values=[1 for x in y])", "a comprehension"),
        ("Levels(values=[x for x in y])", "the bare name `x`"),
        ("Slab(rho={})", "a dictionary or a set"),
        ("Slab(rho={1: 2})", "a dictionary or a set"),
        ("Slab(rho=(1, 2))", "parentheses or a tuple"),
        ("Slab(rho=(1))", "parentheses or a tuple"),
        ("Noisy(function=f'a')", "a string with the prefix `f`"),
        ("Noisy(function=b'a')", "a string with the prefix `b`"),
        ("Noisy(function=r'a')", "a string with the prefix `r`"),
        ("Noisy(function='a' 'b')", "two strings side by side"),
        ("Noisy(function='''a''')", "two strings side by side"),
        ("Noisy(function='a\\x41')", "a string that is not closed or has a backslash"),
        ("Noisy(function='a)", "a string that is not closed"),
        ("Slab(rho=1j)", "a complex number"),
        ("Slab(rho=1_0)", "a number with an underscore"),
        ("Slab(rho=0x1)", "a number that is not in decimal form"),
        ("Slab(rho=1.2.3)", "a number that is not in decimal form"),
        ("Slab(rho=007)", "a number with leading zeros"),
        ("Slab(rho=...)", "an attribute"),
        ("Levels(values=[[1], [1, 2]])", "a list that is not rectangular"),
        ("Levels(values=[1, [2]])", "a list that is not rectangular"),
        ("Levels(values=[1, Noisy()])", "a list that is not rectangular and of one kind"),
        ("Levels(values=[True, 1])", "a list entry that is neither a number nor a call"),
        ("Levels(values=[None])", "a list entry that is neither a number nor a call"),
        ("Levels(values=['a'])", "a list entry that is neither a number nor a call"),
        ("Slab(rho=0.1,)", "a trailing comma"),
        ("Levels(values=[1,])", "a trailing comma"),
        ("Slab(rho=0.1", "an end before it is complete"),
        ("Slab(", "a parenthesis that is not closed"),
        ("Slab(rho=0.1))", r"a misplaced `\)`"),
        ("Slab(rho=0.1); Slab(rho=0.1)", "a misplaced `;`"),
        ("Slab(rho=0.1) Slab(rho=0.1)", "`Slab` where a comma or a closing mark should be"),
        ("Slab(rho=0.1) # hi", "a comment"),
        ("Slab(rho:=1)", "an assignment expression"),
        ("Slab(rho=lambda: 1)", "the operator `lambda`"),
        ("Slab(rho=1 if True else 2)", "a condition"),
        ("Slab(True=1)", "a positional argument"),
        ("Slab(=1)", "a misplaced `=`"),
        ("Slab(rho=)", r"a misplaced `\)`"),
        ("Slab", "the bare name `Slab`"),
        ("3", "a value that is not a call"),
        ("[Slab(rho=1)]", "a value that is not a call"),
        ("Slаb(rho=0.1)", "the non-ASCII character"),  # a Cyrillic letter
        ("Slab(rho=١)", "the non-ASCII character"),  # an Arabic digit
        ("Slab(rho=0.1)\x00", "the character"),
        ("-" * 9000, "a minus that does not stand before a number"),
        ("(" * 9000, "parentheses or a tuple"),
    ],
)
def test_outside_the_grammar(text, what):
    form = r"Argument `spec` must be of the form Name\(keyword=value, \.\.\.\), but has "
    with pytest.raises(ValueError, match=form + what + ".* at character [0-9]+[.]$"):
        sp.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "but was empty"),
        ("  \n", "but was empty"),
        (3, "must be a text, but was int"),
        ("Slab(" + " " * 10_000 + "rho=1)", "at most 10,000 characters, but had 10,011"),
        ("Levels(values=[" + "1, " * 1000 + "1])", "at most 1,000 numbers"),
        ("Levels(values=" + "[" * 9000, "nested at most 16 deep"),
        ("Chain(layers=[" * 8 + "Chain()" + "])" * 8, "nested at most 16 deep"),
        ("Slabb(rho=0.1)", "calls `Slabb`; the nearest is `Slab`"),
        ("slab(rho=0.1)", "calls `slab`; the nearest is `Slab`"),
        ("__import__('os').system('true')", "registered names only, but calls `__import__`"),
        ("eval('1')", "registered names only, but calls `eval`"),
        ("Machine(prior=open(file='x'))", "registered names only, but calls `open`"),
        ("Slab()", "Argument `rho` of `Slab` must be given, but was left out"),
        ("Slab(rho=0.1, men=1)", "`Slab` has no argument `men`; the nearest is `mean`"),
        (
            "Slab(rho=True)",
            "Argument `rho` must be a number, but was True",
        ),
        ("Slab(rho=2)", r"Argument `rho` must be in \[0, 1\], but was 2"),
        ("Machine(prior=3, channel=Noisy())", "Argument `prior` must be a brick, but was 3"),
        ("Bare(function=<function sin>)", "bare Python function"),
    ],
)
def test_refusals_with_their_own_sentence(text, message):
    with pytest.raises(ValueError, match=message) as error:
        sp.parse(text)
    assert "\n" not in str(error.value)


def test_a_type_error_of_a_constructor_becomes_a_sentence(monkeypatch):
    class Picky(Specification):
        x: float

        def __check_init__(self):
            raise TypeError("x cannot\nbe that")

    monkeypatch.setattr(catalog, "names", lambda kind=None: ["Picky"])
    monkeypatch.setattr(catalog, "load", lambda name: Picky)
    with pytest.raises(ValueError, match=r"it refused them: x cannot be that\.$"):
        sp.parse("Picky(x=1)")


def test_the_limits_themselves_are_allowed():
    assert len(sp.parse("Levels(values=[" + "1, " * 999 + "1])").values) == 1000
    deep = "Chain(layers=[" * 7 + "Chain(layers=[])" + "])" * 7
    assert repr(sp.parse(deep)).count("Chain") == 8
    padded = "Slab(rho=0.1)".ljust(10_000)
    assert sp.parse(padded) == Slab(rho=0.1)


PIECES = [
    *"()[]{},.=-+:'\"\\#*@ \n0123456789eEj_",
    "X(",
    "a=",
    "True",
    "None",
    "for x in",
    "1e5",
    "é",
]


def meaning(node):
    """What a tree of Python's own parser means in the grammar; AssertionError if nothing."""
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        assert not node.args
        arguments = {word.arg: meaning(word.value) for word in node.keywords}
        assert len(arguments) == len(node.keywords)
        return grammar.Call(node.func.id, arguments)
    if isinstance(node, ast.List):
        return [meaning(item) for item in node.elts]
    if isinstance(node, ast.UnaryOp):
        return -meaning(node.operand)
    assert isinstance(node, ast.Constant)
    return node.value


@hypothesis.settings(max_examples=500)
@hypothesis.given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_what_is_read_means_the_same_in_python(text):
    text = f"X({text})"
    try:
        read = grammar.read(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert read == meaning(ast.parse(text.strip(), mode="eval").body)


@hypothesis.given(st.text())
def test_any_text_is_read_or_refused_with_one_line(text):
    with contextlib.suppress(ValueError):
        grammar.read(text)
    with contextlib.suppress(ValueError):
        grammar.read(f"X(a={text})")


def test_spaces_lines_and_plain_data():
    assert sp.parse(" Slab ( rho = .5 ,\n\tmean = - 1e-3 ) ") == Slab(rho=0.5, mean=-0.001)
    read = grammar.read("X(a=1, b=1.0, c='t', d=True, e=None, f=[], g=[[1, 2], [3, 4]], h=-0)")
    assert [*read.arguments] == list("abcdefgh")
    assert [*read.arguments.values()] == [1, 1.0, "t", True, None, [], [[1, 2], [3, 4]], 0]
    assert type(read.arguments["a"]) is int
    assert type(read.arguments["b"]) is float


def test_parameters_by_name():
    assert sp.parameters(MACHINE) == {
        "alpha": ("alpha",),
        "rho": ("prior", "rho"),
        "mean": ("prior", "mean"),
        "delta": ("channel", "delta"),
    }
    chain = Machine(prior=Noisy(delta=1), channel=Chain(layers=[Noisy(), Slab(rho=0.5)]))
    assert sp.parameters(chain) == {
        "alpha": ("alpha",),
        "prior.delta": ("prior", "delta"),
        "channel.layers[0].delta": ("channel", "layers", 0, "delta"),
        "rho": ("channel", "layers", 1, "rho"),
        "mean": ("channel", "layers", 1, "mean"),
    }
    assert sp.resolve(chain, "channel.layers[1].rho") == ("channel", "layers", 1, "rho")
    with pytest.raises(ValueError, match=r"prior\.delta and channel\.layers\[0\]\.delta go by"):
        sp.resolve(chain, "delta")
    with pytest.raises(ValueError, match="has no parameter `alhpa`; the nearest is `alpha`"):
        sp.resolve(chain, "alhpa")


def test_what_follows_from_another_field_is_no_parameter():
    class Derived(Specification):
        source: Specification | None = None
        width: float = parameter("width", arguments.positive, default=UNSET, unless="source")

    assert sp.parameters(Derived()) == {"width": ("width",)}
    assert sp.parameters(Derived(source=Noisy())) == {"delta": ("source", "delta")}
    with pytest.raises(ValueError, match="has no parameter `width`"):
        sp.resolve(Derived(source=Noisy()), "width")


def test_a_models_own_field_wins():
    class Own(Specification):
        brick: Specification
        delta: float = 1.0

    model = Own(brick=Noisy(delta=2))
    assert sp.resolve(model, "delta") == ("delta",)
    assert sp.get(model, "brick.delta") == 2.0


def test_replace_checks_and_inject_does_not():
    assert sp.get(MACHINE, "alpha") is UNSET
    model = sp.replace(MACHINE, {"alpha": 2, "delta": 1})
    assert repr(model) == "Machine(prior=Slab(rho=0.1), channel=Noisy(delta=1.0), alpha=2.0)"
    assert sp.inject(MACHINE, {"alpha": 2.0, "delta": 1.0}) == model
    with pytest.raises(ValueError, match="Argument `alpha` must be positive"):
        sp.replace(MACHINE, {"alpha": -2})
    assert sp.get(sp.inject(MACHINE, {"alpha": -2.0}), "alpha") == -2.0
    chain = Chain(layers=[Noisy(), Noisy(delta=1)])
    changed = sp.replace(chain, {"layers[0].delta": 3})
    assert changed == Chain(layers=[Noisy(delta=3), Noisy(delta=1)])
    assert sp.inject(chain, {"layers[0].delta": 3.0}) == changed


def test_whole_numbers_and_places_for_numbers():
    class Counted(Specification):
        K: int = parameter("K", arguments.integer)
        delta2: float | None = None
        label: str | None = None

    assert set(sp.parameters(Counted(K=1))) == {"K", "delta2"}
    assert type(sp.replace(Counted(K=1), {"K": 3.0}).K) is int
    with pytest.raises(ValueError, match="Argument `K` must be an integer"):
        sp.replace(Counted(K=1), {"K": 2.5})
    assert sp.replace(Counted(K=1), {"delta2": 0.5}).delta2 == 0.5


def test_inject_under_a_transformation():
    model = sp.numeric(sp.replace(MACHINE, {"alpha": 1}))

    @jax.jit
    def product(alpha):
        inner = sp.inject(model, {"alpha": alpha})
        assert "traced float64[]" in repr(inner)
        assert inner != model
        return inner.alpha * inner.prior.rho

    assert product(3.0) == pytest.approx(0.3)


def test_numeric_models_compile_once():
    count = 0

    @eqx.filter_jit
    def evaluate(model):
        nonlocal count
        count += 1
        return model.prior.rho + model.channel.delta

    for rho in (0.1, 0.2, 0.3):
        model = Machine(prior=Slab(rho=rho), channel=Noisy())
        numeric = sp.numeric(model)
        assert numeric == model
        assert repr(numeric) == repr(model)
        assert numeric.prior.rho.dtype == jnp.float64
        assert numeric.alpha is UNSET
        assert evaluate(numeric) == pytest.approx(rho)
    assert count == 1
