"""An installation that is not whole: one line that says what to install."""

import subprocess
import sys

import pytest
from installation import ROOT, errors_in

INSTALL = (
    "run .venv/bin/python runner.py, after python3 -m venv .venv"
    " && .venv/bin/pip install --require-hashes -r requirements.txt"
)


@pytest.mark.parametrize("command", [[], ["migrate"], ["verify", "--json"], ["--help"]])
def test_a_python_without_our_packages_is_told(command):
    result = subprocess.run(
        [sys.executable, "-S", ROOT / "runner.py", *command], env={}, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert errors_in(result) == [f"{sys.executable} does not have the package psycopg2: {INSTALL}"]
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.only_pg("pg18")
def test_one_that_lacks_a_package_that_is_needed_later_is_told(database, installation, tmp_path):
    (tmp_path / "yoyo.py").write_text("raise ModuleNotFoundError('No module named yoyo', name='yoyo')\n")
    result = installation.run("migrate", database=database, env={"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 2
    assert errors_in(result) == [f"{sys.executable} does not have the package yoyo: {INSTALL}"]
