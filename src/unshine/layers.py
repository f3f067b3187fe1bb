"""The words as code: the layers of an image, the light they hold, their files' suffixes.

An image I is albedo A times shading S, plus specular light R, in linear light: I = A·S + R.
"""

from typing import Generic, Literal, NamedTuple, TypeVar

Values = TypeVar("Values")
"""What holds a layer's values: an array, a tensor, a path."""

Space = Literal["linear", "display", "map"]


class Layers(NamedTuple, Generic[Values]):
    """The layers of one image, or of a batch of them; by name, never by position.

    Whoever fills it says which layers there are; the others are None. Values are float32 unless it
    says otherwise, and those of what is shown (`SPACE` "display" and "map") are in [0, 1].

    Examples
    --------
    >>> layers = Layers(image="photo.jpg", mask="photo_mask.png")
    >>> layers.mask
    'photo_mask.png'
    >>> layers.given()
    {'image': 'photo.jpg', 'mask': 'photo_mask.png'}
    """

    image: Values = None  # type: ignore[assignment]
    """I, the photograph: three colours, display."""
    albedo: Values = None  # type: ignore[assignment]
    """A, the surface's colour: three colours, display."""
    shading: Values = None  # type: ignore[assignment]
    """S, the light that falls on it: three colours, linear, at least 0; it can exceed 1."""
    specular: Values = None  # type: ignore[assignment]
    """R, the specular light: three colours, linear, in [0, 1]."""
    diffuse: Values = None  # type: ignore[assignment]
    """D = A·S, the image without its specular light: three colours, display."""
    clean: Values = None  # type: ignore[assignment]
    """The final result, `diffuse` in the image's tone, limited to the highlights: three colours,
    display."""
    highlight: Values = None  # type: ignore[assignment]
    """Where a highlight is visible: one channel, from 0 (nowhere) to 1 (certainly)."""
    mask: Values = None  # type: ignore[assignment]
    """Where the object is: one channel, 1 inside, 0 in the background."""

    def given(self) -> dict[str, Values]:
        """Return the layers that there are, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}


NAMES: tuple[str, ...] = Layers._fields

SPACE: dict[str, Space] = {
    "image": "display",
    "albedo": "display",
    "shading": "linear",
    "specular": "linear",
    "diffuse": "display",
    "clean": "display",
    "highlight": "map",
    "mask": "map",
}
"""What a layer's values in memory are: linear light, display values (gamma-encoded, what an 8-bit
file holds divided by 255), or a map without colours."""

SUFFIX: dict[str, str] = {
    "image": "i",
    "albedo": "a",
    "shading": "s",
    "specular": "r",
    "diffuse": "d",
    "clean": "d_tc",
    "mask": "m",
}
"""How SSHR names a layer's file: ``<view>_<suffix>.png``, display values all of them. There,
`clean` is the diffuse image corrected in tone; a highlight map has no file."""

HIGHLIGHT_THRESHOLD = 0.04
"""A highlight is where the largest channel of image − truth exceeds this, in display values."""
