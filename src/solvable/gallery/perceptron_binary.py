"""Perceptron with binary weights: perfect recovery, with a hard phase before it."""

from solvable.gallery import panels

CARD = dict(
    kind="gallery",
    name="perceptron-binary",
    summary="Learning a binary perceptron: two transitions and a hard phase between them",
    rigour="theorem",
    references=["barbier2019", "gyorgyi1990", "sompolinsky1990", "zdeborova2019"],
)

PANEL = panels.Panel(
    model="GLM(prior=Rademacher(), channel=Sign())",
    title="Perceptron, binary weights:  y = sign(x·w),  w = ±1",
    theory=(0.02, 2.0, 100),
    measured=[0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.35, 1.45, 1.55, 1.7, 1.9],
    measured_quick=[0.8, 1.8],
)

settings, make_picture = PANEL.settings, PANEL.make_picture
make_data, compare, summarize = panels.make_data, panels.compare, panels.summarize
