"""The three-stage network: its budget, its beginnings, and its ONNX form."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from unshine import optics
from unshine.networks import three_stage
from unshine.networks.export import write_onnx
from unshine.networks.three_stage import (
    CORE,
    DOUBTFUL,
    FAST,
    OUTPUTS,
    RIM,
    SURE,
    Sizes,
    blend,
    highlight_map,
)
from unshine.networks.three_stage.torch import (
    ThreeStage,
    _coloured,
    _core,
    _doubt,
    _filled,
    _own_colour,
    untrained,
)
from unshine.networks.weights import load_weights, read_weights, save_weights

SMALL = Sizes(physics=(8, 8), refine=(8, 16, 16), tone=(8, 8))


def scrambled(sizes: Sizes) -> ThreeStage:
    """A network in which every weight matters."""
    torch.manual_seed(0)
    network = ThreeStage(sizes).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return network


def random_image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def test_fast_is_within_its_budget():
    network = ThreeStage(FAST)
    assert sum(p.numel() for p in network.parameters()) <= 5_000_000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, 512, 512))
    giga_macs_per_megapixel = counter.get_total_flops() / 2e9 / (512 * 512 / 1e6)
    assert giga_macs_per_megapixel <= 25


def test_untrained_it_is_the_identity_where_not_all_colours_are_clipped():
    image = random_image(2, 3, 40, 56)
    image[:, 1].clamp_(max=CORE[0])
    with torch.no_grad():
        outputs = ThreeStage(FAST)(image)
    for name in ("albedo", "diffuse", "clean", "ungated"):
        assert torch.equal(getattr(outputs, name), image)
    assert (outputs.taken == 0).all()
    assert (outputs.light == 1).all()
    assert outputs.residue.abs().max() < 1e-6
    assert (outputs.shading == 1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 77), (33, 64), (130, 95)])
def test_every_size_comes_back(size):
    image = random_image(1, 3, *size)
    with torch.no_grad():
        outputs = scrambled(SMALL)(image)
    for name, output in zip(OUTPUTS, outputs, strict=False):
        assert output.shape == (1, 1 if name in ("highlight", "logits") else 3, *size), name
        assert output.isfinite().all()
        assert output.min() >= 0 or name == "logits"


def test_the_residue_is_taken_in_linear_light():
    image = random_image(1, 3, 32, 32)
    with torch.no_grad():
        outputs = scrambled(SMALL)(image)
    product = optics.decode(outputs.albedo) * outputs.shading
    expected = optics.residue(optics.decode(image), product)
    assert torch.allclose(outputs.residue, expected, atol=1e-5)
    assert torch.equal(outputs.specular, outputs.residue.clip(0, None))


def test_clean_is_the_input_to_the_last_bit_where_no_highlight_is():
    network = scrambled(SMALL)
    image = random_image(1, 3, 64, 64)
    with torch.no_grad():
        # Spread the map's logits around the value below which it is cut to zero.
        logits = network(image).logits
        network.tone.head.weight *= 2 / logits.std()
        network.tone.head.bias += DOUBTFUL - network(image).logits.mean()
        outputs = network(image)
    closed = (outputs.highlight == 0).expand_as(image)
    assert 0.05 < closed.float().mean() < 0.95
    assert torch.equal(outputs.clean[closed], image[closed])
    assert not torch.equal(outputs.clean, image)


def test_grey_images_stay_grey_whatever_the_weights():
    image = random_image(2, 1, 64, 64).repeat(1, 3, 1, 1)
    with torch.no_grad():
        outputs = scrambled(SMALL)(image)
    for name in ("albedo", "shading", "diffuse", "specular", "clean", "ungated", "light"):
        layer = getattr(outputs, name)
        assert (layer - layer[:, :1]).abs().max() < 1e-6, name
    rounded = (255 * outputs.clean).round()
    assert torch.equal(rounded[:, 0], rounded[:, 2])
    assert not torch.equal(outputs.ungated, image)


def test_off_clipped_cores_one_colour_of_light_is_taken():
    image = 0.2 + 0.6 * random_image(1, 3, 64, 64)
    with torch.no_grad():
        outputs = scrambled(SMALL)(image)
    inside = ((outputs.clean > 0.01) & (outputs.ungated > 0.01)).all(1, keepdim=True)
    taken = optics.decode(image) - optics.decode(outputs.ungated)
    amount = (taken / outputs.light).mean(1, keepdim=True)
    error = (taken - amount * outputs.light).abs().amax(1, keepdim=True)
    assert inside.float().mean() > 0.5
    assert amount[inside].max() > 0.01
    assert error[inside].max() < 2e-3


def test_a_clipped_channel_keeps_at_least_what_is_measured():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.3
    image[:, 0] = 1
    network = scrambled(SMALL)
    with torch.no_grad():
        # The fill asks for black; a tenth is measured off all that is there.
        network.refine.head.weight.zero_()
        network.tone.head.weight.zero_()
        network.refine.head.bias.copy_(torch.tensor([0.3, 0, -5, -5, -5]).repeat_interleave(4))
        network.tone.head.bias.zero_()
        outputs = network(image)
    taken = optics.decode(image) - optics.decode(outputs.ungated)
    assert taken[:, 1:].min() > 0.01
    assert (taken[:, :1] <= taken[:, 1:].amax(1, keepdim=True) * 1.05).all()


def test_a_channel_that_is_clipped_beside_a_core_is_filled_from_its_ring():
    """A red ball: its gleam is white, then pink where only red is clipped, then red."""
    ball, light = torch.tensor([0.5, 0.03, 0.03]).view(1, 3, 1, 1), torch.zeros(1, 1, 96, 96)
    y, x = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    distance = (x - 48.0).hypot(y - 48.0)
    light[0, 0] = 1.5 * (-((distance / 14) ** 2)).exp()
    image = optics.encode((ball + light).clip(0, 1))
    rim = (image[:, 0] == 1) & (image[:, 1] < 0.8)
    # Whoever takes the least channel for the light leaves too little red where that is clipped.
    measured = optics.encode((image**2.2 - image[:, 1:2] ** 2.2 + 0.03).clip(0, 1))
    filled = _filled(image, measured, _core(image), halvings=2)
    truth = float(optics.encode(ball)[0, 0])
    before, after = (abs(x[:, 0][rim] - truth).mean() for x in (measured, filled))
    assert rim.sum() > 50
    assert after < 0.4 * before
    assert (filled >= measured - 1e-5)[:, :, rim[0]].all()


def test_of_what_hardly_any_light_is_left_the_ring_says_what_there_is():
    image = torch.full((1, 3, 64, 64), 0.6)
    ungated = torch.full((1, 3, 64, 64), 0.5)
    # A little too much was taken in the middle, so that nothing is left there.
    ungated[..., 28:36, 28:36] = 0.02
    filled = _filled(image, ungated, _core(image), halvings=2)
    assert filled[..., 28:36, 28:36].min() > 0.45
    outside = torch.ones(64, 64, dtype=torch.bool)
    outside[28:36, 28:36] = False
    assert torch.equal(filled[..., outside], ungated[..., outside])


def test_what_has_nearly_the_colour_of_the_light_turns_darker_and_not_purple():
    light = torch.tensor([0.95, 1.0, 0.93]).view(1, 3, 1, 1)
    greys = torch.tensor([[0.2, 0.2, 0.2], [0.205, 0.2, 0.195]]).view(2, 3, 1, 1)
    own = _own_colour(greys, light)
    assert torch.allclose(own / own[:, :1], greys / greys[:, :1], atol=1e-4)
    assert ((own / light - 1).abs() < 0.1).all()
    red = torch.tensor([0.5, 0.1, 0.1]).view(1, 3, 1, 1)
    assert torch.equal(_own_colour(red, light), light)


def test_clipped_cores_are_filled_with_the_colour_of_their_ring():
    ring = torch.tensor([0.7, 0.3, 0.1]).view(1, 3, 1, 1)
    image = ring.expand(1, 3, 192, 256).clone()
    y, x = torch.meshgrid(torch.arange(192), torch.arange(256), indexing="ij")
    cores = {reach: (x - 90.0).hypot(y - 96.0) < reach for reach in (2, 20, 70)}
    image[..., 200:] = torch.tensor([0.1, 0.2, 0.9]).view(1, 3, 1, 1)
    for reach, core in cores.items():
        lit = torch.where(core, 1.0, image)
        with torch.no_grad():
            ungated = ThreeStage(FAST)(lit).ungated
        error = (ungated - ring).abs().amax(1)[0]
        assert error[core].max() < (0.01 if reach < 30 else 0.2), reach
        rim = F.max_pool2d(core[None].float(), 2 * RIM + 1, 1, RIM)[0] > 0
        assert torch.equal(ungated[..., ~rim], image[..., ~rim])


def test_grey_that_is_left_in_colourful_surroundings_takes_their_hue():
    orange, grey = (torch.tensor(x).view(1, 3, 1, 1) for x in ([0.8, 0.45, 0.1], [0.4, 0.36, 0.44]))
    spot = torch.zeros(1, 1, 96, 96)
    spot[..., 40:60, 40:60] = 1
    image = torch.where(spot > 0, 0.85, orange)
    left = torch.where(spot > 0, grey, orange)
    left[..., 50:52, 44:56] = 0.01  # lettering
    coloured = _coloured(image, left, orange.expand_as(image), _core(image))
    hue, light = optics.decode(orange), optics.decode(coloured)[..., 42:48, 42:58]
    assert ((light / light.mean(1, keepdim=True) - hue / hue.mean()).abs() < 0.05).all()
    assert torch.allclose(coloured.mean(1)[..., 42:48, 42:58], grey.mean(1), rtol=0.02)
    assert coloured[..., 50:52, 44:56].max() < 0.03
    assert torch.equal(coloured[..., :30, :], left[..., :30, :])


def test_what_is_more_colourful_than_its_surroundings_keeps_its_hue():
    spot = torch.zeros(1, 1, 96, 96)
    spot[..., 40:60, 40:60] = 1
    image = torch.full((1, 3, 96, 96), 0.8)
    left = torch.where(spot > 0, torch.tensor([0.6, 0.2, 0.1]).view(1, 3, 1, 1), image)
    around = torch.full_like(image, 0.8)
    assert torch.equal(_coloured(image, left, around, _core(image)), left)


def test_another_hue_that_little_light_decides_gives_way_to_that_of_colourful_surroundings():
    """Yellow on red where nearly all of a channel is taken; where half of it stays, it is kept."""
    red, yellow = (torch.tensor(x).view(1, 3, 1, 1) for x in ([0.6, 0.15, 0.1], [0.6, 0.5, 0.1]))
    image = torch.tensor([0.95, 0.75, 0.6]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    left, around = (x.expand_as(image) for x in (yellow, red))
    coloured = _coloured(image, left, around, _core(image))
    assert _cosine(coloured, red).min() > 0.99
    assert torch.allclose(coloured.mean(1), yellow.mean(1), atol=0.02)
    # It is brighter than its surroundings, and more colourful, but not by as much.
    more = _spread(coloured).mean() / _spread(red).mean()
    assert 1 < more < coloured.mean() / red.mean()
    orange = torch.tensor([0.9, 0.6, 0.5]).view(1, 3, 1, 1).expand_as(image)
    pale = torch.tensor([0.8, 0.55, 0.45]).view(1, 3, 1, 1).expand_as(image)
    assert (_coloured(image, orange, pale, _core(image)) - orange).abs().max() < 0.05


def test_another_shade_of_the_surroundings_hue_is_kept_however_little_light_is_left():
    """The lit side of a tomato is more orange than the rest of it."""
    red, orange = (torch.tensor(x).view(1, 3, 1, 1) for x in ([0.7, 0.25, 0.1], [0.8, 0.4, 0.15]))
    image = torch.full((1, 3, 64, 64), 0.8)
    left, around = (x.expand_as(image) for x in (orange, red))
    assert torch.allclose(_coloured(image, left, around, _core(image)), left, atol=0.01)


def _cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Cosine of the angle between two hues."""
    one, other = (x - x.mean(1, keepdim=True) for x in (one, other))
    return F.cosine_similarity(one, other, 1)


