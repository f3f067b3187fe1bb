"""Procedural scenes: exact, reproducible, varied, with matte ones among them."""

import pytest
import torch

from unshine import optics
from unshine.synth import camera, patterns
from unshine.synth.batch import BatchRandom
from unshine.synth.procedural import Scene, Studio


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(48, patterns.atlas(4))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scenes(studio) -> Scene:
    return studio.render(64, seeded(0))


def test_the_atlas_has_varied_tiles_in_range():
    atlas = patterns.atlas(4, seed=1)
    assert atlas.shape == (1, 1, 4 * patterns.TILE, 4 * patterns.TILE)
    assert atlas.min() >= 0
    assert atlas.max() <= 1
    tiles = atlas[0, 0].unfold(0, patterns.TILE, patterns.TILE).unfold(1, patterns.TILE, 256)
    flat = tiles.reshape(16, -1)
    assert (flat.std(1) > 0.01).all()
    assert len({round(float(x), 5) for x in flat.mean(1)}) >= 14


def test_the_same_seed_makes_the_same_scene_and_another_does_not(studio):
    first, again, other = (studio.render(3, seeded(seed)) for seed in (5, 5, 6))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_light_is_finite_and_never_negative(scenes):
    for layer in scenes:
        assert layer.isfinite().all()
        assert layer.min() >= 0
    assert scenes.albedo.max() <= 1
    assert scenes.mask.max() <= 1


def test_some_scenes_are_glossy_and_some_are_not(scenes):
    strongest = scenes.specular.amax((1, 2, 3))
    # A third of the scenes are meant to be matte, within what 64 draws allow.
    assert 0.15 < (strongest == 0).float().mean() < 0.55
    # And half of the others have a highlight brighter than white.
    assert (strongest > 1).float().mean() > 0.2


def test_highlights_cover_what_they_do_in_photographs(scenes):
    shares = (camera.develop(scenes, seeded(7)).highlight > 0.5).float().mean((1, 2, 3))
    glossy = shares[shares > 0.002]
    assert 0.25 < len(glossy) / len(shares) < 0.85
    assert 0.005 < glossy.median() < 0.1


def test_no_glossy_surface_is_black_underneath(scenes):
    # A network trained towards black paints black patches: what shines has a diffuse colour too.
    shiny = (scenes.specular.amax(1) > 0.2) & (scenes.mask[:, 0] > 0.99)
    assert scenes.albedo.amax(1)[shiny].min() > 1e-4


def test_whites_and_colours_are_both_common(scenes):
    inside = scenes.mask[:, 0] > 0.5
    colours = scenes.albedo.permute(0, 2, 3, 1)[inside]
    saturation = 1 - colours.amin(1) / colours.amax(1).clip(1e-3)
    assert (saturation < 0.2).float().mean() > 0.15
    assert (saturation > 0.6).float().mean() > 0.15


def test_batches_draw_each_scene_for_itself():
    random = BatchRandom(10_000, seeded(1))
    values = random.log_uniform(0.1, 10)
    assert values.shape == (10_000, 1, 1, 1)
    assert values.min() >= 0.1
    assert values.max() <= 10
    assert abs(float(values.log().mean())) < 0.05
    assert abs(float(random.bernoulli(0.3).mean()) - 0.3) < 0.02


def test_photographs_obey_the_physics(scenes):
    tuples = camera.develop(scenes, seeded(2), degrade=False)
    for name, layer in tuples._asdict().items():
        assert layer.isfinite().all(), name
        assert layer.min() >= 0, name
    image, diffuse = optics.decode(tuples.image), optics.decode(tuples.diffuse)
    # The camera's sharpening may make the diffuse image brighter than the image, by a little.
    surplus = (diffuse - image).clip(0, None)
    assert torch.allclose(image, diffuse + tuples.specular - surplus, atol=1e-5)
    assert surplus.mean() < 1e-3
    product = optics.decode(tuples.albedo) * tuples.shading
    lit = (tuples.shading < 3.99) & (tuples.albedo > 0.05)
    assert (product - diffuse)[lit].abs().max() < 1e-3


def test_a_matte_scene_has_nothing_to_remove(scenes):
    matte = scenes._replace(specular=torch.zeros_like(scenes.specular))
    tuples = camera.develop(matte, seeded(3))
    assert not tuples.highlight.any()
    # The truth has the input's noise and artefacts: nothing to denoise either.
    assert (tuples.clean - tuples.image).abs().max() < 0.02
    assert (tuples.clean - tuples.image).abs().mean() < 0.001


def test_a_veil_over_everything_is_not_a_highlight(scenes):
    veiled = scenes._replace(specular=torch.full_like(scenes.specular, 0.5))
    tuples = camera.develop(veiled, seeded(4), degrade=False)
    assert (tuples.image - tuples.clean).abs().mean() < 0.05


def test_sshrs_tuples_keep_all_of_the_specular_light(scenes):
    stands_out, whole = (
        camera.develop(scenes, seeded(4), degrade=False, whole=whole) for whole in (False, True)
    )
    assert whole.specular.mean() > 1.5 * stands_out.specular.mean()


def test_one_scene_can_be_photographed_in_many_ways(scenes):
    one, two = (camera.develop(scenes, seeded(seed)) for seed in (5, 6))
    assert (one.image - two.image).abs().mean() > 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.gpu
def test_scenes_are_made_on_the_gpu_too():
    studio = Studio(48, patterns.atlas(4).cuda())
    first, again = (studio.render(3, torch.Generator("cuda").manual_seed(1)) for _ in range(2))
    assert first.albedo.is_cuda
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
