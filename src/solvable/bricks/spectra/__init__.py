"""Laws of the singular values of weights, one a file.

`base.py` holds what a law must state, `mixing.py` what a layer makes of messages with it.
"""

from solvable.bricks.spectra.base import (
    AbstractAnalyticSpectrum,
    AbstractRotatedSpectrum,
    AbstractSpectrum,
    Mixing,
)
from solvable.bricks.spectra.empirical import Empirical
from solvable.bricks.spectra.log_uniform import LogUniform
from solvable.bricks.spectra.marchenko_pastur import MarchenkoPastur
from solvable.bricks.spectra.mixing import (
    Response,
    Saddle,
    general_mix,
    mix,
    respond,
    saddle,
)
from solvable.bricks.spectra.orthogonal import Orthogonal

__all__ = [
    "AbstractAnalyticSpectrum",
    "AbstractRotatedSpectrum",
    "AbstractSpectrum",
    "Empirical",
    "LogUniform",
    "MarchenkoPastur",
    "Mixing",
    "Orthogonal",
    "Response",
    "Saddle",
    "general_mix",
    "mix",
    "respond",
    "saddle",
]