def _spread(image: torch.Tensor) -> torch.Tensor:
    return image.amax(1) - image.amin(1)


def test_a_grey_spot_that_was_clipped_becomes_as_bright_as_its_surroundings():
    orange = torch.tensor([0.8, 0.45, 0.1]).view(1, 3, 1, 1)
    spot = torch.zeros(1, 1, 96, 96)
    spot[..., 40:60, 40:60] = 1
    left = torch.where(spot > 0, 0.3, orange)
    image = torch.where(spot > 0, 1.0, orange)
    coloured = _coloured(image, left, orange.expand_as(image), _core(image))
    assert torch.allclose(coloured, orange.expand_as(coloured), atol=0.02)


@pytest.mark.parametrize(
    ("bright", "grey", "side", "doubtful"),
    [
        (0.85, True, 40, True),
        (0.85, False, 40, False),
        (0.85, True, 4, False),
        (1, True, 40, False),
    ],
    ids=["a pale patch", "a colour under light", "a glint", "a clipped one"],
)
def test_a_patch_is_doubted_where_grey_is_left_among_colours(bright, grey, side, doubtful):
    orange = torch.tensor([0.8, 0.45, 0.1]).view(1, 3, 1, 1)
    spot = torch.zeros(1, 1, 128, 128)
    spot[..., 64 - side // 2 : 64 + side // 2, 64 - side // 2 : 64 + side // 2] = 1
    image = torch.where(spot > 0, bright, orange)
    left = torch.where(spot > 0, 0.4, orange) if grey else orange.expand_as(image)
    doubt = _doubt(image, left, orange.expand_as(image), spot)
    assert float(doubt[..., 64, 64]) > 5 if doubtful else float((spot * doubt).max()) == 0


def test_the_rim_of_a_clipped_core_is_filled_with_it():
    """Where white has been mixed into what is beside it, a ring would be left."""
    red = torch.tensor([0.7, 0.3, 0.1]).view(1, 3, 1, 1)
    core = torch.zeros(1, 1, 96, 96)
    core[..., 40:56, 40:56] = 1
    mixed = F.max_pool2d(core, 3, 1, 1) - core
    image = red + (1 - red) * (core + 0.6 * mixed)
    left = torch.where(mixed > 0, torch.tensor([0.9, 0.55, 0.6]).view(1, 3, 1, 1), image)
    filled = _filled(image, left, _core(image), halvings=2)
    assert (filled - red).abs().max() < 0.02


def test_an_image_that_is_clipped_everywhere_has_nothing_to_be_filled_from():
    image = torch.ones(1, 3, 40, 40)
    with torch.no_grad():
        assert torch.allclose(ThreeStage(FAST)(image).ungated, image)


def test_blending_is_even_in_linear_light_and_exact_where_the_map_is_0():
    image, ungated = random_image(2, 3, 8, 8)[:1], random_image(1, 3, 8, 8) ** 2
    assert torch.equal(blend(image, ungated, torch.zeros(1, 1, 8, 8)), image)
    assert torch.allclose(blend(image, ungated, torch.ones(1, 1, 8, 8)), ungated, atol=1e-6)
    half = optics.decode(blend(image, ungated, torch.full((1, 1, 8, 8), 0.5)))
    assert torch.allclose(half, (optics.decode(image) + optics.decode(ungated)) / 2, atol=1e-3)


def test_the_table_of_shapes_is_the_networks():
    tensors = {name: x.numpy() for name, x in scrambled(SMALL).state_dict().items()}
    assert three_stage.shapes(tensors) == {name: x.shape for name, x in tensors.items()}
    assert three_stage.sizes_of(tensors) == SMALL


def test_every_loss_reaches_every_weight_it_should():
    network = scrambled(SMALL)
    outputs = network(random_image(1, 3, 32, 32))
    (outputs.ungated.sum() + outputs.logits.sum()).backward()
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained.values())
    rest = network.state_dict().keys() - trained.keys()
    assert rest == {name for name in network.state_dict() if name.startswith("context.")}


