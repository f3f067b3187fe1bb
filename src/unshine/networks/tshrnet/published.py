"""The published weights of TSHRNet: a folder of four files, `UNet1_60.pth` to `UNet4_60.pth`."""

import re
from pathlib import Path

from unshine.errors import UnshineError
from unshine.networks.tshrnet import INPUTS

MARKER = "Cv0.conv.weight"
"""A tensor of each of the files, by which it is recognised."""
EPOCH = 60
"""The published files' names say after how many epochs the weights were kept."""

_NAME = re.compile(r"(UNet[1-4])_(\d+)\.(pth|ckpt)")


def file_name(part: str, ending: str) -> str:
    """Name the file of one of the four networks, `UNet1` to `UNet4`."""
    return f"{part}_{EPOCH}.{ending}"


def find(folder: Path) -> dict[str, Path]:
    """Return the four files in a folder by network, of the latest epoch that is complete.

    Raises
    ------
    UnshineError
        If there are not all four.
    """
    sets: dict[tuple[int, str], dict[str, Path]] = {}
    for file in sorted(folder.iterdir()):
        if match := _NAME.fullmatch(file.name):
            part, epoch, ending = match.groups()
            sets.setdefault((int(epoch), ending), {})[part] = file
    complete = [key for key, files in sets.items() if len(files) == len(INPUTS)]
    if complete:
        return sets[max(complete)]
    if sets:
        (epoch, ending), files = max(sets.items(), key=lambda item: (len(item[1]), item[0]))
        absent = min(INPUTS.keys() - files.keys())
        raise UnshineError(f"{folder}: {absent}_{epoch}.{ending} is missing.")
    raise UnshineError(
        f"{folder} holds no weights: there should be UNet1_60.pth to UNet4_60.pth, or .ckpt."
    )
