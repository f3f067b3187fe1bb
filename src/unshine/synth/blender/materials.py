"""Materials of objects and floors: colours, textures, patterns and gloss, drawn by chance."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from unshine.synth.assets import Asset, Assets, Material, Texture
from unshine.synth.blender.parameters import Finish, SceneKind

_LOOKS = {"own": 0.36, "painted": 0.2, "textured": 0.17, "plain": 0.12, "real": 0.08, "metal": 0.07}
"""How often each look comes, where the assets allow it."""

_PATTERNS = ("Noise", "Voronoi", "Wave", "Checker", "Brick")
_GREYS = (0.02, 0.18, 0.45, 0.82)


class MaterialMaker:
    """Makes the materials of one scene, and remembers what it took for them."""

    def __init__(self, bpy: Any, assets: Assets, rng: np.random.Generator, matte: bool) -> None:
        self.bpy, self.assets, self.rng, self.matte = bpy, assets, rng, matte
        self.used: list[Asset] = []
        """Textures and real materials."""
        self.metals: list[Any] = []
        """Blender's materials that are metal."""

    def assign_material(self, body: Any) -> Finish:
        """Give an object new materials, one for each of its own."""
        rng = self.rng
        look = self._draw_look()
        own = [slot.material for slot in body.material_slots] or [None]
        finish = replace(self._draw_finish(look), pattern="")
        if look == "painted" and rng.random() < 0.5:
            finish = replace(finish, pattern=str(rng.choice(_PATTERNS)))
        # One texture or material for all parts, except that paint varies.
        texture = self._draw_texture() if look == "textured" else None
        if texture:
            finish = replace(finish, texture=texture.name)
        real = self._draw_real(look) if look in ("real", "metal") else None
        if real:
            rough = min(max(real.roughness, finish.roughness, 0.05), 1.0)
            finish = replace(
                finish, name=real.name, ior=real.ior, metal=real.metalness, roughness=rough
            )
        grey = float(rng.choice(_GREYS)) * float(rng.uniform(0.8, 1.1))
        made = []
        for old in own:
            colour = rng.uniform(0, 1, 3) ** 1.5 * float(rng.uniform(0.3, 1)) + 0.02
            image = texture and self._load(texture)
            unfolded = False
            if real:
                colour = np.array(real.colour)
            elif look == "plain":
                colour = np.full(3, grey)
            elif look == "own" and old is not None:
                colour, image = _own_colour(old, colour)
                unfolded = bool(image and body.data.uv_layers)
            made.append(self._new_material(finish, colour, image, unfolded))
            if finish.pattern:
                self._paint_over(made[-1], finish)
        if body.material_slots:
            for slot, material in zip(body.material_slots, made, strict=True):
                slot.material = material
        else:
            body.data.materials.append(made[0])
        return finish

    def assign_ground_material(self, ground: Any, kind: SceneKind) -> Finish:
        """Give a floor a material, a matte one in every other scene."""
        rng = self.rng
        finish = self._draw_finish(kind)
        if rng.random() < 0.55:
            finish = replace(finish, gloss=0.0, coat=0.0)
        texture = self._draw_texture() if self.assets.textures and rng.random() < 0.5 else None
        if texture:
            finish = replace(finish, texture=texture.name)
        colour = np.full(3, rng.uniform(0.03, 0.85)) * rng.uniform(0.75, 1, 3)
        image = texture and self._load(texture)
        ground.data.materials.append(self._new_material(finish, colour, image, unfolded=False))
        return finish

    def _draw_look(self) -> str:
        look = str(self.rng.choice(list(_LOOKS), p=list(_LOOKS.values())))
        impossible = (
            (look == "textured" and not self.assets.textures)
            or (look in ("real", "metal") and not self.assets.materials)
            or (look == "metal" and self.matte)
        )
        return "painted" if impossible else look

    def _draw_finish(self, look: str) -> Finish:
        rng = self.rng
        return Finish(
            look=look,
            gloss=0.0 if self.matte else 1.0,
            metal=0.0,
            roughness=float(np.exp(rng.uniform(math.log(0.07), math.log(0.45)))),
            uneven=float(rng.uniform(0.1, 0.5)) if rng.random() < 0.4 else 0.0,
            ior=float(rng.uniform(1.4, 1.7)),
            coat=float(rng.random() < 0.15 and not self.matte),
            coat_roughness=float(rng.uniform(0.02, 0.15)),
            bump=float(rng.uniform(0.02, 0.25)) if rng.random() < 0.25 else 0.0,
            scale=float(np.exp(rng.uniform(math.log(2), math.log(30)))),
            repeat=float(np.exp(rng.uniform(math.log(0.6), math.log(3)))),
        )

    def _draw_texture(self) -> Texture:
        texture = self.assets.textures[int(self.rng.integers(len(self.assets.textures)))]
        self.used.append(texture)
        return texture

    def _draw_real(self, look: str) -> Material | None:
        metal = 1.0 if look == "metal" else 0.0
        pool = [m for m in self.assets.materials if m.metalness == metal]
        if not pool:
            return None
        real = pool[int(self.rng.integers(len(pool)))]
        self.used.append(real)
        return real

    def _load(self, texture: Texture) -> Any:
        return self.bpy.data.images.load(str(texture.path), check_existing=True)

    def _new_material(self, finish: Finish, colour: Any, image: Any, unfolded: bool) -> Any:
        """Make a Principled material.

        Parameters
        ----------
        finish : Finish
        colour : array-like, (3,)
            Linear; where there is an image, that counts.
        image : Blender's image or None
        unfolded : bool
            Whether the image lies as the object's coordinates say; else it is projected from six
            sides.
        """
        material = self.bpy.data.materials.new("material")
        material.use_nodes = True
        tree = material.node_tree
        tree.nodes.clear()
        shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
        shader.name = "surface"
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        tree.links.new(shader.outputs[0], output.inputs["Surface"])
        value = {
            "Base Color": (*(float(c) for c in np.clip(colour, 0, 0.95)), 1),
            "Metallic": finish.metal,
            "Roughness": finish.roughness,
            "IOR": finish.ior,
            "Specular IOR Level": 0.5 * finish.gloss,
            "Coat Weight": finish.coat,
            "Coat Roughness": finish.coat_roughness,
        }
        for name, setting in value.items():
            shader.inputs[name].default_value = setting
        where = tree.nodes.new("ShaderNodeTexCoord")
        if image:
            _link_image(tree, where, shader, image, None if unfolded else finish.repeat)
        if finish.uneven or finish.bump:
            _link_noise(tree, where, shader, finish)
        if finish.metal:
            self.metals.append(material)
            mark = tree.nodes.new("ShaderNodeOutputAOV")
            mark.aov_name = "metal"
            mark.inputs["Value"].default_value = finish.metal
        return material

    def _paint_over(self, material: Any, finish: Finish) -> None:
        """Mix a second colour into a material, in a pattern."""
        tree = material.node_tree
        shader = tree.nodes["surface"]
        pattern = tree.nodes.new(f"ShaderNodeTex{finish.pattern}")
        pattern.inputs["Scale"].default_value = finish.scale / 2
        where = tree.nodes.new("ShaderNodeTexCoord")
        tree.links.new(where.outputs["Object"], pattern.inputs["Vector"])
        mix = tree.nodes.new("ShaderNodeMixRGB")
        mix.inputs[1].default_value = shader.inputs["Base Color"].default_value
        mix.inputs[2].default_value = (*(float(c) for c in self.rng.uniform(0.02, 0.8, 3)), 1)
        amount = pattern.outputs["Distance" if finish.pattern == "Voronoi" else "Fac"]
        tree.links.new(amount, mix.inputs["Fac"])
        tree.links.new(mix.outputs[0], shader.inputs["Base Color"])


