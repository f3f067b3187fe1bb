"""Each method's own idea, against a direct formula or a second implementation."""

import numpy as np
import pytest

from unshine.classical import (
    akashi2016,
    shen2009,
    shen2013,
    son2020,
    souza2018,
    tan2005,
    yamamoto2019,
    yang2010,
    yoon2006,
)


def psnr(image, truth):
    return -10 * np.log10(np.square(image - truth).mean())


def test_tan_gives_a_pixel_its_neighbours_chromaticity():
    diffuse = np.array([0.6, 0.3, 0.1])
    pixel = diffuse + 0.25
    tan2005._specular_to_diffuse(pixel, tan2005._top(pixel), tan2005._top(diffuse))
    assert np.allclose(pixel, diffuse)


def test_tan_takes_no_more_light_than_there_is():
    pixel = np.array([0.5, 0.4, 0.1])
    tan2005._specular_to_diffuse(pixel, tan2005._top(pixel), 0.99)
    assert np.allclose(pixel, [0.4, 0.3, 0])


def test_yoon_equalises_ratios():
    """Within one colour, total over specular-free light becomes the smallest there is."""
    rng = np.random.default_rng(0)
    diffuse = np.array([0.8, 0.4, 0.1]) * rng.uniform(0.3, 1, (12, 15, 1))
    specular = np.where(rng.random((12, 15, 1)) < 0.7, rng.uniform(0.2, 0.8, (12, 15, 1)), 0)
    result = yoon2006.remove(diffuse + specular, ratio_tolerance=1e-6)
    assert np.allclose(result, diffuse, atol=1e-4)


def test_yoon_keeps_surfaces_apart():
    left, right = np.array([0.8, 0.4, 0.1]), np.array([0.3, 0.9, 0.4])
    image = np.stack([np.tile(left, (6, 4, 1)), np.tile(right, (6, 4, 1))], axis=1)
    image = image.reshape(6, 8, 3)
    assert np.allclose(yoon2006.remove(image, ratio_tolerance=1e-6), image)


def test_shen2009_restores_a_flat_surface():
    """Highlight of constant strength on a flat surface: nothing of it is left."""
    image = np.tile([0.5, 0.25, 0.05], (30, 30, 1))
    image[10:16, 12:20] += 0.3
    assert np.allclose(shen2009.remove(image), [0.5, 0.25, 0.05], atol=1e-12)


def test_bilateral_grid_agrees_with_the_direct_sum():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :50] / 50
    guide = 0.5 + 0.15 * np.sin(4 * rows) * np.cos(3 * columns) + 0.2 * (columns > 0.5)
    values = rng.random((40, 50))
    sigma_space, sigma_range = 10.0, 0.05
    truth = np.empty_like(values)
    for y in range(40):
        for x in range(50):
            square = ((np.mgrid[:40, :50] - np.array([y, x])[:, None, None]) / sigma_space) ** 2
            difference = ((guide - guide[y, x]) / sigma_range) ** 2
            weight = np.exp(-(square.sum(axis=0) + difference) / 2)
            weight[(square > 4).any(axis=0) | (difference > 4)] = 0
            truth[y, x] = (weight * values).sum() / weight.sum()
    grid = yang2010.joint_bilateral(values, guide, sigma_space, sigma_range, cells=8)
    assert abs(grid - truth).max() < 0.02
    assert np.allclose(
        yang2010.joint_bilateral(np.full_like(values, 0.3), guide, sigma_space, sigma_range), 0.3
    )


def test_yang_guide_ignores_white_light():
    rng = np.random.default_rng(0)
    diffuse = rng.random((9, 9, 3))
    _, guide = yang2010.specular_invariant(diffuse)
    _, shone = yang2010.specular_invariant(diffuse + rng.random((9, 9, 1)))
    assert np.allclose(guide, shone)


