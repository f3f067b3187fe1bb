import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import unshine
from unshine import optics, pixels
from unshine.errors import UnshineError
from unshine.remover import LAYERS, Remover

COFFEE = Path(__file__).parents[1] / "examples" / "coffee.png"
DTYPES = ("uint8", "uint16", "float16", "float32", "float64")


@pytest.fixture(scope="module")
def remover(tiny_weights: Path) -> Remover:
    return Remover(weights=tiny_weights)


@pytest.fixture(scope="module")
def small_remover(tiny_weights: Path) -> Remover:
    """A remover for which everything above 40 pixels is a large photograph."""
    return Remover(weights=tiny_weights, working_size=40)


def _image(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def _photograph(height: int, width: int, grain: float = 0.02) -> np.ndarray:
    """A dark, grainy image with two flat halves and a bright disc across their edge."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    base = np.where(x < width / 2, 0.3, 0.55)[..., None] * [1, 0.8, 0.6]
    distance = np.hypot(y - height / 2, x - width / 2) / min(height, width)
    base = base + 0.5 * np.clip(1.2 - 4 * distance, 0, 1)[..., None]
    return (base + random.normal(0, grain, (height, width, 1))).clip(0, 1).astype(np.float32)


def _network(image: np.ndarray) -> np.ndarray:
    """What the tiny network makes of a float image."""
    highlight = ((image.max(-1, keepdims=True) - np.float32(0.8)) * 5).clip(0, 1)
    return image * (1 - highlight / 2)


shapes = st.tuples(st.integers(1, 90), st.integers(1, 90), st.sampled_from([None, 3, 4])).map(
    lambda shape: tuple(n for n in shape if n is not None)
)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, dtype=st.sampled_from(DTYPES), strength=st.sampled_from([0, 0.3, 1]))
def test_type_shape_alpha_and_what_does_not_shine_stay(
    small_remover: Remover, shape: tuple[int, ...], dtype: str, strength: float
) -> None:
    image = _image(shape, dtype)
    # Bright enough to be seen as it is, and nowhere as bright as the highlights.
    even = image // 4 + np.iinfo(dtype).max // 2 if image.dtype.kind != "f" else image / 4 + 0.5
    even = even.astype(dtype)
    for photograph in (image, even):
        before = photograph.copy()
        result = small_remover(photograph, strength)
        assert result.dtype == photograph.dtype
        assert result.shape == photograph.shape
        assert result is not photograph
        assert np.array_equal(photograph, before), "the input was written to"
        if photograph.shape[-1] == 4 and photograph.ndim == 3:
            assert np.array_equal(result[..., 3], photograph[..., 3])
        if strength == 0 or photograph is even:
            assert np.array_equal(result, photograph)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_images_are_the_networks_own_answer(remover: Remover, dtype: str) -> None:
    image = _image((30, 50, 3), dtype)
    result = remover(image)
    peak = 1 if image.dtype.kind == "f" else np.iinfo(dtype).max
    expected = _network((image / peak).astype(np.float32))
    tolerance = {"float16": 1e-3}.get(dtype, 1e-6 if peak == 1 else 0.51 / peak)
    assert np.abs(result / peak - expected).max() <= tolerance
    untouched = image.max(-1) < 0.8 * peak
    assert 0.1 < untouched.mean() < 0.9
    assert np.array_equal(result[untouched], image[untouched])


def test_strength_blends_in_linear_light(remover: Remover) -> None:
    image = _image((20, 20, 3))
    full, half = remover(image), remover(image, 0.5)
    middle = (0.5 * image**2.2 + 0.5 * full**2.2) ** (1 / 2.2)
    assert np.abs(half - middle).max() < 1e-5
    assert np.abs(half - (image + full) / 2).max() > 1e-3


def test_grey_stays_grey(remover: Remover) -> None:
    grey = _image((20, 30), "uint8")
    colour = remover(np.repeat(grey[..., None], 3, -1))
    assert np.array_equal(remover(grey), colour[..., 0])


def test_overshooting_floats_are_kept_where_nothing_changes(remover: Remover) -> None:
    image = np.full((4, 4, 3), -0.05, np.float32)
    image[0] = 1.05
    result = remover(image)
    assert np.array_equal(result[1:], image[1:])
    assert np.allclose(result[0], 0.5)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 2, 3), (1, 5000, 3), (5000, 1, 3), (2, 1025)])
def test_odd_sizes(remover: Remover, shape: tuple[int, ...]) -> None:
    white = np.full(shape, 255, np.uint8)
    result = remover(white)
    assert result.shape == shape
    assert np.abs(result.astype(int) - 128).max() <= 1


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros(5, np.uint8), "not \\(5,\\)"),
        (np.zeros((5, 5, 5), np.uint8), "not \\(5, 5, 5\\)"),
        (np.zeros((1, 1, 5, 5, 3), np.uint8), "H×W×1 to H×W×4"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.zeros((5, 5, 3), np.int32), "not int32"),
        (np.zeros((5, 5, 3), bool), "not bool"),
        (np.full((5, 5, 3), np.nan, np.float32), "not finite"),
        (np.full((5, 5, 3), np.inf), "not finite"),
        (np.full((5, 5, 3), 200.0), "\\[200, 200\\]"),
    ],
)
def test_what_is_no_image(remover: Remover, image: np.ndarray, sentence: str) -> None:
    for use in (remover.remove, remover.decompose):
        with pytest.raises(ValueError, match=sentence):
            use(image)


def test_nan_in_alpha_is_nobodys_business(remover: Remover) -> None:
    image = _image((4, 4, 4))
    image[..., 3] = np.nan
    assert np.isnan(remover(image)[..., 3]).all()


def test_wrong_engine_and_working_size(tiny_weights: Path) -> None:
    with pytest.raises(UnshineError, match="no engine 'abacus'"):
        Remover(engine="abacus")
    with pytest.raises(ValueError, match="working_size"):
        Remover(weights=tiny_weights, working_size=0)


def test_threads_agree_with_one_after_another(small_remover: Remover) -> None:
    images = [_image((30 + 5 * i, 90 - 4 * i, 3), "uint8", i) for i in range(12)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(small_remover, images))
    for image, result in zip(images, together, strict=True):
        assert np.array_equal(result, small_remover(image))


# Large photographs.


def test_large_photographs_come_close_to_the_network_at_full_size(
    remover: Remover, tiny_weights: Path
) -> None:
    photograph = _photograph(240, 320)
    truth = remover(photograph)
    half = Remover(weights=tiny_weights, working_size=160)
    error = np.abs(half(photograph) - truth).mean()
    # For comparison: the correction enlarged without looking at the image.
    small = np.stack(
        [
            np.asarray(Image.fromarray(photograph[..., c]).resize((160, 120), Image.Resampling.BOX))
            for c in range(3)
        ],
        -1,
    )
    change = half(small) - small
    enlarged = np.stack(
        [
            np.asarray(
                Image.fromarray(change[..., c]).resize((320, 240), Image.Resampling.BILINEAR)
            )
            for c in range(3)
        ],
        -1,
    )
    plain = np.abs((photograph + enlarged).clip(0, 1) - truth).mean()
    assert error < 0.8 * plain
    assert error < 0.15 * np.abs(photograph - truth).mean()


def test_large_photographs_are_untouched_away_from_the_highlight(small_remover: Remover) -> None:
    photograph = _photograph(240, 320)
    result = small_remover(photograph)
    y, x = np.mgrid[:240, :320]
    far = np.hypot(y - 120, x - 160) > 100
    assert np.array_equal(result[far], photograph[far])
    assert np.abs(result - photograph)[120, 160].max() > 0.2


def test_fine_detail_in_the_highlight_is_what_the_network_would_leave(
    remover: Remover, small_remover: Remover
) -> None:
    photograph = _photograph(240, 320)
    spot = np.s_[100:140, 165:195]

    def fine(image: np.ndarray) -> np.ndarray:
        """Detail smaller than the 8 pixels that one of the working image covers."""
        grey = image[spot].mean(-1)
        return grey - grey.reshape(5, 8, -1).mean(1).repeat(8, 0)

    truth, result = fine(remover(photograph)), fine(small_remover(photograph))
    assert np.corrcoef(truth.ravel(), result.ravel())[0, 1] > 0.7
    assert 0.5 < result.std() / truth.std() < 2


def test_strips_leave_no_seams(small_remover: Remover, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = _photograph(240, 320)
    whole, layers = small_remover(photograph), small_remover.decompose(photograph)
    monkeypatch.setattr(pixels, "STRIP_PIXELS", 320 * 7)
    assert np.abs(small_remover(photograph) - whole).max() < 1e-4
    for name, layer in small_remover.decompose(photograph).given().items():
        assert np.abs(layer - getattr(layers, name)).max() < 1e-4, name


# Strength, sensitivity and masks: what an analysis answers.

kinds = st.sampled_from(DTYPES)
shares = st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0])
image_shapes = st.tuples(
    st.integers(1, 90), st.integers(1, 90), st.sampled_from([None, 1, 2, 3, 4])
).map(lambda shape: tuple(n for n in shape if n is not None))


def _colours(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 else image[..., : 1 if image.shape[2] < 3 else 3]


@pytest.mark.parametrize("threads", [2, 5])
def test_strips_may_be_worked_on_at_once(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(pixels, "STRIP_PIXELS", 1000)
    image = np.rint(255 * _photograph(150, 130)).astype(np.uint8)
    mask = _image((150, 130), seed=3)
    alone, together = (
        Remover(weights=tiny_weights, working_size=40, threads=count).analyse(image)
        for count in (1, threads)
    )
    assert np.array_equal(alone.clean(mask=mask), together.clean(mask=mask))
    assert np.array_equal(alone.layer("specular"), together.layer("specular"))


def test_an_error_in_a_strip_is_not_lost() -> None:
    def work(rows: slice) -> None:
        raise MemoryError

    for threads in (1, 2):
        with pytest.raises(MemoryError):
            pixels.work_on_strips((10, 10), work, threads)


@settings(max_examples=60, deadline=None)
@given(shape=image_shapes, dtype=kinds, strength=shares, sensitivity=shares, seed=st.integers(0, 9))
def test_a_mask_protects_to_the_last_bit_and_lets_the_network_decide_where_it_is_grey(
    small_remover: Remover,
    shape: tuple[int, ...],
    dtype: str,
    strength: float,
    sensitivity: float,
    seed: int,
) -> None:
    image = _image(shape, dtype, seed)
    analysis = small_remover.analyse(image)
    mask = np.random.default_rng(seed).choice([0, 127, 128, 255], shape[:2]).astype(np.uint8)
    masked = analysis.clean(strength, sensitivity, mask)
    decided = analysis.clean(strength, sensitivity)
    certain = analysis.clean(strength, 1.0, np.full(shape[:2], 255, np.uint8))
    for result in (masked, decided, certain):
        assert result.dtype == image.dtype
        assert result.shape == image.shape
    if shape[2:] in ((2,), (4,)):
        assert np.array_equal(masked[..., -1], image[..., -1])
    grey = (mask == 127) | (mask == 128)
    assert np.array_equal(_colours(masked)[mask == 0], _colours(image)[mask == 0])
    assert np.array_equal(_colours(masked)[grey], _colours(decided)[grey])
    assert np.array_equal(_colours(masked)[mask == 255], _colours(certain)[mask == 255])


@pytest.mark.parametrize("working_size", [40, 1024])
def test_a_white_mask_counts_as_a_certain_highlight(tiny_weights: Path, working_size: int) -> None:
    image = np.full((60, 80, 3), 0.6, np.float32)  # too dark for this network's map
    remover = Remover(weights=tiny_weights, working_size=working_size)
    mask = np.full((60, 80), 0.5)
    mask[11:37, 23:50] = 1
    result = remover(image, mask=mask)
    assert np.allclose(result[mask == 1], 0.3, atol=1e-6)
    assert np.array_equal(result[mask != 1], image[mask != 1]), "the mask's edges are not exact"


def test_between_its_three_words_a_mask_acts_evenly_in_linear_light(remover: Remover) -> None:
    image = _image((20, 30, 3))
    analysis = remover.analyse(image)
    word = np.ones((20, 30))
    protected, decided, certain = (analysis.clean(mask=mask * word) ** 2.2 for mask in (0, 0.5, 1))
    low, high = (analysis.clean(mask=mask * word) ** 2.2 for mask in (0.2, 0.9))
    assert np.allclose(low, 0.6 * protected + 0.4 * decided, atol=1e-5)
    assert np.allclose(high, 0.2 * decided + 0.8 * certain, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool", "float64"])
def test_masks_of_every_type_say_the_same(remover: Remover, dtype: str) -> None:
    image = _image((20, 30, 3), "uint8")
    white = np.random.default_rng(0).random((20, 30)) < 0.5
    mask = white.astype(dtype) * (np.iinfo(dtype).max if dtype.startswith("u") else 1)
    expected = remover(image, mask=white * 1.0)
    assert np.array_equal(remover(image, mask=mask.astype(dtype)), expected)
    assert np.array_equal(remover(image, mask=mask.astype(dtype)[..., None]), expected)
    assert np.array_equal(remover(image, mask=Image.fromarray(white)), expected)


@pytest.mark.parametrize("working_size", [100, 1024])
def test_sensitivity_runs_from_nothing_to_everything(working_size: int) -> None:
    image = np.asarray(Image.open(COFFEE).convert("RGB"))[200:360, 250:453]
    analysis = Remover(working_size=working_size).analyse(image)
    changed = [
        (analysis.clean(sensitivity=s) != image).any(-1).mean() for s in (0, 0.35, 0.5, 0.8, 1)
    ]
    assert changed == sorted(set(changed))
    assert changed[0] == 0
    assert np.array_equal(analysis.clean(), analysis.clean(sensitivity=0.5))
    # Nothing happens at 0.5 itself, where the network's own answer takes over.
    near = analysis.clean(sensitivity=0.5001).astype(int)
    assert np.abs(near - analysis.clean()).max() <= 1
    whole = np.full(image.shape[:2], 255, np.uint8)
    assert np.array_equal(analysis.clean(sensitivity=1), analysis.clean(mask=whole))


@pytest.mark.parametrize("name", ["strength", "sensitivity"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", None, [0.5], np.ones(3)])
def test_what_is_no_share(remover: Remover, name: str, value: object) -> None:
    analysis = remover.analyse(_image((4, 4, 3)))
    with pytest.raises(ValueError, match=f"{name} must be a number between 0 and 1"):
        analysis.clean(**{name: value})


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.ones((5, 4)), "height and width, \\(4, 5\\)"),
        (np.ones((4, 5, 3)), "height and width"),
        (0.5, "height and width"),
        ("mask.png", "height and width"),
        (np.ones((4, 5), np.int64), "not int64"),
        (np.full((4, 5), 1.5), "in \\[0, 1\\]"),
        (np.full((4, 5), np.nan), "in \\[0, 1\\]"),
    ],
)
def test_what_is_no_mask(remover: Remover, mask: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        remover(_image((4, 5, 3)), mask=mask)


def test_the_network_runs_once(remover: Remover, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    engine = remover.engine
    monkeypatch.setattr(remover, "engine", lambda *a: runs.append(1) or engine(*a), raising=True)
    monkeypatch.setattr(remover.engine, "network", engine.network, raising=False)
    analysis = remover.analyse(_image((30, 40, 3)))
    for sensitivity in (0.2, 0.5, 0.9):
        analysis.clean(0.5, sensitivity, np.ones((30, 40)))
    for name in LAYERS:
        analysis.layer(name)
    assert len(runs) == 1


# Kinds of images.


def test_a_batch_is_its_images(small_remover: Remover) -> None:
    batch = _image((3, 50, 60, 4), "uint16")
    masks = np.random.default_rng(0).random((3, 50, 60))
    result = small_remover(batch, 0.7)
    assert (result.shape, result.dtype) == (batch.shape, batch.dtype)
    for one, image in zip(result, batch, strict=True):
        assert np.array_equal(one, small_remover(image, 0.7))
    for one, image, mask in zip(small_remover(batch, mask=masks), batch, masks, strict=True):
        assert np.array_equal(one, small_remover(image, mask=mask))
    assert np.array_equal(
        small_remover(batch, mask=masks[0])[2], small_remover(batch[2], mask=masks[0])
    )
    assert small_remover(batch[:0]).shape == (0, 50, 60, 4)
    with pytest.raises(ValueError, match="2 masks for a batch of 3"):
        small_remover(batch, mask=masks[:2])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F"])
def test_pillow_images_come_back_in_their_own_mode(remover: Remover, mode: str) -> None:
    dtype = {"I;16": "uint16", "F": "float32"}.get(mode, "uint8")
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = _image((20, 30, channels) if channels > 1 else (20, 30), dtype)
    image = Image.fromarray(values)
    image.info["icc_profile"] = b"profile"
    result = remover(image, 0.9)
    assert (result.mode, result.size, result.info) == (mode, image.size, image.info)
    assert np.array_equal(np.asarray(result), remover(values, 0.9))
    assert remover.decompose(image).clean.shape == (20, 30, 3)


def test_a_palette_is_looked_up_and_cmyk_refused(remover: Remover) -> None:
    image = Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 255, 255, 255])
    assert np.abs(np.asarray(remover(image)).astype(int) - 128).max() <= 1
    with pytest.raises(UnshineError, match="mode CMYK"):
        remover(Image.new("CMYK", (3, 2)))


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_remover_can_be_pickled(engine: str, tmp_path: Path, monkeypatch) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.chdir(Path(unshine.__file__).parent)
    weights = {"onnx": None, "torch": "weights/fast.safetensors"}[engine]
    remover = Remover(engine, weights=weights, working_size=30)
    data = pickle.dumps(remover)
    assert len(data) < 1000, "a worker loads the weights itself"
    monkeypatch.chdir(tmp_path)
    image = _image((40, 50, 3), "uint8")
    assert np.array_equal(pickle.loads(data)(image), remover(image))


def test_the_old_name_of_single_layers_warns(remover: Remover) -> None:
    image = _image((20, 30, 3))
    with pytest.warns(DeprecationWarning, match="analyse"):
        layers = remover.layers(image, ["diffuse"])
    assert np.array_equal(layers["diffuse"], remover.analyse(image).layer("diffuse"))


# Layers.


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(20, 30, 3), (80, 120, 4), (100, 70)])
def test_layers(small_remover: Remover, shape: tuple[int, ...], dtype: str) -> None:
    image = _image(shape, dtype)
    layers = small_remover.decompose(image)
    for name, layer in layers.given().items():
        assert layer.dtype == np.float32
        assert layer.shape == (shape[:2] if name == "highlight" else (*shape[:2], 3)), name
        assert layer.min() >= 0, name
        assert name == "shading" or layer.max() <= 1, name
    colours = image[..., None] if image.ndim == 2 else image[..., :3]
    light = (colours / (255 if dtype == "uint8" else 1)) ** 2.2
    # D + R = I wherever D does not exceed I.
    residue = light - layers.diffuse**2.2
    assert np.allclose(layers.specular, residue.clip(0), atol=1e-5)
    clean = small_remover(image)
    colours = clean[..., None] if clean.ndim == 2 else clean[..., :3]
    if dtype == "float32" and image.ndim == 3:
        assert np.abs(layers.clean - colours).max() < 1e-6


def test_small_images_layers_are_the_networks_own(remover: Remover) -> None:
    image = _image((20, 30, 3))
    layers = remover.decompose(image)
    assert np.allclose(layers.albedo, image / 2)
    # A·S is D at most.
    limit = (layers.diffuse / layers.albedo) ** 2.2
    seen = layers.albedo > 0.01
    assert np.allclose(layers.shading[seen], np.minimum(2**2.2, limit)[seen], rtol=1e-4)
    assert np.allclose(layers.clean, _network(image), atol=1e-6)
    assert np.allclose(layers.highlight, ((image.max(-1) - 0.8) * 5).clip(0, 1), atol=1e-6)
    # A·S + R = I away from the highlight, where this network is consistent.
    matte = image.max(-1) < 0.8
    light = layers.albedo**2.2 * layers.shading + layers.specular
    assert np.allclose(light[matte], image[matte] ** 2.2, atol=1e-5)


# The shipped weights.


def test_shipped_weights_reduce_the_highlights_of_the_example() -> None:
    image = np.asarray(Image.open(COFFEE).convert("RGB"))
    clean = unshine.remove(image)
    assert clean.shape == image.shape
    assert clean.dtype == np.uint8
    difference = clean.astype(int) - image
    assert difference.min() < -20, "no highlight was found"
    assert difference.max() < 60, "something became much brighter"
    assert np.abs(difference).mean() < 12, "the image as a whole must stay"


def test_shipped_weights_take_an_image_apart() -> None:
    image = np.asarray(Image.open(COFFEE).convert("RGB"))[:160, :203]
    layers = unshine.decompose(image)
    light = layers.albedo**2.2 * layers.shading + layers.specular
    assert (light - optics.decode(np.maximum(image / 255, layers.diffuse))).max() < 1e-4
    assert np.sqrt(((light - (image / 255) ** 2.2) ** 2).mean()) < 0.1


# TSHRNet's weights.


@pytest.fixture(scope="module")
def tshrnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from unshine.networks import tshrnet
    from unshine.networks.weights import Weights, write_weights

    path = tmp_path_factory.mktemp("tshrnet") / "w.safetensors"
    write_weights(path, Weights("tshrnet", tshrnet.initial(0, 4), "published"))
    return path


def test_tshrnets_image_comes_out_exactly(tshrnet_weights: Path) -> None:
    engines = pytest.importorskip("unshine.engines.torch", reason="PyTorch is not installed")
    image = _image((30, 40, 3), "uint8")
    batch = np.ascontiguousarray(np.float32(image / np.float32(255)).transpose(2, 0, 1)[None])
    expected = engines.TorchEngine(tshrnet_weights)(batch)["clean"][0].transpose(1, 2, 0)
    tshrnet = Remover(weights=tshrnet_weights)
    assert np.array_equal(tshrnet(image), np.rint(expected * 255))
    layers = tshrnet.decompose(image)
    assert np.abs(layers.clean - expected).max() < 1e-6
    highlight = optics.highlight_map(np.float32(image / 255), expected, 2)[..., 0]
    assert np.abs(layers.highlight - highlight).max() < 1e-4


def test_tshrnet_is_certain_everywhere(tshrnet_weights: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    image = _image((30, 40, 3), "uint8")
    analysis = Remover(weights=tshrnet_weights).analyse(image)
    mask = np.random.default_rng(0).choice([0, 128, 255], (30, 40)).astype(np.uint8)
    masked = analysis.clean(mask=mask)
    assert np.array_equal(masked[mask == 0], image[mask == 0])
    assert np.array_equal(masked[mask > 0], analysis.clean()[mask > 0])
    with pytest.raises(UnshineError, match="no highlight map"):
        analysis.clean(sensitivity=0.6)


def test_mixed_has_neither_albedo_nor_shading(tshrnet_weights: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    mixed = Remover(weights=tshrnet_weights, variant="mixed")
    image = _image((30, 40, 3))
    analysis = mixed.analyse(image)
    assert analysis.layer("specular").shape == analysis.layer("diffuse").shape == image.shape
    for name in ("albedo", "shading"):
        with pytest.raises(UnshineError, match=f"gives no {name};"):
            analysis.layer(name)
    with pytest.raises(UnshineError, match="gives no albedo"):
        mixed.decompose(image)


def test_weights_and_engines_that_do_not_fit(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnshineError, match="needs the engine onnx, not torch"):
        Remover("torch", weights=tiny_weights)
    with pytest.raises(UnshineError, match="variant is for TSHRNet"):
        Remover(weights=tiny_weights, variant="mixed")
    # None in sys.modules is what an import finds of a package that is not there.
    monkeypatch.delitem(sys.modules, "unshine.engines.mindspore", raising=False)
    monkeypatch.setitem(sys.modules, "mindspore", None)
    with pytest.raises(UnshineError, match=r'MindSpore is missing.*"unshine\[mindspore\]"'):
        Remover("mindspore")
