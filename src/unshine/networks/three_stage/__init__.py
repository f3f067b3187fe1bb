"""Unshine's network: TSHRNet's three stages, small, fully convolutional and exportable.

`Sizes` is all that a framework's implementation (`torch.py`, `mindspore.py`) needs to know to build
one.
"""

from dataclasses import dataclass

OUTPUTS = ("albedo", "shading", "diffuse", "specular", "clean", "highlight")
"""What the network returns, in this order: see `torch.ThreeStage.forward`."""


CAUTION = 1.0
"""How sure the network must be: nothing changes where it gives a highlight less than 45 %, half of
what it would change at 86 %, all of it from near certainty on."""


@dataclass(frozen=True)
class Sizes:
    """Channels of each encoder-decoder, from half resolution downwards, and blocks per level."""

    albedo: tuple[int, ...]
    shading: tuple[int, ...]
    refine: tuple[int, ...]
    tone: tuple[int, ...]
    blocks: int = 1

    @property
    def multiple(self) -> int:
        """Height and width are padded inside the network to multiples of this."""
        return 2 ** max(len(self.albedo), len(self.shading), len(self.refine), len(self.tone))


FAST = Sizes(
    albedo=(32, 32, 64, 96, 128),
    shading=(32, 32, 64, 96, 128),
    refine=(32, 64, 96, 128, 160),
    tone=(32, 48, 64, 96),
)
