"""Time of both networks under PyTorch (eager) and MindSpore (graph); writes frameworks.csv.

Run by hand on an otherwise quiet machine, optionally with how many calls to time (default 7):

    python benchmarks/frameworks.py

Inference at 256², one image; a training step (plain mean squared error, float32, gradients
without the optimiser's update) of TSHRNet with 4 tuples at 256² and of ours with 8 at 128². Every
figure is taken in a process of its own, after two calls to warm up and compile, and is the median.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from publish import MACHINE, publish

from unshine.cpus import available_cpus
from unshine.networks.three_stage import FAST

INFERENCE = (1, 256)
TRAINING = {"tshrnet": (4, 256), "three_stage": (8, 128)}
"""Images at once, and their side."""
CALLS = 7


def in_torch(network: str, training: bool, image: np.ndarray) -> Callable[[], Any]:
    """Return the call to time; it ends when the result is there."""
    import torch

    from unshine.networks.three_stage.torch import ThreeStage
    from unshine.networks.tshrnet.torch import TSHRNet

    torch.set_num_threads(available_cpus())
    torch.set_flush_denormal(True)
    model = TSHRNet(seed=0) if network == "tshrnet" else ThreeStage(FAST)
    forward = model.normalised if isinstance(model, TSHRNet) else model
    model.train(training)
    given = torch.from_numpy(image)

    def infer() -> Any:
        with torch.inference_mode():
            return model(given)

    def step() -> Any:
        model.zero_grad()
        loss = sum(((output - 0.3) ** 2).mean() for output in forward(given))
        assert isinstance(loss, torch.Tensor)
        loss.backward()

    return step if training else infer


def in_mindspore(network: str, training: bool, image: np.ndarray) -> Callable[[], Any]:
    """Return the call to time; it ends when the result is there."""
    import mindspore

    from unshine.engines.mindspore import use
    from unshine.networks.three_stage.mindspore import ThreeStage
    from unshine.networks.tshrnet.mindspore import TSHRNet

    use("cpu")
    model = TSHRNet(seed=0) if network == "tshrnet" else ThreeStage(FAST)
    forward = model.normalised if network == "tshrnet" else model.construct
    model.set_train(training)
    given = mindspore.Tensor(image)
    compiled = mindspore.jit(model.construct)

    def loss(batch: Any) -> Any:
        total = 0.0
        for output in forward(batch):
            total = total + ((output - 0.3) ** 2).mean()
        return total

    gradients = mindspore.jit(mindspore.value_and_grad(loss, None, model.trainable_params()))

    def infer() -> Any:
        return [output.asnumpy() for output in compiled(given)]

    def step() -> Any:
        value, found = gradients(given)
        return value.asnumpy(), found[0].asnumpy(), found[-1].asnumpy()

    return step if training else infer


def measure(framework: str, network: str, training: bool, calls: int) -> float:
    """Return the median seconds of a call, in this process."""
    batch, side = TRAINING[network] if training else INFERENCE
    image = np.random.default_rng(0).random((batch, 3, side, side), dtype=np.float32)
    prepare = in_torch if framework == "torch" else in_mindspore
    call = prepare(network, training, image)
    times = []
    for _ in range(calls + 2):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def main(calls: int) -> None:
    """Measure everything, print a table and write `frameworks.csv`."""
    rows = []
    threads = {"OMP_NUM_THREADS": str(available_cpus()), "OMP_WAIT_POLICY": "PASSIVE"}
    for network in TRAINING:
        for training in (False, True):
            seconds = {}
            for framework in ("torch", "mindspore"):
                words = [framework, network, str(int(training)), str(calls)]
                command = [sys.executable, __file__, *words]
                environment = os.environ | threads
                run = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True, env=environment
                )
                seconds[framework] = json.loads(run.stdout.splitlines()[-1])
            batch, side = TRAINING[network] if training else INFERENCE
            row = {
                "network": network,
                "what": "training step" if training else "inference",
                "batch": str(batch),
                "side": str(side),
                "torch": f"{seconds['torch']:.3f}",
                "mindspore": f"{seconds['mindspore']:.3f}",
                "ratio": f"{seconds['mindspore'] / seconds['torch']:.2f}",
                **MACHINE,
            }
            rows.append(row)
    publish(rows, "frameworks.csv")


if __name__ == "__main__":
    if len(sys.argv) == 5:
        framework, network, training, calls = sys.argv[1:]
        print(json.dumps(measure(framework, network, training == "1", int(calls))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
