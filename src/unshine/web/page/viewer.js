// Shows an image on a canvas: blends it in WebGL, zooms, pans, and divides before from after.

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

// The blend is Analysis.clean's; the highlight map itself comes as a table, so that its formula
// stands in one place only, on the server.
const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D before, ungated, logits, mask, alpha, layer, table;
uniform vec2 origin, size, view;
uniform float scale, divider, strength, sensitivity;
uniform int shown;     // 0 result, 1 highlight map, 2 a layer
uniform bool overlay, transparent;
uniform vec3 takeColour, protectColour;
out vec4 colour;

// The highlight map at the present sensitivity.
float certainty(vec2 uv) {
  vec2 count = vec2(textureSize(table, 0));
  vec2 entry = vec2(texture(logits, uv).r, sensitivity);
  return texture(table, (entry * (count - 1.0) + 0.5) / count).r;
}

// What the user says: -1 protect, 0 the network decides, 1 take.
float say(vec2 uv) {
  float m = texture(mask, uv).r * 255.0 - 127.5;
  return sign(m) * max(0.0, abs(m) - 0.5) / 127.0;
}

vec3 blend(vec3 from, vec3 to, float amount) {
  if (amount <= 0.0) return from;
  if (amount >= 1.0) return to;
  return pow(mix(pow(from, vec3(2.2)), pow(to, vec3(2.2)), amount), vec3(1.0 / 2.2));
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x, view.y - gl_FragCoord.y);
  vec2 uv = (pixel - origin) / scale / size;
  if (any(lessThan(uv, vec2(0.0))) || any(greaterThan(uv, vec2(1.0)))) { colour = vec4(0.0); return; }
  vec3 from = texture(before, uv).rgb;
  vec3 shade = from;
  if (pixel.x >= divider) {
    if (shown == 2) shade = texture(layer, uv).rgb;
    else {
      float h = certainty(uv);
      float word = say(uv);
      if (shown == 1) shade = vec3(mix(h, step(0.0, word), abs(word)));
      else {
        vec3 sure = texture(ungated, uv).rgb;
        // The server blends thrice (map, mask, strength), between the same two in linear light.
        float certain = mix(h, 1.0, max(word, 0.0));
        shade = blend(from, sure, certain * strength * (1.0 + min(word, 0.0)));
      }
    }
  }
  if (transparent) {
    vec2 square = floor(pixel / 12.0);
    float check = mod(square.x + square.y, 2.0) < 0.5 ? 0.78 : 0.92;
    shade = mix(vec3(check), shade, texture(alpha, uv).r);
  }
  if (overlay) {
    float word = say(uv);
    shade = mix(shade, word > 0.0 ? takeColour : protectColour, abs(word) * 0.35);
  }
  colour = vec4(shade, 1.0);
}`;

const UNITS = ["before", "ungated", "logits", "mask", "alpha", "layer", "table"];
const MOST = 32;

export class Viewer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} moved called when zoom, position or size have changed
   */
  constructor(canvas, moved) {
    this.canvas = canvas;
    this.moved = moved;
    this.share = 0.5;       // where before ends, of the canvas's width
    this.fitted = true;
    this.scale = 1;         // device pixels for a pixel of the image
    this.origin = [0, 0];
    this.size = [1, 1];
    this.settings = { strength: 1, sensitivity: 0.5, shown: 0, overlay: false, peek: false };
    this.textures = {};
    this.loaded = false;
    this.setUp();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => { this.setUp(); this.restored?.(); });
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  setUp() {
    const gl = this.gl = this.canvas.getContext("webgl2", { antialias: false, alpha: true });
    if (!gl) throw new Error("no WebGL 2");
    this.textures = {};
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error("the blending does not compile");
    gl.useProgram(program);
    gl.bindVertexArray(gl.createVertexArray());
    this.uniform = (name) => gl.getUniformLocation(program, name);
    UNITS.forEach((name, unit) => gl.uniform1i(this.uniform(name), unit));
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.longest = gl.getParameter(gl.MAX_TEXTURE_SIZE);
  }

  /** Put an image up: its planes, as bitmaps, and the table of the highlight map. */
  load({ size, before, ungated, logits, alpha, table, tableSize, mask }) {
    this.size = size;
    this.texture("before", before, true);
    this.texture("ungated", ungated, true);
    this.texture("logits", logits, false);
    this.texture("alpha", alpha || null, false);
    this.transparent = Boolean(alpha);
    this.paint(mask);
    const gl = this.gl;
    this.bind("table");
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R8, ...tableSize, 0, gl.RED, gl.UNSIGNED_BYTE, table);
    this.filter(false);
    this.loaded = true;
    this.resize();
  }

  /** Show nothing. */
  unload() {
    this.loaded = false;
    this.draw();
  }

  /** Put a layer up, to be shown as the image after. */
  loadLayer(bitmap) { this.texture("layer", bitmap, true); }

  /** Take the mask over as it is painted, at the next frame: however many strokes come until then. */
  paint(canvas) {
    this.mask = canvas;
    this.draw();
  }

  bind(name) {
    const gl = this.gl;
    gl.activeTexture(gl.TEXTURE0 + UNITS.indexOf(name));
    this.textures[name] ??= gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
  }

  texture(name, source, small) {
    const gl = this.gl;
    this.bind(name);
    if (source) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, source);
    else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array([255, 255, 255, 255]));
    if (small) gl.generateMipmap(gl.TEXTURE_2D);
    this.filter(small);
  }

  filter(small) {
    const gl = this.gl;
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, small ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  }

  /** Change what is shown, and draw at the next frame. */
  set(settings) {
    Object.assign(this.settings, settings);
    this.draw();
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.drawNow(); });
  }

  drawNow() {
    const { gl, canvas, settings } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.loaded) return;
    if (this.mask) this.texture("mask", this.mask, false);
    this.mask = null;
    // Single pixels can be told apart once they are large enough to see.
    for (const name of ["before", "ungated", "layer"]) {
      if (!this.textures[name]) continue;
      this.bind(name);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, this.scale >= 4 ? gl.NEAREST : gl.LINEAR);
    }
    const at = (name) => this.uniform(name);
    gl.uniform2f(at("origin"), ...this.origin);
    gl.uniform2f(at("size"), ...this.size);
    gl.uniform2f(at("view"), canvas.width, canvas.height);
    gl.uniform1f(at("scale"), this.scale);
    gl.uniform1f(at("divider"), settings.peek ? 1e9 : this.share * canvas.width);
    gl.uniform1f(at("strength"), settings.strength);
    gl.uniform1f(at("sensitivity"), settings.sensitivity);
    gl.uniform1i(at("shown"), settings.shown);
    gl.uniform1i(at("overlay"), settings.overlay && !settings.peek);
    gl.uniform1i(at("transparent"), this.transparent);
    gl.uniform3f(at("takeColour"), 0.95, 0.62, 0.12);
    gl.uniform3f(at("protectColour"), 0.2, 0.5, 0.95);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** The canvas has another size: keep the middle of what is shown, or all of it. */
  resize() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    const width = Math.max(1, Math.round(clientWidth * ratio));
    const height = Math.max(1, Math.round(clientHeight * ratio));
    const [oldWidth, oldHeight] = [this.canvas.width, this.canvas.height];
    if (width !== oldWidth || height !== oldHeight) {
      [this.canvas.width, this.canvas.height] = [width, height];
      this.origin = [this.origin[0] + (width - oldWidth) / 2, this.origin[1] + (height - oldHeight) / 2];
    }
    if (this.fitted) this.fit();
    else this.settle();
    if (this.loaded) this.drawNow(); // at once: a resized canvas is empty
  }

  get fitScale() {
    const { width, height } = this.canvas;
    return Math.min(width / this.size[0], height / this.size[1], 3 * (devicePixelRatio || 1));
  }

  fit() {
    this.scale = this.fitScale;
    this.fitted = true;
    this.settle();
  }

  /** Zoom, keeping a point of the canvas (device pixels; its middle if not given) where it is. */
  zoomTo(scale, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const next = Math.min(Math.max(scale, Math.min(this.fitScale, 1) / 2), MOST);
    const factor = next / this.scale;
    this.origin = [x - (x - this.origin[0]) * factor, y - (y - this.origin[1]) * factor];
    this.scale = next;
    this.fitted = Math.abs(next / this.fitScale - 1) < 1e-3;
    this.settle();
  }

  pan(x, y) {
    this.origin = [this.origin[0] + x, this.origin[1] + y];
    this.fitted = false;
    this.settle();
  }

  /** Keep some of the image in sight: centred where it is smaller than the canvas, else filling it. */
  settle() {
    const spans = [this.canvas.width, this.canvas.height];
    this.origin = this.origin.map((start, axis) => {
      const length = this.size[axis] * this.scale;
      const spare = spans[axis] - length;
      // Whole pixels, so that 1:1 shows each as it is.
      return Math.round(spare >= 0 ? spare / 2 : Math.min(0, Math.max(spare, start)));
    });
    this.moved();
    this.draw();
  }

  /** From a pointer event to the canvas's own pixels. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  /** From a pointer event to a pixel of the image. */
  pixel(event) {
    const [x, y] = this.place(event);
    return [(x - this.origin[0]) / this.scale, (y - this.origin[1]) / this.scale];
  }
}