def test_shen2013_agrees_with_pixel_by_pixel_formula(scene):
    """One colour, hence one cluster: the paper's formulas written out."""
    image = scene.image[:44, :60]
    smallest, largest = image.min(axis=2), image.max(axis=2)
    spread = largest - smallest
    bright = smallest > smallest.mean()
    ratio = np.median((largest / spread)[bright & (spread > smallest.mean())])
    expected = image.copy()
    for y, x in zip(*np.nonzero(bright), strict=True):
        expected[y, x] -= min(max(largest[y, x] - ratio * spread[y, x], 0), smallest[y, x])
    assert np.allclose(shen2013.remove(image), expected)


def test_greedy_clusters():
    points = np.array([[0.0, 0.1, 1.0, 0.22, 1.1], [0.0, 0.0, 0.0, 0.0, 0.1]])
    assert shen2013._greedy_clusters(points, 0.3).tolist() == [0, 0, 1, 0, 1]


def test_souza_starts_from_extreme_pixels():
    points = np.array([[0.05, 0.06, 0.2, 0.21, 0.33], [0.6, 0.61, 0.9, 0.89, 0.34]])
    assert souza2018._three_clusters(points).tolist() == [0, 0, 1, 1, 2]


def test_akashi_update_agrees_with_matrix_formula():
    rng = np.random.default_rng(0)
    pixels = rng.random((3, 700), np.float32) * 255
    palette = rng.random((3, 5), np.float32)
    before = rng.random((5, 700), np.float32) * 100
    gram = palette.T @ palette
    expected = before * (palette.T @ pixels) / (gram @ before + np.float32(3))
    after = before.copy()
    size, with_pixels, with_selves = akashi2016._update(pixels, after, palette, gram, np.float32(3))
    assert np.allclose(after, expected, rtol=1e-4)
    assert np.isclose(size, expected.sum(), rtol=1e-4)
    assert np.allclose(with_pixels, pixels @ expected.T, rtol=1e-4)
    assert np.allclose(with_selves, expected @ expected.T, rtol=1e-4)


def test_akashi_objective_falls_and_is_what_it_says():
    rng = np.random.default_rng(0)
    pixels = np.asfortranarray(rng.random((3, 300), np.float32) * 255).copy()
    start = rng.random((3, 4))
    start[:, 0] = 1
    start /= np.linalg.norm(start, axis=0)
    objectives = []
    for iterations in (2, 10, 50, 250):
        coefficients = np.full((4, 300), 50, np.float32)
        palette, objective = akashi2016._factorise(
            pixels, start, coefficients, 3.0, 0.0, iterations, True
        )
        assert np.allclose(palette[:, 0], 3**-0.5)
        assert np.allclose(np.linalg.norm(palette, axis=0), 1)
        assert (palette >= 0).all()
        objectives.append(objective)
    assert sorted(objectives, reverse=True) == objectives
    # The objective belongs to the palette before the last update.
    coefficients = np.full((4, 300), 50, np.float32)
    _, objective = akashi2016._factorise(pixels, start, coefficients, 3.0, 0.0, 1, False)
    direct = np.square(pixels - start @ coefficients).sum() / 2 + 3 * coefficients.sum()
    assert np.isclose(objective, direct, rtol=1e-4)


def test_akashi_depends_on_its_seed_only(scene):
    small = scene.image[::3, ::3]
    first = akashi2016.remove(small, iterations=50, starts=1, seed=1)
    assert np.array_equal(first, akashi2016.remove(small, iterations=50, starts=1, seed=1))
    assert not np.array_equal(first, akashi2016.remove(small, iterations=50, starts=1, seed=2))


