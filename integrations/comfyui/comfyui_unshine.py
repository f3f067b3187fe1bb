"""ComfyUI node: take specular highlights off images, and hand out their layers.

Copy this file into ComfyUI's folder ``custom_nodes``; see README.md.
"""

from functools import cache, lru_cache

import numpy as np
import torch
from comfy_api.latest import ComfyExtension, io

import unshine
from unshine import optics


class RemoveHighlights(io.ComfyNode):
    """Images in; clean images, highlight masks and layers out."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Describe the node's sockets and settings."""
        return io.Schema(
            node_id="UnshineRemoveHighlights",
            display_name="Remove Highlights (Unshine)",
            category="image/postprocessing",
            description="Takes specular highlights off photographs; colour and texture stay.",
            inputs=[
                io.Image.Input("image"),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="How much of the highlights to take off.",
                ),
                io.Float.Input(
                    "sensitivity",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    display_mode=io.NumberDisplay.slider,
                    tooltip="How readily a bright spot is taken for a highlight.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Painted: a highlight for certain. Elsewhere the network decides.",
                ),
                io.Mask.Input(
                    "protect", optional=True, tooltip="Painted: leave the image as it is."
                ),
            ],
            outputs=[
                io.Image.Output("clean", display_name="image"),
                io.Mask.Output("highlight", tooltip="Where the network sees a highlight."),
                io.Image.Output("specular", tooltip="The light of the highlights, gamma-encoded."),
                io.Image.Output("diffuse", tooltip="The image less all of its specular light."),
                io.Image.Output("albedo", tooltip="The colour of the surfaces."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        strength: float,
        sensitivity: float,
        mask: torch.Tensor | None = None,
        protect: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        """Work on a batch, image by image.

        Parameters
        ----------
        image : tensor, B×H×W×C
            Display values in [0, 1], of 3 or 4 channels.
        strength, sensitivity : float
            As for `unshine.Remover.remove`.
        mask, protect : tensor, B×H×W or 1×H×W, optional
            In [0, 1], and of any size.
        """
        where = user_mask(mask, protect, image.shape)
        found: dict[str, list[np.ndarray]] = {}
        for index, pixels in enumerate(image.cpu().float().clamp(0, 1).numpy()):
            analysis = analyse(pixels.tobytes(), pixels.shape)
            one = None if where is None else where[index % len(where)]
            found.setdefault("clean", []).append(analysis.clean(strength, sensitivity, one))
            for name in ("highlight", "specular", "diffuse", "albedo"):
                layer = optics.displayed(name, analysis.layer(name))
                found.setdefault(name, []).append(layer)
        return io.NodeOutput(*(torch.from_numpy(np.stack(each)) for each in found.values()))


@cache
def remover() -> unshine.Remover:
    """Load the network, once."""
    return unshine.Remover()


@lru_cache(maxsize=4)
def analyse(pixels: bytes, shape: tuple[int, ...]) -> "unshine.Analysis":
    """Run the network, or not, if the image is one of the last: only settings changed then."""
    return remover().analyse(np.frombuffer(pixels, np.float32).reshape(shape))


def user_mask(
    mask: torch.Tensor | None, protect: torch.Tensor | None, shape: torch.Size
) -> np.ndarray | None:
    """Join ComfyUI's two masks, each 1 where painted, to unshine's: 1 take, 0 protect, ½ decide."""
    if mask is None and protect is None:
        return None
    where = torch.full((1, *shape[1:3]), 0.5)
    if mask is not None:
        where = where + fitted(mask, shape) / 2
    if protect is not None:
        where = where * (1 - fitted(protect, shape))
    return where.clamp(0, 1).numpy()


def fitted(mask: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Bring a mask to the images' size; ComfyUI sends a small black one where there is none."""
    mask = mask.cpu().float().reshape(-1, 1, *mask.shape[-2:])
    resized = torch.nn.functional.interpolate(
        mask, size=tuple(shape[1:3]), mode="bilinear", align_corners=False
    )
    # What is all black or all white stays so, whatever the resizing rounds to.
    return resized[:, 0].round(decimals=4)


class UnshineExtension(ComfyExtension):
    """What this file adds to ComfyUI."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """List the nodes."""
        return [RemoveHighlights]


async def comfy_entrypoint() -> UnshineExtension:
    """Start here: ComfyUI asks for this function."""
    return UnshineExtension()
