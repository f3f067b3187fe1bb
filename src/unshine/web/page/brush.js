// The painted mask: a list of strokes, and a small grey canvas that shows them.

const NEUTRAL = 128;
const TIPS = { take: 255, protect: 0, erase: NEUTRAL };
const LONGEST = 2048;

export class Mask {
  /** @param {number} width @param {number} height the image's */
  constructor(width, height) {
    this.scale = Math.min(1, LONGEST / Math.max(width, height));
    this.canvas = document.createElement("canvas");
    this.canvas.width = Math.max(1, Math.round(width * this.scale));
    this.canvas.height = Math.max(1, Math.round(height * this.scale));
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.strokes = [];
    this.undone = [];
    this.redraw();
  }

  /** Begin a stroke at a point of the image. */
  begin(tip, radius, x, y) {
    this.strokes.push({ tip, radius, points: [[x, y]] });
    this.undone = [];
    this.stamp(this.strokes.at(-1), x, y);
  }

  /** Carry the stroke on to another point. */
  extend(x, y) {
    const stroke = this.strokes.at(-1);
    const [fromX, fromY] = stroke.points.at(-1);
    stroke.points.push([x, y]);
    this.line(stroke, fromX, fromY, x, y);
  }

  undo() {
    if (this.strokes.length) this.undone.push(this.strokes.pop());
    this.redraw();
  }

  redo() {
    if (this.undone.length) this.strokes.push(this.undone.pop());
    this.redraw();
  }

  clear() {
    // One undo brings everything back.
    if (this.strokes.length) this.strokes.push({ tip: "clear", points: [] });
    this.undone = [];
    this.redraw();
  }

  /** Whether the mask says anything. */
  get painted() {
    const last = this.strokes.map((stroke) => stroke.tip).lastIndexOf("clear");
    return this.strokes.slice(last + 1).some((stroke) => stroke.tip !== "erase");
  }

  redraw() {
    this.context.fillStyle = grey(NEUTRAL);
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const last = this.strokes.map((stroke) => stroke.tip).lastIndexOf("clear");
    for (const stroke of this.strokes.slice(last + 1)) {
      this.stamp(stroke, ...stroke.points[0]);
      for (let i = 1; i < stroke.points.length; i++) this.line(stroke, ...stroke.points[i - 1], ...stroke.points[i]);
    }
  }

  line(stroke, fromX, fromY, x, y) {
    const distance = Math.hypot(x - fromX, y - fromY);
    const count = Math.max(1, Math.ceil(distance / (stroke.radius / 4)));
    for (let i = 1; i <= count; i++) {
      this.stamp(stroke, fromX + (x - fromX) * i / count, fromY + (y - fromY) * i / count);
    }
  }

  stamp({ tip, radius }, x, y) {
    const size = Math.max(0.75, radius * this.scale);
    const [left, top] = [x * this.scale, y * this.scale];
    const shade = this.context.createRadialGradient(left, top, 0, left, top, size);
    shade.addColorStop(0, grey(TIPS[tip], 1));
    shade.addColorStop(0.7, grey(TIPS[tip], 1));
    shade.addColorStop(1, grey(TIPS[tip], 0));
    this.context.fillStyle = shade;
    this.context.fillRect(left - size, top - size, 2 * size, 2 * size);
  }

  /** The mask as a PNG file, for the server. */
  file() {
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }
}

function grey(value, alpha = 1) {
  return `rgb(${value} ${value} ${value} / ${alpha})`;
}
