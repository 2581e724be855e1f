"""Every command that the README shows, as a process of its own, from outside the checkout."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README, EXTENDING = ROOT / "README.md", ROOT / "docs" / "extending.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """Pairs of a command and the output that is shown below it, perhaps none."""
    entries = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (e.partition("\n") for e in entries)]


def run_block(block: str, folder: Path, checker: doctest.OutputChecker) -> None:
    """Run the commands of a block one after the other in one folder."""
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    for command, output in commands(block):
        answer = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": path, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert answer.returncode == 0, f"{command}\n{answer.stderr}"
        if output:
            assert checker.check_output(output, answer.stdout, FLAGS), answer.stdout


@pytest.mark.parametrize("number", range(len(blocks(README, "console"))))
def test_readme_commands(number, tmp_path, checker):
    run_block(blocks(README, "console")[number], tmp_path, checker)


def test_a_brick_from_a_file(tmp_path, checker):
    (bricks,) = [block for block in blocks(EXTENDING, "python") if "Ternary" in block]
    (tmp_path / "my_bricks.py").write_text(bricks, encoding="utf-8")
    (shown,) = blocks(EXTENDING, "console")
    run_block(shown, tmp_path, checker)


def test_the_readme_shows_commands():
    shown = "".join(blocks(README, "console"))
    for command in ("thresholds", "curve", "phase", "experiment", "rerun"):
        assert f"$ solvable {command} " in shown
