"""The ComfyUI node, over a stand-in for the part of ComfyUI's API that it uses.

The stand-in knows the parameters that ComfyUI's own classes take, and refuses others.
"""

import asyncio
import importlib.util
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from unshine import optics

torch = pytest.importorskip("torch")

NODE = Path(__file__).parents[2] / "integrations" / "comfyui" / "comfyui_unshine.py"


@dataclass
class Socket:
    id: str
    display_name: str | None = None
    optional: bool = False
    tooltip: str | None = None


@dataclass
class FloatInput(Socket):
    default: float | None = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    display_mode: Enum | None = None


@dataclass
class Output:
    id: str
    display_name: str | None = None
    tooltip: str | None = None


@dataclass
class Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    description: str = ""


class ComfyNode:
    pass


class ComfyExtension:
    pass


class NodeOutput(tuple):
    def __new__(cls, *values):
        return super().__new__(cls, values)


def comfy_api():
    """Return the stand-in's modules."""

    class ImageType:
        class Input(Socket):
            pass

        class Output(Output):
            pass

    class MaskType:
        class Input(Socket):
            pass

        class Output(Output):
            pass

    io = SimpleNamespace(
        Image=ImageType,
        Mask=MaskType,
        Float=SimpleNamespace(Input=FloatInput),
        NumberDisplay=Enum("NumberDisplay", ["number", "slider"]),
        Schema=Schema,
        ComfyNode=ComfyNode,
        NodeOutput=NodeOutput,
    )
    latest = ModuleType("comfy_api.latest")
    latest.io, latest.ComfyExtension = io, ComfyExtension
    return {"comfy_api": ModuleType("comfy_api"), "comfy_api.latest": latest}


@pytest.fixture(scope="module")
def module():
    """The node's file, loaded as ComfyUI does."""
    with pytest.MonkeyPatch.context() as patch:
        for name, stub in comfy_api().items():
            patch.setitem(sys.modules, name, stub)
        spec = importlib.util.spec_from_file_location("custom_nodes/comfyui_unshine", NODE)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def node(module):
    extension = asyncio.run(module.comfy_entrypoint())
    (found,) = asyncio.run(extension.get_node_list())
    return found


@pytest.fixture(scope="module")
def batch():
    cup = np.asarray(Image.open(NODE.parents[2] / "examples" / "coffee.png")) / np.float32(255)
    return torch.from_numpy(np.stack([cup[y : y + 120, 290:450] for y in (228, 232, 236)]))


@pytest.fixture(scope="module")
def reference(module, batch):
    """What the library says about each image."""
    return [module.remover().analyse(image.numpy()) for image in batch]


def test_the_schema_has_the_sockets_that_the_readme_names(node):
    schema = node.define_schema()
    names = [socket.id for socket in (*schema.inputs, *schema.outputs)]
    # ComfyUI wants names that are unique, inputs and outputs together.
    assert len(set(names)) == len(names)
    kinds = [type(socket).__qualname__.split(".")[-2] for socket in schema.outputs]
    assert kinds == ["ImageType", "MaskType", "ImageType", "ImageType", "ImageType"]
    assert [each.id for each in schema.inputs if each.optional] == ["mask", "protect"]
    readme = NODE.with_name("README.md").read_text()
    for name in names:
        assert f"`{name}`" in readme


def test_highlights_go(node, batch):
    clean, *_ = node.execute(batch, 1.0, 0.5)
    assert (clean < batch - 0.1).any()


def test_a_batch_comes_back_as_the_library_makes_it(node, batch, reference):
    clean, highlight, specular, diffuse, albedo = node.execute(batch, 0.7, 0.5)
    assert clean.shape == specular.shape == diffuse.shape == albedo.shape == batch.shape
    assert highlight.shape == batch.shape[:3]
    for index, analysis in enumerate(reference):
        np.testing.assert_array_equal(clean[index], analysis.clean(0.7))
        np.testing.assert_array_equal(highlight[index], analysis.layer("highlight"))
        np.testing.assert_array_equal(diffuse[index], analysis.layer("diffuse"))
        np.testing.assert_array_equal(albedo[index], analysis.layer("albedo"))
        shown = optics.encode(analysis.layer("specular"))
        np.testing.assert_array_equal(specular[index], shown)


def test_outputs_are_float_tensors_in_range(node, batch):
    for tensor in node.execute(batch, 1.0, 0.5):
        assert tensor.dtype == torch.float32
        assert tensor.min() >= 0
        assert tensor.max() <= 1


def test_alpha_passes_untouched(node, batch):
    alpha = torch.rand((*batch.shape[:3], 1))
    clean, *_ = node.execute(torch.cat([batch, alpha], -1), 1.0, 0.5)
    assert torch.equal(clean[..., 3:], alpha)


def test_a_protected_image_is_the_image(node, batch):
    clean, *_ = node.execute(batch, 1.0, 0.5, protect=torch.ones(batch.shape[:3]))
    assert torch.equal(clean, batch)


def test_protection_beats_the_mask(node, batch):
    all_over = torch.ones(batch.shape[:3])
    clean, *_ = node.execute(batch, 1.0, 0.5, mask=all_over, protect=all_over)
    assert torch.equal(clean, batch)


def test_a_painted_mask_is_a_highlight_for_certain(node, batch, reference):
    mask = torch.zeros(batch.shape[:3])
    mask[:, :10] = 1
    clean, *_ = node.execute(batch, 1.0, 0.5, mask=mask)
    where = 0.5 + mask.numpy() / 2
    for index, analysis in enumerate(reference):
        np.testing.assert_array_equal(clean[index], analysis.clean(mask=where[index]))


def test_the_small_black_mask_of_an_image_without_alpha_changes_nothing(node, batch, reference):
    clean, *_ = node.execute(batch, 1.0, 0.5, mask=torch.zeros(1, 64, 64))
    for index, analysis in enumerate(reference):
        np.testing.assert_array_equal(clean[index], analysis.clean())


def test_one_mask_holds_for_a_whole_batch(node, batch):
    protect = torch.ones(1, 5, 7)
    clean, *_ = node.execute(batch, 1.0, 0.5, protect=protect)
    assert torch.equal(clean, batch)


def test_changing_a_setting_does_not_run_the_network_again(module, node, batch, monkeypatch):
    module.analyse.cache_clear()
    runs = []
    real = module.remover()
    counting = SimpleNamespace(analyse=lambda image: runs.append(1) or real.analyse(image))
    monkeypatch.setattr(module, "remover", lambda: counting)
    for strength in (0.2, 0.8):
        node.execute(batch, strength, 0.5)
    assert len(runs) == len(batch)
