"""Perceptron with Gaussian weights: AMP is Bayes-optimal at every sample size."""

from solvable.gallery import panels

CARD = dict(
    kind="gallery",
    name="perceptron-gaussian",
    summary="Learning a Gaussian perceptron: Bayes = AMP, logistic regression close above",
    rigour="theorem",
    references=["barbier2019", "gyorgyi1990", "zdeborova2019"],
)

PANEL = panels.Panel(
    model="GLM(prior=Gaussian(), channel=Sign())",
    title="Perceptron, Gaussian weights:  y = sign(x·w),  w ~ N(0, 1)",
    theory=(0.0625, 6.25, 100),
    measured=[0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6],
    measured_quick=[1, 3],
    has_hard_phase=False,
)

settings, make_picture = PANEL.settings, PANEL.make_picture
make_data, compare, summarize = panels.make_data, panels.compare, panels.summarize
