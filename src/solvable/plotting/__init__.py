"""Pictures: theory as lines, experiment as points with error bars, on the same axes.

Functions take axes and a data set and return artists; `save_figure` makes and writes the whole
picture of a result. matplotlib is used by its object interface only, without global state.
"""

from solvable.plotting.figures import figure, save_figure
from solvable.plotting.files import write_figure
from solvable.plotting.lines import (
    experiment_points,
    hard_phase,
    theory_lines,
    threshold_lines,
    trajectory,
    unresolved_cells,
)
from solvable.plotting.maps import (
    boundary_lines,
    critical_marks,
    heat_map,
    image,
    phase_cells,
    phase_patch,
)
from solvable.plotting.style import axis_label, house_style, new_figure

__all__ = [
    "figure",
    "save_figure",
    "write_figure",
    "theory_lines",
    "experiment_points",
    "trajectory",
    "threshold_lines",
    "hard_phase",
    "unresolved_cells",
    "phase_cells",
    "phase_patch",
    "boundary_lines",
    "critical_marks",
    "heat_map",
    "image",
    "axis_label",
    "house_style",
    "new_figure",
]
