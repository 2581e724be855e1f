"""Create a virtual environment with pip from nothing but python3 (no root, no ensurepip needed).

    python3 tools/bootstrap.py .venv

Some systems ship `python3` without `ensurepip` (Debian without `python3-venv`); there pip's wheel
is fetched from the package index, checked against the index's digest, and installs itself.
"""

import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
from pathlib import Path

OLDEST = (3, 11)
INDEX = "https://pypi.org/pypi/pip/json"


def install_pip_from_index(python: Path) -> None:
    """Let pip's own wheel, which is executable, install itself with `python`."""
    with urllib.request.urlopen(INDEX, timeout=180) as answer:
        files = json.load(answer)["urls"]
    wheel = next(file for file in files if file["filename"].endswith(".whl"))
    url = urllib.parse.urljoin(INDEX, wheel["url"])  # mirrors may answer with relative addresses
    with urllib.request.urlopen(url, timeout=180) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
        sys.exit(f"{url} does not have the digest that the index gives for it.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / wheel["filename"]
        path.write_bytes(content)
        subprocess.run([python, path / "pip", "install", "--quiet", path], check=True)


def main() -> None:
    """Create the environment named on the command line unless it is there and works."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Solvable needs Python 3.11 or newer, but `{sys.executable}` is {found}; "
            "name another one: make PYTHON=python3.11"
        )
    target = Path(sys.argv[1])
    python = target / "bin" / "python"
    works = python.exists() and subprocess.run([python, "-c", "import pip"]).returncode == 0
    if works:
        return
    with_pip = importlib.util.find_spec("ensurepip") is not None
    venv.create(target, clear=True, symlinks=True, with_pip=with_pip)
    if not with_pip:
        install_pip_from_index(python)


if __name__ == "__main__":
    main()
