"""The darktable script: in Lua over a stand-in for darktable's API, and in darktable itself."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "integrations" / "darktable" / "unshine.lua"
EXAMPLE = Path(__file__).parents[2] / "examples" / "coffee.png"

# Writes down what it is called with; refuses where the folder is called so.
PROGRAM = """#!{python}
import json, shutil, sys
from pathlib import Path

log = Path(__file__).with_name("calls.json")
calls = json.loads(log.read_text()) if log.exists() else []
log.write_text(json.dumps([*calls, sys.argv[1:]]))
if "refused" in sys.argv[4]:
    print("The image is refused;\\nchoose another one.", file=sys.stderr)
    sys.exit(1)
shutil.copy(sys.argv[2], sys.argv[4])
"""


def calls(program):
    import json

    log = program.with_name("calls.json")
    return json.loads(log.read_text()) if log.exists() else []


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "the program" / "unshine"
    path.parent.mkdir()
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return path


class Darktable:
    """What the script uses of darktable; developing writes the name of the image."""

    def __init__(self, lua, program):
        self.lua, self.said, self.imported, self.job = lua, [], [], None
        self.preferences = {"program": str(program)}
        table = lua.table_from
        dt = table({"print": self.said.append, "print_error": lambda text: None})
        dt.configuration = table({"running_os": "linux"})
        dt.preferences = table(
            {
                "register": lambda script, name, *rest: self.preferences.setdefault(name, rest[-1]),
                "read": lambda script, name, kind: self.preferences[name],
            }
        )
        dt.control = table(
            {"execute": lambda command: os.waitstatus_to_exitcode(os.system(command))}
        )
        dt.database = table({"import": self.bring_in})
        dt.gui = table({"action_images": table([]), "create_job": self.create_job})
        dt.gui.views = table({"lighttable": "lighttable"})
        dt.new_format = self.new_format
        dt.new_widget = lambda kind: lambda fields: fields
        dt.register_event = lambda *event: None
        dt.register_lib = self.register_lib
        lua.globals().package.loaded["darktable"] = dt
        self.dt = dt
        self.script = lua.execute(SCRIPT.read_text())

    def bring_in(self, path):
        image = self.lua.table_from({"filename": Path(path).name, "path": str(Path(path).parent)})
        image.group_with = lambda this, other: image.__setitem__("leader", other)
        self.imported.append(image)
        return image

    def new_format(self, kind):
        assert kind == "tiff"
        made = self.lua.table_from({"bpp": 8})

        def write_image(this, image, path, enlarge):
            assert this.bpp == 16
            assert not enlarge
            if image.filename != "gone.raw":
                Path(path).write_text(image.filename)

        made.write_image = write_image
        return made

    def create_job(self, title, shows_percent, cancel):
        self.job = self.lua.table_from({"valid": True, "percent": 0})
        return self.job

    def register_lib(self, name, title, expandable, resettable, containers, panel, *rest):
        self.panel = panel

    def image(self, folder, name):
        return self.lua.table_from({"path": str(folder), "filename": name, "rating": 3})


@pytest.fixture
def darktable(program):
    lupa = pytest.importorskip("lupa.lua54", reason="lupa runs Lua in Python")
    return Darktable(lupa.LuaRuntime(unpack_returned_tuples=True), program)


def test_a_clean_image_joins_the_group_of_the_original(darktable, program, tmp_path):
    image = darktable.image(tmp_path, "IMG 1.CR2")
    darktable.script.remove_from(darktable.lua.table_from([image]))
    (clean,) = darktable.imported
    assert clean.leader.filename == "IMG 1.CR2"
    assert clean.rating == 3
    assert (tmp_path / "IMG 1_unshine.tif").read_text() == "IMG 1.CR2"
    ((verb, source, option, target, *settings),) = calls(program)
    assert (verb, option, target) == ("remove", "-o", str(tmp_path / "IMG 1_unshine.tif"))
    assert settings == ["--strength", "1.000", "--sensitivity", "0.500"]
    assert source.endswith(".tif")
    assert not Path(source).exists()
    assert darktable.said == []


def test_the_sliders_are_what_the_program_gets(darktable, program, tmp_path):
    strength, sensitivity = darktable.panel[1], darktable.panel[2]
    strength.value, sensitivity.value = 0.35, 0.8
    darktable.script.remove_from(darktable.lua.table_from([darktable.image(tmp_path, "a.jpg")]))
    assert calls(program)[0][4:] == ["--strength", "0.350", "--sensitivity", "0.800"]


@pytest.mark.parametrize("name", ["it's.jpg", "a $(touch b) `c`.jpg", 'q"uote.jpg', "ümläut.tif"])
def test_names_mean_nothing_to_the_shell(darktable, tmp_path, name):
    darktable.script.remove_from(darktable.lua.table_from([darktable.image(tmp_path, name)]))
    stem = name.rpartition(".")[0]
    assert (tmp_path / f"{stem}_unshine.tif").read_text() == name


def test_existing_files_stay(darktable, tmp_path):
    (tmp_path / "a_unshine.tif").write_text("mine")
    image = darktable.image(tmp_path, "a.jpg")
    darktable.script.remove_from(darktable.lua.table_from([image, image]))
    assert (tmp_path / "a_unshine.tif").read_text() == "mine"
    assert (tmp_path / "a_unshine_01.tif").exists()
    assert (tmp_path / "a_unshine_02.tif").exists()


def test_a_failure_is_told_and_the_others_are_done(darktable, tmp_path):
    refused = tmp_path / "refused"
    refused.mkdir()
    images = [
        darktable.image(refused, "a.jpg"),
        darktable.image(tmp_path, "gone.raw"),
        darktable.image(tmp_path, "b.jpg"),
    ]
    darktable.script.remove_from(darktable.lua.table_from(images))
    assert [message.strip() for message in darktable.said] == [
        "The image is refused; choose another one.",
        "darktable could not develop gone.raw",
    ]
    assert [image.filename for image in darktable.imported] == ["b_unshine.tif"]
    assert not darktable.job.valid


def test_a_missing_program_is_told(darktable, tmp_path):
    darktable.preferences["program"] = "/no/such program"
    darktable.script.remove_from(darktable.lua.table_from([darktable.image(tmp_path, "a.jpg")]))
    assert darktable.said == [
        "the program /no/such program was not found: set its path in preferences > Lua options"
    ]


def test_nothing_selected_is_told(darktable):
    darktable.script.remove_from(darktable.lua.table_from([]))
    assert darktable.said == ["select the images whose highlights are to go"]
    assert darktable.job is None


SESSION = """
local dt, unshine = require "darktable", require "unshine"
local out = io.open(os.getenv("UNSHINE_RESULTS") .. ".part", "w")
local done, fault = pcall(function()
  dt.preferences.write("unshine", "program", "file", os.getenv("UNSHINE_PROGRAM"))
  local image = dt.database.import(os.getenv("UNSHINE_IMAGE"))
  unshine.remove_from({ image })
  for _, member in ipairs(image:get_group_members()) do
    out:write(member.filename, "\\n")
  end
end)
out:write(tostring(done), " ", tostring(fault), "\\n")
out:close()
os.rename(os.getenv("UNSHINE_RESULTS") .. ".part", os.getenv("UNSHINE_RESULTS"))
"""


@pytest.mark.slow
def test_it_works_in_darktable_itself(program, tmp_path):
    for needed in ("darktable", "xvfb-run", "dbus-run-session"):
        if not shutil.which(needed):
            pytest.skip(f"{needed} is not installed")
    from unshine.io import stills

    lua = tmp_path / "config" / "lua"
    lua.mkdir(parents=True)
    shutil.copy(SCRIPT, lua)
    (lua / "session.lua").write_text(SESSION)
    image = tmp_path / "it's coffee.png"
    shutil.copy(EXAMPLE, image)
    results = tmp_path / "results"
    environment = os.environ | {
        "HOME": str(tmp_path),
        "UNSHINE_PROGRAM": str(program),
        "UNSHINE_IMAGE": str(image),
        "UNSHINE_RESULTS": str(results),
    }
    command = ["xvfb-run", "-a", "dbus-run-session", "darktable", "--library", ":memory:"]
    command += ["--configdir", str(tmp_path / "config"), "--cachedir", str(tmp_path / "cache")]
    log = tmp_path / "log"
    with log.open("w") as file:
        running = subprocess.Popen(
            [*command, "--luacmd", 'require "session"'],
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            for _ in range(3000):
                if results.exists() or running.poll() is not None:
                    break
                time.sleep(0.1)
        finally:
            # The screen, the bus and darktable itself, which xvfb-run would leave behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)
            running.wait()
    assert results.exists(), log.read_text()
    assert sorted(results.read_text().splitlines()) == [
        "it's coffee.png",
        "it's coffee_unshine.tif",
        "true nil",
    ]
    developed = stills.read(tmp_path / "it's coffee_unshine.tif")
    assert developed.pixels.dtype == "uint16"
    assert developed.size == stills.read(EXAMPLE).size
