"""One training step on a fixed batch, shared among however many processes; saves gradients."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from unshine.layers import Layers
from unshine.synth import camera, patterns
from unshine.synth.procedural import Studio
from unshine.training.recipes import UNSHINE
from unshine.training.settings import Settings
from unshine.training.torch import Run, make_fabric

folder = Path(sys.argv[1])
recipe = replace(UNSHINE, batch=4, size=32)
options = Settings(folder, samples=4, recipe=recipe, precision="32", device="cpu")
fabric = make_fabric(options)
torch.manual_seed(0)
run = Run(options, fabric)
generator = torch.Generator().manual_seed(9)
with torch.no_grad():
    whole = camera.develop(Studio(32, patterns.atlas(2)).render(4, generator), generator)
    # Heads start at zero, which would leave most gradients zero too.
    for parameter in run.network.parameters():
        parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
share = {n: x.chunk(fabric.world_size)[fabric.global_rank] for n, x in whole._asdict().items()}
fabric.backward(run.losses(Layers(**share))["total"])
if fabric.is_global_zero:
    folder.mkdir(parents=True, exist_ok=True)
    named = run.network.named_parameters()
    gradients = {name: p.grad.contiguous() for name, p in named if p.requires_grad}
    save_file(gradients, folder / "gradients.safetensors")
