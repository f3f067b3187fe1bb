--[[
Remove specular highlights from the selected images, with the program unshine.

Each image is developed into a 16-bit TIFF, `unshine remove` takes the highlights off, and the
result appears beside the original as NAME_unshine.tif, in the original's group.

Copy this file into the folder `lua` of darktable's configuration and add the line
`require "unshine"` to `luarc` beside it; see README.md.
]]

local dt = require "darktable"

local windows = dt.configuration.running_os == "windows"

dt.preferences.register("unshine", "program", "file", "unshine: the program",
  "the whole path of the program unshine; empty where it is in PATH", "")

-- Only what a shell takes literally goes into a command.
local function quoted(word)
  if windows then
    return '"' .. word .. '"'
  end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- C's locale: a decimal comma would be no number to unshine.
local function number(value)
  return (string.format("%.3f", value):gsub(",", "."))
end

local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

-- The first name beside the original that is free.
local function free_name(image)
  local base = image.filename:gsub("%.[^.]*$", "")
  local separator = windows and "\\" or "/"
  local path = image.path .. separator .. base .. "_unshine.tif"
  local count = 1
  while exists(path) do
    path = string.format("%s%s%s_unshine_%02d.tif", image.path, separator, base, count)
    count = count + 1
  end
  return path
end

-- Run a command; nothing where it went well, else what it said.
local function run(words)
  local said = os.tmpname()
  local command = {}
  for _, word in ipairs(words) do
    command[#command + 1] = quoted(word)
  end
  local line = table.concat(command, " ") .. " 2> " .. quoted(said)
  -- Windows' shell takes off the first and the last quotation mark of a line.
  local code = dt.control.execute(windows and '"' .. line .. '"' or line)
  local file = io.open(said)
  local message = file and file:read("a"):gsub("%s+", " ") or ""
  if file then
    file:close()
  end
  os.remove(said)
  if code == 0 then
    return nil
  elseif code == 127 or code == 127 * 256 then -- the shell's own, as it is or as wait(2) has it
    return "the program " .. words[1] .. " was not found: set its path in preferences > Lua options"
  elseif message ~= "" then
    return message
  end
  return "the program unshine stopped with exit code " .. tostring(code)
end

-- Return the new image, or nil and what went wrong.
local function remove_highlights(image, strength, sensitivity)
  local developed = os.tmpname()
  os.remove(developed)
  developed = developed .. ".tif"
  local format = dt.new_format("tiff")
  format.bpp = 16
  format:write_image(image, developed, false)
  if not exists(developed) then
    return nil, "darktable could not develop " .. image.filename
  end
  local program = dt.preferences.read("unshine", "program", "file")
  local target = free_name(image)
  local failure = run {
    program ~= "" and program or "unshine", "remove", developed, "-o", target,
    "--strength", number(strength), "--sensitivity", number(sensitivity),
  }
  os.remove(developed)
  if failure then
    return nil, failure
  end
  local clean = dt.database.import(target)
  clean:group_with(image)
  clean.rating = image.rating
  return clean
end

local strength = dt.new_widget("slider") {
  label = "strength", tooltip = "how much of the highlights to take off",
  soft_min = 0, soft_max = 1, hard_min = 0, hard_max = 1, step = 0.05, digits = 2, value = 1,
}
local sensitivity = dt.new_widget("slider") {
  label = "sensitivity", tooltip = "how readily a bright spot is taken for a highlight",
  soft_min = 0, soft_max = 1, hard_min = 0, hard_max = 1, step = 0.05, digits = 2, value = 0.5,
}

local function remove_from(images)
  if #images == 0 then
    dt.print("select the images whose highlights are to go")
    return
  end
  local job = dt.gui.create_job("removing highlights", true, function(job) job.valid = false end)
  for index, image in ipairs(images) do
    if not job.valid then
      return
    end
    local clean, failure = remove_highlights(image, strength.value, sensitivity.value)
    if not clean then
      dt.print(failure)
      dt.print_error(failure)
    end
    job.percent = index / #images
  end
  job.valid = false
end

local function remove_from_selected()
  remove_from(dt.gui.action_images)
end

dt.register_event("unshine", "shortcut", remove_from_selected, "remove highlights")

dt.register_lib("unshine", "remove highlights", true, false,
  { [dt.gui.views.lighttable] = { "DT_UI_CONTAINER_PANEL_RIGHT_CENTER", 100 } },
  dt.new_widget("box") {
    orientation = "vertical",
    strength,
    sensitivity,
    dt.new_widget("button") {
      label = "remove highlights",
      tooltip = "of the selected images, into new ones beside them",
      clicked_callback = remove_from_selected,
    },
  })

return { remove_highlights = remove_highlights, remove_from = remove_from }
