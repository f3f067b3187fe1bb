"""The path-traced dataset on disk, with a stand-in for Blender."""

import csv
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unshine import optics, tone
from unshine.data import item, sshr
from unshine.errors import UnshineError
from unshine.layers import SUFFIX
from unshine.synth import splits, traced_tuple, workers
from unshine.synth.assets import fingerprint, load
from unshine.synth.job import RenderJob, RenderSettings, Sources
from unshine.synth.layout import ALL
from unshine.synth.splits import split_of
from unshine.synth.traced_dataset import render_traced
from unshine.synth.traced_tuple import MASTERS

SMALL = RenderSettings(size=32, seed=5)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Folders with files that look like assets; the stand-in opens none of them."""
    folders = {name: tmp_path / name for name in ("cache", "meshes", "hdris")}
    for folder in folders.values():
        folder.mkdir()
    for number in range(40):
        (folders["meshes"] / f"chair {number}.obj").write_text("v 0 0 0\n")
    (folders["hdris"] / "sky.hdr").write_text("#?RADIANCE\n")
    return Sources(**folders)


@pytest.fixture(autouse=True)
def _standin(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    # For processes that do not inherit the path of this one.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("STANDIN", raising=False)


def make(folder: Path, count: int, sources: Sources, settings=SMALL, workers_count=0):
    """Render with the stand-in: in this process, or in some others."""
    import standin

    run = partial(workers.local, workers=workers_count) if workers_count else in_this_process
    return render_traced(folder, count, settings, sources, run, renderer=standin.render)


def in_this_process(job, indices):
    return (traced_tuple.make(job, index) for index in indices)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_dataset_is_complete_and_sshrs_reader_reads_it(tmp_path: Path, sources: Sources):
    folder = tmp_path / "set"
    assert make(folder, 40, sources) == {}
    tuples = lines(folder / "tuples.jsonl")
    assert [made["index"] for made in tuples] == list(range(40))
    for split in ("train", "validation", "test"):
        expected = [made["stem"] for made in tuples if made["split"] == split]
        assert expected, "40 tuples reach all splits"
        for count in (7, 4):
            entries = sshr.find(folder / f"{split}_{count}_tuples.lst")
            assert [f"SSHR/{entry.name}" for entry in entries] == expected
            for entry in entries:
                example = sshr.read(entry)
                assert example.image.shape == (32, 32, 3)
                assert example.tone_corrected is not None
    names = {path.name for path in folder.iterdir()}
    assert {"ATTRIBUTION.csv", "DATASET.md", "sheet.jpg", "statistics.png"} < names
    assert not any(name.startswith(".") for name in names)
    rows = list(csv.DictReader((folder / "ATTRIBUTION.csv").open()))
    used = {name for made in tuples for name in made["meshes"]}
    assert {row["name"] for row in rows if row["kind"] == "meshes"} == used
    with Image.open(folder / "sheet.jpg") as sheet:
        assert sheet.size == (8 * 128, 5 * 128)
    card = (folder / "DATASET.md").read_text()
    assert "40 tuples" in card
    assert str(tmp_path) not in card
    assert "unshine render -n 40 -o set --size 32 --seed 5" in card


def test_no_mesh_is_in_two_splits(tmp_path: Path, sources: Sources):
    make(tmp_path / "set", 60, sources)
    meshes: dict[str, set[str]] = {}
    for made in lines(tmp_path / "set" / "tuples.jsonl"):
        meshes.setdefault(made["split"], set()).update(made["meshes"])
        assert {split_of(mesh) for mesh in made["meshes"]} == {made["split"]}
    assert len(meshes) == 3


def test_the_split_of_a_mesh_never_changes():
    # Datasets that people have made would be wrong if it did.
    names = ("chair", "Blender/lamp 3", "kühlschrank")
    assert [split_of(name) for name in names] == ["train", "train", "test"]
    shares = [split_of(f"mesh {number}") for number in range(4000)]
    for split, share in splits.SHARES.items():
        assert abs(shares.count(split) / 4000 - share) < 0.02


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_split_alone(tmp_path: Path, sources: Sources, split):
    make(tmp_path / "set", 6, sources, RenderSettings(size=32, split=split))
    assert {made["split"] for made in lines(tmp_path / "set" / "tuples.jsonl")} == {split}
    assert {path.name for path in tmp_path.glob("set/*.lst")} == {
        f"{split}_7_tuples.lst",
        f"{split}_4_tuples.lst",
    }


def test_files_obey_the_physics_where_nothing_is_clipped(tmp_path: Path, sources: Sources):
    folder = tmp_path / "set"
    make(folder, 3, sources)
    for made in lines(folder / "tuples.jsonl"):
        files = {layer: item.read_image(folder / f"{made['stem']}_{layer}.png") for layer in ALL}
        i, a, s, r, d = (optics.decode(files[layer]) for layer in ("i", "a", "s", "r", "d"))
        unclipped = (i < 1) & (s < 1)
        assert unclipped.mean() > 0.2
        assert np.abs(optics.compose(a, s, r) - i)[unclipped].max() < 0.02
        assert np.abs(a * s - d)[unclipped].max() < 0.015
        expected = tone.paper_correction(files["d"], files["i"], files["r"])
        assert np.abs(expected - files["d_tc"]).mean() < 0.01
        assert files["m"].mean() == pytest.approx((28 / 32) ** 2)
        # Clipping aside, albedo has kept its values but for one factor.
        assert a.max() <= 1
        assert made["albedo_scale"] > 1


def test_a_pack_has_the_layers_asked_for_and_is_read_for_training(tmp_path: Path, sources: Sources):
    folder = tmp_path / "pack"
    settings = RenderSettings(
        size=32, split="train", format="jpg", quality=95, layers=("a", "s", "r", "m")
    )
    make(folder, 3, sources, settings)
    entries = sshr.find(folder / "train_tuples.lst")
    assert [set(entry.files) for entry in entries] == [
        {"albedo", "shading", "specular", "mask"}
    ] * 3
    assert len(list(folder.glob("SSHR/train/*/*.jpg"))) == 9
    for entry in entries:
        # Nothing shows the exposure, so the brightest light is as bright as a file can hold.
        assert item.read_image(entry.files["shading"]).max() > 0.98
        mask = item.read_image(entry.files["mask"])
        assert set(np.unique(mask)) == {0, 1}
    assert "light is multiplied by `gain`" in (folder / "DATASET.md").read_text()
    assert "--format jpg --quality 95 --layers a,s,r,m" in (folder / "DATASET.md").read_text()
    assert (folder / "sheet.jpg").stat().st_size > 1000


def test_one_worker_two_workers_and_none_make_the_same_bytes(tmp_path: Path, sources: Sources):
    made = []
    for count in (0, 1, 2):
        folder = tmp_path / str(count) / "set"
        make(folder, 6, sources, workers_count=count)
        made.append(contents(folder))
    assert len(made[0]) > 6 * len(ALL)
    assert made[0] == made[1] == made[2]


def test_a_dataset_may_grow_but_not_shrink_or_change(tmp_path: Path, sources: Sources):
    folder, whole = tmp_path / "a" / "set", tmp_path / "b" / "set"
    make(folder, 3, sources)
    make(folder, 7, sources)
    make(whole, 7, sources)
    assert contents(folder) == contents(whole)
    with pytest.raises(UnshineError, match="there must be at least 7"):
        make(folder, 3, sources)
    with pytest.raises(UnshineError, match=r"begun with seed 5, not 6.*another folder"):
        make(folder, 7, sources, RenderSettings(size=32, seed=6))
    (sources.meshes / "new.obj").write_text("v 0 0 0\n")
    with pytest.raises(UnshineError, match="begun with assets"):
        make(folder, 7, sources)
    assert contents(folder) == contents(whole)


def test_a_strangers_folder_is_not_touched(tmp_path: Path, sources: Sources):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UnshineError, match="not empty"):
        make(tmp_path / "mine", 1, sources)
    assert contents(tmp_path / "mine") == {"thesis.txt": b"precious"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_crash_costs_one_tuple(tmp_path: Path, sources: Sources, monkeypatch, count):
    monkeypatch.setenv("STANDIN", "crash=2,fail=4,empty=5")
    folder = tmp_path / "set"
    failed = make(folder, 7, sources, workers_count=count)
    assert failed == {
        2: "the renderer crashed (SIGSEGV)",
        4: "this mesh is bent",
        5: "No object is in the image.",
    }
    assert [made["index"] for made in lines(folder / "tuples.jsonl")] == [0, 1, 3, 6]
    assert [line["index"] for line in lines(folder / "failed.jsonl")] == [2, 4, 5]
    assert "3 of 7 could not be rendered" in (folder / "DATASET.md").read_text()
    # What failed for another reason than itself is made by running again.
    monkeypatch.delenv("STANDIN")
    assert make(folder, 7, sources, workers_count=count) == {}
    make(tmp_path / "whole" / "set", 7, sources)
    assert contents(folder) == contents(tmp_path / "whole" / "set")


def test_a_scene_that_cannot_be_used_is_drawn_again(tmp_path: Path, sources: Sources, monkeypatch):
    monkeypatch.setenv("STANDIN", "unlucky=1")
    assert make(tmp_path / "set", 3, sources) == {}
    discarded = [made["discarded"] for made in lines(tmp_path / "set" / "tuples.jsonl")]
    assert discarded == [[], ["OSError: an image of the mesh is missing"], []]


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="this system has no alarm")
def test_a_tuple_that_hangs_is_given_up(tmp_path: Path, sources: Sources, monkeypatch):
    import standin

    monkeypatch.setenv("STANDIN", "sleep=60")
    assets = load(sources.cache, "any", sources.meshes, sources.hdris)
    job = RenderJob(tmp_path, SMALL, sources, fingerprint(assets), standin.render)
    program = (
        "import pickle, sys; from unshine.synth import workers; workers.TIME_LIMIT = 1;"
        "workers._task(pickle.load(sys.stdin.buffer), 0)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=pickle.dumps(job), check=False, timeout=50)
    assert done.returncode == -signal.SIGALRM


PROGRAM = """
import sys
from functools import partial
from pathlib import Path
import standin
from unshine.synth import workers
from unshine.synth.job import RenderSettings, Sources
from unshine.synth.traced_dataset import render_traced
if __name__ == "__main__":
    here = Path(sys.argv[1])
    sources = Sources(here / "cache", here / "meshes", here / "hdris")
    render_traced(here / "killed" / "set", 40, RenderSettings(size=32, seed=5), sources,
                  partial(workers.local, workers=2), renderer=standin.render)
