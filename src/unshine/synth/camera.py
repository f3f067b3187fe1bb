"""What a camera makes of a scene: exposure, clipping, tone curve, glare, noise, JPEG.

The same scene may be developed many times: gloss and exposure are drawn again each time.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unshine import optics, tone
from unshine.synth.batch import BatchRandom, blur
from unshine.synth.procedural import Scene
from unshine.synth.prominence import WINDOW, prominent

LARGEST_SHARE = 0.1
"""Of the image that highlights cover at most; in photographs they cover 1 to 5 %."""


class Tuples(NamedTuple):
    """A batch of training tuples; display values unless said otherwise.

    ``decode(image) = decode(albedo) * shading + specular`` but for the camera's noise.
    """

    image: Tensor
    """I, (B, 3, H, W)."""
    albedo: Tensor
    """A, (B, 3, H, W)."""
    shading: Tensor
    """S, (B, 3, H, W), linear."""
    specular: Tensor
    """R, (B, 3, H, W), linear, never negative."""
    diffuse: Tensor
    """D, (B, 3, H, W)."""
    clean: Tensor
    """D with the input's tone, (B, 3, H, W)."""
    highlight: Tensor
    """Where the highlight is visible, (B, 1, H, W), in [0, 1]."""
    mask: Tensor
    """The objects, (B, 1, H, W)."""


