"""The paper's recipe, on a TSHRNet with few channels."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unshine.errors import UnshineError
from unshine.layers import Layers
from unshine.networks import tshrnet
from unshine.networks.weights import read_weights, save_weights
from unshine.training import checkpoints
from unshine.training.recipes import PAPER, VARIANTS
from unshine.training.settings import Settings
from unshine.training.torch import Run, make_fabric, train


def settings(folder: Path, variant: str = "published", rate: float = 1e-4, **changes) -> Settings:
    recipe = replace(VARIANTS[variant], width=4, batch=2, synthetic=2, rate=rate)
    given = {"samples": 64, "recipe": recipe, "device": "cpu"}
    return Settings(folder, **(given | changes))


def batch(seed: int) -> Layers[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    colours = [torch.rand((2, 3, 4, 4), generator=generator) for _ in PAPER.truth]
    large = (x.repeat_interleave(64, 2).repeat_interleave(64, 3) for x in colours)
    return Layers(**dict(zip(PAPER.truth, large, strict=True)))


def new_run(given: Settings) -> Run:
    return Run(given, make_fabric(given))


def test_its_settings_are_the_papers(tmp_path):
    assert (PAPER.batch, PAPER.size, PAPER.rate) == (16, 256, 1e-4)
    group = new_run(settings(tmp_path)).optimiser.param_groups[0]
    assert (group["betas"], group["weight_decay"]) == ((0.5, 0.999), 0)
    with pytest.raises(UnshineError, match="size of 256"):
        replace(PAPER, size=128)


@pytest.mark.parametrize("variant", tshrnet.VARIANTS)
def test_its_loss_falls(tmp_path, variant):
    run = new_run(settings(tmp_path, variant=variant, rate=1e-2))
    for _ in range(8):
        run.train_step(batch(0))
    first, last = run.recent[0], run.recent[-1]
    assert first.keys() == {*tshrnet.OUTPUTS[variant], "total"}
    assert float(last["total"]) < 0.9 * float(first["total"])
    # The rate really falls, and BatchNorm really learns.
    assert run.rate < 1e-2
    assert run.network.training
    assert float(run.network.UNet1.Cv1.after.running_var.std()) > 0


def test_it_resumes_as_if_never_stopped(tmp_path):
    straight = new_run(settings(tmp_path))
    straight.train_step(batch(0))
    checkpoints.save_checkpoint(tmp_path / "c", straight.tensors(), straight.state())
    resumed = new_run(settings(tmp_path, resume=tmp_path / "c"))
    for run in (straight, resumed):
        run.train_step(batch(1))
    for name, x in straight.network.state_dict().items():
        assert torch.equal(x, resumed.network.state_dict()[name]), name


def test_weights_alone_start_it(tmp_path):
    network = new_run(settings(tmp_path, seed=5)).network
    for number in range(1, 5):
        part = getattr(network, f"UNet{number}").state_dict()
        torch.save({f"module.{n}": x for n, x in part.items()}, tmp_path / f"UNet{number}_60.pth")
    save_weights(tmp_path / "w.safetensors", network)
    for changes in (
        {"resume": tmp_path},
        {"resume": tmp_path / "w.safetensors"},
        {"init": tmp_path},
    ):
        run = new_run(settings(tmp_path, **changes))
        for name, x in network.state_dict().items():
            assert torch.equal(x, run.network.state_dict()[name]), name
        assert run.checkpoint is None


def test_it_trains_from_end_to_end(tmp_path, capsys):
    save_weights(tmp_path / "w.safetensors", new_run(settings(tmp_path)).network)
    given = settings(tmp_path / "run", "physical", samples=4, resume=tmp_path / "w.safetensors")
    found = read_weights(train(given))
    assert (found.network, found.variant) == ("tshrnet", "physical")
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"log.csv", "validation.csv", "sheet.png", "curves.png", "checkpoint"} <= made
    assert "holds weights and no optimiser state" in " ".join(capsys.readouterr().out.split())