def test_the_result_teaches_the_map_and_not_the_picture():
    network = scrambled(SMALL)
    network(random_image(1, 3, 32, 32)).clean.sum().backward()
    slope = network.tone.head.bias.grad
    assert not slope[:-4].any()  # of what is taken and filled in
    assert slope[-4:].any()  # of the votes


def test_an_untrained_network_has_the_context_of_the_shipped_one():
    known, state = three_stage.context(), untrained(0, "", 0).state_dict()
    assert known.keys() == {name for name in state if name.startswith("context.")}
    assert all(np.array_equal(state[name].numpy(), x) for name, x in known.items())


def test_the_context_says_the_same_of_a_picture_moved_by_what_its_lowest_level_sees_as_one():
    said = ThreeStage(FAST).context
    image = random_image(1, 3, 704, 736)
    with torch.no_grad():
        here, there = said(image[..., :704]), said(image[..., 32:])
    for cell, a, b in zip((8, 16, 32), here, there, strict=True):
        step, middle = 32 // cell, a.shape[-1] // 2
        inner = slice(a.shape[-2] // 2, a.shape[-2] // 2 + 1)
        assert a.shape[1:] == b.shape[1:]
        assert torch.allclose(a[..., inner, middle + step], b[..., inner, middle], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (333, 517), (64, 2000)])
