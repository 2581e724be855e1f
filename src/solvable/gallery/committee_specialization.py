"""Committee of two units, Gaussian weights: units are alike until there are enough samples."""

from solvable.gallery import committees

CARD = dict(
    kind="gallery",
    name="committee-specialization",
    summary="a committee of two units: overlaps and error, where its units begin to differ",
    rigour="theorem",
    references=["aubin2018"],
)

FIGURE = committees.Committees(
    model='Committee(k=2, prior=Gaussian(), output=Sign(ties="zero"))',
    title="Committee of two units, Gaussian weights",
    theory=(0.05, 5.0, 100),
    measured=[0.5, 1.0, 1.5, 1.9, 2.4, 2.7, 3.1, 3.5, 4.2, 5.0],
    measured_quick=[1.0, 4.5],
    size=2000,
    instances=5,
    transitions={"specialization": "specialization"},
)

settings, make_picture = FIGURE.settings, FIGURE.make_picture
make_data, compare, summarize = committees.make_data, committees.compare, committees.summarize
