// The page: a list of images, the one that is shown, and what the controls do to it.

import { Failure, post, preview } from "./api.js";
import { Mask } from "./brush.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const LAYERS = ["diffuse", "specular", "albedo", "shading"];
const FORMATS = { jpeg: "JPEG", png: "PNG", webp: "WebP", tiff: "TIFF" };
const ENDINGS = { jpeg: "jpg", tiff: "tif" };
const PIXELS = navigator.deviceMemory && navigator.deviceMemory <= 4 ? 12e6 : 24e6;
const VIEW_HINTS = {
  result: "The image without its highlights.",
  highlight: "Where a highlight is seen, and how surely.",
  diffuse: "The image without its specular light, everywhere.",
  specular: "The light that glances off the surface.",
  albedo: "The surface’s own colour.",
  shading: "The light that falls on the surface.",
};
const TIP_HINTS = {
  "": "Show where a highlight must go, or what must stay.",
  take: "Paint where a highlight must go, even a faint one.",
  protect: "Paint over what is no highlight and must stay.",
  erase: "Take strokes away; the network decides again.",
};

/** All images; each {file, state, settings, mask, parts, layers, info, seconds, problem, item}. */
const images = [];
let shown = null;
let viewer = null;

try {
  viewer = new Viewer($("canvas"), showPosition);
  viewer.restored = () => shown && show(shown);
} catch {
  document.querySelector(".lead").textContent =
    "This browser has no WebGL 2, which the page needs to show images. The API and the command line work without it.";
  for (const button of [$("add"), $("drop")]) button.disabled = true;
}

// ---- images come in ----

function add(files) {
  const chosen = [...files];
  if (!chosen.length || !viewer) return;
  for (const file of chosen) {
    images.push({
      file, state: "waiting", settings: { strength: 100, sensitivity: 50, view: "result" },
      stem: file.name.replace(/\.[^.]*$/, "") || "image", item: null, layers: {},
    });
  }
  $("start").hidden = true;
  $("editor").hidden = false;
  $("add").hidden = false;
  document.body.classList.add("editing");
  showStrip();
  const first = images[images.length - chosen.length];
  if (!shown || chosen.length === 1) show(first);
  work();
}

let working = false;

/** Analyse waiting images, one after the other, the one that is looked at first. */
async function work() {
  if (working) return;
  working = true;
  for (;;) {
    const image = shown?.state === "waiting" ? shown : images.find((other) => other.state === "waiting");
    if (!image) break;
    await analyse(image);
  }
  working = false;
}

async function analyse(image) {
  image.state = "busy";
  image.abort = new AbortController();
  image.began = performance.now();
  image.sent = 0;
  update(image);
  try {
    const parts = await preview(image.file, Math.min(PIXELS, viewer.longest ** 2), "", {
      signal: image.abort.signal,
      sent: (share) => { image.sent = share; showProgress(); },
    });
    image.info = parts.info;
    image.parts = parts;
    image.thumbnail = await createImageBitmap(parts.before, { resizeHeight: 112, resizeQuality: "medium" });
    image.mask = new Mask(...image.info.preview);
    image.seconds = (performance.now() - image.began) / 1000;
    image.state = "ready";
  } catch (error) {
    if (error.name === "AbortError") {
      image.state = "failed";
      image.problem = { title: "Cancelled", detail: "Nothing was kept." };
    } else fail(image, error);
  }
  update(image);
}

function fail(image, error) {
  image.state = "failed";
  image.problem = error instanceof Failure
    ? { title: error.title, detail: error.message }
    : { title: "The image cannot be shown", detail: error.message };
}

function update(image) {
  showStrip();
  if (image === shown) show(image);
  if (image.state === "ready") say(`${image.file.name}: highlights removed.`);
  if (image.state === "failed") say(`${image.file.name}: ${image.problem.title}. ${image.problem.detail}`);
}

function say(words) { $("status").textContent = words; }

// ---- the image that is shown ----