def test_onnx_agrees_with_pytorch(tmp_path: Path, size):
    network = scrambled(SMALL)
    weights = tmp_path / "small.safetensors"
    save_weights(weights, network)
    load_weights(weights, network)  # float16 rounding is not the question here
    write_onnx(tmp_path / "small.onnx", read_weights(weights))
    session = onnxruntime.InferenceSession(tmp_path / "small.onnx")
    image = random_image(1, 3, *size)
    results = session.run(list(OUTPUTS), {"image": image.numpy()})
    with torch.no_grad():
        expected = network(image)
    for name, result in zip(OUTPUTS, results, strict=True):
        assert np.abs(result - getattr(expected, name).numpy()).max() < 1e-3, name


def test_onnx_keeps_no_second_copy_of_the_weights(tmp_path: Path):
    network = scrambled(SMALL)
    save_weights(tmp_path / "w.safetensors", network)
    write_onnx(tmp_path / "w.onnx", read_weights(tmp_path / "w.safetensors"))
    assert b"w.safetensors" in (tmp_path / "w.onnx").read_bytes()
    (tmp_path / "w.safetensors").rename(tmp_path / "gone")
    with pytest.raises(Exception, match=r"w\.safetensors"):
        onnxruntime.InferenceSession(tmp_path / "w.onnx")


