"""The paper's recipe, on a TSHRNet with few channels."""

from pathlib import Path

import pytest
import torch

from unshine.errors import UnshineError
from unshine.networks import tshrnet
from unshine.networks.weights import read_weights, save_weights
from unshine.training import checkpoints, validation
from unshine.training.loop import _fabric, _Run, train
from unshine.training.settings import PROCEDURAL, Settings, defaults
from unshine.training.stream import PaperTuples

WIDTH = 4


def settings(folder: Path, **changes) -> Settings:
    given = defaults("paper") | {"samples": 64, "batch": 2, "device": "cpu", "width": WIDTH}
    return Settings(folder, recipe="paper", **(given | changes))


def batch(seed: int) -> PaperTuples:
    generator = torch.Generator().manual_seed(seed)
    colours = [torch.rand((2, 3, 4, 4), generator=generator) for _ in range(6)]
    return PaperTuples(*(x.repeat_interleave(64, 2).repeat_interleave(64, 3) for x in colours))


def new_run(given: Settings) -> _Run:
    return _Run(given, _fabric(given))


def test_its_settings_are_the_papers(tmp_path):
    given = Settings(tmp_path, samples=1, recipe="paper", **defaults("paper"))
    assert (given.batch, given.size, given.rate) == (16, 256, 1e-4)
    group = new_run(settings(tmp_path)).optimiser.param_groups[0]
    assert (group["betas"], group["weight_decay"]) == ((0.5, 0.999), 0)
    with pytest.raises(UnshineError, match="--size 256"):
        settings(tmp_path, size=128)
    with pytest.raises(UnshineError, match="no variant"):
        settings(tmp_path, variant="other")


@pytest.mark.parametrize("variant", tshrnet.VARIANTS)
def test_its_loss_falls(tmp_path, variant):
    run = new_run(settings(tmp_path, variant=variant, rate=1e-2))
    for _ in range(8):
        run.learn(batch(0))
    first, last = run.recent[0], run.recent[-1]
    assert first.keys() == {*tshrnet.OUTPUTS[variant], "total"}
    assert float(last["total"]) < 0.9 * float(first["total"])
    # The rate really falls, and BatchNorm really learns.
    assert run.rate < 1e-2
    assert run.network.training
    assert float(run.network.UNet1.Cv1.after.running_var.std()) > 0


def test_it_resumes_as_if_never_stopped(tmp_path):
    straight = new_run(settings(tmp_path))
    straight.learn(batch(0))
    checkpoints.save_checkpoint(tmp_path / "c", straight._tensors(), straight._state())
    resumed = new_run(settings(tmp_path, resume=tmp_path / "c"))
    for run in (straight, resumed):
        run.learn(batch(1))
    for name, x in straight.network.state_dict().items():
        assert torch.equal(x, resumed.network.state_dict()[name]), name


def test_weights_alone_start_it_and_say_so(tmp_path, capsys):
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
        said = "holds weights and no optimiser state" in capsys.readouterr().out
        assert said == ("resume" in changes)


def test_it_trains_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(
        validation, "choices", lambda _: {"synthetic": 2, "real": None, "stored_tone": True}
    )
    given = settings(tmp_path / "run", samples=4, data=(PROCEDURAL,), variant="physical")
    found = read_weights(train(given))
    assert (found.network, found.variant) == ("tshrnet", "physical")
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"log.csv", "validation.csv", "sheet.png", "curves.png", "checkpoint"} <= made
