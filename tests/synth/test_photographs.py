"""Tuples made of photographs and of drawn things that must stay."""

import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unshine import optics
from unshine.errors import UnshineError
from unshine.synth import flat, glare, photographs, stay
from unshine.synth.batch import BatchRandom
from unshine.synth.photographs import PhotographStream, StayStream


def random(batch: int = 6, seed: int = 0) -> BatchRandom:
    return BatchRandom(batch, torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A matte photograph, and one of red balls with white highlights."""
    path = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:240, :300] / 240
    wall = np.stack([0.3 + 0.2 * x, 0.4 + 0 * x, 0.5 - 0.2 * y], 2)
    Image.fromarray((255 * wall).astype(np.uint8)).save(path / "wall.png")
    balls = np.full((348, 348, 3), (150, 20, 30), np.float32)
    rows, columns = np.mgrid[:348, :348]
    for cy, cx in ((80, 90), (250, 200)):
        shine = np.exp(-((rows - cy) ** 2 + (columns - cx) ** 2) / 40)[..., None]
        balls += (255 - balls) * shine
    Image.fromarray(balls.astype(np.uint8)).save(path / "Apple.png")
    return path


def test_highlights_are_cut_out_of_photographs_of_shiny_things(folder):
    rng = np.random.default_rng(0)
    patches = list(photographs.excess(folder / "Apple.png", 96, rng))
    assert len(patches) == 2
    for patch in patches:
        assert patch.shape == (96, 96)
        assert patch.max() == 1
        assert patch[0].max() == 0
        assert 0.001 < (patch > 0.5).mean() < 0.05
    assert not list(photographs.excess(folder / "wall.png", 96, rng))


def test_photographs_of_shiny_things_are_no_diffuse_truth(folder):
    album = photographs.Album(folder)
    assert [path.name for path in album.draw_lots(4, np.random.default_rng(1))] == ["wall.png"] * 4
    assert [path.name for path in album.shiny] == ["Apple.png"]


def test_folders_of_photographs_are_seen_equally_often(folder, tmp_path):
    """A folder of one photograph as often as one of nine."""
    for name in ("one/0.png", *(f"nine/{k}.png" for k in range(9))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "wall.png", tmp_path / name)
    drawn = photographs.Album(tmp_path).draw_lots(400, np.random.default_rng(1))
    assert 150 < sum(path.parent.name == "one" for path in drawn) < 250


def test_bare_photographs_get_no_glare(folder, tmp_path):
    """The same photograph does, elsewhere; the name of the folder itself means nothing."""
    for name, expected in (("album/bare", False), ("bare", True)):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(folder / "wall.png", tmp_path / name / "wall.png")
        made = next(iter(PhotographStream(tmp_path / name.split("/")[0], 64, 24, seed=1)))
        assert (made.highlight > 0.5).any() == expected


def test_what_bears_labels_has_no_glare_and_labels_are_not_taken_for_any(folder, monkeypatch):
    monkeypatch.setattr(photographs, "LABELLED", 1)
    made = next(iter(PhotographStream(folder, 64, 24, seed=1)))
    assert not made.highlight.any()
    assert ((made.image - made.clean).abs() < 0.02).all()
    assert (made.image.amin(1) > 0.6).any()  # the wall is darker


def test_labels_are_pale_and_what_lies_beside_them_stays():
    plain = np.full((96, 96, 3), (150, 70, 20), np.uint8)
    shares = []
    for seed in range(20):
        image = photographs.stuck(plain, np.random.default_rng(seed)).astype(int)
        assert np.array_equal(image, photographs.stuck(plain, np.random.default_rng(seed)))
        changed = np.abs(image - plain).max(-1) > 60
        shares.append(changed.mean())
        assert np.abs(image - plain)[~changed].max() <= 60
        if shares[-1] > 0.02:
            paper = image[changed]
            assert np.ptp(np.percentile(paper, 75, 0)) < 90  # 130 in the photograph
    assert 0.005 < np.median(shares) < 0.5


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(UnshineError, match="no photographs"):
        PhotographStream(tmp_path, 64, 4, seed=1)


def test_tuples_of_photographs_are_reproducible_and_their_albedo_unknown(folder):
    first, again, other = (next(iter(PhotographStream(folder, 64, 4, seed))) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.image, other.image)
    assert first.image.shape == (4, 3, 64, 64)
    assert not first.shading.any()


def test_where_nothing_shines_the_image_is_its_own_truth(folder):
    for tuples in islice(PhotographStream(folder, 64, 4, seed=3), 3):
        for image, clean, highlight in zip(
            tuples.image, tuples.clean, tuples.highlight, strict=True
        ):
            if not highlight.any():
                assert (image - clean).abs().mean() < 1e-3


def test_some_photographs_shine_and_some_do_not(folder):
    shares = [
        float((highlight > 0.5).float().mean())
        for tuples in islice(PhotographStream(folder, 64, 8, seed=4), 6)
        for highlight in tuples.highlight
    ]
    assert 0.15 < np.mean(np.array(shares) > 0) < 0.75
    assert np.mean(shares) < 0.1


@pytest.mark.parametrize("kind", stay.KINDS)
def test_things_that_must_stay_are_drawn_of_every_kind(kind):
    one, again, other = (stay.make(kind, 48, np.random.default_rng(k)) for k in (1, 1, 2))
    assert one.shape == (48, 48, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() <= one.max() <= 1
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.std() > 0.01


def test_what_must_stay_is_bright_somewhere():
    for kind in stay.KINDS:
        brightest = [stay.make(kind, 48, np.random.default_rng(k)).max() for k in range(6)]
        assert max(brightest) > 0.75, kind


def test_every_kind_is_drawn_and_the_smallest_shapes_are():
    assert stay.OFTEN.keys() == stay.KINDS.keys()
    for seed in range(250):
        stay.make("shapes", 32, np.random.default_rng(seed))


def test_the_stream_of_what_must_stay_has_few_highlights():
    batches = list(islice(StayStream(64, 8, seed=5), 24))
    shares = torch.cat([(batch.highlight > 0.5).float().mean((1, 2, 3)) for batch in batches])
    assert (shares == 0).float().mean() > 0.5
    assert (shares > 0).any()


def test_flat_things_have_a_surface_and_glare_lies_on_it_alone():
    drawn = np.stack([flat.make(64, np.random.default_rng(k)) for k in range(12)])
    assert np.array_equal(drawn[3], flat.make(64, np.random.default_rng(3)))
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() <= drawn.max() <= 1
    surface = torch.from_numpy(drawn[..., 3:]).permute(0, 3, 1, 2)
    assert (surface.mean((1, 2, 3)) > 0.2).all()
    assert (surface == 0).any()
    image = torch.from_numpy(drawn[..., :3]).permute(0, 3, 1, 2)
    relief = torch.full((12, 1, 64, 64), 0.5)
    scene = photographs.light_up(random(12), image, None, relief, surface, bands=1)
    assert (scene.specular.amax(1, keepdim=True)[surface == 0] == 0).all()
    assert (scene.specular.amax((1, 2, 3)) > 0).all()


def test_glare_covers_little_and_is_never_negative():
    fields = glare.draw(random(64), 64)
    assert fields.shape == (64, 1, 64, 64)
    assert fields.min() >= 0
    assert (fields.amax((1, 2, 3)) > 0.05).float().mean() > 0.9
    assert float((fields > 0.5).float().mean()) < 0.2


def test_broken_glare_is_never_brighter_than_whole():
    field, relief = glare.draw(random(), 64), torch.rand(6, 1, 64, 64)
    assert (glare.broken(random(seed=1), field, relief) <= field + 1e-6).all()


def test_light_that_is_laid_over_a_photograph_is_added_in_linear_light():
    image = torch.full((6, 3, 64, 64), 0.5)
    relief, shiny = torch.rand(6, 1, 64, 64), torch.ones(6, 1, 1, 1)
    library = torch.rand(3, 1, 32, 32)
    scene = photographs.light_up(random(), image, library, relief, shiny)
    assert torch.allclose(scene.diffuse, optics.decode(image))
    assert not scene.albedo.any()
    assert scene.specular.min() >= 0
    matte = photographs.light_up(random(), image, None, relief, 0 * shiny)
    assert not matte.specular.any()