async function show(image) {
  shown = image;
  const ready = image.state === "ready";
  $("name").textContent = image.file.name;
  $("name").title = image.file.name;
  $("failure").hidden = image.state !== "failed";
  $("progress").hidden = ready || image.state === "failed";
  for (const id of ["adjust", "brush", "views", "save"]) $(id).disabled = !ready;
  for (const element of [$("divider"), $("tag-before"), $("tag-after"), document.querySelector(".zoom")]) element.hidden = !ready;
  showStrip();
  if (image.state === "failed") {
    $("failure-title").textContent = image.problem.title;
    $("failure-detail").textContent = image.problem.detail;
  }
  showProgress();
  showFacts();
  if (!ready) {
    viewer.unload();
    $("canvas").setAttribute("aria-label", image.file.name);
    return;
  }
  const { parts, info } = image;
  const bitmaps = await Promise.all(["before", "ungated", "logits", "alpha"].map((name) => parts[name] && bitmap(parts[name])));
  const table = new Uint8Array(await parts.table.arrayBuffer());
  if (shown !== image || image.state !== "ready") return; // another one was chosen meanwhile
  const [before, ungated, logits, alpha] = bitmaps;
  viewer.fitted = image !== show.last ? true : viewer.fitted;
  show.last = image;
  $("stage").style.setProperty("--ratio", info.width / info.height);
  viewer.load({ size: info.preview, before, ungated, logits, alpha, table, tableSize: info.table, mask: image.mask.canvas });
  for (const each of bitmaps) each?.close();
  $("canvas").setAttribute("aria-label", `${image.file.name}, before and after its highlights were removed`);
  showFormats(image);
  showControls();
  await showView();
}

function bitmap(blob) {
  return createImageBitmap(blob, { premultiplyAlpha: "none" });
}

function showFacts() {
  const { info, seconds, file, state } = shown;
  if (state !== "ready") { $("facts").textContent = megabytes(file.size); return; }
  const facts = [`${info.width} × ${info.height}`, `${FORMATS[info.format] || info.format.toUpperCase()}${info.bits > 8 ? ` ${info.bits} bits` : ""}`];
  facts.push(`${seconds.toFixed(1)} s`);
  if (info.preview[0] < info.width) facts.push("shown smaller, saved in full");
  $("facts").textContent = facts.join(" · ");
}

