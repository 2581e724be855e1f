"""Symmetric door with binary weights: what AMP finds and a neural network does not."""

from solvable.gallery import panels

CARD = dict(
    kind="gallery",
    name="perceptron-door",
    summary="Symmetric door, binary weights: determined from alpha = 1, found by AMP from 1.57",
    rigour="theorem",
    references=["barbier2019", "zdeborova2019"],
)

PANEL = panels.Panel(
    model="GLM(prior=Rademacher(), channel=SymmetricDoor(k=0.67449))",
    title="Symmetric door, binary weights:  y = sign(|x·w| − 0.674),  w = ±1",
    theory=(0.02, 2.5, 125),
    measured=[0.5, 0.9, 1.2, 1.4, 1.5, 1.65, 1.8, 2.1, 2.4],
    measured_quick=[0.8, 2.2],
    top=0.6,
    instances=6,
)

settings, make_picture = PANEL.settings, PANEL.make_picture
make_data, compare, summarize = panels.make_data, panels.compare, panels.summarize