def test_the_shipped_files_agree():
    folder = Path(__file__).parents[2] / "src" / "unshine" / "weights"
    network = ThreeStage(FAST).eval()
    load_weights(folder / "fast.safetensors", network)
    session = onnxruntime.InferenceSession(folder / "fast.onnx")
    image = random_image(1, 3, 95, 130)
    results = session.run(list(OUTPUTS), {"image": image.numpy()})
    with torch.no_grad():
        expected = network(image)
    for name, result in zip(OUTPUTS, results, strict=True):
        assert np.abs(result - getattr(expected, name).numpy()).max() < 1e-3, name
    total = sum(f.stat().st_size for f in folder.iterdir() if f.suffix in {".safetensors", ".onnx"})
    assert total < 24e6


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_the_shipped_graph_says_something_of_plain_images(value):
    """Where all colours are the same, no quotient may fail: a graph drops numbers near 0."""
    folder = Path(__file__).parents[2] / "src" / "unshine" / "weights"
    session = onnxruntime.InferenceSession(folder / "fast.onnx")
    image = np.full((1, 3, 96, 128), value, np.float32)
    results = session.run(list(OUTPUTS), {"image": image})
    assert all(np.isfinite(result).all() for result in results)


def test_the_highlight_map_is_the_same_in_every_library():
    logits = np.linspace(-300, 300, 1001, dtype=np.float32)
    for sensitivity in (0.0, 0.2, 0.5, 0.9, 1.0):
        expected = highlight_map(logits, sensitivity)
        assert (expected.min(), expected.max()) == (float(sensitivity == 1), float(sensitivity > 0))
        found = highlight_map(torch.from_numpy(logits), sensitivity)
        assert np.allclose(found.numpy(), expected, atol=1e-6)


def test_sensitivity_moves_where_the_map_begins_and_not_where_it_is_sure():
    logits = np.linspace(-20, 20, 4001)
    maps = [highlight_map(logits, sensitivity) for sensitivity in (0.1, 0.3, 0.5, 0.7, 0.9)]
    for lower, higher in pairwise(maps):
        assert (higher >= lower).all()
        assert higher.sum() > lower.sum()
    for higher in maps[2:]:
        assert logits[higher == 1].min() == pytest.approx(SURE, abs=0.02)
    assert logits[maps[2] > 0].min() == pytest.approx(DOUBTFUL, abs=0.02)
    assert logits[maps[0] > 0].min() > SURE
