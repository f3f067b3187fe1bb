"""What a scene is made of, as ``tuples.jsonl`` says it: plain values, without Blender."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

SceneKind = Literal["void", "open", "ground", "studio"]
"""Where the objects are: in black nothing, before an environment map, on a floor, in a studio."""


@dataclass(frozen=True)
class Finish:
    """How a surface looks and shines: the inputs of Blender's Principled material."""

    look: str
    """Where its colour is from: "own", "painted", "textured", "plain", "real" or "metal"; of a
    floor, "ground" or "studio"."""
    gloss: float
    """1 for the gloss that its `ior` has, 0 for none."""
    metal: float
    """1 for metal, else 0."""
    roughness: float
    """Blender's, in [0, 1]."""
    uneven: float
    """How much rougher it is in places."""
    ior: float
    """Index of refraction."""
    coat: float
    """1 with a second, clear layer of gloss, else 0."""
    coat_roughness: float
    bump: float
    """Strength of its bumps."""
    scale: float
    """Of unevenness, bumps and pattern: how fine they are."""
    repeat: float
    """How often a projected texture repeats over the largest extent of an object."""
    pattern: str | None = None
    """Blender's texture that a second colour of paint follows, or ""; a floor has none."""
    texture: str | None = None
    """Name of the texture, if it has one."""
    name: str | None = None
    """Name of the real material, if it is one."""


@dataclass(frozen=True)
class Lamp:
    """An area lamp that shines at the middle of the objects."""

    shape: str
    width: float
    """In distances from the objects."""
    strength: float
    """Light that reaches the objects, whatever the distance."""
    colour: tuple[float, float, float]
    """Linear, the largest channel 1."""
    azimuth: float
    """In radians, as `elevation` is."""
    elevation: float


@dataclass(frozen=True)
class Lighting:
    """Lamps, and an environment map or an even light."""

    lamps: tuple[Lamp, ...]
    hdri: str | None = None
    """Name of the environment map."""
    turn: float | None = None
    """By what angle the map is turned, in radians."""
    ambient: float | None = None
    """Radiance of the even light."""


@dataclass(frozen=True)
class Camera:
    """Where the camera is; angles in radians."""

    azimuth: float
    elevation: float
    field: float
    """Angle of view."""
    distance: float
    """From the middle of the objects; the largest one measures 1."""
    zoom: float
    """Share of the distance from which the objects would just fill the image."""


@dataclass(frozen=True)
class SceneParameters:
    """A whole scene."""

    kind: SceneKind
    meshes: tuple[str, ...]
    """Their names, as those of all assets."""
    assets: tuple[str, ...]
    """Everything used, meshes included, sorted."""
    licence: tuple[str, ...]
    """The licences of all that, sorted."""
    materials: tuple[Finish, ...]
    """Of each mesh, and of the floor if there is one."""
    lights: Lighting
    camera: Camera
    exposure: float | None
    """Factor from Blender's light to the image's; None before it is metered."""
    key: float
    """Linear image value of white in the scene's light."""
    matte: bool
    """Whether nothing in it is glossy."""

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON; what is None is left out."""
        return asdict(self, dict_factory=lambda items: {k: v for k, v in items if v is not None})
