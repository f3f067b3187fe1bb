"""Figures from papers, second-hand, each under its protocol's name.

They stand beside the measured tables, never in them: their protocols differ and are partly unknown.
"""

from typing import NamedTuple


class Figure(NamedTuple):
    """One published score."""

    dataset: str
    protocol: str
    method: str
    psnr: float
    ssim: float | None


PROTOCOL_A = "table of an ICCV 2025 paper by TSHRNet's first author; protocol not published"
PROTOCOL_B = "DHAN-SHR's benchmark: 18 methods retrained on one mixture, 256×256, whole image"
PROTOCOL_C = "another group: 200×200 for SHIQ, 256×256 otherwise, whole image"
SIHR = "README of SIHR's MATLAB collection: values as stored, whole image"

_A = {
    "Shen & Zheng 2013": ((24.39, 0.904), (13.92, 0.428), (13.89, 0.610)),
    "SpecularityNet (2021)": ((25.73, 0.894), (23.42, 0.920), (21.80, 0.880)),
    "JSHDR (2021)": ((26.98, 0.895), (34.13, 0.860), (21.52, 0.883)),
    "TSHRNet (2023)": ((28.63, 0.940), (25.58, 0.933), (22.76, 0.903)),
    "HighlightRemover (2024)": ((30.07, 0.956), (30.23, 0.930), (29.79, 0.922)),
    "DHAN-SHR (2024)": ((34.10, 0.959), (33.81, 0.975), (25.28, 0.883)),
    "Neural DRM solver (2025)": ((34.64, 0.965), (34.50, 0.979), (29.80, 0.943)),
}
_SIHR = {
    "Tan & Ikeuchi 2005": (30.4, 31.6, 30.4, 25.8),
    "Yoon et al. 2006": (32.9, 33.3, 36.6, 34.1),
    "Shen & Cai 2009": (34.9, 37.6, 36.7, 34.0),
    "Yang et al. 2010": (36.5, 37.5, 36.2, 33.5),
    "Shen & Zheng 2013": (37.5, 38.3, 38.2, 32.7),
    "Akashi & Okatani 2016": (32.7, 35.9, 34.8, 34.0),
}

FIGURES = [
    *(
        Figure(dataset, PROTOCOL_A, method, *score)
        for method, scores in _A.items()
        for dataset, score in zip(("sshr", "shiq", "psd"), scores, strict=True)
    ),
    Figure("shiq", PROTOCOL_B, "TSHRNet (2023)", 34.57, 0.972),
    Figure("psd", PROTOCOL_B, "TSHRNet (2023)", 23.30, 0.826),
    Figure("sshr", PROTOCOL_B, "TSHRNet (2023)", 33.32, 0.950),
    Figure("sshr", PROTOCOL_B, "DHAN-SHR (2024)", 36.48, 0.964),
    Figure("shiq", PROTOCOL_B, "JSHDR (2021)", 37.97, 0.980),
    Figure("psd", PROTOCOL_C, "input (nothing done)", 27.53, 0.957),
    Figure("sshr", PROTOCOL_C, "input (nothing done)", 30.11, 0.942),
    # Four images; the papers' own average is not given, so this is the mean of the four.
    *(
        Figure("shen-zheng", SIHR, method, round(sum(scores) / 4, 2), None)
        for method, scores in _SIHR.items()
    ),
]


def on(protocol: str) -> list[Figure]:
    """Figures on the dataset of a protocol, whatever protocol they come from."""
    return [figure for figure in FIGURES if protocol.startswith(figure.dataset)]
