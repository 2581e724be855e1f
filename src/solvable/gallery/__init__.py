"""The talk's figures: each one makes its data, a picture and one number to compare.

`run("perceptron-binary", "out")` makes a figure, `expand("main")` names those of the main job.
"""

from solvable.gallery.base import Comparison, Report, expand, run

__all__ = ["Comparison", "Report", "expand", "run"]