"""


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(
    tmp_path: Path, sources: Sources, monkeypatch
):
    make(tmp_path / "whole" / "set", 40, sources)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    folder = tmp_path / "killed" / "set"
    monkeypatch.setenv("STANDIN", "sleep=0.05")
    for share in (0.2, 0.6):
        process = subprocess.Popen([sys.executable, program, tmp_path])
        while len(list(folder.glob(".unfinished/*.json"))) < 40 * share:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert not (folder / "tuples.jsonl").exists()
    left = len(list(folder.glob(".unfinished/*.json")))
    assert 24 <= left < 40
    subprocess.run([sys.executable, program, tmp_path], check=True)
    assert contents(folder) == contents(tmp_path / "whole" / "set")


def test_killed_between_any_two_writes_it_goes_on(tmp_path: Path, sources: Sources, monkeypatch):
    """Stop at every third renaming of a file in turn, by an exception that nothing handles."""
    make(tmp_path / "whole" / "set", 2, sources)
    expected = contents(tmp_path / "whole" / "set")

    class Killed(BaseException):
        pass

    rename = os.replace
    stops = 0
    for stop in range(1, 200, 3):
        calls = 0

        def counted(source, target, stop=stop):
            nonlocal calls
            calls += 1
            if calls == stop:
                raise Killed
            return rename(source, target)

        folder = tmp_path / "stopped" / "set"
        shutil.rmtree(folder, ignore_errors=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", counted)
            try:
                make(folder, 2, sources)
            except Killed:
                stops += 1
            else:
                break
        make(folder, 2, sources)
        assert contents(folder) == expected, f"stopped at renaming {stop}"
    assert 3 * stops > 2 * len(ALL) + 6


def test_a_full_disk_is_said_before_it_happens(tmp_path: Path, sources: Sources, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UnshineError, match=r"0\.0 GB left and 9 tuples may need"):
        make(tmp_path / "set", 9, sources)


def test_a_disk_that_fills_up_stops_the_run(tmp_path: Path, sources: Sources, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(traced_tuple, "_write", full)
    with pytest.raises(UnshineError, match="No space left"):
        make(tmp_path / "set", 9, sources)


def test_workers_refuse_other_assets(tmp_path: Path, sources: Sources):
    import standin

    job = RenderJob(tmp_path, SMALL, sources, "0123", standin.render)
    outcome = traced_tuple.make(job, 0)
    assert outcome.stop
    assert "other assets" in outcome.error


def test_masters_are_half_floats_that_add_up(tmp_path: Path, sources: Sources):
    bpy = pytest.importorskip("bpy", reason="Blender writes the EXR files")
    folder = tmp_path / "set"
    make(folder, 2, sources, RenderSettings(size=32, linear=True), workers_count=1)
    for made in lines(folder / "tuples.jsonl"):
        light = {}
        for layer in (SUFFIX[name] for name in MASTERS):
            image = bpy.data.images.load(str(folder / f"{made['stem']}_{layer}.exr"))
            image.colorspace_settings.name = "Non-Color"
            pixels = np.empty(32 * 32 * 4, np.float32)
            image.pixels.foreach_get(pixels)
            light[layer] = pixels.reshape(32, 32, 4)[::-1, :, :3]
            bpy.data.images.remove(image)
            assert (light[layer] == light[layer].astype(np.float16)).all()
        i, a, s, r, d = (light[SUFFIX[name]] for name in MASTERS)
        assert i.max() > 2, "not clipped"
        assert (np.abs(a * s + r - i) <= 5e-4 * np.maximum(i, 1)).all()
        assert (np.abs(a * s - d) <= 5e-4 * np.maximum(d, 1)).all()
        files = item.read_image(folder / f"{made['stem']}_i.png")
        assert np.abs(optics.encode(i.clip(0, 1)) - files).max() < 1 / 250


@pytest.mark.slow
def test_ray_makes_the_same_bytes_and_survives_a_crash(
    tmp_path: Path, sources: Sources, monkeypatch
):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    import standin

    make(tmp_path / "whole" / "set", 8, sources)
    monkeypatch.setenv("STANDIN", "crash=2,fail=4")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        folder = tmp_path / "ray" / "set"
        failed = render_traced(folder, 8, SMALL, sources, workers.on_ray, renderer=standin.render)
    finally:
        ray.shutdown()
    assert failed == {2: "the renderer crashed (WorkerCrashedError)", 4: "this mesh is bent"}
    monkeypatch.delenv("STANDIN")
    make(folder, 8, sources)
    assert contents(folder) == contents(tmp_path / "whole" / "set")
