"""Training in MindSpore against PyTorch's, and what it leaves on disk."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")

from unshine.errors import UnshineError  # noqa: E402
from unshine.layers import Layers  # noqa: E402
from unshine.networks import three_stage  # noqa: E402
from unshine.networks.three_stage import Sizes  # noqa: E402
from unshine.networks.three_stage import mindspore as cells  # noqa: E402
from unshine.networks.three_stage.torch import ThreeStage  # noqa: E402
from unshine.networks.weights import read_weights  # noqa: E402
from unshine.synth import camera, patterns  # noqa: E402
from unshine.synth.procedural import Studio  # noqa: E402
from unshine.training import mindspore as training  # noqa: E402
from unshine.training import torch as twin_training  # noqa: E402
from unshine.training.losses import losses  # noqa: E402
from unshine.training.recipes import UNSHINE  # noqa: E402
from unshine.training.settings import Settings  # noqa: E402

SOURCE = Path(__file__).parents[2] / "src"
SMALL = Sizes(physics=(8, 8), refine=(8, 8), tone=(8, 8))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(three_stage, "FAST", SMALL)
    # Where MindSpore leaves notes on what it compiles.
    monkeypatch.chdir(tmp_path)


def settings(folder: Path, **changes) -> Settings:
    recipe = replace(UNSHINE, batch=4, size=32, warmup=2, synthetic=8)
    given = {"samples": 64, "recipe": recipe, "device": "cpu", "precision": "32"}
    return Settings(folder, **(given | changes))


def batch(seed: int) -> Layers[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        scene = Studio(32, patterns.atlas(2)).render(4, generator)
        return Layers(**camera.develop(scene, generator)._asdict())


def arrays(truth: Layers[torch.Tensor]) -> Layers[np.ndarray]:
    return Layers(**{name: x.numpy() for name, x in truth.given().items()})


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of a network that answers everywhere: fresh heads are zero, and so are gradients."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (0.05 * torch.randn(x.shape, generator=generator)).numpy()
        for name, x in ThreeStage(SMALL).state_dict().items()
    }


def torch_network(tensors: dict[str, np.ndarray]) -> ThreeStage:
    network = ThreeStage(SMALL)
    network.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in tensors.items()})
    return network


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) + 1e-12))


def test_one_step_is_the_same_in_both_frameworks():
    truth, tensors = batch(3), weights()
    network = torch_network(tensors)
    terms = losses(network(truth.image)._asdict(), truth.given())
    terms["total"].backward()
    cell = cells.ThreeStage(SMALL)
    cells.load(cell, tensors)
    compute = mindspore.jit(training.gradients_of(cell, UNSHINE))
    (total, found), gradients = compute(*(mindspore.Tensor(x.numpy()) for x in truth))
    assert float(total) == pytest.approx(float(terms["total"]), rel=1e-5)
    for name, mine in zip(terms, found, strict=True):
        assert float(mine) == pytest.approx(float(terms[name]), rel=1e-5), name
    sgd = torch.optim.SGD(network.parameters(), 0.1)
    trained = {name: x for name, x in network.named_parameters() if x.requires_grad}
    own = {name: parameter.grad.numpy().copy() for name, parameter in trained.items()}
    sgd.step()
    parameters = cell.trainable_params()
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert relative(gradient.asnumpy(), own[parameter.name]) < 1e-3, parameter.name
    mindspore.nn.SGD(parameters, 0.1)(gradients)
    stepped = network.state_dict()
    for parameter in parameters:
        name = parameter.name
        assert relative(parameter.asnumpy(), stepped[name].numpy()) < 1e-5, name


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory):
    """A run of three steps from given weights, and the same run in PyTorch."""
    folder = tmp_path_factory.mktemp("runs")
    original, three_stage.FAST = three_stage.FAST, SMALL
    try:
        given = settings(folder / "mindspore")
        run = training.Run(given)
        cells.load(run.network, weights())
        for parameter, average in zip(run.parameters, run.ema, strict=True):
            average.set_data(parameter.value())
        fabric = twin_training.make_fabric(given)
        twin = twin_training.Run(replace(given, output=folder / "torch"), fabric)
        for network in (twin.network, twin.ema_network):
            network.load_state_dict(torch_network(weights()).state_dict())
        for seed in range(3):
            run.train_step(arrays(batch(seed)))
            twin.train_step(batch(seed))
    finally:
        three_stage.FAST = original
    return run, twin


def test_three_steps_are_the_same_in_both_frameworks(kept):
    run, twin = kept
    assert run.rate == pytest.approx(twin.rate)
    for mine, theirs in zip(run.recent, twin.recent, strict=True):
        assert mine.keys() == theirs.keys()
        assert float(mine["total"]) == pytest.approx(float(theirs["total"]), rel=1e-4)
    state, averages = twin.network.state_dict(), twin.ema_network.state_dict()
    for parameter, average in zip(run.parameters, run.ema, strict=True):
        name = parameter.name
        assert relative(parameter.asnumpy(), state[name].numpy()) < 1e-3, name
        assert relative(average.asnumpy(), averages[name].numpy()) < 1e-3, name
        assert relative(average.asnumpy(), parameter.asnumpy()) > 1e-6, name


def test_what_is_saved_is_the_averaged_network_and_resumes(kept):
    run, _ = kept
    folder = run.settings.output
    folder.mkdir(parents=True, exist_ok=True)
    image = batch(9).image.numpy()
    for _ in range(2):  # the second time, its graph is compiled already
        run.save()
        written = read_weights(folder / "weights.safetensors").tensors
        averages = {p.name.removeprefix("average."): p.asnumpy() for p in run.ema}
        assert all(np.allclose(written[n], x, atol=1e-4) for n, x in averages.items())
        with torch.no_grad():
            expected = torch_network(weights() | averages)(torch.from_numpy(image)).clean.numpy()
        clean = run.engine()(image, ("clean",))["clean"]
        assert np.abs(clean - expected).max() < 1e-4
        run.train_step(arrays(batch(4)))
    run.save()
    state = json.loads((folder / "checkpoint" / "state.json").read_text())
    assert (state["step"], state["samples"]) == (5, 20)
    resumed = training.Run(replace(run.settings, resume=folder / "checkpoint"))
    assert (resumed.step, resumed.samples) == (5, 20)
    for one in (run, resumed):
        one.train_step(arrays(batch(7)))
    for a, b in zip(run.state_parameters(), resumed.state_parameters(), strict=True):
        assert a.name == b.name
        assert np.array_equal(a.asnumpy(), b.asnumpy()), a.name
    fabric = twin_training.make_fabric(run.settings)
    with pytest.raises(UnshineError, match="checkpoint of the backend mindspore"):
        twin_training.Run(replace(run.settings, resume=folder / "checkpoint"), fabric)


def test_wrong_devices_are_refused(tmp_path):
    for wrong, words in (
        ({"device": "cuda"}, "no device 'cuda' here"),
        ({"device": "ascend"}, "no device 'ascend' here"),
        ({"precision": "bf16"}, "bf16 on Ascend alone"),
    ):
        with pytest.raises(UnshineError, match=words):
            training.train(settings(tmp_path / "run", **wrong))


def command(*options: str) -> list[str]:
    """`unshine train` with a network small enough to compile in seconds."""
    code = (
        "import sys\n"
        "from unshine.networks import three_stage\n"
        f"three_stage.FAST = three_stage.{SMALL}\n"
        "from unshine.cli.main import app\n"
        "app(sys.argv[1:])\n"
    )
    Path("small.py").write_text(code)
    return ["small.py", "train", "--backend", "mindspore", "--device", "cpu", *options]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}


def test_train_from_the_command_line(tmp_path):
    options = ["--samples", "8", "--batch", "4", "--size", "32", "--validations", "1", "-o", "out"]
    run = [sys.executable, *command(*options)]
    subprocess.run(run, env=environment(), check=True, capture_output=True, timeout=600)
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {
        "weights.safetensors",
        "log.csv",
        "validation.csv",
        "sheet.png",
        "curves.png",
        "checkpoint",
    }
    with (tmp_path / "out" / "log.csv").open() as file:
        assert [int(row["samples"]) for row in csv.DictReader(file)] == [4, 8]


@pytest.mark.slow
def test_two_processes_learn_together(tmp_path):
    options = ["--samples", "16", "--batch", "4", "--size", "32", "--validations", "1", "-o", "out"]
    msrun = [str(Path(sys.executable).with_name("msrun")), "--worker_num=2", "--local_worker_num=2"]
    msrun += ["--master_port=8133", "--join=True", "--log_dir=logs"]
    subprocess.run(
        [*msrun, *command(*options)],
        env=environment(),
        check=True,
        capture_output=True,
        timeout=900,
    )
    with (tmp_path / "out" / "log.csv").open() as file:
        assert [int(row["samples"]) for row in csv.DictReader(file)] == [8, 16]