function megabytes(size) {
  return size < 1e6 ? `${Math.max(1, Math.round(size / 1e3))} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

function showProgress() {
  if (!shown || shown.state === "ready" || shown.state === "failed") return;
  const bar = $("progress-bar");
  const waiting = shown.state === "waiting";
  const uploading = !waiting && shown.sent < 1;
  $("progress-title").textContent = waiting ? "Waiting for its turn" : uploading ? "Sending" : "Removing highlights";
  if (uploading && shown.sent > 0) bar.value = shown.sent;
  else bar.removeAttribute("value");
  const elapsed = waiting ? 0 : (performance.now() - shown.began) / 1000;
  $("progress-detail").textContent = elapsed > 1 ? `${elapsed.toFixed(0)} s` : megabytes(shown.file.size);
}
setInterval(showProgress, 500);

function showStrip() {
  const strip = $("strip");
  for (const image of images) {
    if (!image.item) {
      image.item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.append(document.createElement("canvas"), document.createElement("span"));
      button.addEventListener("click", () => show(image));
      image.item.append(button);
    }
    if (image.item.parentNode !== strip) strip.append(image.item);
    const button = image.item.firstChild;
    const [canvas, badge] = button.children;
    const words = { waiting: "waiting", busy: "in work", ready: "done", failed: "failed" }[image.state];
    button.setAttribute("aria-label", `${image.file.name}, ${words}`);
    button.setAttribute("aria-current", String(image === shown));
    badge.className = { waiting: "", busy: "badge busy", ready: "", failed: "badge bad" }[image.state];
    badge.textContent = image.state === "failed" ? "!" : "";
    if (image.thumbnail) {
      [canvas.width, canvas.height] = [image.thumbnail.width, image.thumbnail.height];
      canvas.getContext("2d").drawImage(image.thumbnail, 0, 0);
    }
  }
  const several = images.length > 1;
  document.querySelector(".strip").hidden = !several;
  $("for-all").hidden = !several;
  $("download-all").hidden = images.filter((image) => image.state === "ready").length < 2;
}

// ---- controls ----

function showControls() {
  const { settings, mask } = shown;
  $("strength").value = settings.strength;
  $("sensitivity").value = settings.sensitivity;
  for (const id of ["strength", "sensitivity", "size"]) {
    const input = $(id);
    $(`${id}-value`).textContent = input.value;
    input.style.setProperty("--fill", `${100 * (input.value - input.min) / (input.max - input.min)}%`);
  }
  document.querySelector(`[name=view][value=${settings.view}]`).checked = true;
  $("view-hint").textContent = VIEW_HINTS[settings.view];
  $("tag-after").textContent = settings.view === "result" ? "After" : document.querySelector(`[name=view][value=${settings.view}]`).nextSibling.textContent;
  $("undo").disabled = !mask.strokes.length;
  $("redo").disabled = !mask.undone.length;
  $("clear").disabled = !mask.painted;
  $("sensitivity").disabled = !shown.info.sensitivity;
  $("reset").disabled = settings.strength === 100 && settings.sensitivity === 50;
  viewer.set({ strength: settings.strength / 100, sensitivity: settings.sensitivity / 100, overlay: Boolean(tip()) });
}

for (const name of ["strength", "sensitivity"]) {
  $(name).addEventListener("input", () => {
    shown.settings[name] = Number($(name).value);
    showControls();
  });
}
$("size").addEventListener("input", () => { showControls(); drawCursor(); });
$("reset").addEventListener("click", () => {
  Object.assign(shown.settings, { strength: 100, sensitivity: 50 });
  showControls();
});
$("for-all").addEventListener("click", () => {
  const { strength, sensitivity } = shown.settings;
  for (const image of images) Object.assign(image.settings, { strength, sensitivity });
  say("All images have these settings now.");
});
for (const input of document.getElementsByName("view")) {
  input.addEventListener("change", () => { shown.settings.view = input.value; showView(); });
}

/** Show the chosen view; layers are fetched when the first of them is looked at. */
async function showView() {
  const image = shown;
  const view = image.settings.view;
  showControls();
  if (!LAYERS.includes(view)) {
    viewer.set({ shown: view === "highlight" ? 1 : 0 });
    return;
  }
  if (!image.layers[view]) {
    $("view-hint").textContent = "Taking the image apart …";
    try {
      image.layers = await preview(image.file, Math.min(PIXELS, viewer.longest ** 2), LAYERS.join(), {});
    } catch (error) {
      if (shown === image) $("view-hint").textContent = error.message;
      return;
    }
  }
  const layer = await bitmap(image.layers[view]);
  if (shown !== image || image.settings.view !== view) return;
  viewer.loadLayer(layer);
  viewer.set({ shown: 2 });
  showControls();
}

// ---- the brush ----

function tip() { return document.querySelector("[name=tip]:checked").value; }
function setTip(value) {
  document.querySelector(`[name=tip][value="${value}"]`).checked = true;
  changeTip();
}
function changeTip() {
  $("canvas").classList.toggle("painting", Boolean(tip()));
  $("brush-tools").hidden = !tip();
  $("tip-hint").textContent = TIP_HINTS[tip()];
  if (shown?.state === "ready") showControls();
  drawCursor();
}
for (const input of document.getElementsByName("tip")) input.addEventListener("change", changeTip);

/** The brush's radius in pixels of the image; its size is what is seen on the screen. */
function radius() {
  return Number($("size").value) / 2 * (devicePixelRatio || 1) / viewer.scale;
}

function repaint() {
  viewer.paint(shown.mask.canvas);
  showControls();
}
for (const action of ["undo", "redo", "clear"]) {
  $(action).addEventListener("click", () => { shown.mask[action](); repaint(); });
}

let cursorAt = null;
function drawCursor() {
  const canvas = $("cursor");
  const visible = Boolean(tip()) && cursorAt && shown?.state === "ready";
  canvas.hidden = !visible;
  if (!visible) return;
  const ratio = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  const context = canvas.getContext("2d");
  const [x, y] = cursorAt;
  for (const [style, width] of [["#000a", 3], ["#fff", 1.5]]) {
    context.beginPath();
    context.arc(x, y, $("size").value / 2 * ratio, 0, 2 * Math.PI);
    context.strokeStyle = style;
    context.lineWidth = width * ratio;
    context.stroke();
  }
}

// ---- pointers: one pans or paints, two zoom ----

const pointers = new Map();
let painting = false;
let pinch = null;

$("canvas").addEventListener("pointerdown", (event) => {
  if (shown?.state !== "ready") return;
  $("canvas").setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, viewer.place(event));
  if (pointers.size === 2) {
    if (painting) { shown.mask.undo(); shown.mask.undone = []; repaint(); painting = false; }
    pinch = spread();
  } else if (tip() && event.button === 0 && !event.altKey) {
    painting = true;
    shown.mask.begin(tip(), radius(), ...viewer.pixel(event));
    repaint();
  } else $("canvas").classList.add("panning");
});

$("canvas").addEventListener("pointermove", (event) => {
  cursorAt = event.pointerType === "touch" && !pointers.size ? null : viewer.place(event);
  drawCursor();
  const last = pointers.get(event.pointerId);
  if (!last) return;
  const place = viewer.place(event);
  pointers.set(event.pointerId, place);
  if (pinch) {
    const next = spread();
    viewer.pan(next.x - pinch.x, next.y - pinch.y);
    viewer.zoomTo(viewer.scale * next.distance / pinch.distance, next.x, next.y);
    pinch = next;
  } else if (painting) {
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) shown.mask.extend(...viewer.pixel(each));
    repaint();
  } else viewer.pan(place[0] - last[0], place[1] - last[1]);
});

for (const kind of ["pointerup", "pointercancel"]) {
  $("canvas").addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    painting = false;
    pinch = pointers.size === 2 ? spread() : null;
    $("canvas").classList.remove("panning");
    if (event.pointerType === "touch") { cursorAt = null; drawCursor(); }
  });
}
$("canvas").addEventListener("pointerleave", () => { cursorAt = null; drawCursor(); });

function spread() {
  const [[ax, ay], [bx, by]] = [...pointers.values()];
  return { x: (ax + bx) / 2, y: (ay + by) / 2, distance: Math.max(1, Math.hypot(ax - bx, ay - by)) };
}

$("canvas").addEventListener("wheel", (event) => {
  if (shown?.state !== "ready") return;
  event.preventDefault();
  const step = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
  viewer.zoomTo(viewer.scale * Math.exp(-step * (event.ctrlKey ? 0.01 : 0.002)), ...viewer.place(event));
}, { passive: false });

$("canvas").addEventListener("dblclick", (event) => {
  if (shown?.state !== "ready" || tip()) return;
  if (viewer.fitted) viewer.zoomTo(devicePixelRatio || 1, ...viewer.place(event));
  else viewer.fit();
});

// ---- zoom and the divider ----

function showPosition() {
  if (!viewer) return;
  const percent = 100 * viewer.scale / (devicePixelRatio || 1) * previewShare();
  $("zoom-level").textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  showDivider();
  drawCursor();
}

/** How much smaller than the image its preview is. */
function previewShare() {
  return shown?.info ? shown.info.preview[0] / shown.info.width : 1;
}

function showDivider() {
  const divider = $("divider");
  const percent = Math.round(100 * viewer.share);
  divider.style.left = `${100 * viewer.share}%`;
  // The line is as long as the image, the handle at the middle of what is seen of it.
  const ratio = devicePixelRatio || 1;
  divider.style.top = `${Math.max(0, viewer.origin[1]) / ratio}px`;
  divider.style.bottom = `${Math.max(0, viewer.canvas.height - viewer.origin[1] - viewer.size[1] * viewer.scale) / ratio}px`;
  divider.setAttribute("aria-valuenow", percent);
  divider.setAttribute("aria-valuetext", `${percent} % before`);
  $("tag-before").style.opacity = viewer.share > 0.12 ? 1 : 0;
  $("tag-after").style.opacity = viewer.share < 0.88 ? 1 : 0;
}

function moveDivider(share) {
  viewer.share = Math.min(1, Math.max(0, share));
  showDivider();
  viewer.draw();
}

$("divider").addEventListener("pointerdown", (event) => {
  $("divider").setPointerCapture(event.pointerId);
  $("divider").focus({ preventScroll: true });
  event.preventDefault();
});
$("divider").addEventListener("pointermove", (event) => {
  if ($("divider").hasPointerCapture(event.pointerId)) moveDivider(viewer.place(event)[0] / viewer.canvas.width);
});
$("divider").addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  moveDivider(viewer.share + steps[event.key]);
});

const zoomBy = (factor) => viewer.zoomTo(viewer.scale * factor);
const zoomFull = () => viewer.zoomTo((devicePixelRatio || 1) / previewShare());
$("zoom-in").addEventListener("click", () => zoomBy(1.5));
$("zoom-out").addEventListener("click", () => zoomBy(1 / 1.5));
$("zoom-fit").addEventListener("click", () => viewer.fit());
$("zoom-full").addEventListener("click", zoomFull);

// ---- keyboard ----

const KEYS = {
  "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), "0": () => viewer.fit(), "1": zoomFull,
  t: () => setTip("take"), p: () => setTip("protect"), e: () => setTip("erase"), v: () => setTip(""),
  "[": () => resizeBrush(1 / 1.25), "]": () => resizeBrush(1.25),
};
const PANS = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };

function resizeBrush(factor) {
  $("size").value = Math.round($("size").value * factor);
  $("size").dispatchEvent(new Event("input"));
}

addEventListener("keydown", (event) => {
  if (shown?.state !== "ready" || $("token-dialog").open) return;
  const target = event.target;
  if (target.matches("input[type=password], select")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    shown.mask[event.shiftKey ? "redo" : "undo"]();
    repaint();
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (event.key === " " && !target.matches("button, input, summary")) {
    event.preventDefault();
    viewer.set({ peek: true });
  } else if (event.key in PANS && target === $("canvas")) {
    event.preventDefault();
    viewer.pan(...PANS[event.key]);
  } else if (KEYS[event.key.toLowerCase()] && !(target.type === "range" && event.key.length > 1)) {
    KEYS[event.key.toLowerCase()]();
  }
});
addEventListener("keyup", (event) => { if (event.key === " ") viewer?.set({ peek: false }); });
addEventListener("blur", () => viewer?.set({ peek: false }));

// ---- saving: the server makes the file, from the file that was given ----

function showFormats(image) {
  const select = $("format");
  const chosen = image.settings.format || "";
  const own = FORMATS[image.info.format] || image.info.format.toUpperCase();
  select.replaceChildren(new Option(`As it came (${own})`, ""));
  for (const [value, words] of Object.entries(FORMATS)) {
    if (value !== image.info.format) select.append(new Option(words, value));
  }
  select.value = chosen;
}
$("format").addEventListener("change", () => { shown.settings.format = $("format").value; });

async function save(image) {
  const { strength, sensitivity, format } = image.settings;
  const query = new URLSearchParams({ strength: strength / 100, sensitivity: sensitivity / 100 });
  if (format) query.set("format", format);
  const parts = { file: image.file };
  if (image.mask.painted) parts.mask = await image.mask.file();
  const response = await post(`v1/remove?${query}`, parts);
  const kind = format || image.info.format;
  const given = image.file.name.match(/\.([^.]*)$/)?.[1];
  hand(await response.blob(), `${image.stem}_clean.${format || !given ? ENDINGS[kind] || kind : given}`);
  const share = 100 * Number(response.headers.get("X-Unshine-Changed"));
  const lost = response.headers.get("X-Unshine-Lost");
  if (lost) return `Saved. This format has no place for: ${lost}.`;
  if (share === 0) return "Saved. Nothing had to change.";
  return `Saved. ${share < 0.1 ? "Less than 0.1" : share.toFixed(1)} % of the pixels changed.`;
}

function hand(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Run something that a button starts; the button is off and says so meanwhile. */
function busy(button, words, action) {
  button.addEventListener("click", async () => {
    const label = button.textContent;
    button.disabled = true;
    button.textContent = words;
    try {
      $("saved").textContent = await action();
    } catch (error) {
      $("saved").textContent = error.message;
    }
    button.disabled = false;
    button.textContent = label;
  });
}
busy($("download"), "Making the file …", () => save(shown));
busy($("layers"), "Making the layers …", async () => {
  const image = shown;
  const response = await post("v1/decompose", { file: image.file });
  hand(await response.blob(), `${image.stem}_layers.zip`);
  return "Saved the layers.";
});
busy($("download-all"), "Making the files …", async () => {
  const ready = images.filter((image) => image.state === "ready");
  for (const image of ready) await save(image);
  return `Saved ${ready.length} images.`;
});

// ---- choosing, dropping, pasting ----

for (const button of [$("add"), $("drop")]) button.addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => { add($("files").files); $("files").value = ""; });
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => {
    const name = button.dataset.example;
    const response = await fetch(`page/examples/${name}`);
    add([new File([await response.blob()], name, { type: "image/jpeg" })]);
  });
}
addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) add(event.clipboardData.files);
});
let dragged = 0;
const withFiles = (event) => event.dataTransfer?.types.includes("Files");
function showDrag() {
  document.body.classList.toggle("dragging", dragged > 0);
  $("overlay").hidden = dragged <= 0;
}
addEventListener("dragenter", (event) => { if (withFiles(event)) { dragged++; showDrag(); } });
addEventListener("dragleave", (event) => { if (withFiles(event)) { dragged--; showDrag(); } });
addEventListener("dragover", (event) => { if (withFiles(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!withFiles(event)) return;
  event.preventDefault();
  dragged = 0;
  showDrag();
  add(event.dataTransfer.files);
});

$("cancel").addEventListener("click", () => {
  if (shown.state === "waiting") { shown.state = "failed"; shown.problem = { title: "Cancelled", detail: "It was not sent." }; update(shown); }
  else shown.abort?.abort();
});
$("retry").addEventListener("click", () => { shown.state = "waiting"; update(shown); work(); });
$("forget").addEventListener("click", () => {
  const index = images.indexOf(shown);
  shown.item.remove();
  images.splice(index, 1);
  if (images.length) show(images[Math.min(index, images.length - 1)]);
  else {
    shown = null;
    $("editor").hidden = true;
    $("start").hidden = false;
    $("add").hidden = true;
    document.body.classList.remove("editing");
  }
});

// ---- light and dark ----

const THEMES = { "": "as the system has them", light: "light", dark: "dark" };
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  $("theme").setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
  $("theme").title = `Colours: ${THEMES[theme]}`;
}
let theme = "";
try { theme = localStorage.getItem("theme") || ""; } catch { /* not kept, then */ }
setTheme(theme in THEMES ? theme : "");
$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  theme = names[(names.indexOf(theme) + 1) % names.length];
  setTheme(theme);
  try { localStorage.setItem("theme", theme); } catch { /* not kept, then */ }
});
