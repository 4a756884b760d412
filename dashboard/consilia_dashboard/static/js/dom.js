// The few ways in which a page is touched: only where something changed.

export const $ = (id) => document.getElementById(id);

export const text = (element, value) => {
  if (element.textContent !== value) element.textContent = value;
};

export const attribute = (element, name, value) => {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
};

export const make = (tag, className = "", content = "") => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (content) element.textContent = content;
  return element;
};

const SVG = "http://www.w3.org/2000/svg";

export const svg = (tag, attributes = {}) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

export const shape = (name) => {
  const element = svg("svg", { class: "shape", "aria-hidden": "true" });
  element.append(svg("use", { href: `#shape-${name}` }));
  return element;
};

export const setShape = (element, name) => attribute(element.querySelector("use"), "href", `#shape-${name}`);

// Runs `draw` at most once a frame, however often it is asked for.
export const eachFrame = (draw) => {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
};

// Runs `draw` at most once in `milliseconds`, the last request included.
export const atMostEvery = (milliseconds, draw) => {
  let timer = null;
  let last = 0;
  return () => {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      last = performance.now();
      draw();
    }, Math.max(0, last + milliseconds - performance.now()));
  };
};
