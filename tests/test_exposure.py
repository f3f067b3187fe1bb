"""Dark images are brightened before the network, and nothing else about them changes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unshine import engines, exposure, optics
from unshine.layers import Layers
from unshine.networks import three_stage, tshrnet
from unshine.pixels import Floats


class Recorder:
    """An engine that keeps what it saw, and finds the same map and half of the light everywhere."""

    device = "cpu"
    names = three_stage.OUTPUTS

    def __init__(self, network=three_stage) -> None:
        self.network, self.seen = network, None

    def __call__(self, image: Floats, outputs=None) -> dict[str, Floats]:
        self.seen = image
        logits = np.full_like(image[:, :1], 0.4)
        highlight = three_stage.highlight_map(logits)
        ungated = optics.encode(0.5 * optics.decode(image))
        found = {
            "albedo": image**0.5, "shading": optics.decode(image**0.5), "diffuse": ungated,
            "specular": 0 * image, "ungated": ungated, "logits": logits, "highlight": highlight,
            "clean": three_stage.blend(image, ungated, highlight),
        }  # fmt: skip
        return {name: found[name] for name in outputs or self.names}


def _image(low: float, high: float, count: int = 1) -> Floats:
    rng = np.random.default_rng(3)
    return rng.uniform(low, high, (count, 3, 12, 16)).astype(np.float32)


def test_usual_images_reach_the_network_untouched() -> None:
    image, engine = _image(0.3, 0.9), Recorder()
    engines.ask(engine, image)
    assert engine.seen is image


def test_a_black_background_does_not_make_an_image_dark() -> None:
    image = np.zeros((1, 3, 40, 40), np.float32)
    image[..., :8, :8] = 0.6
    assert exposure.exponent(image).item() == 1


def test_dark_images_are_seen_as_linear_light_at_most() -> None:
    engine = Recorder()
    for high in (0.1, 0.3, 0.5):
        image = _image(0, high)
        engines.ask(engine, image)
        assert (engine.seen >= image).all()
        assert (engine.seen <= optics.encode(image) + 1e-6).all()


def test_what_is_said_of_the_brighter_image_comes_back_in_the_tone_of_the_dark_one() -> None:
    image, engine = _image(0.02, 0.25), Recorder()
    found = engines.ask(engine, image)
    # The stand-in's albedo and shading multiply to the image that it saw, at any exposure.
    product = optics.decode(found["albedo"]) * found["shading"]
    assert np.allclose(optics.encode(product), image, atol=1e-5)
    assert np.abs(found["specular"]).max() < 1e-5
    assert (found["ungated"] < image).all()
    power = exposure.exponent(image)
    assert np.allclose(found["ungated"] ** power, engine(image**power)["ungated"], atol=1e-5)
    blended = three_stage.blend(image, found["ungated"], found["highlight"])
    assert np.array_equal(found["clean"], blended)


def test_only_what_is_asked_for_comes_back() -> None:
    assert set(engines.ask(Recorder(), _image(0, 0.2), ("clean", "logits"))) == {"clean", "logits"}


def test_images_of_a_batch_are_exposed_each_for_itself() -> None:
    batch = np.concatenate([_image(0, 0.2), _image(0.4, 1)])
    found = engines.ask(Recorder(), batch)
    for k in range(2):
        alone = engines.ask(Recorder(), batch[k : k + 1])
        for name, output in alone.items():
            assert np.allclose(found[name][k], output[0], atol=1e-6), name


def test_the_published_network_sees_images_as_they_are() -> None:
    image, engine = _image(0, 0.2), Recorder(tshrnet)
    engines.ask(engine, image)
    assert engine.seen is image


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.floats(0, 1))
def test_brighter_images_get_no_smaller_power(first: float, second: float) -> None:
    low, high = sorted((first, second))
    powers = exposure.exponent(np.stack([np.full((3, 4, 4), x, np.float32) for x in (low, high)]))
    assert powers[0].item() <= powers[1].item() + 1e-6 or low < exposure.BLACK


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_training_tuples_keep_their_identity(library: str) -> None:
    rng = np.random.default_rng(0)
    albedo = rng.uniform(0.1, 0.5, (2, 3, 8, 8)).astype(np.float32)
    shading = rng.uniform(0.05, 0.3, (2, 3, 8, 8)).astype(np.float32)
    specular = rng.uniform(0, 0.1, (2, 3, 8, 8)).astype(np.float32)
    light = optics.decode(albedo) * shading
    layers = {
        "image": optics.encode(light + specular), "albedo": albedo, "shading": shading,
        "specular": specular, "diffuse": optics.encode(light), "clean": optics.encode(light),
    }  # fmt: skip
    if library == "torch":
        layers = {name: torch.from_numpy(x) for name, x in layers.items()}
    truth = exposure.expose(Layers(**layers))
    values = {name: np.asarray(x) for name, x in truth.given().items()}
    assert (values["image"] > np.asarray(layers["image"])).all()
    diffuse = optics.decode(values["albedo"]) * values["shading"]
    assert np.allclose(diffuse, optics.decode(values["diffuse"]), atol=1e-5)
    composed = optics.encode(diffuse + values["specular"])
    assert np.allclose(composed, values["image"], atol=1e-5)
