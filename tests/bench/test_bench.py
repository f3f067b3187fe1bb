"""`unshine bench` from the command line to the files it writes."""

import csv
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from unshine import metrics
from unshine.bench import run
from unshine.classical import METHODS
from unshine.cli.bench import bench

app = typer.Typer()
app.command()(bench)


def invoke(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments), "-j", "1"])


def save(path: Path, display: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(display.clip(0, 1) * 255).astype(np.uint8)).save(path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three images with highlights, and one matte image."""
    folder = tmp_path / "pairs"
    rows, columns = np.mgrid[:40, :56] / 40
    for index, name in enumerate(("a", "b", "c", "matte")):
        colour = np.array([[0.7, 0.3, 0.2], [0.2, 0.6, 0.3], [0.3, 0.3, 0.7], [0.6, 0.5, 0.1]])
        light = colour[index] * (0.5 + 0.4 * np.sin(3 * rows + index) ** 2)[..., None]
        spot = (0.1 + 0.1 * index) * np.exp(-((rows - 0.5) ** 2 + (columns - 0.7) ** 2) / 0.01)
        shine = light if name == "matte" else light + spot[..., None]
        save(folder / f"{name}.png", shine ** (1 / 2.2))
        save(folder / f"{name}_gt.png", light ** (1 / 2.2))
    return folder


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def data_of(out: Path) -> dict:
    page = (out / "report.html").read_text()
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.S)[1])


def test_scores_tables_and_report(pairs, tmp_path):
    out = tmp_path / "out"
    result = invoke(pairs, "-m", "shen2013,son2020", "-o", out)
    assert result.exit_code == 0, result.output
    rows = rows_of(out)
    assert len(rows) == 4 * 3
    assert list(rows[0]) == run.HEADER
    by = {(row["image"], row["method"]): row for row in rows}
    image, truth = (
        np.asarray(Image.open(pairs / f"b{end}.png"), np.float32) / 255 for end in ("", "_gt")
    )
    direct = metrics.scores(image, image, truth, np.ones((40, 56), bool))
    for column in metrics.COLUMNS:
        assert float(by["b", "input"][column]) == pytest.approx(direct[column], rel=1e-4)
    assert by["matte", "input"]["psnr_whole"] == "100"
    assert by["matte", "input"]["psnr_highlight"] == "nan"

    data = data_of(out)
    assert data["regions"] == ["whole", "highlight", "outside"]
    shen = next(m for m in data["methods"] if m["name"] == "shen2013")
    index = data["columns"].index("psnr_highlight")
    mean = np.mean([float(by[name, "shen2013"]["psnr_highlight"]) for name in "abc"])
    assert shen["mean"][index] == pytest.approx(mean, rel=1e-4)
    worse = sum(
        float(by[name, "shen2013"]["psnr_object"]) < float(by[name, "input"]["psnr_object"]) - 0.01
        for name in "abc"
    )
    assert shen["worse"] == worse
    table = (out / "table.md").read_text()
    assert f"| {worse} of 3 |" in table
    assert "input (nothing done)" in table
    assert table in result.output


def test_matte_images_enter_no_average_and_have_a_table_of_their_own(pairs, tmp_path):
    """The matte image is equal to its truth: 100 dB for who leaves it alone."""
    out = tmp_path / "out"
    assert invoke(pairs, "-m", "shen2013,yang2010", "-o", out).exit_code == 0
    by = {(row["image"], row["method"]): row for row in rows_of(out)}
    assert by["matte", "input"]["change"] == "0"
    for name in ("matte", "a"):
        image = Image.open(pairs / f"{name}.png")
        light = (np.asarray(image, np.float32) / 255) ** 2.2
        result = METHODS["yang2010"](light) ** (1 / 2.2)
        levels = 255 * np.sqrt(np.square(result - light ** (1 / 2.2)).mean())
        assert float(by[name, "yang2010"]["change"]) == pytest.approx(levels, rel=1e-3)
    with (out / "table.csv").open(newline="") as file:
        lines = {(line["method"], line["statistic"]): line for line in csv.DictReader(file)}
    for column in ("psnr_whole", "ssim_outside", "psnr_highlight"):
        values = [float(by[name, "shen2013"][column]) for name in "abc"]
        for statistic, expected in (("mean", np.mean(values)), ("median", np.median(values))):
            assert float(lines["shen2013", statistic][column]) == pytest.approx(expected, rel=1e-4)
    assert float(lines["input", "mean"]["psnr_whole"]) < 50
    data = data_of(out)
    assert [i["name"] for i in data["images"]] == ["a", "b", "c", "matte"]
    assert data["matte"] == [False, False, False, True]
    change = float(by["matte", "yang2010"]["change"])
    yang = next(m for m in data["methods"] if m["name"] == "yang2010")
    assert yang["matte_change"] == pytest.approx(
        {"mean": change, "median": change, "largest": change}, rel=1e-3
    )
    table = (out / "table.md").read_text()
    assert "Over 3 images: " in table
    assert f"| Yang et al. 2010 | {change:.2f} | {change:.2f} | {change:.2f} |" in table


def test_report_needs_no_network_and_its_images_are_there(pairs, tmp_path):
    out = tmp_path / "out"
    invoke(pairs, "-m", "shen2013", "-o", out, "--images", 2)
    page = (out / "report.html").read_text()
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "__DATA__" not in page
    shown = [image for image in data_of(out)["images"] if image["folder"]]
    assert [image["name"] for image in shown] == ["a", "c"]
    for image in shown:
        for name in ("input", "truth", "shen2013"):
            with Image.open(out / image["folder"] / f"{name}.jpg") as copy:
                assert copy.size == (image["width"], image["height"]) == (56, 40)
        assert image["focus"] == pytest.approx([0.5, 0.5], abs=0.06)


def test_names_cannot_break_the_report(pairs, tmp_path):
    for end in ("", "_gt"):
        (pairs / f"a{end}.png").rename(pairs / f"<script>&'%{end}.png")
    assert invoke(pairs, "-m", "shen2013", "-o", tmp_path / "out").exit_code == 0
    assert "<script>&'%" in [p["name"] for p in data_of(tmp_path / "out")["images"]]


def test_goes_on_where_it_stopped(pairs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    arguments = (pairs, "-m", "shen2013,son2020", "-o", out)
    assert invoke(*arguments).exit_code == 0
    complete = rows_of(out)
    lines = (out / "results.csv").read_text().splitlines(keepends=True)
    (out / "results.csv").write_text("".join(lines[:6]) + lines[6][:40])

    scored = []
    real = run._score
    monkeypatch.setattr(run, "_score", lambda task: scored.append(task) or real(task))
    assert invoke(*arguments).exit_code == 0
    assert len(scored) == 12 - 5
    times = {"seconds": ""}
    assert [row | times for row in rows_of(out)] == [row | times for row in complete]

    scored.clear()
    assert invoke(*arguments).exit_code == 0
    assert scored == []
    invoke(pairs, "-m", "yang2010", "-o", out)
    assert len(scored) == 4
    assert len(rows_of(out)) == 16


def test_results_of_another_run_are_kept(pairs, tmp_path):
    out = tmp_path / "out"
    assert invoke(pairs, "-m", "shen2013", "-o", out).exit_code == 0
    before = (out / "results.csv").read_text()
    result = invoke(pairs, "-m", "shen2013", "-o", out, "--truth", pairs)
    assert result.exit_code == 0  # the same protocol: pairs
    (tmp_path / "other").mkdir()
    for path in pairs.glob("b*"):
        path.rename(tmp_path / "other" / path.name)
    result = invoke(tmp_path / "other", "-m", "shen2013", "-o", out)
    assert result.exit_code == 2
    assert "another run" in result.output
    assert "b,shen2013" in before
    assert "b,shen2013" in (out / "results.csv").read_text()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    assert invoke(pairs, "-m", "shen2013", "-o", tmp_path / "mine").exit_code == 2
    assert invoke(tmp_path / "other", "-m", "shen2013", "-o", out, "--overwrite").exit_code == 0
    assert {row["image"] for row in rows_of(out)} == {"b"}


def broken(pairs: Path) -> None:
    (pairs / "a_gt.png").unlink()
    (pairs / "b.png").write_bytes(b"no image")
    with Image.open(pairs / "c_gt.png") as truth:
        smaller = truth.resize((50, 40))
    smaller.save(pairs / "c_gt.png")


def test_broken_images_are_named_and_refused(pairs, tmp_path):
    broken(pairs)
    result = invoke(pairs, "-m", "shen2013", "-o", tmp_path / "out")
    assert result.exit_code == 1
    for words in ("a: ", "a_gt.png", "b: ", "b.png", "c: ", "50×40", "3 of 4 images"):
        assert words in result.output
    assert not (tmp_path / "out" / "report.html").exists()


def test_broken_images_are_left_out_when_asked(pairs, tmp_path):
    broken(pairs)
    out = tmp_path / "out"
    result = invoke(pairs, "-m", "shen2013", "-o", out, "--on-error", "skip")
    assert result.exit_code == 1
    data = data_of(out)
    assert [image["name"] for image in data["images"]] == ["matte"]
    assert [name for name, _ in data["left_out"]] == ["a", "b", "c"]
    assert "1 image without a highlight" in (out / "table.md").read_text()
    for path in pairs.glob("matte*"):
        path.unlink()
    assert invoke(pairs, "-m", "shen2013", "-o", out, "--on-error", "skip").exit_code == 1


def test_a_missing_prediction_is_never_averaged_over(pairs, tmp_path):
    theirs = tmp_path / "theirs"
    for name in ("a", "b", "c"):
        with Image.open(pairs / f"{name}_gt.png") as truth:
            theirs.mkdir(exist_ok=True)
            truth.save(theirs / f"{name}.png")
    given = (pairs, "-m", "shen2013", "--predictions", f"theirs={theirs}")
    result = invoke(*given, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "theirs failed on 1 of 4 images, first on matte" in result.output
    row = next(m for m in data_of(tmp_path / "out")["methods"] if m["name"] == "theirs")
    assert set(row["mean"]) == {None}
    assert "| theirs | mean | – |" in (tmp_path / "out" / "table.md").read_text()

    result = invoke(*given, "-o", tmp_path / "skip", "--on-error", "skip")
    assert result.exit_code == 1
    data = data_of(tmp_path / "skip")
    assert [image["name"] for image in data["images"]] == ["a", "b", "c"]
    row = next(m for m in data["methods"] if m["name"] == "theirs")
    assert row["mean"][0] == 100
    assert row["seconds"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "no such file"),
        ((".", "-m", "best2020"), "best2020"),
        ((".", "--onnx", "name"), "NAME=PATH"),
        ((".", "--protocol", "none"), "no protocol"),
        ((".", "--on-error", "ignore"), "ignore"),
    ],
)
def test_wrong_usage(pairs, monkeypatch, arguments, words):
    monkeypatch.chdir(pairs)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split()).replace(" │ │ ", " ")
    assert not (pairs / "bench").exists()


def test_masked_protocol(tmp_path):
    """Under TSHRNet's protocol, what a method does outside the object does not count."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "SSHR" / "m"
    mask = np.zeros((64, 64, 3))
    mask[20:40, 20:40] = 1
    image = rng.random((64, 64, 3))
    save(folder / "1_i.png", image)
    for end in ("a", "s", "r", "d"):
        save(folder / f"1_{end}.png", 0 * image)
    save(folder / "1_d_tc.png", image * mask)
    save(folder / "1_m.png", mask)
    scores = {}
    for protocol in ("sshr", "sshr-tshrnet"):
        out = tmp_path / protocol
        given = (tmp_path / "SSHR", "-m", "shen2013", "-o", out, "--protocol", protocol)
        assert invoke(*given).exit_code == 0
        (row,) = (row for row in rows_of(out) if row["method"] == "input")
        scores[protocol] = float(row["psnr_whole"])
    assert scores["sshr"] < 10
    assert scores["sshr-tshrnet"] > 25  # only the resized edge of the mask differs


@pytest.mark.slow
def test_processes_agree_with_one_process(pairs, tmp_path):
    one = tmp_path / "one"
    assert invoke(pairs, "-m", "shen2013,yoon2006", "-o", one).exit_code == 0
    two = tmp_path / "two"
    code = "import typer; from unshine.cli.bench import bench; typer.run(bench)"
    arguments = [pairs, "-m", "shen2013,yoon2006", "-o", two, "-j", "2"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    times = {"seconds": ""}
    assert [row | times for row in rows_of(two)] == [row | times for row in rows_of(one)]
    assert all(
        math.isnan(float(row["seconds"])) == (row["method"] == "input") for row in rows_of(two)
    )
