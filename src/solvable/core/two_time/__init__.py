"""Two-time equations of Langevin dynamics in a Gaussian energy on a sphere: C, R and curves.

`solve` is the entry; `uniform` integrates short times, `ratio` very long ones.
"""

from solvable.core.two_time.channels import Channels
from solvable.core.two_time.solution import TwoTimeSolution, solve

__all__ = ["Channels", "TwoTimeSolution", "solve"]
