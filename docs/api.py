"""Make the API's pages from the docstrings.

python docs/api.py [FOLDER]        # pip install ".[bench,docs]"; "api" unless told otherwise
"""

import sys
from pathlib import Path

import pdoc

import unshine

MODULES = (
    "unshine",
    "unshine.remover",
    "unshine.layers",
    "unshine.optics",
    "unshine.tone",
    "unshine.pixels",
    "unshine.metrics",
    "unshine.classical",
    "unshine.data",
    "unshine.io.stills",
    "unshine.io.model",
    "unshine.jobs",
    "unshine.engines",
    "unshine.networks",
    "unshine.bench",
)

# The package loads these with their first use; pdoc only looks at what is there.
for name in unshine.__all__:
    setattr(unshine, name, getattr(unshine, name))
pdoc.render.configure(docformat="numpy", math=False)
pdoc.pdoc(*MODULES, output_directory=Path(sys.argv[1] if len(sys.argv) > 1 else "api"))
