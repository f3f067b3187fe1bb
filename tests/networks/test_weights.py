"""Weights from anywhere: recognised by what they hold, refused in a sentence, never run."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from unshine.errors import UnshineError
from unshine.networks.export import write_checkpoint, write_published
from unshine.networks.three_stage import Sizes, sizes_of
from unshine.networks.three_stage.torch import ThreeStage
from unshine.networks.tshrnet import initial
from unshine.networks.tshrnet.torch import TSHRNet
from unshine.networks.weights import (
    Weights,
    load_weights,
    read_weights,
    save_weights,
    write_weights,
)

SHIPPED = Path(__file__).parents[2] / "src" / "unshine" / "weights" / "fast.safetensors"


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """A narrow TSHRNet whose every tensor is different."""
    generator = np.random.default_rng(0)
    found = {n: generator.random(x.shape, np.float32) for n, x in initial(0, 4).items()}
    for name in [*found]:
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            found[counter] = np.array(generator.integers(1 << 40))
    return found


def state(
    tensors: dict[str, np.ndarray], network: int, prefix: str = ""
) -> dict[str, torch.Tensor]:
    """What PyTorch keeps of one of the four networks."""
    start = f"UNet{network}."
    return {
        prefix + name.removeprefix(start): torch.from_numpy(x)
        for name, x in tensors.items()
        if name.startswith(start)
    }


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a
    )


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_published_pytorch_files(tmp_path, tensors, prefix, zipped):
    for k in range(1, 5):
        content: dict = state(tensors, k, prefix.removeprefix("state_dict."))
        if prefix.startswith("state_dict."):
            content = {"epoch": 60, "state_dict": content}
        file = tmp_path / f"UNet{k}_60.pth"
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path)
    assert (weights.network, weights.variant) == ("tshrnet", "published")
    assert same(weights.tensors, tensors)
    assert read_weights(tmp_path, "mixed").variant == "mixed"


def test_published_mindspore_files(tmp_path, tensors):
    mindspore = pytest.importorskip("mindspore", reason="MindSpore is not installed")
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean"}
    names["running_var"] = "moving_variance"
    for k in range(1, 5):
        entries = [{"name": "global_step", "data": mindspore.Tensor(3)}]
        for name, x in state(tensors, k).items():
            stem, _, last = name.rpartition(".")
            if last == "num_batches_tracked":
                continue  # unknown to MindSpore
            last = names[last] if stem.endswith("after") else last
            data = mindspore.Tensor(x.numpy())
            entries.append({"name": f"{stem}.{last}", "data": data})
            # An optimiser's entries must not be mistaken for the weights.
            entries.insert(0, {"name": f"moment1.{stem}.{last}", "data": data * 0})
        mindspore.save_checkpoint(entries, str(tmp_path / f"UNet{k}_60.ckpt"))
    weights = read_weights(tmp_path)
    expected = {n: x for n, x in tensors.items() if not n.endswith("num_batches_tracked")}
    assert same(weights.tensors, expected)


def test_round_trips_are_bit_identical(tmp_path, tensors):
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    weights = Weights("tshrnet", tensors, "published")
    write_published(tmp_path / "pth", weights, "pth")
    write_weights(tmp_path / "1.safetensors", read_weights(tmp_path / "pth"))
    write_published(tmp_path / "ckpt", read_weights(tmp_path / "1.safetensors"), "ckpt")
    write_weights(tmp_path / "2.safetensors", read_weights(tmp_path / "ckpt"))
    assert same(read_weights(tmp_path / "ckpt").tensors, tensors)
    first, second = ((tmp_path / f"{k}.safetensors").read_bytes() for k in (1, 2))
    assert first == second
    for ending in ("pth", "ckpt"):
        write_checkpoint(tmp_path / f"all.{ending}", weights, ending)
        assert same(read_weights(tmp_path / f"all.{ending}").tensors, tensors)
    assert not [*tmp_path.rglob("*part*")]


@pytest.mark.parametrize("ending", ["pth", "ckpt"])
def test_the_shipped_weights_survive_the_frameworks(tmp_path, ending):
    if ending == "ckpt":
        pytest.importorskip("mindspore", reason="MindSpore is not installed")
    write_checkpoint(tmp_path / f"ours.{ending}", read_weights(SHIPPED), ending)
    weights = read_weights(tmp_path / f"ours.{ending}")
    assert (weights.network, weights.variant) == ("three_stage", "")
    write_weights(tmp_path / "again.safetensors", weights)
    assert (tmp_path / "again.safetensors").read_bytes() == SHIPPED.read_bytes()


def test_files_are_recognised_by_what_they_hold(tmp_path, tensors):
    write_weights(tmp_path / "strange.ending", Weights("tshrnet", tensors, "physical"))
    assert read_weights(tmp_path / "strange.ending").variant == "physical"
    torch.save(state(tensors, 1), tmp_path / "UNet1_60.ckpt")
    with pytest.raises(UnshineError, match="folder that holds all four"):
        read_weights(tmp_path / "UNet1_60.ckpt")


def test_the_latest_complete_set_is_taken(tmp_path, tensors):
    for epoch in (9, 10):
        for k in range(1, 5):
            content = state(tensors, k)
            content["Cv0.conv.weight"] = content["Cv0.conv.weight"] * 0 + epoch
            torch.save(content, tmp_path / f"UNet{k}_{epoch}.pth")
    torch.save(state(tensors, 1), tmp_path / "UNet1_11.pth")
    assert (read_weights(tmp_path).tensors["UNet3.Cv0.conv.weight"] == 10).all()
    (tmp_path / "UNet2_9.pth").unlink()
    (tmp_path / "UNet3_10.pth").unlink()
    with pytest.raises(UnshineError, match=r"UNet3_10\.pth is missing"):
        read_weights(tmp_path)


def test_what_does_not_fit_is_named(tmp_path, tensors):
    name = "UNet2.CvT8.conv.weight"
    without = {n: x for n, x in tensors.items() if n != name}
    write_weights(tmp_path / "a", Weights("tshrnet", without, "mixed"))
    with pytest.raises(UnshineError, match=rf"{name} is missing"):
        read_weights(tmp_path / "a")
    write_weights(tmp_path / "b", Weights("tshrnet", tensors | {name: np.ones((2, 3))}, "mixed"))
    with pytest.raises(UnshineError, match=rf"{name} is 2×3 instead of 64×16×4×4"):
        read_weights(tmp_path / "b")
    write_weights(tmp_path / "c", Weights("three_stage", {"x": np.ones(3)}))
    with pytest.raises(UnshineError, match="none of Unshine's networks"):
        read_weights(tmp_path / "c")


class Malice:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("how", ["pickle", "protocol 0", "legacy", "zip"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, how):
    file, victim = tmp_path / "UNet1_60.pth", tmp_path / "ran"
    if how in ("legacy", "zip"):
        torch.save({"a": Malice(victim)}, file, _use_new_zipfile_serialization=how == "zip")
    else:
        file.write_bytes(pickle.dumps(Malice(victim), protocol=0 if how == "protocol 0" else 2))
    with pytest.raises(UnshineError) as error:
        read_weights(file)
    assert len(str(error.value).splitlines()) == 1
    assert not victim.exists()
    torch.load(file, weights_only=False) if how in ("legacy", "zip") else pickle.loads(
        file.read_bytes()
    )
    assert victim.exists()  # it would have run


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04nonsense", b"\n\x05abcde"])
def test_other_files_are_refused_in_one_sentence(tmp_path, content):
    if content.startswith(b"\n"):
        pytest.importorskip("mindspore", reason="MindSpore is not installed")
    file = tmp_path / "weights"
    file.write_bytes(content)
    with pytest.raises(UnshineError, match="cannot be read") as error:
        read_weights(file)
    assert len(str(error.value).splitlines()) == 1


def test_wrong_paths_and_variants(tmp_path):
    with pytest.raises(UnshineError, match="no weights file"):
        read_weights(tmp_path / "absent")
    with pytest.raises(UnshineError, match=r"UNet1_60\.pth to UNet4_60\.pth"):
        read_weights(tmp_path)
    with pytest.raises(UnshineError, match="no variant 'magic'"):
        read_weights(SHIPPED, "magic")
    with pytest.raises(UnshineError, match="ONNX"):
        read_weights(SHIPPED.with_suffix(".onnx"))
    with pytest.raises(UnshineError, match="not TSHRNet"):
        read_weights(SHIPPED, "mixed")


def test_sizes_are_read_off_the_tensors(tmp_path):
    sizes = Sizes(physics=(8, 12), refine=(8, 16, 16), tone=(12, 4, 8, 6))
    save_weights(tmp_path / "w.safetensors", ThreeStage(sizes))
    assert sizes_of(read_weights(tmp_path / "w.safetensors").tensors) == sizes


def test_a_pytorch_model_saves_and_loads(tmp_path):
    model, again = TSHRNet("mixed", seed=1, width=4), TSHRNet("mixed", seed=2, width=4)
    save_weights(tmp_path / "w.safetensors", model)
    assert read_weights(tmp_path / "w.safetensors").variant == "mixed"
    load_weights(tmp_path / "w.safetensors", again)
    for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(UnshineError, match="another network"):
        load_weights(tmp_path / "w.safetensors", TSHRNet("mixed", seed=2, width=8))
