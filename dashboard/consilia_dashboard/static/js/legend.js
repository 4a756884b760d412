// The lines of a chart by name, with their value at the round pointed at, or their last.

import { attribute, make, svg, text } from "./dom.js";

export class Legend {
  // tell(line from 0, round's index or null for the last): its value in words. onHighlight(series index, or null for none)
  constructor(list, tell, onHighlight) {
    this.list = list;
    this.tell = tell;
    this.onHighlight = onHighlight;
    this.pressed = null;
    this.rows = [];
  }

  name(names) {
    this.pressed = null;
    this.rows = names.map((name, index) => this.row(name, index + 1));
    this.list.replaceChildren(...this.rows.map((row) => row.item));
  }

  row(name, index) {
    const item = make("li", index === 1 ? "global" : "");
    const button = make("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    const line = svg("line", { x1: 1, y1: 4, x2: 25, y2: 4 });
    const swatch = svg("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" });
    swatch.append(line);
    const value = make("span", "value", "–");
    button.append(swatch, make("span", "name", name), value);
    button.title = `Show ${name} alone`;
    button.addEventListener("pointerenter", () => this.onHighlight(index));
    button.addEventListener("pointerleave", () => this.onHighlight(this.pressed));
    button.addEventListener("click", () => this.press(index));
    item.append(button);
    return { item, button, line, value };
  }

  press(index) {
    this.pressed = this.pressed === index ? null : index;
    this.rows.forEach(({ button }, row) => attribute(button, "aria-pressed", String(row + 1 === this.pressed)));
    this.onHighlight(this.pressed);
  }

  paint(lines) {
    lines.forEach(({ color, dash, width }, index) => {
      const { line } = this.rows[index];
      line.setAttribute("stroke", color);
      line.setAttribute("stroke-width", width ?? 2);
      line.setAttribute("stroke-dasharray", dash.join(" "));
    });
  }

  show(at) {
    this.rows.forEach(({ value }, line) => text(value, this.tell(line, at ?? null)));
  }
}
