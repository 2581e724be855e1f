"""Parameters without a default may be left unset where they are swept, and only there."""

import dataclasses

import numpy as np
import pytest
from tests.contract.samples import CHANNELS, PRIORS

import solvable as sv
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import UNSET
from solvable.core.specification import parse, unset

SAMPLES = {**PRIORS, **CHANNELS}


def _open_fields(brick):
    return [f.name for f in dataclasses.fields(brick) if f.init and f.default is UNSET]


def _model(brick):
    """A model that holds the brick, and the brick's path."""
    if isinstance(brick, AbstractPrior):
        return sv.GLM(prior=brick, channel=sv.Linear(delta=0.1), alpha=0.7), "prior"
    return sv.GLM(prior=sv.Gaussian(), channel=brick, alpha=0.7), "channel"


OPEN = [
    pytest.param(brick, field, id=f"{name} {field}")
    for name, brick in SAMPLES.items()
    for field in _open_fields(brick)
]


def test_numbers_without_a_default_may_be_unset():
    """What may be swept, a float field, has a default: a number or UNSET."""
    for brick in SAMPLES.values():
        for field in dataclasses.fields(brick):
            if field.init and field.type in ("float", float):
                assert field.default is not dataclasses.MISSING, (type(brick).__name__, field.name)
    assert len(OPEN) >= 4


@pytest.mark.parametrize(("brick", "field"), OPEN)
def test_an_unset_parameter_is_left_out_and_read_back(brick, field):
    bare = dataclasses.replace(brick, **{field: UNSET})
    assert f"{field}=" not in repr(bare).replace(f"_{field}=", "")
    assert parse(repr(bare)) == bare
    model, place = _model(brick)
    holder = dataclasses.replace(model, **{place: bare})
    assert parse(repr(holder)) == holder
    assert unset(holder) == [f"{place}.{field}"]
    assert unset(holder, {f"{place}.{field}"}) == []


@pytest.mark.parametrize(("brick", "field"), OPEN)
def test_studies_refuse_an_unset_parameter(brick, field):
    model, place = _model(brick)
    bare = dataclasses.replace(model, **{place: dataclasses.replace(brick, **{field: UNSET})})
    path = f"{place}.{field}"
    message = f"Argument `{path}` must be given or swept, but was unset"
    for study in (
        lambda: sv.curve(bare),
        lambda: sv.curve(bare, over={"alpha": [1.0]}),
        lambda: sv.thresholds(bare, "alpha"),
        lambda: sv.experiment(bare, size=20, instances=1),
        lambda: sv.infer(bare, design=np.ones((2, 3)), observation=np.ones(2)),
    ):
        with pytest.raises(ValueError, match=message.replace(".", r"\.")):
            study()


def test_a_sweep_sets_it():
    model, _ = _model(sv.GaussBernoulli(rho=0.25))
    bare, _ = _model(sv.GaussBernoulli())
    swept = sv.curve(bare, over={"prior.rho": [0.25]}).isel({"prior.rho": 0}, drop=True)
    np.testing.assert_array_equal(swept.overlap, sv.curve(model).overlap)


def test_other_studies_refuse_it_too():
    message = r"Argument `prior\.rho` must be given or swept, but was unset"
    spiked = sv.SpikedWigner(prior=sv.GaussBernoulli())
    with pytest.raises(ValueError, match=message):
        sv.critical_points(spiked, "variance")
    with pytest.raises(ValueError, match=message):
        sv.phase_diagram(spiked, x=("delta", [0.1]), y=("variance", [1.0]))
    with pytest.raises(ValueError, match=message):
        sv.denoise(spiked, matrix=np.eye(4))
    with pytest.raises(ValueError, match=message):
        sv.entropy([np.ones((3, 2))], ["relu"], delta=0.1, prior=sv.GaussBernoulli())
    with pytest.raises(ValueError, match=r"Argument `prior\.rho` must be set to draw"):
        sv.GLM(prior=sv.GaussBernoulli(), channel=sv.Sign(), alpha=1).sample(None, 10)


def test_thresholds_in_an_unset_parameter():
    given = sv.SpikedWigner(prior=sv.SparseRademacher(rho=0.3), delta=0.01)
    bare = sv.SpikedWigner(prior=sv.SparseRademacher(), delta=0.01)
    wanted, found = (sv.thresholds(model, "prior.rho") for model in (given, bare))
    assert dict(found) == dict(wanted)
    assert found["weak_recovery"].value == pytest.approx(0.1, abs=1e-9)
