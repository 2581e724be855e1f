"""Every command that the README shows, as a process of its own, from outside the checkout."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def commands() -> list[tuple[str, str]]:
    """Pairs of a command and the output printed below it, from the blocks marked `console`."""
    text = README.read_text(encoding="utf-8")
    shown = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    pairs = []
    for block in shown:
        for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = entry.partition("\n")
            pairs.append((command, output))
    return pairs


@pytest.mark.parametrize(("command", "output"), commands(), ids=[pair[0] for pair in commands()])
def test_command(command, output, tmp_path):
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "COLUMNS": "99",
        "NO_COLOR": "1",
    }
    answer = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    checker = doctest.OutputChecker()
    assert checker.check_output(output, answer.stdout, FLAGS), answer.stdout


def test_the_readme_shows_commands():
    assert len(commands()) >= 2
