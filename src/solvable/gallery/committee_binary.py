"""Committee of two units, binary weights: perfect recovery, hard before AMP finds it."""

from solvable.gallery import committees

CARD = dict(
    kind="gallery",
    name="committee-binary",
    summary="a committee of two units with binary weights: specialization, perfect recovery",
    rigour="theorem",
    references=["aubin2018"],
)

FIGURE = committees.Committees(
    model='Committee(k=2, prior=Rademacher(), output=Sign(ties="zero"))',
    title="Committee of two units, binary weights",
    theory=(0.05, 2.7, 100),
    measured=[0.5, 1.0, 1.3, 1.5, 1.75, 1.9, 2.2, 2.4, 2.6],
    measured_quick=[1.0, 2.6],
    size=2000,
    instances=5,
    transitions={
        "information_theoretic": "recovery",
        "specialization": "specialization",
        "algorithmic": "by AMP",
    },
)

settings, make_picture = FIGURE.settings, FIGURE.make_picture
make_data, compare, summarize = committees.make_data, committees.compare, committees.summarize
