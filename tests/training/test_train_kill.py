"""Real processes: killed in mid-training, a disk that fills up, two processes that share a step."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.engines.tiny_models import save_model
from tests.training.studies import write_study
from tests.training.test_train_stage import adapter, alike, events, recipe_file

pytestmark = pytest.mark.long
STEPS = 40
# Runs in a mount namespace of its own, in which a small disk holds the adapters.
FULL = """
import subprocess, sys
from pathlib import Path

disk, size, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", str(disk)], check=True)
done = subprocess.run(words, capture_output=True, text=True)
print(done.returncode, sorted(path.name for path in disk.glob("*/checkpoints/*")))
print(done.stderr.splitlines()[-2:])
subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
done = subprocess.run(words, capture_output=True, text=True)
print(done.returncode, done.stderr if done.returncode else (disk / "diplomat" / "training.json").exists())
"""


@pytest.fixture
def made(tmp_path):
    model = save_model(tmp_path / "tiny", num_hidden_layers=2)
    for name in ("whole", "killed"):
        write_study(tmp_path / name, about=4, short=True)
    return tmp_path, recipe_file(tmp_path, model, steps=STEPS, eval_every=10, save_every=5, dropout=0.2)


def words(study, recipe):
    return [sys.executable, "-m", "cityfolk", "train", str(study), "--persona", "Diplomat", "--recipe", recipe]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def finish(study, recipe):
    done = subprocess.run(words(study, recipe), capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


def test_killed_at_any_step_it_ends_with_the_same_curve_and_the_same_adapter(made):
    folder, recipe = made
    finish(folder / "whole", recipe)
    path = folder / "killed" / "adapters" / "diplomat" / "training.jsonl"
    kills = sorted(random.Random(5).sample(range(4, STEPS - 4), 3))
    for kill in kills:
        process = subprocess.Popen(words(folder / "killed", recipe), stderr=subprocess.PIPE, env=environment())
        while process.poll() is None and (not path.exists() or f'"step": {kill},' not in path.read_text()):
            time.sleep(0.005)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert len([e for e in events(folder / "killed") if e["event"] == "train"]) < STEPS
    finish(folder / "killed", recipe)
    alike(events(folder / "killed"), events(folder / "whole"))
    found, expected = adapter(folder / "killed"), adapter(folder / "whole")
    assert all(np.allclose(found[name], expected[name], atol=1e-6) for name in expected)


def test_a_disk_that_fills_up(made):
    if os.environ.get("CITYFOLK_NO_MOUNT") == "1" and subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no mounts here, and CITYFOLK_NO_MOUNT=1 says that this is known")
    folder, recipe = made
    study = folder / "killed"
    (study / "adapters").mkdir()
    command = ["unshare", "-m", sys.executable, "-c", FULL, str(study / "adapters"), "136k", *words(study, recipe)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    code, kept = done.stdout.splitlines()[0].split(" ", 1)
    assert code == "5" and "step-" in kept and ".tmp" not in kept, done.stdout
    assert "the disk is full" in done.stdout.splitlines()[1]
    assert done.stdout.splitlines()[2] == "0 True", done.stdout


def test_two_processes_share_a_step(made):
    folder, recipe = made
    shared = folder / "shared.toml"
    shared.write_text(Path(recipe).read_text().replace("dropout = 0.2", "dropout = 0.0") + "\ngpus = 2\n")
    alone = folder / "alone.toml"
    alone.write_text(shared.read_text().replace("gpus = 2", "gpus = 1"))
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29611", "-m", "cityfolk"]
    command = [sys.executable, *launch, *words(folder / "killed", str(shared))[3:], "--name", "two", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["processes"] == 2
    command = [*words(folder / "killed", str(alone)), "--name", "one"]
    assert subprocess.run(command, env=environment(), capture_output=True).returncode == 0
    # Sums in another order differ by rounding, which steps at this rate let grow.
    two, one = (
        [event["loss"] for event in events(folder / "killed", name) if event["event"] != "control"]
        for name in ("two", "one")
    )
    assert len(two) == len(one) > STEPS and two == pytest.approx(one, rel=1e-2, abs=1e-4)
