"""What a stranger installs: the wheel, what comes with it, how much it weighs, and that it works there."""

import os
import shutil
import statistics
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
MB = 1_000_000
MOST_WHEEL_MB, MOST_INSTALLED_MB, MOST_HELP_SECONDS = 40, 650, 0.5
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy", ".npz", ".joblib")


def outside() -> dict[str, str]:
    """An environment that does not see this checkout."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def run(*command, cwd):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=outside())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("cityfolk-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A fresh environment with the wheel and its dependencies; return its folder."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    yield folder
    shutil.rmtree(folder)  # hundreds of megabytes, of which pytest would keep three


def test_the_wheel_is_small_and_holds_weights_and_packs_and_no_pickle(wheel):
    assert wheel.stat().st_size <= MOST_WHEEL_MB * MB
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert not [name for name in names if name.endswith(PICKLES)]
    for folder, files in {
        "pocket/weights": ("model.safetensors", "config.json", "tokenizer.json"),
        "places/packs/cambridge_ma": ("place.toml", "tables.csv", "associations.csv"),
    }.items():
        assert {f"cityfolk/{folder}/{name}" for name in files} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if not name.startswith(("cityfolk/", "cityfolk-"))]


def test_nothing_in_the_wheel_is_missing_from_the_package(wheel):
    """Every file that the package has in the checkout is in the wheel."""
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    source = ROOT / "src"
    here = {str(path.relative_to(source)) for path in (source / "cityfolk").rglob("*") if path.is_file()}
    missing = {name for name in here - names if "__pycache__" not in name and not name.endswith((".pyc", ".tmp"))}
    assert not missing


def test_a_fresh_install_is_light(installed):
    packages = run(
        installed / "bin" / "python", "-m", "pip", "list", "--format=freeze", cwd=installed
    ).lower().splitlines()  # fmt: skip
    names = {line.partition("==")[0] for line in packages}
    assert "cityfolk" in names and not names & {"torch", "pandas", "transformers"}
    # cityfolk and what it depends on: pip was there before.
    files = [path for path in installed.rglob("*") if path.is_file() and not path.is_symlink()]
    files = [path for path in files if not {"pip", "setuptools"} & set(path.relative_to(installed).parts)]
    total = sum(path.stat().st_size for path in files) / MB
    assert total <= MOST_INSTALLED_MB, f"{total:.0f} MB"


def test_a_fresh_install_works(installed, tmp_path):
    script = installed / "bin" / "cityfolk"
    assert "cambridge-ma" in run(script, "places", cwd=tmp_path)
    assert "pocket" in run(script, "engines", cwd=tmp_path)
    where = run(installed / "bin" / "python", "-c", "import cityfolk; print(cityfolk.__path__[0])", cwd=tmp_path)
    assert where.startswith(str(installed))
    run(script, "people", ROOT / "tests" / "packs" / "port_selene", "--out", tmp_path / "s", cwd=tmp_path)


def test_help_comes_at_once(installed, tmp_path):
    """The one timed test: half a second to `--help` is part of what is promised. Median of five, after one to warm."""
    seconds = []
    for _ in range(6):
        began = time.perf_counter()
        run(installed / "bin" / "cityfolk", "--help", cwd=tmp_path)
        seconds.append(time.perf_counter() - began)
    assert statistics.median(seconds[1:]) <= MOST_HELP_SECONDS, seconds
