"""The network under ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from unshine.cpus import available_cpus
from unshine.errors import UnshineError
from unshine.networks import NETWORKS, SHIPPED, in_its_space

DEFAULT_WEIGHTS = SHIPPED.with_suffix(".onnx")


class OnnxEngine:
    """A loaded network; call it often, from as many threads as you like; it can be pickled.

    Parameters
    ----------
    weights : path, optional
        An ONNX file of one of Unshine's networks, as `unshine.networks.export` writes it; the
        shipped weights if left out.
    device : {"auto", "cpu", "cuda"}
        `auto` takes CUDA where this ONNX Runtime offers it.
    threads : int, optional
        Processors that one call keeps busy; all that there are if left out.

    Raises
    ------
    UnshineError
        If the weights cannot be used or the device is not there.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self._arguments = (weights and Path(weights).resolve(), device, threads)
        self.weights = Path(weights) if weights is not None else DEFAULT_WEIGHTS
        if not self.weights.is_file():
            raise UnshineError(f"{self.weights}: there is no weights file here.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or available_cpus()
        # A memory pattern would plan for every size again, and cost half as much memory again.
        options.enable_mem_pattern = False
        # Threads that spin while they wait slow down whatever else shares the processor.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        providers = _providers(device)
        try:
            self._session = onnxruntime.InferenceSession(
                self.weights, sess_options=options, providers=providers
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            reason = str(error).splitlines()[0]
            raise UnshineError(f"{self.weights}: these weights cannot be loaded ({reason}).") from (
                error
            )
        running = self._session.get_providers()
        if device == "cuda" and "CUDAExecutionProvider" not in running:
            raise UnshineError(
                "CUDA was found but could not be started; check the driver and the CUDA libraries,"
                " or choose the device cpu."
            )
        # Give memory back after every run, for 5 % of the time: a large photograph needs it next.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.names = tuple(output.name for output in self._session.get_outputs())
        stated = self._session.get_modelmeta().custom_metadata_map.get("network", "")
        inputs = [given.name for given in self._session.get_inputs()]
        if stated not in NETWORKS or inputs != ["image"] or "clean" not in self.names:
            raise UnshineError(
                f"{self.weights}: this ONNX file is not one of Unshine's networks, or was exported"
                " before version 0.2; export it again."
            )
        self.network = NETWORKS[stated]
        self.device = "cuda" if "CUDAExecutionProvider" in running else "cpu"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments

    def __call__(
        self, image: NDArray[np.float32], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network; outputs that are not wanted are not kept in memory. See `Engine`."""
        names = list(outputs or self.names)
        layers = self._session.run(names, {"image": image}, self._run_options)
        return {
            name: in_its_space(self.network, name, layer)
            for name, layer in zip(names, layers, strict=True)
        }


def available_devices() -> list[str]:
    """Return the devices that this ONNX Runtime was built for, the preferred one first."""
    cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    return ["cuda", "cpu"] if cuda else ["cpu"]


def _providers(device: str) -> list[str]:
    if device not in ("auto", "cpu", "cuda"):
        raise UnshineError(f"ONNX Runtime has no device {device!r}; choose auto, cpu or cuda.")
    cuda = "cuda" in available_devices()
    if device == "cuda" and not cuda:
        raise UnshineError(
            "This ONNX Runtime cannot use CUDA; replace it (pip uninstall onnxruntime, then"
            " pip install onnxruntime-gpu), or choose the device cpu."
        )
    if cuda and device != "cpu":
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]
