"""One training step on a fixed batch, shared among however many processes; saves gradients."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from unshine.synth import camera, patterns
from unshine.synth.camera import Tuples
from unshine.synth.procedural import Studio
from unshine.training.loop import _fabric, _Run
from unshine.training.losses import losses
from unshine.training.settings import Settings

folder = Path(sys.argv[1])
options = Settings(output=folder, samples=4, batch=4, size=32, precision="32", device="cpu")
fabric = _fabric(options)
torch.manual_seed(0)
run = _Run(options, fabric)
generator = torch.Generator().manual_seed(9)
with torch.no_grad():
    whole = camera.develop(Studio(32, patterns.atlas(2)).render(4, generator), generator)
    # Heads start at zero, which would leave most gradients zero too.
    for parameter in run.network.parameters():
        parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
share = Tuples(*(x.chunk(fabric.world_size)[fabric.global_rank] for x in whole))
fabric.backward(losses(run.model(share.image), share)["total"])
if fabric.is_global_zero:
    folder.mkdir(parents=True, exist_ok=True)
    gradients = {name: p.grad.contiguous() for name, p in run.network.named_parameters()}
    save_file(gradients, folder / "gradients.safetensors")
