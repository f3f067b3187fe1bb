"""Metrics against other implementations and direct formulas."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from unshine import metrics, optics


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :52] / 40
    truth = np.stack([0.5 + 0.3 * np.sin(6 * rows), 0.6 * columns, 0.4 + 0 * rows], axis=2)
    truth = np.clip(truth + 0.05 * rng.normal(size=truth.shape), 0, 1).astype(np.float32)
    spot = 0.5 * np.exp(-((rows - 0.4) ** 2 + (columns - 0.5) ** 2) / 0.02)
    image = np.clip(truth + spot[..., None], 0, 1).astype(np.float32)
    result = np.clip(truth + 0.2 * spot[..., None] + 0.02 * rng.normal(size=truth.shape), 0, 1)
    mask = (rows - 0.5) ** 2 + (columns - 0.6) ** 2 < 0.2
    return result.astype(np.float32), image, truth, mask


def test_psnr_agrees_with_others(images):
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    torch = pytest.importorskip("torch")
    result, _, truth, _ = images
    ours = metrics.psnr(result, truth)
    assert ours == pytest.approx(peak_signal_noise_ratio(truth, result, data_range=1), abs=1e-4)
    tensors = (torch.from_numpy(x).movedim(2, 0)[None] for x in (result, truth))
    theirs = torchmetrics.peak_signal_noise_ratio(*tensors, data_range=1.0)
    assert ours == pytest.approx(float(theirs), abs=1e-4)


def test_ssim_agrees_with_others(images):
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    torch = pytest.importorskip("torch")
    result, image, truth, mask = images
    ours = metrics.scores(result, image, truth, mask)["ssim_whole"]
    direct = structural_similarity(
        truth,
        result,
        channel_axis=2,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ours == pytest.approx(direct, abs=1e-4)
    tensors = (torch.from_numpy(x).movedim(2, 0)[None] for x in (result, truth))
    _, full = torchmetrics.structural_similarity_index_measure(
        *tensors,
        gaussian_kernel=True,
        sigma=1.5,
        kernel_size=11,
        data_range=1.0,
        return_full_image=True,
    )
    # Its own mean counts windows that stick out of the image too, over mirrored pixels.
    assert ours == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-4)


def test_ssim_of_one_window_is_the_formula():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 11, 11))
    kernel = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(kernel, kernel) / kernel.sum() ** 2
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy = (weight * x * x).sum() - mx**2, (weight * y * y).sum() - my**2
    cov = (weight * x * y).sum() - mx * my
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    grey = [np.repeat(a[..., None], 3, axis=2).astype(np.float32) for a in (x, y)]
    assert metrics.ssim_map(*grey) == pytest.approx(expected, abs=1e-5)


def test_ciede2000_reference_values(images):
    """White against 1 % less light, and skimage's own conversion for the sRGB curve."""
    result, _, truth, _ = images
    ours = metrics.ciede2000_map(
        optics.decode(result, "srgb"), optics.decode(truth, "srgb"), linear=True
    )
    assert np.allclose(ours, deltaE_ciede2000(rgb2lab(result), rgb2lab(truth)), atol=0.02)
    power = metrics.ciede2000_map(optics.encode(np.float64(result)), optics.encode(truth))
    assert np.allclose(power, metrics.ciede2000_map(result, truth, linear=True), atol=1e-3)
    assert np.allclose(metrics.ciede2000_map(truth, truth), 0)


def test_regions_agree_with_a_direct_formula(images):
    result, image, truth, mask = images
    found = metrics.scores(result, image, truth, mask)
    bright = np.zeros_like(mask)
    for y, x in np.ndindex(mask.shape):
        bright[y, x] = mask[y, x] and max(image[y, x] - truth[y, x]) > 0.04
    assert 0 < bright.sum() < mask.sum()
    regions = {
        "whole": np.ones_like(mask),
        "object": mask,
        "highlight": bright,
        "outside": mask & ~bright,
    }
    similarity = np.pad(metrics.ssim_map(result, truth), 5)
    colour = metrics.ciede2000_map(result, truth)
    inner = np.pad(np.ones((30, 42), bool), 5)
    for name, where in regions.items():
        errors = [(float(result[y, x, c]) - float(truth[y, x, c])) ** 2
                  for y, x in zip(*np.nonzero(where), strict=True) for c in range(3)]  # fmt: skip
        assert found[f"psnr_{name}"] == pytest.approx(-10 * np.log10(np.mean(errors)), abs=1e-4)
        assert found[f"ssim_{name}"] == pytest.approx(similarity[where & inner].mean())
        assert found[f"ciede2000_{name}"] == pytest.approx(colour[where].mean())
    assert list(found) == list(metrics.COLUMNS)


def test_highlight_threshold_is_in_display_values():
    truth = np.full((20, 20, 3), 0.5, np.float32)
    image = truth.copy()
    image[5:10, 5:10, 0] += 0.041
    image[12:14, 12:14, 1] += 0.039
    mask = np.ones((20, 20), bool)
    assert metrics.highlight_region(image, truth, mask).sum() == 25
    light = (optics.decode(image), optics.decode(truth))
    assert metrics.highlight_region(*light, mask, linear=True).sum() == 25
    mask[:7] = False
    assert metrics.highlight_region(image, truth, mask).sum() == 15
    area, strength = metrics.highlight_strength(image, truth, mask)
    assert area == pytest.approx(15 / (13 * 20))
    assert strength == pytest.approx(0.041, abs=1e-5)


def test_edge_cases(images):
    _, image, truth, mask = images
    perfect = metrics.scores(truth, image, truth, mask)
    assert perfect["psnr_object"] == metrics.PERFECT
    assert perfect["ssim_whole"] == pytest.approx(1)
    matte = metrics.scores(truth, truth, truth, mask)
    assert np.isnan([matte[f"{name}_highlight"] for name in metrics.METRICS]).all()
    assert matte["psnr_outside"] == metrics.PERFECT
    tiny = metrics.scores(truth[:10], image[:10], truth[:10], np.ones((10, 52), bool))
    assert np.isnan(tiny["ssim_whole"])
    assert np.isfinite(tiny["ciede2000_whole"])
    assert metrics.highlight_strength(truth, truth, mask) == (0, 0)
    beyond = metrics.scores(truth + 9, image, np.ones_like(truth), mask)
    assert beyond["psnr_whole"] == metrics.PERFECT


def test_change_is_the_rms_in_levels():
    rng = np.random.default_rng(0)
    image, result = rng.random((2, 9, 8, 3), np.float32)
    where = rng.random((9, 8)) < 0.5
    squares = [255**2 * (float(result[y, x, c]) - float(image[y, x, c])) ** 2
               for y, x in zip(*np.nonzero(where), strict=True) for c in range(3)]  # fmt: skip
    assert metrics.change(result, image, where) == pytest.approx(np.sqrt(np.mean(squares)))
    light = optics.decode(result), optics.decode(image)
    assert metrics.change(*light, where, linear=True) == pytest.approx(
        metrics.change(result, image, where), rel=1e-4
    )
    assert metrics.change(image, image, where) == 0
    assert np.isnan(metrics.change(result, image, np.zeros_like(where)))
