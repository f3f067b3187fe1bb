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

from unshine.bench import metrics, run
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
    """Three pictures with highlights, and one matte picture."""
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
    by = {(row["picture"], row["method"]): row for row in rows}
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
    assert shen["means"][index] == pytest.approx(mean, rel=1e-4)
    worse = sum(
        float(by[name, "shen2013"]["psnr_object"]) < float(by[name, "input"]["psnr_object"]) - 0.01
        for name in ("a", "b", "c", "matte")
    )
    assert shen["worse"] == worse
    table = (out / "table.md").read_text()
    assert f"| {worse} of 4 |" in table
    assert "input (nothing done)" in table
    assert table in result.output


def test_report_needs_no_network_and_its_pictures_are_there(pairs, tmp_path):
    out = tmp_path / "out"
    invoke(pairs, "-m", "shen2013", "-o", out, "--pictures", 2)
    page = (out / "report.html").read_text()
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "__DATA__" not in page
    shown = [picture for picture in data_of(out)["pictures"] if picture["folder"]]
    assert [picture["name"] for picture in shown] == ["a", "c"]
    for picture in shown:
        for name in ("input", "truth", "shen2013"):
            with Image.open(out / picture["folder"] / f"{name}.jpg") as copy:
                assert copy.size == (picture["width"], picture["height"]) == (56, 40)
        assert picture["focus"] == pytest.approx([0.5, 0.5], abs=0.06)


def test_names_cannot_break_the_report(pairs, tmp_path):
    for end in ("", "_gt"):
        (pairs / f"a{end}.png").rename(pairs / f"<script>&'%{end}.png")
    assert invoke(pairs, "-m", "shen2013", "-o", tmp_path / "out").exit_code == 0
    assert "<script>&'%" in [p["name"] for p in data_of(tmp_path / "out")["pictures"]]


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
    assert {row["picture"] for row in rows_of(out)} == {"b"}


def broken(pairs: Path) -> None:
    (pairs / "a_gt.png").unlink()
    (pairs / "b.png").write_bytes(b"no picture")
    with Image.open(pairs / "c_gt.png") as truth:
        smaller = truth.resize((50, 40))
    smaller.save(pairs / "c_gt.png")


def test_broken_pictures_are_named_and_refused(pairs, tmp_path):
    broken(pairs)
    result = invoke(pairs, "-m", "shen2013", "-o", tmp_path / "out")
    assert result.exit_code == 1
    for words in ("a: ", "a_gt.png", "b: ", "b.png", "c: ", "50×40", "3 of 4 pictures"):
        assert words in result.output
    assert not (tmp_path / "out" / "report.html").exists()


def test_broken_pictures_are_left_out_when_asked(pairs, tmp_path):
    broken(pairs)
    out = tmp_path / "out"
    result = invoke(pairs, "-m", "shen2013", "-o", out, "--on-error", "skip")
    assert result.exit_code == 1
    data = data_of(out)
    assert [picture["name"] for picture in data["pictures"]] == ["matte"]
    assert [name for name, _ in data["left_out"]] == ["a", "b", "c"]
    assert "Averages over 1 picture:" in (out / "table.md").read_text()
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
    assert "theirs failed on 1 of 4 pictures, first on matte" in result.output
    row = next(m for m in data_of(tmp_path / "out")["methods"] if m["name"] == "theirs")
    assert set(row["means"]) == {None}
    assert "| theirs | – |" in (tmp_path / "out" / "table.md").read_text()

    result = invoke(*given, "-o", tmp_path / "skip", "--on-error", "skip")
    assert result.exit_code == 1
    data = data_of(tmp_path / "skip")
    assert [picture["name"] for picture in data["pictures"]] == ["a", "b", "c"]
    row = next(m for m in data["methods"] if m["name"] == "theirs")
    assert row["means"][0] == 100
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
