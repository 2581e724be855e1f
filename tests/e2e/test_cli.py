"""Every command, run from a folder outside the checkout; every kind of bad input."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.e2e.conftest import strictly

pytestmark = pytest.mark.usefixtures("folder")

PERCEPTRON = "GLM(prior=Rademacher(), channel=Sign())"
LINEAR = "GLM(prior=Gaussian(), channel=Linear(delta=0.1))"
SENSING = "GLM(prior=GaussBernoulli(rho=0.1), channel=Linear())"


def process(*arguments, **options):
    """Run a command as users do, in a process of its own."""
    command = [os.path.join(os.path.dirname(sys.executable), "solvable"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


# -------------------------------------------------------------------------------------------------
# Processes of their own


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["curve", "--help"]])
def test_help_and_list_import_no_jax(arguments):
    ran = process(*arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    code = (
        "import sys; from solvable.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: assert not {'jax', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_curve_as_a_process():
    ran = process("curve", PERCEPTRON, "--over", "alpha=1,1.4,1.6", "--json")
    assert ran.returncode == 0
    document = strictly(ran.stdout)
    assert document["model"] == PERCEPTRON
    assert document["over"] == {"alpha": [1.0, 1.4, 1.6]}
    branches = document["branches"]
    assert {"bayes", "amp", "informed", "unstable"} <= set(branches)
    assert branches["bayes"]["overlap"][1:] == pytest.approx([1, 1], abs=1e-9)
    assert branches["amp"]["overlap"][1] < 0.95
    assert branches["unstable"]["status"][2] == "no_branch"
    assert branches["unstable"]["overlap"][2] is None


def test_thresholds_as_a_process():
    ran = process("thresholds", PERCEPTRON, "alpha", "--json", "--quiet")
    assert (ran.returncode, ran.stderr) == (0, "")
    document = strictly(ran.stdout)
    assert (document["model"], document["parameter"]) == (PERCEPTRON, "alpha")
    found = document["thresholds"]
    assert found["information_theoretic"]["value"] == pytest.approx(1.24468, abs=1e-4)
    assert found["algorithmic"]["value"] == pytest.approx(1.49263, abs=1e-4)
    assert found["algorithmic"]["error_bound"] <= 1e-6
    assert found["weak_recovery"] == {
        "value": None,
        "error_bound": found["weak_recovery"]["error_bound"],
        "status": "no_branch",
    }


def test_interrupt_is_one_line_and_leaves_files_alone(folder):
    (folder / "out").mkdir()
    (folder / "out" / "experiment.nc").write_text("the old result")
    # a background job ignores interrupts, and hands that down
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from solvable.cli import main; main()"
    )
    grid = "alpha=0.5:2:200"
    ran = subprocess.Popen(
        [sys.executable, "-c", code, "experiment", PERCEPTRON, "--over", grid, "--out", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert ran.stderr is not None
    ran.stderr.readline()  # the line that says that it is at work
    ran.send_signal(signal.SIGINT)
    out, err = ran.communicate(timeout=60)
    assert ran.returncode == 130
    assert out == ""
    assert [line for line in err.splitlines() if "interrupted" in line] == [
        "solvable: interrupted."
    ]
    assert "Traceback" not in err
    assert (folder / "out" / "experiment.nc").read_text() == "the old result"
    assert os.listdir(folder / "out") == ["experiment.nc"]


# -------------------------------------------------------------------------------------------------
# Answers


def test_no_command_and_version(solvable):
    code, out, _ = solvable()
    assert code == 0
    assert "thresholds" in out
    code, out, _ = solvable("--version")
    assert (code, out.split()[0]) == (0, "solvable")


def test_list(solvable, answer):
    code, out, _ = solvable("list")
    assert code == 0
    assert "Rademacher" in out
    assert "barbier2019" in out
    document = answer("list")
    assert {"models", "priors", "channels"} <= set(document)
    (rademacher,) = [card for card in document["priors"] if card["name"] == "Rademacher"]
    assert rademacher["rigour"] == "theorem"
    assert set(answer("list", "channels")) == {"channels"}
    assert solvable("list", "--out", "out", "--quiet")[0] == 0
    with open("out/list.json") as file:
        assert strictly(file.read()) == document


def test_curve_of_one_point(answer):
    document = answer("curve", LINEAR.replace("))", "), alpha=2)"))
    assert document["over"] == {}
    entry = document["branches"]["bayes"]
    # Gaussian prior: q_hat = alpha / (delta + V), V = 1 / (1 + q_hat)
    V = entry["mse"][0]
    assert abs(V * (1 + 2 / (0.1 + V)) - 1) < 1e-9
    assert entry["status"] == ["converged"]
    assert len(entry["error_bound"]) == 1


def test_curve_over_two_parameters(answer):
    document = answer("curve", LINEAR, "--over", "delta=0.1,1", "--over", "alpha=0.5:2:3")
    assert list(document["over"]) == ["delta", "alpha"]
    assert np.shape(document["branches"]["bayes"]["mse"]) == (2, 3)


def test_infinity_is_a_text(answer):
    spec = "GLM(prior=Gaussian(), channel=Linear(), alpha=2)"
    assert answer("curve", spec)["branches"]["bayes"]["free_entropy"] == ["inf"]


def test_files_and_rerun(folder, solvable):
    grid = ["--over", "alpha=1,2"]
    code, first, err = solvable("curve", LINEAR, *grid, "--json", "--out", "out")
    assert code == 0
    assert "wrote out/curve.nc, " in err
    assert sorted(os.listdir("out")) == ["curve.nc", "curve.png", "curve.svg"]
    code, second, err = solvable("rerun", "out/curve.nc", "--json", "--out", "new/folder")
    assert (code, second) == (0, first)
    assert "bit for bit" in err
    assert sorted(os.listdir("new/folder")) == sorted(os.listdir("out"))
    assert sorted(os.listdir(folder)) == ["new", "out"]


def test_thresholds_for_people_and_rerun(solvable):
    code, table, _ = solvable("thresholds", SENSING, "alpha", "--out", "out")
    assert code == 0
    assert "0.2075" in table
    assert os.listdir("out") == ["thresholds.json"]
    code, again, _ = solvable("rerun", "out/thresholds.json")
    assert (code, again) == (0, table)


def test_phase(answer, solvable):
    axes = ["--x", "alpha=0.1:0.5:4", "--y", "rho=0.1,0.2,0.3"]
    spec = "GLM(prior=GaussBernoulli(rho=0.5), channel=Linear(delta=1e-6))"
    document = answer("phase", spec, *axes, "--critical")
    assert (document["x"], document["y"]) == ("alpha", "rho")
    assert np.shape(document["map"]["phase"]) == (3, 4)
    assert {cell for row in document["map"]["phase"] for cell in row} <= {
        *("easy", "hard", "impossible"),
        None,
    }
    for line in document["boundaries"].values():
        assert len(line["x"]) == len(line["y"]) == 3
        assert line["rigour"]
    assert {"critical_point", "tricritical_point"} <= set(document["points"])
    code, table, _ = solvable("phase", spec, *axes, "--critical", "--out", "out")
    assert code == 0
    assert "critical_end_point" in table
    assert "algorithmic" in table
    assert sorted(os.listdir("out")) == ["phase.nc", "phase.png", "phase.svg"]


def test_experiment(answer, solvable):
    run = ["experiment", LINEAR, "--over", "alpha=2,3", "--size", "300", "--instances", "3"]
    document = answer(*run, "--trajectory", "--out", "out")
    assert set(document) == {"model", "over", "branches", "experiment", "trajectory"}
    amp = document["experiment"]["amp"]
    assert amp["status"] == ["converged", "converged"]
    theory = document["branches"]["amp"]["mse"]
    assert amp["mse"]["mean"] == pytest.approx(theory, abs=0.05)
    assert min(amp["mse"]["standard_error"]) > 0
    assert len(document["experiment"]) > 1
    trajectory = document["trajectory"]
    assert np.shape(trajectory["mse"]["mean"]) == (2, len(trajectory["iteration"]))
    assert sorted(os.listdir("out")) == ["experiment.nc", "experiment.png", "experiment.svg"]
    alone = answer(*run, "--no-baselines")
    assert set(alone["experiment"]) == {"amp"}
    assert alone["experiment"]["amp"]["mse"] == amp["mse"]
    other = answer(*run, "--no-baselines", "--seed", "1")
    assert other["experiment"]["amp"]["mse"] != amp["mse"]
    code, table, err = solvable("rerun", "out/experiment.nc")
    assert code == 0
    assert "bit for bit" in err
    assert "theory (amp)" in table
    assert "±" in table


def data(n=300, p=200, mean=0.0):
    """A design, a signal and its observation, in files."""
    rng = np.random.default_rng(0)
    X = rng.normal(mean, 1, size=(n, p)) / np.sqrt(p)
    w = rng.normal(size=p)
    y = X @ w + np.sqrt(0.1) * rng.normal(size=n)
    np.save("X.npy", X)
    np.save("y.npy", y)
    np.save("labels.npy", np.sign(y))
    np.savez("both.npz", X=X, y=y)
    np.savetxt("y.csv", y)
    return X, w, y


def test_infer(answer, solvable):
    X, w, y = data()
    document = answer("infer", LINEAR, "--design", "X.npy", "--observation", "y.npy")
    exact = np.linalg.solve(X.T @ X / 0.1 + np.eye(len(w)), X.T @ y / 0.1)
    assert document["status"] == "converged"
    assert np.mean((np.array(document["mean"]) - exact) ** 2) < 0.01
    assert document["estimated_mse"] == pytest.approx(np.mean((exact - w) ** 2), rel=0.3)
    assert len(document["variance"]) == len(w)
    for names in (["both.npz:X", "both.npz:y"], ["X.npy", "y.csv"]):
        same = answer("infer", LINEAR, "--design", names[0], "--observation", names[1])
        assert same == document
    code, table, _ = solvable(
        *("infer", LINEAR, "--design", "X.npy", "--observation", "y.npy", "--out", "out")
    )
    assert code == 0
    assert "converged" in table
    with np.load("out/infer.npz") as saved:
        assert saved["mean"].tolist() == document["mean"]


def test_a_run_that_fails_is_answered_with_exit_code_1(solvable):
    data(mean=3.0)  # a design with a mean is outside of what AMP can do
    files = ["--design", "X.npy", "--observation", "y.npy"]
    code, out, _ = solvable("infer", LINEAR, *files, "--json", "--out", "out")
    assert code == 1
    assert strictly(out)["status"] in ("left_domain", "max_steps")
    assert os.listdir("out") == ["infer.npz"]


def test_cite(answer, solvable):
    code, out, _ = solvable("cite", PERCEPTRON)
    assert code == 0
    assert "@article{barbier2019," in out
    document = answer("cite", PERCEPTRON, "--out", "out")
    assert out.count("\n@") == len(document["references"])
    assert document["rigour"] == "theorem"
    assert out.startswith(f"% {PERCEPTRON}: theorem")
    assert os.listdir("out") == ["references.bib"]


def test_gallery_lists_its_figures(solvable, answer):
    names = {card["name"] for card in answer("gallery")["gallery"]}
    assert {"perceptron-binary", "perceptron-gaussian", "perceptron-door"} <= names
    code, _, err = solvable("gallery", "perceptron-binry")
    assert code == 2
    assert "the nearest is `perceptron-binary`" in err


def test_tables_for_people(solvable):
    code, out, _ = solvable("curve", LINEAR, "--over", "alpha=0.5:2:200")
    assert code == 0
    assert "mutual_information" in out
    assert "of 200 points" in out
    assert len(out.splitlines()) < 100


BRICK = '''
import jax.numpy as jnp

from solvable.bricks.priors.mixture import AbstractMixturePrior, Components
from solvable.core.arguments import parameter, positive


class Coin(AbstractMixturePrior):
    """+-size with probability 1/2 each."""

    size: float = parameter("size", positive, default=1.0)

    def components(self):
        means = jnp.stack([-self.size, self.size])
        return Components(jnp.array([0.5, 0.5]), means, jnp.zeros(2))
'''


def test_a_users_brick(folder, answer, monkeypatch):
    from solvable import catalog

    monkeypatch.setattr(catalog, "_added", {})
    (folder / "coin.py").write_text(BRICK)
    run = ["--over", "alpha=1,1.6", "--load", "coin.py"]
    mine = answer("curve", PERCEPTRON.replace("Rademacher()", "Coin(size=1)"), *run)
    known = answer("curve", PERCEPTRON, "--over", "alpha=1,1.6")
    for branch in ("bayes", "amp"):
        overlap = mine["branches"][branch]["overlap"]
        assert overlap == pytest.approx(known["branches"][branch]["overlap"], abs=1e-7)


def test_shell_completion():
    environment = {**os.environ, "_SOLVABLE_COMPLETE": "complete_bash"}
    environment |= {"COMP_WORDS": "solvable thr", "COMP_CWORD": "1"}
    assert process(env=environment).stdout.split() == ["thresholds"]
    environment |= {"COMP_WORDS": "solvable gallery perceptron-b", "COMP_CWORD": "2"}
    assert process(env=environment).stdout.split() == ["perceptron-binary"]


# -------------------------------------------------------------------------------------------------
# Bad input: exit code 2, one line on stderr, nothing on stdout, nothing written


def glm(prior="Gaussian()", channel="Linear(delta=0.1)", rest=", alpha=1"):
    return f"GLM(prior={prior}, channel={channel}{rest})"


def graph(edges, rest=""):
    return f"SpikedWigner(prior=Rademacher(), {rest}channel=BernoulliEdges(probability={edges}))"


INFER = ["infer", LINEAR, "--design", "X.npy", "--observation", "y.npy"]
BAD = {
    "unknown command": (["crve", LINEAR], "curve"),
    "unknown option": (["curve", LINEAR, "--ovr", "alpha=1"], "--over"),
    "no spec": (["curve"], "SPEC"),
    "unknown model": (["curve", "GLN(prior=Gaussian())"], "the nearest is `GLM`"),
    "unknown prior": (["curve", glm("Rademaker()")], "the nearest is `Rademacher`"),
    "unknown channel": (["curve", glm(channel="Signn()")], "the nearest is `Sign`"),
    "unknown keyword": (["curve", glm("Gaussian(vriance=1)")], "the nearest is `variance`"),
    "prior unset": (["curve", glm("GaussBernoulli()")], "Argument `prior.rho`"),
    "missing keyword": (["curve", glm("Discrete(values=[0, 1])")], "Argument `probabilities`"),
    "negative variance": (["curve", glm("Gaussian(variance=-1)")], "Argument `variance`"),
    "negative noise": (["curve", glm(channel="Linear(delta=-1)")], "Argument `delta`"),
    "bool for a number": (["curve", glm("Gaussian(variance=True)")], "Argument `variance`"),
    "probabilities": (
        ["curve", glm("Discrete(values=[0, 1], probabilities=[0.5, 0.6])")],
        "Argument `probabilities`",
    ),
    "lengths": (
        ["curve", glm("Discrete(values=[0, 1, 2], probabilities=[0.5, 0.5])")],
        "probabilities",
    ),
    "a prior for a model": (["curve", "Rademacher()"], "must be a model"),
    "a channel for a prior": (["curve", glm("Sign()")], "Argument `prior`"),
    "noise of a channel": (["curve", graph("0.5", "delta=1, ")], "Argument `delta`"),
    "sure edges": (["curve", graph("1")], "Argument `probability`"),
    "alpha zero": (["curve", glm(rest=", alpha=0")], "Argument `alpha`"),
    "alpha negative": (["curve", LINEAR, "--over", "alpha=-1,1"], "alpha"),
    "alpha unset": (["curve", LINEAR], "Argument `alpha`"),
    "empty range": (["curve", LINEAR, "--over", "alpha=1:2:0"], "Argument `over`"),
    "reversed range": (["curve", LINEAR, "--over", "alpha=2:1:5"], "Argument `over`"),
    "infinite range": (["curve", LINEAR, "--over", "alpha=1:inf:5"], "Argument `over`"),
    "no grid": (["curve", LINEAR, "--over", "alpha"], "Argument `over`"),
    "unknown parameter": (["curve", LINEAR, "--over", "alhpa=1,2"], "nearest is `alpha`"),
    "unknown threshold": (["thresholds", LINEAR, "alhpa"], "nearest is `alpha`"),
    "import": (["curve", "__import__('os').system('touch x')"], "`__import__`"),
    "attribute": (["curve", LINEAR + ".prior"], "an attribute"),
    "comprehension": (["curve", "GLM(prior=[1 for i in x])"], "a comprehension"),
    "twice": (["curve", glm(rest=", alpha=1, alpha=2")], "twice"),
    "overflow": (["curve", glm(rest=", alpha=1e999")], "not finite"),
    "same axes": (
        ["phase", LINEAR, "--x", "alpha=1,2", "--y", "alpha=1,2"],
        "Argument `y`",
    ),
    "no axis": (["phase", LINEAR, "--x", "alpha=1,2"], "--y"),
    "size": (["experiment", LINEAR, "--over", "alpha=1", "--size", "0"], "Argument `size`"),
    "size word": (["experiment", LINEAR, "--over", "alpha=1", "--size", "x"], "Argument `size`"),
    "instances": (["experiment", LINEAR, "--instances", "-1"], "Argument `instances`"),
    "seed": (["curve", glm(), "--seed", "-1"], "Argument `seed`"),
    "no such design": ([*INFER[:3], "Z.npy", *INFER[4:]], "Argument `design`"),
    "nan": ([*INFER[:5], "nan.npy"], "Argument `observation`"),
    "infinite": ([*INFER[:3], "inf.npy", *INFER[4:]], "Argument `design`"),
    "shapes": ([*INFER[:5], "short.npy"], "observation"),
    "vector design": ([*INFER[:3], "y.npy", *INFER[4:]], "Argument `design`"),
    "labels": (
        ["infer", LINEAR.replace("Linear(delta=0.1)", "Sign()"), *INFER[2:]],
        "observation",
    ),
    "text": ([*INFER[:5], "text.npy"], "Argument `observation`"),
    "no such result": (["rerun", "none.nc"], "Argument `result`"),
    "no result": (["rerun", "X.npy"], "Argument `result`"),
    "no such file": (["list", "--load", "none.py"], "Argument `load`"),
    "no such kind": (["list", "prors"], "the nearest is `priors`"),
    "no such figure": (["gallery", "perceptrn-door"], "the nearest is `perceptron-door`"),
    "folder is a file": (["curve", glm(), "--out", "X.npy"], "Argument `out`"),
    "folder in proc": (["curve", glm(), "--out", "/proc/none"], "Argument `out`"),
    "bare function": (["curve", glm("Density(log_density=<function f>)")], "bare Python function"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(kind, folder, solvable):
    arguments, named = BAD[kind]
    data(30, 20)
    y = np.load("y.npy")
    np.save("short.npy", y[:-1])
    np.save("text.npy", y.astype(str))
    y[3] = np.nan
    np.save("nan.npy", y)
    np.save("inf.npy", np.full((30, 20), np.inf))
    before = sorted(os.listdir(folder))
    options = [] if "--out" in arguments or arguments[0] == "crve" else ["--out", "out"]
    code, out, err = solvable(*arguments, *options)
    assert (code, out) == (2, ""), err
    assert err.startswith("solvable: ")
    assert err.count("\n") == 1
    assert named in err
    assert sorted(os.listdir(folder)) == before


def test_bad_input_as_a_process():
    ran = process("curve", "GLM(prior=Gausian(), channel=Sign(), alpha=1)")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert "the nearest is `Gaussian`" in ran.stderr


def test_a_reader_that_leaves(folder):
    command = os.path.join(os.path.dirname(sys.executable), "solvable")
    ran = subprocess.run(
        ["sh", "-c", f"'{command}' list --json | true"], capture_output=True, text=True
    )
    assert ran.stderr == ""


def test_entropy_of_a_network(folder, answer, solvable):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(30, 40)) / 40**0.5, rng.normal(size=(20, 30)) / 30**0.5
    np.savez("w.npz", W1=first, W2=second)
    np.save("w.npy", first)
    found = answer("entropy", "w.npz", "--activations", "linear,linear", "--delta", "0.1")
    assert found["layers"]["units"] == [30, 20]
    assert found["layers"]["status"] == ["converged", "converged"]
    for arguments, message in (
        (("w.npz", "--activations", "linear"), "`activations` must name one for each of 2 mat"),
        (("w.npy", "--activations", "linear"), "`weights` must be an .npz file"),
        (("none.npz", "--activations", "linear"), "`weights` must be an existing file"),
    ):
        code, out, err = solvable("entropy", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
