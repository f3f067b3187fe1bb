"""Procedural scenes: batches of lit objects with exact albedo, diffuse and specular light.

A scene is an image plane with a background and a few objects in front of it. Each is a height
field over the plane (bodies of revolution, domes, boxes, sheets; dented, bumpy, wrinkled), painted
with patterns of the atlas and covered with a microfacet gloss; lights are anything from a spot to
a window. Height fields cost a few image operations each, so that one CPU core makes dozens of
scenes a second and a GPU thousands, and still have normals, overlaps and cast shadows.

Everything happens on one device, in batches, and depends on the seed alone.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unshine.synth import patterns
from unshine.synth.batch import BatchRandom, blur, dot, plane, unit


class Scene(NamedTuple):
    """Linear, unclipped light of a batch of scenes; I = `diffuse` + `specular`."""

    albedo: Tensor
    """A, (B, 3, H, W)."""
    diffuse: Tensor
    """D = A·S, (B, 3, H, W)."""
    specular: Tensor
    """R, (B, 3, H, W), never negative."""
    mask: Tensor
    """1 on objects, 0 on the background, (B, 1, H, W)."""


class _Surface(NamedTuple):
    """What the camera sees at each pixel, before any light falls on it."""

    height: Tensor
    normal: Tensor
    albedo: Tensor
    fresnel: Tensor  # reflectance at normal incidence
    roughness: Tensor  # GGX alpha
    coat: Tensor  # share of a second, smooth lobe
    gloss: Tensor  # 0 for matte, 1 for a physical dielectric; more exaggerates
    metal: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Studio:
    """What scenes are made of.

    Parameters
    ----------
    size : int
        Height and width of the images.
    atlas : Tensor
        From `patterns.atlas`, on the device that renders.
    objects, lights : int
        How many a scene has at most.
    """

    size: int
    atlas: Tensor
    objects: int = 5
    lights: int = 4

    def render(self, batch: int, generator: torch.Generator) -> Scene:
        """Make a batch of scenes on the generator's device."""
        rng = BatchRandom(batch, generator)
        # Nothing behind the objects, as in a studio or a cut-out.
        void = rng.bernoulli(0.15)
        surface = self._background(rng, void)
        # A share of the scenes has nothing glossy at all: there the network must do nothing. Bright
        # plaster in hard light, and white that shows between paint, are what it mistakes for gloss
        # most easily.
        plaster = rng.bernoulli(0.3)
        glossy = rng.bernoulli(0.92) * (1 - plaster)
        crowd = rng.uniform(0.2, 1)
        for index in range(self.objects):
            present = rng.bernoulli(1) if index == 0 else (rng.uniform(0, 1) < crowd).float()
            surface = self._add_object(rng, surface, present)
        painted = torch.where(plaster > 0, rng.bernoulli(0.8), rng.bernoulli(0.2))
        x, y = plane(self.size, rng.device)
        gaps = self._lookup(rng, x, y, self._texel_scale(rng, 0.08, 0.6)) > 0.5
        bright = surface.albedo.mean(1, keepdim=True) > rng.log_uniform(0.05, 0.4)
        # Or on the crests: foam on waves, ridges, limbs.
        raised = surface.height - blur(surface.height, max(1, self.size // 12))
        crest = raised > 0.01 * rng.normal()
        kind = rng.uniform(0, 3)
        bare = torch.where(kind < 1, bright, torch.where(kind < 2, gaps, crest)).float()
        all_over = plaster * rng.uniform(0.3, 1)
        white = surface.mask * (painted * bare + (1 - painted) * all_over)
        albedo = surface.albedo + white * (rng.uniform(0.55, 0.92) - surface.albedo)
        # Cut-outs have hard edges.
        cut = void * rng.bernoulli(0.5)
        mask = cut * (surface.mask > 0.5).float() + (1 - cut) * surface.mask
        seen = 1 - cut * (1 - mask)
        surface = surface._replace(
            mask=mask,
            gloss=surface.gloss * glossy * seen,
            metal=surface.metal * (1 - plaster),
            albedo=albedo * seen,
        )
        return self._light(rng, surface)

    # Geometry -----------------------------------------------------------------------------------

    def _slopes(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives along x and y, by central differences."""
        padded = F.pad(field, (1, 1, 1, 1), mode="replicate")
        scale = self.size / 4
        dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * scale
        dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * scale
        return dx, dy

    def _lookup(self, rng: BatchRandom, u: Tensor, v: Tensor, scale: Tensor) -> Tensor:
        """One random tile of the atlas for each scene, at coordinates (u, v) * scale + random."""
        tiles = self.atlas.shape[-1] // patterns.TILE
        angle = rng.angle()
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        row, column = (torch.floor(rng.uniform(0, tiles)) for _ in range(2))
        shifted = (
            u * cos + v * sin + rng.uniform(0, 1),
            v * cos - u * sin + rng.uniform(0, 1),
        )
        # Stay half a pixel inside the tile, so that neighbours in the atlas never shine through.
        inside = [0.002 + 0.996 * (x - torch.floor(x)) for x in shifted]
        x, y = ((i + k) * (2 / tiles) - 1 for i, k in zip(inside, (column, row), strict=True))
        where = torch.cat(torch.broadcast_tensors(x, y), 1).permute(0, 2, 3, 1)
        atlas = self.atlas.expand(rng.batch, -1, -1, -1)
        return F.grid_sample(atlas, where, align_corners=False)

    def _texel_scale(self, rng: BatchRandom, low: float, high: float) -> Tensor:
        """Tiles over half an image, limited so that patterns stay finer than neither grid."""
        finest = self.size / patterns.TILE
        return rng.log_uniform(low, high) * finest

    def _dents(self, rng: BatchRandom, u: Tensor, v: Tensor) -> Tensor:
        """Smooth, large-scale unevenness: a few plane waves, in [-1, 1] or so."""
        total = torch.zeros_like(u + v)
        for _ in range(4):
            frequency, angle = rng.log_uniform(1, 7), rng.angle()
            phase = frequency * (u * torch.cos(angle) + v * torch.sin(angle)) + rng.angle()
            total = total + torch.sin(phase) / frequency
        return total

    def _relief(self, rng: BatchRandom, u: Tensor, v: Tensor, often: float) -> Tensor:
        """Bumps, wrinkles, grain and embossing, as heights relative to an object of size 1."""
        dents = self._dents(rng, u, v) * rng.log_uniform(0.01, 0.5) * rng.bernoulli(often)
        relief = dents
        for low, high in ((0.15, 0.5), (0.4, 1.2)):
            scale = self._texel_scale(rng, low, high)
            slope = rng.log_uniform(0.01, 0.7) * rng.bernoulli(often * 0.6)
            pattern = self._lookup(rng, u, v, scale)
            relief = relief + pattern * (slope / (8 * scale))
        return relief

    def _outline(self, rng: BatchRandom, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """An object's outline, as a field that is 1 on it, and its height of unit scale."""
        # Star-shaped outlines: superellipses with wobbles, from ellipse to box, blob and star.
        aspect = rng.log_uniform(0.45, 1)
        power = 2 + rng.bernoulli(0.4) * rng.log_uniform(0.5, 12)
        angle = torch.atan2(v, u)
        box = (torch.cos(angle).abs() ** power + (torch.sin(angle).abs() / aspect) ** power) ** (
            -1 / power
        )
        wobble = torch.zeros_like(angle)
        for order in range(2, 6):
            wobble = wobble + torch.cos(order * angle + rng.angle()) * rng.normal() * 0.5 / order
        radius = box * (1 + wobble * rng.bernoulli(0.5) * rng.uniform(0, 0.35)).clip(0.3, 2)
        star = torch.sqrt(u * u + v * v + 1e-6) / radius
        flatness = 2 + rng.bernoulli(0.4) * rng.log_uniform(0.3, 14)
        dome = (1 - star.clip(0, 1) ** flatness).clip(1e-4, 1) ** 0.5
        star_height = dome * rng.log_uniform(0.15, 1.2)
        # Bodies of revolution around the v axis: bottles, cups, cans, vases.
        width = torch.full_like(u + v, 0.6) * rng.uniform(0.5, 1.2)
        wavy = rng.bernoulli(0.7)
        for order in range(1, 4):
            wave = torch.sin(order * 2.2 * v + rng.angle()) * wavy
            width = width + wave * rng.normal() * 0.14 / order
        width = width.clip(0.1, 1)
        turned = torch.maximum((u / width).abs(), v.abs())
        cap = (1 - v.abs().clip(0, 1) ** rng.log_uniform(4, 40)).clip(1e-4, 1) ** 0.5
        round_ = (1 - (u / width).clip(-1, 1) ** 2).clip(1e-4, 1) ** 0.5
        turned_height = width * round_ * cap
        pick = rng.bernoulli(0.3)
        outline = pick * turned + (1 - pick) * star
        height = pick * turned_height + (1 - pick) * star_height
        # Facets: cut by a few planes.
        cut = rng.bernoulli(0.15)
        for _ in range(3):
            direction, slope = rng.angle(), rng.uniform(0.1, 1.2)
            ramp = slope * (u * torch.cos(direction) + v * torch.sin(direction))
            height = torch.minimum(height, rng.uniform(0.15, 0.6) + ramp + 9 * (1 - cut))
        return outline, height

    # Materials ----------------------------------------------------------------------------------

    def _colour(self, rng: BatchRandom, neutral: float) -> Tensor:
        """A random albedo, linear: white, grey or black with the given chance, else a hue."""
        hue = rng.uniform(0, 6)
        offsets = torch.tensor([0.0, 4.0, 2.0], device=rng.device).view(1, 3, 1, 1)
        wheel = ((hue + offsets) % 6 - 3).abs().sub(1).clip(0, 1)
        saturation = rng.uniform(0.15, 1) ** 0.7
        value = rng.uniform(0.15, 1)
        vivid = value * (1 - saturation * (1 - wheel))
        tint = 1 + 0.05 * rng.normal(3)
        lightness = torch.where(rng.uniform(0, 1) < 0.5, rng.uniform(0.75, 0.97), 0)
        dark = torch.where(rng.uniform(0, 1) < 0.35, rng.uniform(0.05, 0.25), 0)
        other = rng.uniform(0.2, 0.8)
        level = lightness + (lightness == 0) * (dark + (dark == 0) * other)
        plain = rng.bernoulli(neutral)
        display = plain * level * tint + (1 - plain) * vivid
        return display.clip(0.02, 0.97) ** 2.2

    def _paint(self, rng: BatchRandom, u: Tensor, v: Tensor) -> Tensor:
        """Albedo: up to three colours mixed by two patterns, often hardly different, often not."""
        base = self._colour(rng, 0.4)
        albedo = base
        for often in (0.55, 0.3):
            pattern = self._lookup(rng, u, v, self._texel_scale(rng, 0.15, 1))
            strength = rng.bernoulli(often) * torch.where(
                rng.uniform(0, 1) < 0.5, rng.uniform(0.7, 1), rng.log_uniform(0.03, 0.7)
            )
            albedo = albedo + (self._colour(rng, 0.45) - albedo) * (pattern * strength)
        return albedo

    def _material(self, rng: BatchRandom, u: Tensor, v: Tensor) -> dict[str, Tensor]:
        albedo = self._paint(rng, u, v)
        varied = self._lookup(rng, u, v, self._texel_scale(rng, 0.1, 1)) - 0.5
        roughness = rng.log_uniform(0.015, 0.6)
        roughness = roughness * torch.exp(varied * rng.uniform(0, 2.5) * rng.bernoulli(0.5))
        matte = rng.bernoulli(0.18)
        patchy = rng.bernoulli(0.2)
        gloss = (1 - matte) * rng.log_uniform(0.5, 2.5)
        gloss = gloss * (1 - patchy * (varied > 0).float())
        metal = rng.bernoulli(0.08) + torch.zeros_like(varied)
        return {
            "albedo": albedo,
            "fresnel": rng.uniform(0.025, 0.07) + torch.zeros_like(varied),
            "roughness": roughness.clip(0.01, 0.9),
            "coat": rng.bernoulli(0.15) * rng.uniform(0.2, 1) + torch.zeros_like(varied),
            "gloss": gloss,
            "metal": metal,
        }

    def _normal(self, height: Tensor) -> Tensor:
        dx, dy = self._slopes(height)
        return unit(torch.cat([-dx, -dy, torch.ones_like(dx)], 1))

    def _background(self, rng: BatchRandom, void: Tensor) -> _Surface:
        x, y = plane(self.size, rng.device)
        u, v = torch.broadcast_tensors(x, y)
        u, v = (c.expand(rng.batch, 1, -1, -1) for c in (u, v))
        tilt = rng.uniform(-0.15, 0.8) * rng.bernoulli(0.7)
        height = -tilt * v + self._relief(rng, u, v, 0.2) * 0.3
        material = self._material(rng, u, v)
        # Out of focus: a background far away has no sharp edges and no gloss.
        far = rng.bernoulli(0.35)
        blurred = blur(material["albedo"], 8)
        material["albedo"] = far * blurred + (1 - far) * material["albedo"]
        lively = rng.bernoulli(0.4) * (1 - far)
        material["gloss"] = material["gloss"] * lively
        material["albedo"] = material["albedo"] * (1 - void)
        material["gloss"] = material["gloss"] * (1 - void)
        height = height * (1 - far) * (1 - void)
        return _Surface(
            height=height - far - void,
            normal=self._normal(height),
            mask=torch.zeros_like(height),
            **material,
        )

    def _add_object(self, rng: BatchRandom, behind: _Surface, present: Tensor) -> _Surface:
        x, y = plane(self.size, rng.device)
        size = rng.log_uniform(0.25, 2)
        reach = (0.9 - 0.3 * size).clip(0.2, 1)
        cx, cy = (rng.uniform(-1, 1) * reach for _ in range(2))
        angle = rng.angle() * torch.where(rng.uniform(0, 1) < 0.6, 0.1, 1.0)
        cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
        u, v = (x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin
        outline, height = self._outline(rng, u, v)
        thin = rng.bernoulli(0.12)
        height = height * (1 - thin * 0.97) + self._relief(rng, u, v, 0.4)
        lean = rng.bernoulli(0.3 + 0.5 * float(thin.mean()))
        height = height + lean * (u * rng.normal() * 0.35 + v * rng.normal() * 0.35)
        height = height * size
        dx, dy = self._slopes(outline)
        width = torch.sqrt(dx * dx + dy * dy + 1e-6) * (2 / self.size)
        cover = ((1 - outline) / width + 0.5).clip(0, 1) * present
        lift = rng.uniform(0.0, 0.1)
        front = _Surface(
            height=height + lift,
            normal=self._normal(height),
            mask=torch.ones_like(height),
            **self._material(rng, u, v),
        )
        mixed = _Surface(*(b + (f - b) * cover for b, f in zip(behind, front, strict=True)))
        # Where two surfaces share a pixel, the mean of their normals is nobody's: no gloss there.
        gloss = mixed.gloss * (1 - 4 * cover * (1 - cover))
        return mixed._replace(normal=unit(mixed.normal), gloss=gloss)

    # Light --------------------------------------------------------------------------------------

    def _shadow(self, height: Tensor, direction: Tensor, softness: Tensor) -> Tensor:
        """Light that reaches each point from a direction, marching over the height field."""
        small = F.avg_pool2d(height, 2)
        x, y = plane(small.shape[-1], small.device)
        slope = 1 / direction[:, 2:].clip(0.12, 1)
        seen = torch.ones_like(small)
        # Lower-left to upper-right marching in steps that grow, as penumbrae do.
        for step in range(1, 11):
            far = 0.011 * step**1.9
            shift = direction[:, :2] * slope * far
            where = torch.cat(torch.broadcast_tensors(x + shift[:, :1], y + shift[:, 1:]), 1)
            other = F.grid_sample(
                small, where.permute(0, 2, 3, 1), align_corners=False, padding_mode="border"
            )
            excess = (other - small - far - 0.02) / (softness * far + 0.02)
            seen = torch.minimum(seen, 1 - excess.clip(0, 1))
        return F.interpolate(seen, size=height.shape[-2:], mode="bilinear")

    def _light(self, rng: BatchRandom, surface: _Surface) -> Scene:
        normal = surface.normal
        x, y = plane(self.size, rng.device)
        spread = rng.uniform(0, 0.35)
        view = torch.broadcast_tensors(-x * spread, -y * spread, torch.ones_like(x * y))
        view = unit(torch.cat(view, 1))
        facing = dot(normal, view).clip(0.02, 1)
        mirror = 2 * facing * normal - view
        # Bumps finer than a pixel act as roughness: widen the lobe by how fast normals turn.
        dx, dy = self._slopes(normal)
        turn = (dot(dx, dx) + dot(dy, dy)) * (1 / self.size) ** 2
        alpha = torch.sqrt(surface.roughness**2 + (0.5 * turn).clip(0, 0.15))
        coat_alpha = torch.sqrt(0.0004 + (0.5 * turn).clip(0, 0.15))
        # Rims of height fields are steeper than those of most real things: a tenth of Schlick's,
        # and no gloss where a surface turns away.
        schlick = surface.fresnel + 0.1 * (1 - facing) ** 5 * (1 - alpha) ** 2
        schlick = schlick * ((facing - 0.1) * 4).clip(0, 1)
        fresnel = (1 - surface.metal) * schlick + surface.metal * 0.8
        exaggeration = rng.log_uniform(0.7, 5)

        diffuse_light, sheen = self._surroundings(rng, surface, mirror, alpha)
        ambience = rng.log_uniform(0.04, 0.7)
        diffuse_light, sheen = diffuse_light * ambience, sheen * ambience * fresnel
        specular = torch.zeros_like(sheen)
        flash = rng.bernoulli(0.2)
        warmth = rng.bernoulli(0.4) * rng.uniform(0, 0.5)
        for index in range(self.lights):
            present = rng.bernoulli(1 if index == 0 else 0.45)
            power = rng.log_uniform(0.7, 1.3) if index == 0 else rng.log_uniform(0.08, 0.9)
            direction = self._direction(rng, flash if index == 0 else None)
            tint = 1 + torch.tensor([0.5, 0.0, -0.6], device=rng.device).view(1, 3, 1, 1) * (
                warmth * rng.uniform(-0.7, 1)
            )
            tint = tint * (1 + 0.1 * rng.normal(3) * rng.bernoulli(0.3)).clip(0.3, 2)
            width, depth = rng.log_uniform(0.01, 0.6), rng.log_uniform(0.3, 1)
            energy = power * present * tint
            cosine = dot(normal, direction)
            wrap = 0.5 * width
            lit = ((cosine + wrap) / (1 + wrap)).clip(0, 1)
            if index < 2:
                lit = lit * self._shadow(surface.height, direction, 0.1 + width)
            visible = lit.clip(0, 0.1) * 10
            lobe = self._lobe(rng, mirror, direction, width, depth, alpha, coat_alpha, surface)
            diffuse_light = diffuse_light + energy * lit
            specular = specular + energy * visible * fresnel * lobe * exaggeration
        occlusion = self._occlusion(surface.height)
        diffuse = surface.albedo * diffuse_light * occlusion
        tinted = surface.metal * surface.albedo / surface.albedo.amax(1, keepdim=True).clip(1e-3)
        tinted = tinted + (1 - surface.metal)
        specular = specular * surface.gloss * tinted * occlusion
        # Metal has no diffuse light of its own: what it would reflect at roughness 1 counts as D.
        specular = (specular - surface.metal * diffuse).clip(0, 1e3)
        # What the surroundings mirror is no highlight: rims and reflections are part of D.
        diffuse = diffuse + sheen * surface.gloss.clip(0, 1) * tinted * occlusion
        return Scene(surface.albedo, diffuse, specular, surface.mask)

    def _direction(self, rng: BatchRandom, flash: Tensor | None) -> Tensor:
        """Where a light is, (B, 3, 1, 1): mostly above; the first one may be a flash."""
        around, above = rng.angle(), rng.uniform(0.05, 1) ** 0.7
        up = rng.bernoulli(0.7)
        y = torch.sin(around)
        y = y * (1 - up) - y.abs() * up
        direction = torch.cat([torch.cos(around), y, above / (1.02 - above).sqrt()], 1)
        if flash is not None:
            ahead = torch.cat([rng.normal(2) * 0.15, torch.ones_like(up)], 1)
            direction = flash * ahead + (1 - flash) * direction
        return unit(direction)

    def _occlusion(self, height: Tensor) -> Tensor:
        """Darker where the surroundings stand higher."""
        around = blur(height, max(1, self.size // 16))
        return (1 - 1.5 * (around - height - 0.01).clip(0, None)).clip(0.25, 1)

    def _surroundings(
        self, rng: BatchRandom, surface: _Surface, mirror: Tensor, alpha: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Ambient light on the surface, and the environment that it mirrors."""
        sky = self._colour(rng, 0.8).clip(0.2, 1) * rng.uniform(0.7, 1.3)
        ground = self._colour(rng, 0.5).clip(0.03, 1) * rng.uniform(0.2, 1)
        lift = -surface.normal[:, 1:2] * rng.uniform(0, 1)
        ambient = ground + (sky - ground) * (0.5 + 0.5 * lift)
        sharp = 0.5 / (alpha + 0.05)
        horizon = torch.sigmoid(-mirror[:, 1:2] * sharp * 3)
        seen = ground + (sky - ground) * horizon
        clutter = self._lookup(rng, mirror[:, :1], mirror[:, 1:2], self._texel_scale(rng, 0.1, 0.4))
        contrast = rng.bernoulli(0.6) * rng.uniform(0.3, 3) * (1 - 2.5 * alpha).clip(0, 1)
        return ambient, seen * (1 + contrast * (clutter - 0.5)).clip(0, None)

    def _lobe(
        self,
        rng: BatchRandom,
        mirror: Tensor,
        direction: Tensor,
        width: Tensor,
        depth: Tensor,
        alpha: Tensor,
        coat_alpha: Tensor,
        surface: _Surface,
    ) -> Tensor:
        """Reflected radiance of a rectangular light through the gloss, for irradiance 1.

        The rectangle lies in the plane of directions around the light; the distance from it falls
        off as GGX does, and the peak shrinks as the blurred rectangle grows, so that energy stays.
        """
        roll = rng.angle()
        side = torch.cat([torch.cos(roll), torch.sin(roll), torch.zeros_like(roll)], 1)
        side = unit(side - direction * dot(side, direction))
        other = torch.linalg.cross(direction, side, dim=1)
        across = dot(mirror, side).abs()
        along = dot(mirror, other).abs()
        ahead = dot(mirror, direction)
        length = width * depth
        beyond = (across - width).clip(0, None) ** 2 + (along - length).clip(0, None) ** 2
        beyond = beyond + (-ahead).clip(0, None) * 9
        bars = rng.bernoulli(0.25) * (width > 0.12)
        bar = torch.minimum(across, along) / (0.08 * width + alpha)
        open_ = 1 - bars * torch.exp(-bar * bar)

        def seen(a: Tensor) -> Tensor:
            spread = 3.5 * a
            area = (2 * width + spread) * (2 * length + spread)
            return math.pi / area / (1 + beyond / (4 * a * a)) ** 2

        return open_ * (seen(alpha) + surface.coat * seen(coat_alpha))
