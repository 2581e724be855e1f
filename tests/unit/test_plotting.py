"""Artists of every plotting function on data sets that follow the contract."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex

from solvable import plotting
from solvable.core.status import Status
from solvable.plotting.lines import cell_edges

ALPHA = np.linspace(0.5, 2.0, 31)
JUMP, FOLD = 1.24, 1.49
BRANCHES = ["bayes", "amp", "informed", "unstable"]


def make_curve(rigour="replica"):
    """A made-up first-order transition: bayes jumps at JUMP, amp follows at FOLD."""
    low = 0.4 * ALPHA
    amp = np.where(ALPHA < FOLD, low, 1.0)
    bayes = np.where(ALPHA < JUMP, low, 1.0)
    unstable = np.where(ALPHA < FOLD, 0.95, np.nan)
    overlap = np.stack([bayes, amp, np.ones_like(low), unstable], axis=-1)
    status = np.where(np.isfinite(overlap), Status.converged, Status.no_branch).astype(np.int8)
    dims = ("alpha", "branch")
    return xr.Dataset(
        {
            "overlap": (dims, overlap),
            "bayes_error": (dims, np.arccos(np.sqrt(overlap)) / np.pi),
            "generalization_error": (dims, 2 * np.arccos(overlap) / np.pi),
            "free_entropy": (dims, -overlap),
            "status": (dims, status),
            "error_bound": (dims, np.zeros_like(overlap)),
            "residual": (dims, np.zeros_like(overlap)),
            "steps": (dims, np.ones(overlap.shape, dtype=int)),
        },
        coords={"alpha": ALPHA, "branch": BRANCHES},
        attrs={"kind": "curve", "model": "GLM(prior=Rademacher())", "rigour": rigour},
    )


def make_experiment(trajectory=True):
    data = make_curve()
    rng = np.random.default_rng(1)
    dims = ("alpha", "algorithm")
    for name in ("overlap", "bayes_error"):
        truth = data[name].sel(branch="amp").values[:, None, None]
        values = truth + 0.02 * rng.normal(size=(len(ALPHA), 2, 5))
        data[f"{name}_instances"] = ((*dims, "instance"), values)
        data[f"{name}_mean"] = (dims, values.mean(-1))
        data[f"{name}_standard_error"] = (dims, values.std(-1) / 2)
    status = np.zeros((len(ALPHA), 2, 5), dtype=np.int8)
    status[3, 0, 2] = Status.max_steps
    data["experiment_status"] = ((*dims, "instance"), status)
    if trajectory:
        steps = np.linspace(0, 1, 6) * data["overlap"].sel(branch="amp").values[:, None]
        for part in ("trajectory_mean", "state_evolution"):
            data[f"overlap_{part}"] = (("alpha", "iteration"), steps)
        data["overlap_trajectory_standard_error"] = (("alpha", "iteration"), 0.01 + 0 * steps)
    data = data.assign_coords(algorithm=["amp", "logistic"])
    data.attrs["kind"] = "experiment"
    return data


def make_phase():
    alpha, delta = np.linspace(0.1, 2, 8), np.array([0.01, 0.1, 1.0])
    phase = np.zeros((3, 8), dtype=np.int8)
    phase[:, :3], phase[:, 3:5] = 2, 1
    phase[2, 7] = -1
    line = ("delta",)
    values = {
        "information_theoretic": [0.8, 0.9, np.nan],
        "algorithmic": [1.3, 1.4, 1.5],
        "spinodal_uninformed": [1.3, 1.4, 1.5],
    }
    data = xr.Dataset(
        {"phase": (("delta", "alpha"), phase)}, coords={"alpha": alpha, "delta": delta}
    )
    for name, where in values.items():
        data[f"boundary_{name}"] = (line, np.array(where))
        data[f"boundary_{name}_error"] = (line, np.zeros(3))
        codes = np.where(np.isnan(where), Status.no_branch, Status.converged)
        data[f"boundary_{name}_status"] = (line, codes.astype(np.int8))
    data.attrs.update(kind="phase", model="GLM()", rigour="conjecture")
    return data


@pytest.fixture
def ax():
    figure, axes = plotting.new_figure()
    axes[0, 0].set_xlim(0.5, 2)
    yield axes[0, 0]
    figure.clear()


def test_styles_of_branches(ax):
    lines = plotting.theory_lines(ax, make_curve(), "overlap")
    assert list(lines) == BRANCHES
    assert lines["bayes"].get_linestyle() == "-"
    assert lines["unstable"].get_linestyle() == ":"
    conjecture = plotting.theory_lines(ax, make_curve("conjecture"), "overlap")
    assert conjecture["bayes"].get_linestyle() == "--"
    assert conjecture["unstable"].get_linestyle() == ":"


def test_branches_show_only_where_they_differ(ax):
    lines = plotting.theory_lines(ax, make_curve(), "overlap")
    amp = np.array(lines["amp"].get_ydata(), dtype=float)
    np.testing.assert_array_equal(np.isfinite(amp), (ALPHA > JUMP) & (ALPHA < FOLD))
    informed = np.array(lines["informed"].get_ydata(), dtype=float)
    np.testing.assert_array_equal(np.isfinite(informed), ALPHA < JUMP)


def test_no_line_across_a_jump_or_a_failed_point(ax):
    data = make_curve()
    bayes = plotting.theory_lines(ax, data, "overlap")["bayes"]
    x, y = np.array(bayes.get_xdata(), dtype=float), np.array(bayes.get_ydata(), dtype=float)
    (gap,) = np.flatnonzero(np.isnan(x))
    assert x[gap - 1] < JUMP < x[gap + 1] and np.isnan(y[gap])

    data["status"][4, 0] = Status.max_steps  # has a number, which must not be drawn
    failed = plotting.theory_lines(ax, data, "overlap", branches=["bayes"])["bayes"]
    assert np.isnan(np.array(failed.get_ydata(), dtype=float)[4])
    (cell,) = plotting.unresolved_cells(ax, data)
    assert cell.get_hatch() == "xxx"
    left, right = cell.get_x(), cell.get_x() + cell.get_width()
    assert left == pytest.approx(ALPHA[3:5].mean()) and right == pytest.approx(ALPHA[4:6].mean())


def test_an_absent_branch_is_not_a_failure(ax):
    assert plotting.unresolved_cells(ax, make_curve()) == []
    np.testing.assert_allclose(cell_edges([1.0, 2.0, 4.0]), [0.5, 1.5, 3.0, 5.0])
    assert cell_edges([2.0])[0] < 2 < cell_edges([2.0])[1]


def test_experiment_points_have_error_bars(ax):
    data = make_experiment()
    drawn = plotting.experiment_points(ax, data, "overlap")
    assert list(drawn) == ["amp", "logistic"]
    for name, container in drawn.items():
        assert container.lines[0].get_linestyle() == "None"
        segments = container.lines[2][0].get_segments()
        half = [(top - bottom) / 2 for (_, bottom), (_, top) in segments]
        expected = data["overlap_standard_error"].sel(algorithm=name)
        np.testing.assert_allclose(half, expected, rtol=1e-10)
    markers = {container.lines[0].get_marker() for container in drawn.values()}
    assert len(markers) == 2
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    assert list(hollow[0].get_xdata()) == [ALPHA[3]]


def test_hard_phase_is_hatched(ax):
    assert plotting.hard_phase(ax, 1.2, 1.5).get_hatch() == "///"


def test_thresholds_that_coincide_share_a_line(ax):
    found = {
        "information_theoretic": 1.24468,
        "algorithmic": 1.49263,
        "spinodal_uninformed": 1.49263,
        "spinodal_informed": 0.0,
        "weak_recovery": None,
    }
    lines, texts = plotting.threshold_lines(ax, found)
    assert len(lines) == 2
    assert "IT" in texts[0].get_text() and "1.245" in texts[0].get_text()
    assert "AMP" in texts[1].get_text() and "spinodal" in texts[1].get_text()


def test_phase_diagram(ax):
    data = make_phase()
    mesh, hatched = plotting.phase_cells(ax, data)
    assert mesh.get_array().mask[2, 7]
    hatches = sorted(patch.get_hatch() for patch in hatched)
    assert hatches == ["///", "///", "///", "xxx"]
    lines = plotting.boundary_lines(ax, data)
    assert list(lines) == ["information_theoretic", "algorithmic"]  # the spinodal coincides
    assert lines["algorithmic"].get_linestyle() == "--"
    assert np.isnan(lines["information_theoretic"].get_xdata()[2])
    assert lines["information_theoretic"].get_marker() == "None"


def test_critical_points_inside_the_cells_are_marked(ax):
    places = {
        "point_x": [1.0, 9.0, np.nan],
        "point_y": [0.2, 0.2, np.nan],
        "point_status": np.array([Status.converged] * 2 + [Status.no_branch], dtype=np.int8),
    }
    data = make_phase().assign({name: ("point", values) for name, values in places.items()})
    data = data.assign_coords(point=["critical_point", "critical_point_2", "tricritical_point"])
    marks = plotting.critical_marks(ax, data)
    assert list(marks) == ["critical_point"]
    assert marks["critical_point"].get_xdata() == [1.0]
    (main,) = plotting.figure(data).axes
    assert "critical point" in [line.get_label() for line in main.lines]


def test_boundaries_of_one_row_are_dots_and_those_outside_are_absent(ax):
    data = make_phase()
    data["boundary_information_theoretic"][:] = [0.8, np.nan, np.nan]
    data["boundary_algorithmic"][:] = -1.0
    lines = plotting.boundary_lines(ax, data)
    assert list(lines) == ["information_theoretic", "spinodal_uninformed"]
    assert lines["information_theoretic"].get_markevery() == [0]
    (main,) = plotting.figure(data).axes
    assert main.get_xlim()[0] < 0.1 < 2 < main.get_xlim()[1] < 2.2


def test_heat_map_hatches_failures(ax):
    data = xr.concat([make_curve(), make_curve()], dim="delta").assign_coords(delta=[0.1, 0.2])
    data = data.transpose("alpha", "delta", "branch")
    data["status"][5, 1, 0] = Status.non_finite
    mesh, failed = plotting.heat_map(ax, data, "overlap", "bayes")
    assert mesh.get_array().shape == (2, len(ALPHA))
    assert mesh.get_array().mask.sum() == 1 and mesh.get_array().mask[1, 5]
    assert [patch.get_hatch() for patch in failed] == ["xxx"]


def test_axes_are_labeled_in_words():
    for dataset in (make_curve(), make_experiment(), make_phase()):
        for ax in plotting.figure(dataset).axes:
            assert ax.get_xlabel() and ax.get_ylabel()
            assert "_" not in ax.get_xlabel().replace("_{", "")
    labels = [ax.get_ylabel() for ax in plotting.figure(make_curve()).axes]
    assert any("nats per variable" in label for label in labels)
    assert plotting.axis_label("classification_margin") == "classification margin"


def test_classification_error_is_not_the_square_loss():
    assert "fraction of wrong labels" in plotting.axis_label("bayes_error")
    assert "square loss" in plotting.axis_label("generalization_error")


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_curves_of_any_dimension(dims):
    data = make_curve()
    if dims == 0:
        data = data.isel(alpha=3, drop=True)
    for name in ["delta", "rho"][: max(dims - 1, 0)]:
        data = xr.concat([data, data], dim=name).assign_coords({name: [0.1, 0.3]})
        data = data.transpose("alpha", ..., "branch")
    figure = plotting.figure(data)
    assert len(figure.axes) == {0: 3, 1: 3, 2: 2, 3: 4}[dims]


def test_experiments_of_any_dimension():
    data = make_experiment(trajectory=False)
    assert len(plotting.figure(data).axes) == 2
    assert len(plotting.figure(data.isel(alpha=0, drop=True)).axes) == 2
    assert len(plotting.figure(make_experiment()).axes) == 3
    two = xr.concat([data, data], dim="delta").assign_coords(delta=[0.1, 0.3])
    two = two.transpose("alpha", "delta", ...)
    assert len(plotting.figure(two).axes) == 4


@pytest.mark.parametrize("make", [make_curve, make_experiment, make_phase])
def test_files_are_the_same_bytes_again(make, tmp_path):
    first = plotting.save_figure(make(), tmp_path / "a", "picture")
    second = plotting.save_figure(make(), tmp_path / "b", "picture")
    assert [path.name for path in first] == ["picture.png", "picture.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "picture.png",
        "picture.svg",
    ]


def test_an_interruption_leaves_the_old_file(tmp_path, monkeypatch):
    (old, _) = plotting.save_figure(make_curve(), tmp_path, "picture")
    before = old.read_bytes()

    def interrupted(self, path, **options):
        with open(path, "wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(mpl.figure.Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plotting.save_figure(make_phase(), tmp_path, "picture")
    assert old.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_bad_folder_or_kind_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="Argument `directory` must be a folder"):
        plotting.save_figure(make_curve(), tmp_path / "file", "picture")
    with pytest.raises(ValueError, match="Argument `dataset` must be of a kind among curve"):
        plotting.figure(xr.Dataset())


def test_matplotlib_stays_as_it_was():
    before = dict(mpl.rcParams)
    plotting.figure(make_curve())
    assert dict(mpl.rcParams) == before
    for source in Path(plotting.__file__).parent.glob("*.py"):
        assert "import pyplot" not in source.read_text() and "plt." not in source.read_text()


def test_bayes_and_amp_have_their_colors(ax):
    lines = plotting.theory_lines(ax, make_curve(), "overlap")
    points = plotting.experiment_points(ax, make_experiment(), "overlap")
    assert to_hex(lines["amp"].get_color()) == to_hex(points["amp"].lines[0].get_color())
    assert to_hex(lines["amp"].get_color()) != to_hex(lines["bayes"].get_color())


def test_a_name_that_passes_to_another_branch_breaks_the_line(ax):
    data = make_curve().sel(branch=["unstable", "amp"])
    data = data.assign_coords(branch=["unstable", "unstable_2"])
    before = ALPHA < 1.3
    middle = 0.1 + 0.5 * ALPHA
    data["overlap"][:, 0] = np.where(before, middle, 0.0)  # the middle one, then q = 0
    data["overlap"][:, 1] = np.where(before, np.nan, middle)
    data["status"][:] = np.where(np.isfinite(data["overlap"]), Status.converged, Status.no_branch)
    line = plotting.theory_lines(ax, data, "overlap")["unstable"]
    (gap,) = np.flatnonzero(np.isnan(np.array(line.get_xdata(), dtype=float)))
    assert gap == before.sum()


def test_bayes_says_that_amp_reaches_it(ax):
    data = make_curve()
    assert plotting.theory_lines(ax, data, "overlap")["bayes"].get_label() == "Bayes-optimal"
    easy = data.isel(alpha=slice(0, 10))
    label = plotting.theory_lines(ax, easy, "overlap")["bayes"].get_label()
    assert label == "Bayes-optimal, reached by AMP"


def test_labels_of_layers_say_which():
    assert plotting.axis_label("layers[1].ratio") == "outputs / inputs of layer 2, $n_{2} / n_{1}$"
    assert plotting.axis_label("mse_1") == "mean squared error of hidden layer 1, per unit"
