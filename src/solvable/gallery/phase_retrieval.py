"""Phase retrieval of a real Gaussian signal without noise."""

from solvable.gallery import panels

CARD = dict(
    kind="gallery",
    name="phase-retrieval",
    summary="Phase retrieval of a real signal: weak recovery at 1/2, hard from 1 to 1.128",
    rigour="theorem",
    references=["barbier2019", "mondelli2019", "zdeborova2019"],
)

PANEL = panels.Panel(
    model="GLM(prior=Gaussian(), channel=Abs())",
    title="Phase retrieval:  y = |x·w|,  w ~ N(0, 1)",
    theory=(0.0125, 1.5, 120),
    measured=[0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.45],
    measured_quick=[0.3, 1.45],
    top=1.05,
    max_steps=500,
    baselines=False,
    observable="mse",
)

settings, make_picture = PANEL.settings, PANEL.make_picture
make_data, compare, summarize = panels.make_data, panels.compare, panels.summarize
