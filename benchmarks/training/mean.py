"""Take the mean of weights, of all stages or of some of them.

    python benchmarks/training/mean.py -o fast.safetensors old*68 new*32 --keep physics

Each of the weights is followed by how much it counts. Means of weights on the same way do less harm
than each of them (docs/training-log.md, sections 9 and 15). The stages in `--keep` are those of the
first.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from unshine.networks.weights import read_weights, write_weights


def main(
    weights: Annotated[list[str], typer.Argument(help="FILE*SHARE, FILE*SHARE ...")],
    output: Annotated[Path, typer.Option("-o", help="Where to write the mean.")],
    keep: Annotated[list[str] | None, typer.Option(help="A stage to take from the first.")] = None,
) -> None:
    """Write the mean."""
    files, shares = zip(*(item.rsplit("*", 1) for item in weights), strict=True)
    read = [read_weights(Path(file)) for file in files]
    counts = np.array(shares, np.float32) / sum(float(share) for share in shares)
    mean = read[0]
    for name in mean.tensors:
        if not name.startswith(tuple(f"{stage}." for stage in keep or ())):
            of_all = [x.tensors[name].astype(np.float32) for x in read]
            mean.tensors[name] = sum(c * x for c, x in zip(counts, of_all, strict=True))
    write_weights(output, mean)


if __name__ == "__main__":
    typer.run(main)
