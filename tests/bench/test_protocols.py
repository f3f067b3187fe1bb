"""What each protocol does to an example, and how it is chosen."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from unshine.bench import protocols
from unshine.bench.protocols import PROTOCOLS
from unshine.data.item import Entry, Example, resize_image
from unshine.data.readers import READERS
from unshine.errors import UnshineError


def of(example):
    """A protocol's settings with an example that is there already."""

    def protocol(name):
        reader = replace(PROTOCOLS[name].reader, read=lambda entry: example)
        return replace(PROTOCOLS[name], reader=reader)

    return protocol


@pytest.fixture
def example():
    rng = np.random.default_rng(0)
    image, diffuse, tone = rng.random((3, 30, 40, 3), np.float32)
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:30] = True
    return Example("a", image, diffuse, mask, tone, stored_size=(30, 40))


ENTRY = Entry("a", {})


def test_stored_size(example):
    loaded = of(example)("sshr").load(ENTRY)
    assert np.array_equal(loaded.image, example.image)
    assert np.array_equal(loaded.diffuse, example.diffuse)
    assert np.array_equal(loaded.mask, example.mask)


def test_tshrnet_on_sshr(example):
    protocol = of(example)("sshr-tshrnet")
    loaded = protocol.load(ENTRY)
    assert loaded.image.shape == (256, 256, 3)
    assert loaded.mask.mean() == pytest.approx(200 / 1200, abs=0.01)
    assert np.array_equal(loaded.diffuse, resize_image(example.tone_corrected, (256, 256)))
    assert protocol.masked
    assert loaded.stored_size == (30, 40)
    with pytest.raises(UnshineError, match="no tone-corrected truth"):
        of(replace(example, tone_corrected=None))("sshr-tshrnet").load(ENTRY)


@pytest.mark.parametrize(
    ("name", "size"), [("shiq-b", (256, 256)), ("shiq-c", (200, 200)), ("psd-c", (256, 256))]
)
def test_square_protocols(example, name, size):
    assert of(example)(name).load(ENTRY).diffuse.shape[:2] == size


def test_names_are_those_of_the_datasets():
    names = {reader.name for reader in READERS}
    assert names == {"sshr", "shiq", "psd", "mit", "shen-zheng", "pairs"} <= PROTOCOLS.keys()
    for reader in READERS:
        assert PROTOCOLS[reader.name].reader is reader
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.about.endswith(".")


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3)).save(path)


def test_the_protocol_follows_the_layout_unless_named(tmp_path):
    save(tmp_path / "four" / "cups.png")
    save(tmp_path / "four" / "cups_gt.png")
    save(tmp_path / "shiq" / "1_A.png")
    save(tmp_path / "shiq" / "1_D.png")
    save(tmp_path / "alone" / "a.png")
    chosen = {name: protocols.find(tmp_path / name)[0].name for name in ("four", "shiq")}
    assert chosen == {"four": "shen-zheng", "shiq": "shiq"}
    assert protocols.find(tmp_path / "four", "pairs")[0].name == "pairs"
    assert protocols.find(tmp_path / "shiq", "shiq-b")[0].square == 256
    assert protocols.find(tmp_path / "alone", truth=tmp_path / "shiq")[0].name == "pairs"
    for folder, name, words in (
        ("none", None, "no such file"),
        ("alone", None, "known dataset"),
        ("alone", "mit", r"dataset \(mit\)"),
        ("four", "best", "no protocol 'best'"),
    ):
        with pytest.raises(UnshineError, match=words):
            protocols.find(tmp_path / folder, name)