def test_son_finds_the_minimum_of_its_energy(scene):
    """No random change lowers the energy, written out here once more."""
    image = scene.image[::4, ::4]
    smallest = image.min(axis=2)
    grey, edge, smooth, rare = 0.1, 0.05, 0.1, 0.05
    free = image.sum(axis=2) - 3 * smallest + grey
    colour = (image - smallest[..., None] + grey / 3) / free[..., None]

    def energy(specular):
        diffuse = smallest - specular
        total = rare * specular.sum()
        for axis in (0, 1):
            length = free.shape[axis]
            d, e = (np.take(diffuse, r, axis) for r in (range(length - 1), range(1, length)))
            x, y = (np.take(free, r, axis) for r in (range(length - 1), range(1, length)))
            c, k = (np.take(colour, r, axis) for r in (range(length - 1), range(1, length)))
            bond = np.exp(-np.abs(c - k).sum(axis=2) / edge)
            total += (bond * 2 * np.abs(y * d - x * e) / (x + y)).sum()
            total += smooth * np.abs(np.diff(specular, axis=axis)).sum()
        return total

    found = son2020._minimise(image, np.zeros_like(smallest), grey, edge, smooth, rare, 3000)
    lowest = energy(found)
    assert lowest < energy(np.zeros_like(found)) - 1
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 0.1):
        for _ in range(20):
            other = np.clip(found + size * rng.normal(size=found.shape), 0, smallest)
            assert energy(other) > lowest - 1e-3
    for other in (0.9 * found, np.minimum(1.1 * found, smallest), np.roll(found, 1, axis=0)):
        assert energy(np.minimum(other, smallest)) > lowest - 1e-3


def test_son_does_not_depend_on_its_start(scene):
    image = scene.image[::4, ::4]
    smallest = image.min(axis=2)
    settings = (0.1, 0.05, 0.1, 0.05, 3000)
    low = son2020._minimise(image, np.zeros_like(smallest), *settings)
    high = son2020._minimise(image, smallest.copy(), *settings)
    assert abs(low - high).max() < 0.01


def test_son_restores_a_grey_surface():
    """The one method here that works without colour: a white spot on a grey slope."""
    rows, columns = np.mgrid[:48, :64] / 32
    diffuse = np.repeat((0.3 + 0.02 * rows + 0.03 * columns)[..., None], 3, axis=2)
    spot = 0.4 * np.exp(-((rows - 0.8) ** 2 + (columns - 1) ** 2) / 0.02)
    image = diffuse + spot[..., None]
    assert psnr(son2020.remove(image), diffuse) > psnr(image, diffuse) + 3


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_yamamoto_repairs_a_degraded_result(scene, share):
    """Scattered pixels of the highlights were missed by the method before."""
    rng = np.random.default_rng(0)
    specular = (scene.image - scene.diffuse).max(axis=2)
    missed = (rng.random(specular.shape) < share) & (specular > 0.02)
    degraded = np.where(missed[..., None], scene.image, scene.diffuse)
    repaired = yamamoto2019.refine(scene.image, degraded)
    assert psnr(repaired, scene.diffuse) > psnr(degraded, scene.diffuse) + 3


def test_yamamoto_replaces_by_the_most_similar_sound_pixel():
    rng = np.random.default_rng(0)
    image, diffuse, colour = rng.random((3, 9, 10, 3))
    wrong = rng.random((9, 10)) < 0.3
    result = yamamoto2019._replace(image, diffuse, colour, wrong, 3, 0.3)
    assert np.array_equal(result[~wrong], diffuse[~wrong])
    for y, x in zip(*np.nonzero(wrong), strict=True):
        costs = {
            0.3 * np.square(image[y, x] - image[v, u]).sum()
            + 0.7 * np.square(colour[y, x] - colour[v, u]).sum(): (v, u)
            for v in range(max(0, y - 3), min(9, y + 4))
            for u in range(max(0, x - 3), min(10, x + 4))
            if not wrong[v, u]
        }
        assert np.array_equal(result[y, x], diffuse[costs[min(costs)]])


def test_yamamoto_takes_any_first_method(scene):
    first = yang2010.remove(scene.image)
    assert np.array_equal(
        yamamoto2019.remove(scene.image, yang2010.remove), yamamoto2019.refine(scene.image, first)
    )
