"""Training in PyTorch: steps, checkpoints, resumption, several processes."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.networks.three_stage import FAST
from unshine.networks.three_stage.torch import ThreeStage
from unshine.networks.weights import load_weights, save_weights
from unshine.synth import camera, patterns
from unshine.synth.procedural import Studio
from unshine.training import checkpoints
from unshine.training.recipes import UNSHINE
from unshine.training.settings import Settings
from unshine.training.torch import Run, make_fabric

SOURCE = Path(__file__).parents[2] / "src"
STEP = Path(__file__).with_name("one_step.py")


def settings(folder: Path, warmup: int = 200, **changes) -> Settings:
    recipe = replace(UNSHINE, batch=4, size=32, warmup=warmup)
    given = {"samples": 64, "recipe": recipe, "precision": "32", "device": "cpu"}
    return Settings(output=folder, **(given | changes))


def batch(seed: int, count: int = 4) -> Layers[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        scene = Studio(32, patterns.atlas(2)).render(count, generator)
        return Layers(**camera.develop(scene, generator)._asdict())


def new_run(options: Settings) -> Run:
    torch.manual_seed(0)
    return Run(options, make_fabric(options))


def test_steps_on_one_batch_lower_its_loss(tmp_path):
    run = new_run(settings(tmp_path, warmup=1))
    tuples = batch(1)
    for _ in range(12):
        run.train_step(tuples)
    totals = [float(terms["total"]) for terms in run.recent]
    assert min(totals[-3:]) < 0.9 * totals[0]


def test_a_batch_out_of_range_changes_nothing(tmp_path):
    run = new_run(settings(tmp_path, warmup=1))
    before = {name: x.clone() for name, x in run.network.state_dict().items()}
    tuples = batch(1)
    run.train_step(tuples._replace(image=tuples.image * torch.nan))
    assert all(torch.equal(x, before[name]) for name, x in run.network.state_dict().items())
    run.train_step(tuples)
    assert torch.isfinite(run.recent[-1]["total"])
    assert any(not torch.equal(x, before[name]) for name, x in run.network.state_dict().items())


def test_a_resumed_run_goes_on_as_if_never_stopped(tmp_path):
    straight = new_run(settings(tmp_path, warmup=2))
    for seed in range(3):
        straight.train_step(batch(seed))
    checkpoints.save_checkpoint(tmp_path / "c", straight.tensors(), straight.state())
    resumed = new_run(settings(tmp_path, warmup=2, resume=tmp_path / "c"))
    assert (resumed.step, resumed.samples) == (3, 12)
    for run in (straight, resumed):
        run.train_step(batch(7))
    averages = [run.ema_network.state_dict() for run in (straight, resumed)]
    for name, weight in straight.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name
        assert torch.equal(averages[0][name], averages[1][name]), name
    assert torch.equal(straight.recent[-1]["total"], resumed.recent[-1]["total"])


def test_checkpoints_are_whole_and_in_small_files(tmp_path):
    run = new_run(settings(tmp_path))
    run.train_step(batch(0))
    for _ in range(2):
        checkpoints.save_checkpoint(tmp_path / "c", run.tensors(), run.state())
    files = list((tmp_path / "c").iterdir())
    assert all(file.stat().st_size < 16_000_000 for file in files)
    tensors, state = checkpoints.load_checkpoint(tmp_path / "c")
    assert tensors.keys() == run.tensors().keys()
    assert state["step"] == 1
    with pytest.raises(UnshineError, match="no training checkpoint"):
        checkpoints.load_checkpoint(tmp_path)


def test_weights_come_back_as_half_precision(tmp_path):
    network = ThreeStage(FAST)
    save_weights(tmp_path / "w.safetensors", network)
    assert all(x.dtype == torch.float16 for x in load_file(tmp_path / "w.safetensors").values())
    again = ThreeStage(FAST)
    load_weights(tmp_path / "w.safetensors", again)
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a.half().float(), b)
    (tmp_path / "bad").write_bytes(b"not weights")
    with pytest.raises(UnshineError, match="cannot be read"):
        load_weights(tmp_path / "bad", network)
    with pytest.raises(UnshineError, match="another network"):
        load_weights(tmp_path / "w.safetensors", torch.nn.Linear(2, 2))


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


def test_two_processes_take_the_step_of_one_with_twice_the_batch(tmp_path):
    # It finds a free port itself: a fixed one may be taken.
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    for count, launcher in ((1, []), (2, torchrun)):
        command = [sys.executable, *launcher, str(STEP), str(tmp_path / str(count))]
        subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=300)
    one, two = (load_file(tmp_path / name / "gradients.safetensors") for name in ("1", "2"))
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        assert torch.allclose(gradient, two[name], rtol=1e-3, atol=1e-7), name


def test_training_runs_uninstalled_and_without_onnxruntime(tmp_path):
    code = "import sys, runpy; sys.modules['onnxruntime'] = None; sys.argv[0] = 'unshine';"
    code += "runpy.run_module('unshine', run_name='__main__')"
    options = ["train", "-o", str(tmp_path), "--samples", "8", "--batch", "4", "--size", "32"]
    command = [sys.executable, "-c", code, *options, "--device", "cpu", "--precision", "32"]
    subprocess.run(command, env=environment(), check=True, cwd=tmp_path, timeout=300)
    made = {path.name for path in tmp_path.iterdir()}
    assert {"weights.safetensors", "validation.csv", "sheet.png", "curves.png"} <= made
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text())
    assert state["samples"] == 8
    with (tmp_path / "validation.csv").open() as file:
        assert [int(row["samples"]) for row in csv.DictReader(file)][-1] == 8
