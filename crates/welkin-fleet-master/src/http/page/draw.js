"use strict";
// Elements, numbers for people, and lines. Text is only ever set as text: names come from outside.

const byId = (id) => document.getElementById(id);

function make(tag, kind, parent) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (parent) parent.append(element);
  return element;
}

// Touches the page only where something is different: it may have a thousand nodes.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function dress(element, kind) {
  if (element.className !== kind) element.className = kind;
}

const SVG = "http://www.w3.org/2000/svg";

function makeLine(parent, label) {
  const line = document.createElementNS(SVG, "svg");
  line.setAttribute("class", "line");
  line.setAttribute("viewBox", "0 0 119 24");
  line.setAttribute("preserveAspectRatio", "none");
  line.setAttribute("role", "img");
  line.setAttribute("aria-label", label);
  parent.append(line);
  return line;
}

// Draws values, the newest at the right edge; `top` is what reaches the upper edge. A gap stays a gap.
function drawLine(line, values, top) {
  const points = 120;
  let over = "", under = "", run = [];
  const end = () => {
    if (run.length > 1) {
      const path = "M" + run.map((point) => point[0] + " " + point[1]).join("L");
      over += path;
      under += path + "L" + run[run.length - 1][0] + " 24L" + run[0][0] + " 24Z";
    }
    run = [];
  };
  values.forEach((value, at) => {
    if (value === null) return end();
    const height = top > 0 ? Math.min(value / top, 1) * 22 : 0;
    run.push([points - values.length + at, (23 - height).toFixed(1)]);
  });
  end();
  const paths = line.children.length ? line.children
    : ["under", "over"].map((kind) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", kind);
      line.append(path);
      return path;
    });
  paths[0].setAttribute("d", under);
  paths[1].setAttribute("d", over);
}

const known = (value) => value !== null && value !== undefined;

const highest = (values, least) => values.reduce((top, value) => Math.max(top, value || 0), least);

function percent(value) {
  return known(value) ? value.toFixed(value < 10 ? 1 : 0) + " %" : "–";
}

function bytes(value) {
  if (!known(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return value.toFixed(unit > 1 && value < 10 ? 1 : 0) + " " + units[unit];
}

// 16 / 32 GiB
function part(used, total) {
  const all = bytes(total), [, unit] = all.split(" "), own = bytes(used).split(" ");
  return (own[1] === unit ? own[0] : own.join(" ")) + " / " + all;
}

// 2m13s, 4h05m, 3d02h: the two largest units.
function span(ms) {
  const all = Math.max(0, Math.round(ms / 1000));
  const two = (value) => String(value).padStart(2, "0");
  if (all < 60) return all + "s";
  if (all < 3600) return Math.floor(all / 60) + "m" + two(all % 60) + "s";
  if (all < 86400) return Math.floor(all / 3600) + "h" + two(Math.floor(all / 60) % 60) + "m";
  return Math.floor(all / 86400) + "d" + two(Math.floor(all / 3600) % 24) + "h";
}

const count = (number, one, many) => number.toLocaleString("en") + " " + (number === 1 ? one : many);
