"""The command line in this process, from a folder outside the checkout."""

import json
import sys

import pytest

from solvable import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def solvable(capfd, folder):
    """Run a command in this process; its exit code and what it wrote."""

    def run(*arguments):
        hook = sys.excepthook
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main([str(argument) for argument in arguments])
        finally:
            sys.excepthook = hook
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture
def answer(solvable):
    """Run a command with --json that must succeed; its document, read strictly."""

    def run(*arguments):
        code, out, err = solvable(*arguments, "--json", "--quiet")
        assert (code, err) == (0, "")
        assert out.count("\n") == 1
        return strictly(out)

    return run


def strictly(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)
