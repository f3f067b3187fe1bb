"""Where results go, and what is settled when two would have one name."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unshine.jobs import Naming, Plan, Source, plan
from unshine.jobs.plan import Ending, Existing

OUT = Path("out")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _sources(*names: str, flat: bool = False) -> list[Source]:
    return [
        Source(Path("in", name), Path(Path(name).name if flat else name), named=False)
        for name in names
    ]


def _into(source: Source) -> Path:
    return OUT / source.relative


def _to_png(path: Path) -> Ending:
    return Ending(".png")


def _no_ending(path: Path) -> Ending:
    return Ending("")


def _targets(made: Plan) -> list[str]:
    return [job.target.relative_to(OUT).as_posix() for job in made.jobs]


def test_results_keep_their_names_and_folders() -> None:
    made = plan(_sources("a.jpg", "day/b.PNG"), Naming(_into))
    assert _targets(made) == ["a.jpg", "day/b.PNG"]
    assert not made.problems
    assert not any(job.notes for job in made.jobs)


def test_suffix_ending_and_layers() -> None:
    naming = Naming(_into, _to_png, "_clean", ("mask", "exclude"), layered="_layers.exr")
    (job,) = plan(_sources("a.b.jpg"), naming).jobs
    assert [path.name for path in job.outputs] == [
        "a.b_clean_mask.png",
        "a.b_clean.png.mask.png",
        "a.b_clean_layers.exr",
        "a.b_clean.png",
    ]


def test_a_result_under_another_ending_keeps_out_of_the_way() -> None:
    made = plan(_sources("a.jpg", "a.png", "a.webp"), Naming(_into, _to_png))
    assert _targets(made) == ["a.jpg.png", "a.png", "a.webp.png"]
    assert made.jobs[0].notes == (
        "in/a.jpg: out/a.png is another image's result; this one's is out/a.jpg.png.",
    )
    assert made.jobs[1].notes == ()


def test_equal_names_from_several_folders_keep_their_folder_then_get_numbers() -> None:
    names = ("a/x.png", "b/x.png", "c/b/x.png")
    made = plan(_sources(*names, flat=True), Naming(_into))
    assert _targets(made) == ["x.png", "b/x.png", "x_2.png"]


def test_layers_of_equal_stems_bear_the_whole_name() -> None:
    made = plan(_sources("y.png", "y.bmp", "z.png"), Naming(_into, layers=("mask",)))
    assert [job.layers["mask"].name for job in made.jobs] == [
        "y.png_mask.png",
        "y.bmp_mask.png",
        "z_mask.png",
    ]


def test_a_layer_never_takes_the_name_of_a_result() -> None:
    made = plan(_sources("y.png", "y_mask.png"), Naming(_into, layers=("mask",)))
    assert _targets(made) == ["y.png", "y_mask.png"]
    assert made.jobs[0].layers["mask"].name == "y.png_mask.png"


def test_a_photogrammetry_mask_that_has_no_name_left_is_told_and_the_result_made() -> None:
    naming = Naming(_into, layers=("exclude",), exclude_ending=".png")
    made = plan(_sources("y.jpg", "y.jpg.png"), naming)
    assert _targets(made) == ["y.jpg", "y.jpg.png"]
    assert made.jobs[0].layers == {}
    assert made.problems == ["in/y.jpg: out/y.jpg.png is another image's; no exclude is written."]


def test_a_wrong_ending_is_told() -> None:
    naming = Naming(_into, lambda path: Ending(".png", "this is a PNG file; its result is one."))
    (job,) = plan(_sources("0.jpg"), naming).jobs
    assert job.target.name == "0.png"
    assert job.notes == ("in/0.jpg: this is a PNG file; its result is one.",)


@pytest.mark.parametrize("existing", ["refuse", "skip", "overwrite"])
def test_inputs_are_never_replaced(existing: Existing) -> None:
    Path("in").mkdir()
    Path("in/a.jpg").touch()
    Path("in/b.jpg").touch()
    os.symlink("a.jpg", "in/c.jpg")
    made = plan(_sources("a.jpg"), Naming(lambda _: Path("in/a.jpg")), existing)
    assert made.problems == ["in/a.jpg: its output would replace the input in/a.jpg."]
    made = plan(_sources("b.jpg", "a.jpg"), Naming(lambda s: Path("in/c.jpg")), existing)
    assert "would replace the input in/c.jpg" in made.problems[0]


def test_what_exists_is_refused_skipped_or_replaced() -> None:
    OUT.mkdir()
    for name in ("a.jpg", "a_mask.png", "b.jpg"):
        (OUT / name).touch()
    sources = _sources("a.jpg", "b.jpg", "c.jpg")
    naming = Naming(_into, layers=("mask",))
    refused = plan(sources, naming)
    assert _targets(refused) == ["c.jpg"]
    assert refused.problems == [
        "in/a.jpg: its output out/a_mask.png exists already.",
        "in/b.jpg: its output out/b.jpg exists already.",
    ]
    skipped = plan(sources, naming, "skip")
    assert _targets(skipped) == ["b.jpg", "c.jpg"]
    assert skipped.there == 1
    assert _targets(plan(sources, naming, "overwrite")) == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize("existing", ["refuse", "skip", "overwrite"])
def test_folders_and_devices_are_never_replaced(existing: Existing) -> None:
    Path("out/a.jpg").mkdir(parents=True)
    made = plan(_sources("a.jpg"), Naming(_into), existing)
    assert made.problems == ["in/a.jpg: its output out/a.jpg is a folder."]
    made = plan(_sources("a.jpg"), Naming(lambda _: Path("/dev/null"), _no_ending), existing)
    assert made.problems == ["in/a.jpg: its output /dev/null is a device or pipe."]


def test_a_device_is_no_input() -> None:
    made = plan([Source(Path("/dev/zero"), Path("zero"))], Naming(_into))
    assert made.problems == ["/dev/zero: this is a device, not an image file."]


def test_a_second_run_beside_the_sources_leaves_the_first_one_s_results_alone() -> None:
    naming = Naming(lambda s: s.path, suffix="_clean", layers=("mask",))
    sources = _sources("a.jpg", "b.jpg")
    first = [path.name for job in plan(sources, naming).jobs for path in job.outputs]
    assert first == ["a_clean_mask.png", "a_clean.jpg", "b_clean_mask.png", "b_clean.jpg"]
    Path("in").mkdir()
    for name in first:
        Path("in", name).touch()
    again = plan(_sources("a.jpg", "b.jpg", *first), naming, "skip")
    assert (again.jobs, again.problems, again.there) == ([], [], 2)


NAMES = st.lists(
    st.tuples(
        st.sampled_from(["", "a/", "b/", "a/b/"]),
        st.sampled_from(["x", "y", "x_mask", "x.jpg", "x_2", "x.png_mask"]),
        st.sampled_from([".jpg", ".png", ".PNG"]),
    ).map("".join),
    unique=True,
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    names=NAMES,
    flat=st.booleans(),
    png=st.booleans(),
    layers=st.lists(st.sampled_from(["mask", "albedo", "exclude"]), unique=True).map(tuple),
    suffix=st.sampled_from(["", "_2"]),
    layered=st.sampled_from(["", "_layers.tif"]),
)
def test_every_image_has_its_result_and_no_two_files_one_name(
    names: list[str], flat: bool, png: bool, layers: tuple[str, ...], suffix: str, layered: str
) -> None:
    naming = Naming(_into, suffix=suffix, layers=layers, layered=layered)
    if png:
        naming = Naming(_into, _to_png, suffix, layers, ".png", layered)
    sources = _sources(*names, flat=flat)
    made = plan(sources, naming)
    assert [job.source for job in made.jobs] == [source.path for source in sources]
    outputs = [path for job in made.jobs for path in job.outputs]
    assert len(set(outputs)) == len(outputs)
    # The same images in another order, as another machine may list them, keep their own names.
    own = {job.source: job.target for job in made.jobs if not job.notes}
    again = plan(sources[::-1], naming)
    if not flat and not png:
        assert {job.source: job.target for job in again.jobs} == own
