"""The example notebook runs from top to bottom, cell by cell, as its reader would run it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "evidence.ipynb"


@pytest.mark.long
def test_the_notebook_runs_and_shows_what_it_says(tmp_path):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 4 and all(not cell.get("outputs") for cell in cells)
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join(code))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert " findings" in done.stdout and "listening: r = +" in done.stdout


@pytest.mark.long
def test_the_notebook_of_preference_data_runs_and_finds_the_writer_who_does_not_listen(tmp_path):
    cells = json.loads((NOTEBOOK.parent / "preferences.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 5 and all(not cell.get("outputs") for cell in cells)
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join(code))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "40 questions, 2960 answers" in done.stdout and done.stdout.count("outside") == 5


@pytest.mark.long
def test_the_notebook_that_trains_an_adapter_moves_its_answers_and_exports_it(tmp_path):
    cells = json.loads((NOTEBOOK.parent / "train_a_diplomat.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 6 and all(not cell.get("outputs") for cell in cells)
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join(code))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'README.md'" in done.stdout and "'training.html'" in done.stdout
    assert "before:" in done.stdout and "after:" in done.stdout
    closed = [int(share) for share in re.findall(r"(-?\d+)% of the way", done.stdout)]
    assert closed and sum(closed) / len(closed) > 30
    assert "ollama create pocket-1-diplomat" in done.stdout