def roughen(material: Any) -> None:
    """Set a metal to roughness 1."""
    shader = material.node_tree.nodes["surface"]
    for link in list(shader.inputs["Roughness"].links):
        material.node_tree.links.remove(link)
    shader.inputs["Roughness"].default_value = 1.0


def _link_image(tree: Any, where: Any, shader: Any, image: Any, repeat: float | None) -> None:
    """Colour a surface by an image: as it is unfolded, or projected if it says how often."""
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    if repeat is None:
        tree.links.new(where.outputs["UV"], texture.inputs["Vector"])
    else:
        texture.projection, texture.projection_blend = "BOX", 0.2
        mapping = tree.nodes.new("ShaderNodeMapping")
        mapping.inputs["Scale"].default_value = (repeat,) * 3
        tree.links.new(where.outputs["Object"], mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])


def _link_noise(tree: Any, where: Any, shader: Any, finish: Finish) -> None:
    """Vary roughness and height of a surface by one noise."""
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = finish.scale
    noise.inputs["Detail"].default_value = 3
    tree.links.new(where.outputs["Object"], noise.inputs["Vector"])
    if finish.uneven:
        spread = tree.nodes.new("ShaderNodeMapRange")
        spread.inputs["From Min"].default_value = 0.3
        spread.inputs["From Max"].default_value = 0.7
        spread.inputs["To Min"].default_value = finish.roughness
        spread.inputs["To Max"].default_value = min(finish.roughness + finish.uneven, 1)
        tree.links.new(noise.outputs["Fac"], spread.inputs["Value"])
        tree.links.new(spread.outputs["Result"], shader.inputs["Roughness"])
    if finish.bump:
        bump = tree.nodes.new("ShaderNodeBump")
        bump.inputs["Strength"].default_value = finish.bump
        bump.inputs["Distance"].default_value = 0.05
        tree.links.new(noise.outputs["Fac"], bump.inputs["Height"])
        tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])


def _own_colour(material: Any, colour: Any) -> tuple[Any, Any]:
    """Return the colour and image that a mesh's own material has; `colour` if it has neither."""
    tree = material.node_tree
    shader = next((n for n in tree.nodes if n.type == "BSDF_PRINCIPLED"), None) if tree else None
    if shader is None:
        return colour, None
    socket = shader.inputs["Base Color"]
    image = None
    for link in socket.links:
        if link.from_node.type == "TEX_IMAGE" and link.from_node.image:
            found = link.from_node.image
            image = found if found.size[0] else None  # else its file is missing
    return np.array(socket.default_value[:3]), image
