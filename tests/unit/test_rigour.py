"""What a result claims is the weakest claim of what its model is made of."""

import numpy as np
import pytest

import solvable as sv
from solvable import catalog, io, plotting
from solvable.core.specification import class_names, parse

NETWORK = "Generative(prior=Gaussian(), layers=[Layer(ratio=1, channel={channel}())])"


@pytest.mark.parametrize(
    ("spec", "rigour"),
    [
        ("SpikedWigner(prior=Rademacher(), delta=0.5)", "theorem"),
        ("SpikedWigner(prior=OneHot(k=3), delta=0.05)", "replica"),
        (f"SpikedWigner(prior={NETWORK.format(channel='Sign')}, delta=0.5)", "replica"),
        ("GLM(prior=Rademacher(), channel=Sign(), alpha=1)", "theorem"),
        ("MultiLayer(prior=Rademacher(), layers=[Layer(ratio=1, channel=Sign())])", "replica"),
    ],
)
def test_rigour_is_that_of_the_weakest_part(spec, rigour):
    model = parse(spec)
    assert io.attributes("curve", "curve", model, {})["rigour"] == rigour
    assert catalog.weakest(class_names(model)) == rigour


def test_bricks_without_a_card_claim_nothing():
    assert catalog.weakest(["GLM", "SomethingOfMine"]) == "theorem"
    with pytest.raises(ValueError, match="a name with a card"):
        catalog.weakest(["SomethingOfMine"])


def test_parts_are_named_once_and_the_whole_first():
    model = parse(f"SpikedWigner(prior={NETWORK.format(channel='Sign')})")
    assert class_names(model) == ["SpikedWigner", "Generative", "Gaussian", "Layer", "Sign"]


@pytest.mark.parametrize(("channel", "rigour"), [("Linear", "theorem"), ("Sign", "numerical")])
def test_lamp_has_a_theory_for_linear_layers_only(channel, rigour):
    model = parse(f"SpikedWigner(prior={NETWORK.format(channel=channel)})")
    shared = model.shared_observables(np.array([2.0]))
    assert shared["overlap_lamp"].rigour == rigour
    assert shared["overlap_pca"].rigour == "theorem"


def test_observables_keep_a_rigour_of_their_own():
    model = parse(f"SpikedWigner(prior={NETWORK.format(channel='Linear')})")
    data = sv.curve(model, over={"delta": [0.4, 0.6]})
    assert io.rigour_of(data, "overlap_lamp") == "theorem"
    assert io.rigour_of(data, "overlap") == "replica"
    _, axes = plotting.new_figure()
    data["overlap_lamp"].attrs["rigour"] = "conjecture"
    for name, style in (("overlap_lamp", "--"), ("overlap", "-")):
        lines = plotting.theory_lines(axes[0, 0], data, name)
        assert lines["bayes"].get_linestyle() == style
