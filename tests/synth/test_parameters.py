"""The description of a scene, as datasets that people have made hold it."""

import json

from unshine.synth.blender.parameters import Camera, Finish, Lamp, Lighting, SceneParameters


def parameters(lights: Lighting, finish: Finish) -> SceneParameters:
    camera = Camera(azimuth=0.1, elevation=0.2, field=0.3, distance=4.0, zoom=0.9)
    return SceneParameters(
        kind="ground",
        meshes=("cup",),
        assets=("cup", "wood"),
        licence=("CC0-1.0",),
        materials=(finish,),
        lights=lights,
        camera=camera,
        exposure=1.5,
        key=1.0,
        matte=False,
    )


PLAIN = Finish("ground", 1.0, 0.0, 0.2, 0.0, 1.5, 0.0, 0.1, 0.0, 5.0, 1.0)


def test_keys_and_their_order_are_those_of_version_0_1():
    lamp = Lamp("DISK", 0.2, 1.0, (1.0, 0.9, 0.8), 0.5, 0.6)
    said = parameters(Lighting((lamp,), hdri="sky", turn=1.0), PLAIN).as_dict()
    assert list(said) == [
        *("kind", "meshes", "assets", "licence", "materials", "lights", "camera"),
        *("exposure", "key", "matte"),
    ]
    assert list(said["camera"]) == ["azimuth", "elevation", "field", "distance", "zoom"]
    assert list(said["lights"]) == ["lamps", "hdri", "turn"]
    assert list(said["lights"]["lamps"][0]) == [
        *("shape", "width", "strength", "colour", "azimuth", "elevation"),
    ]
    assert list(said["materials"][0]) == [
        *("look", "gloss", "metal", "roughness", "uneven", "ior", "coat", "coat_roughness"),
        *("bump", "scale", "repeat"),
    ]


def test_what_a_scene_does_not_have_is_left_out():
    said = parameters(Lighting((), ambient=0.1), PLAIN).as_dict()
    assert said["lights"] == {"lamps": (), "ambient": 0.1}
    assert "texture" not in json.loads(json.dumps(said))["materials"][0]