def develop(
    scene: Scene,
    generator: torch.Generator,
    degrade: bool = True,
    metered: bool = True,
    whole: bool = False,
    window: float = WINDOW,
    share: float = LARGEST_SHARE,
) -> Tuples:
    """Photograph a batch of scenes.

    Parameters
    ----------
    scene : Scene
    generator : torch.Generator
        On the scene's device.
    degrade : bool
        Whether to add what a dataset on disk should not have: exchanged or no colours, noise and
        JPEG artefacts. The last two also go into `diffuse` and `clean`, since a network whose truth
        is free of them learns to denoise, and that harms every image without a highlight.
    metered : bool
        Whether to expose again; a photograph has been exposed once, and is at most darkened.
    whole : bool
        Whether all of R is the highlight, as in SSHR, and not only what stands out of it.
    window : float
        How far a peak's patch reaches, as a share of the image; see `prominence.prominent`.
    share : float
        Of the image that highlights cover at most.
    """
    rng = BatchRandom(scene.albedo.shape[0], generator)
    if degrade:
        scene = _recoloured(rng, scene)
    exposure = _exposure(rng, scene) if metered else 1 - rng.bernoulli(0.4) * rng.uniform(0, 0.6)
    diffuse, specular = scene.diffuse * exposure, scene.specular * exposure
    if whole:
        specular = specular * torch.exp(rng.bernoulli(0.5) * rng.uniform(-0.7, 1.5))
    else:
        specular = specular * _strength(rng, diffuse, specular, share)
    # Glare: a bright highlight lights up the lens around it.
    glare = rng.bernoulli(0.3) * rng.log_uniform(0.005, 0.06)
    specular = specular + glare * blur(specular.clip(0, 8), max(2, specular.shape[-1] // 24))
    soft = rng.bernoulli(0.5) * rng.uniform(0, 1)
    diffuse, specular = (x + soft * (_soften(x) - x) for x in (diffuse, specular))

    if not whole:
        specular, rest = prominent(diffuse, specular, window)
        diffuse = diffuse + rest

    overexposed = (diffuse + specular).amax(1, keepdim=True) > 1
    image, truth = optics.clip(diffuse + specular), optics.clip(diffuse)
    image, truth = _look(rng, (image, truth))
    # Where all of R counts, a veil of it changes the tone; a highlight does not.
    clean = tone.correction(truth, image, scene.mask, channel_axis=1) if whole else truth
    # Softer than the evaluation's: of a faint tail nobody is certain.
    highlight = optics.highlight_map(image, clean, channel_axis=1, full=optics.SURE)
    albedo = optics.encode(scene.albedo)
    linear = optics.decode(truth)
    # Of black nobody knows what light falls on it, nor of a photograph, whose albedo is 0 all over.
    known = (scene.albedo.amax(1, keepdim=True) > 0).float()
    shading = known * (linear / scene.albedo.clip(1e-3, None)).clip(0, 4)
    specular = optics.residue(optics.decode(image), linear).clip(0, None)

    if degrade:
        noisy = image + _noise(rng, image) * (1 - overexposed.float())
        grain = noisy - image
        stored = _stored(rng, noisy.clip(0, 1))
        # Grain stays everywhere; block artefacts that a highlight's edge causes go with it.
        artefacts = grain + (stored - noisy) * (1 - highlight)
        truth, clean, image = truth + artefacts, clean + artefacts, stored
    image, truth, clean = (x.clip(0, 1) for x in (image, truth, clean))
    return Tuples(image, albedo, shading, specular, truth, clean, highlight, scene.mask)


def _recoloured(rng: BatchRandom, scene: Scene) -> Scene:
    """Exchange the colours of some scenes, and take those of a few away."""
    chance = rng.uniform(0, 1)
    order = torch.rand(rng.batch, 3, generator=rng.generator, device=rng.device).argsort(1)
    own = torch.arange(3, device=rng.device).expand(rng.batch, 3)
    order = torch.where(chance[..., 0, 0] < 0.3, order, own)
    grey = ((chance > 0.3) & (chance < 0.34)).float()

    def change(x: Tensor) -> Tensor:
        x = x.gather(1, order[..., None, None].expand_as(x))
        return x + grey * (x.mean(1, keepdim=True) - x)

    return scene._replace(
        albedo=change(scene.albedo),
        diffuse=change(scene.diffuse),
        specular=change(scene.specular),
    )


def _strength(rng: BatchRandom, diffuse: Tensor, specular: Tensor, largest: float) -> Tensor:
    """Gain that makes highlights anything from a faint gleam to hard clipping, and not too many."""
    light, shine = (x[..., ::2, ::2].amax(1, keepdim=True) for x in (diffuse, specular))
    peak = torch.quantile(shine.flatten(1), 0.998, dim=1).view(-1, 1, 1, 1)
    wanted = torch.where(rng.bernoulli(0.5) > 0, rng.log_uniform(0.5, 8), rng.log_uniform(0.05, 1))
    # What hardly shines is not blown up.
    gain = (wanted / peak.clip(1e-4, None)).clip(None, 12)
    before = optics.encode(light.clip(0, 1))
    for _ in range(5):
        seen = optics.encode((light + gain * shine).clip(0, 1)) - before
        share = (
            (seen > 0.04 + 0.1 * seen.amax((2, 3), keepdim=True)).float().mean((2, 3), keepdim=True)
        )
        gain = torch.where(share > largest, gain * 0.45, gain)
    return torch.where(share > largest, gain * 0, gain)


def _exposure(rng: BatchRandom, scene: Scene) -> Tensor:
    """Gain that brings the brightest diffuse surfaces to where a photographer might."""
    brightest = scene.diffuse[..., ::4, ::4].amax(1).flatten(1)
    reference = torch.quantile(brightest, 0.95, dim=1).view(-1, 1, 1, 1)
    kind = rng.uniform(0, 1)
    target = rng.log_uniform(0.3, 1.1)
    target = torch.where(kind < 0.18, rng.log_uniform(0.05, 0.3), target)
    # White that is as bright as an image can be is the hardest to tell from gloss.
    target = torch.where(kind > 0.45, rng.uniform(0.75, 1.1), target)
    target = torch.where(kind > 0.93, rng.uniform(1.1, 1.7), target)
    return target / reference.clip(0.02, None)


def _look(rng: BatchRandom, images: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Encode linear images for display, as cameras do: gamma, contrast, colour, sharpening."""
    odd = rng.bernoulli(0.4)
    # 1 for images that are stored as they were measured, dark and linear-looking.
    gamma = odd * torch.where(rng.uniform(0, 1) < 0.4, 1.0, rng.uniform(1.6, 2.6))
    gamma = gamma + (1 - odd) * optics.GAMMA
    contrast = rng.bernoulli(0.35) * rng.uniform(0, 0.7)
    saturation = 1 + rng.bernoulli(0.35) * rng.uniform(-0.3, 0.5)
    sharpening = rng.bernoulli(0.25) * rng.uniform(0, 0.8)
    results = []
    for linear in images:
        image = (linear + 1e-9) ** (1 / gamma)
        image = image + contrast * (image * image * (3 - 2 * image) - image)
        grey = image.mean(1, keepdim=True)
        image = grey + saturation * (image - grey)
        image = image + sharpening * (image - _soften(image))
        results.append(image.clip(0, 1))
    return results


def _soften(image: Tensor) -> Tensor:
    """A small binomial blur."""
    x = F.pad(image, (1, 1, 1, 1), mode="replicate")
    x = 0.25 * x[..., :-2] + 0.5 * x[..., 1:-1] + 0.25 * x[..., 2:]
    return 0.25 * x[..., :-2, :] + 0.5 * x[..., 1:-1, :] + 0.25 * x[..., 2:, :]


def _noise(rng: BatchRandom, image: Tensor) -> Tensor:
    """Grain, in display values; of single pixels or a little coarser, coloured or grey."""
    white = torch.randn(image.shape, generator=rng.generator, device=rng.device)
    coarse = rng.bernoulli(0.4)
    white = white + coarse * (2 * _soften(white) - white)
    grey = rng.bernoulli(0.5)
    white = white + grey * (white[:, :1] - white)
    strength = rng.bernoulli(0.6) * rng.log_uniform(0.3, 8) / 255
    return strength * white * (0.4 + image.mean(1, keepdim=True).sqrt())


_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""The luminance quantisation table of the JPEG standard (ITU-T T.81, table K.1)."""

_CHROMA = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
"""The upper left of the chrominance table (K.2); the rest is 99."""


def _stored(rng: BatchRandom, image: Tensor) -> Tensor:
    """Store most images as JPEG."""
    quality = 52 + 45 * rng.uniform(0, 1).sqrt()
    result = jpeg(image, quality, halved=rng.bernoulli(0.6))
    return image + rng.bernoulli(0.6) * (result - image)


def jpeg(image: Tensor, quality: Tensor, halved: Tensor) -> Tensor:
    """Store as JPEG and read again: block transform, quantisation, coarser colour.

    Parameters
    ----------
    image : Tensor, (B, 3, H, W)
        Display values in [0, 1].
    quality : Tensor, (B, 1, 1, 1)
        From 50 to 100, on the scale of the JPEG reference library.
    halved : Tensor, (B, 1, 1, 1)
        1 where colour is stored at half resolution, else 0.

    References
    ----------
    ITU-T T.81.
    """
    height, width = image.shape[-2:]
    x = F.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
    device, dtype = x.device, x.dtype
    to_ycc = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]],
        device=device,
        dtype=dtype,
    )
    ycc = torch.einsum("ij,bjhw->bihw", to_ycc, x * 255 - 128)
    luma_steps = torch.tensor(_LUMA, device=device, dtype=dtype)
    chroma_steps = torch.full_like(luma_steps, 99)
    chroma_steps[:4, :4] = torch.tensor(_CHROMA, device=device, dtype=dtype)
    scale = (200 - 2 * quality) / 100
    luma, colour = ycc[:, :1], ycc[:, 1:]
    luma = _quantised(luma, luma_steps, scale)
    fine = _quantised(colour, chroma_steps, scale)
    coarse = _quantised(F.avg_pool2d(colour, 2), chroma_steps, scale)
    coarse = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
    ycc = torch.cat([luma, fine + halved * (coarse - fine)], 1)
    result = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(to_ycc), ycc)
    return (result + 128).clip(0, 255).round()[..., :height, :width] / 255


def _quantised(planes: Tensor, table: Tensor, scale: Tensor) -> Tensor:
    """Round the cosine transform of 8×8 blocks to multiples of the table's steps."""
    k = torch.arange(8, device=planes.device, dtype=planes.dtype)
    dct = torch.cos((2 * k[None] + 1) * k[:, None] * (torch.pi / 16)) * 0.5
    dct[0] *= 0.5**0.5
    batch, count, height, width = planes.shape
    blocks = planes.reshape(batch, count, height // 8, 8, width // 8, 8)
    steps = (table[:, None] * scale[..., None, None]).round().clip(1, None)
    coefficients = torch.einsum("ui,vj,bcyixj->bcyuxv", dct, dct, blocks)
    coefficients = torch.round(coefficients / steps) * steps
    return torch.einsum("ui,vj,bcyuxv->bcyixj", dct, dct, coefficients).reshape(planes.shape)
