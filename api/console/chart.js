// Requests over time as stacked bars: drag to zoom in, double click to zoom out; with the keyboard, arrows, + and -.

import { el, time } from "./dom.js";

export function chart(rows, { zoom, reset }) {
  const canvas = el("canvas", { tabindex: 0, role: "img" });
  const note = el("div", { class: "dim", "aria-live": "polite" });
  const box = el("div", { class: "chart" }, canvas, el("div", { class: "legend" }, el("span", { class: "r" }, el("i"), "reads"), el("span", { class: "w" }, el("i"), "writes"), el("span", { class: "d" }, el("i"), "refused"), note));
  if (!rows.length) { note.textContent = "nothing in this range"; return box; }
  const micros = (text) => Date.parse(text.replace(/(\.\d{3})\d+Z$/, "$1Z"));
  const step = Math.max(1, rows[0].seconds * 1000);
  const first = micros(rows[0].time);
  const last = micros(rows[rows.length - 1].time) + step;
  const most = Math.max(...rows.map((row) => row.requests));
  const sum = rows.reduce((all, row) => all + row.requests, 0);
  canvas.setAttribute("aria-label", `${sum} requests from ${time(rows[0].time)} to ${time(rows[rows.length - 1].time)}; drag, or plus and minus, to zoom`);
  let drag = null;
  let cursor = 0.5;

  function draw() {
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * scale; canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const colours = { read: colour("--read"), write: colour("--write"), denied: colour("--denied"), dim: colour("--dim"), focus: colour("--focus") };
    const x = (moment) => ((moment - first) / (last - first)) * width;
    const bar = Math.max(1, (step / (last - first)) * width - (rows.length > width / 4 ? 0 : 1));
    // A square root keeps single requests visible beside a burst.
    const y = (count) => Math.sqrt(count / most) * (height - 30);
    for (const row of rows) {
      const left = x(micros(row.time));
      const whole = y(row.requests);
      let base = height - 18;
      for (const [name, count] of [["denied", row.denied], ["write", row.writes], ["read", Math.max(0, row.requests - row.writes - row.denied)]]) {
        const part = whole * Math.min(1, count / row.requests);
        pen.fillStyle = colours[name];
        pen.fillRect(left, base - part, bar, part);
        base -= part;
      }
    }
    pen.fillStyle = colours.dim;
    pen.font = "11px system-ui";
    const ticks = Math.max(2, Math.floor(width / 170));
    for (let i = 0; i < ticks; i++) {
      const text = new Date(first + ((last - first) * i) / (ticks - 1)).toISOString().replace("T", " ").slice(last - first > 2 * 86400e3 ? 0 : 5, 19);
      const size = pen.measureText(text).width;
      pen.fillText(text, Math.min(width - size - 4, Math.max(4, (width * i) / (ticks - 1) - size / 2)), height - 5);
    }
    if (drag) { pen.globalAlpha = 0.25; pen.fillStyle = colours.focus; pen.fillRect(Math.min(drag.from, drag.to), 0, Math.abs(drag.to - drag.from), height - 18); pen.globalAlpha = 1; }
    if (document.activeElement === canvas) { pen.fillStyle = colours.focus; pen.fillRect(cursor * width, 0, 1.5, height - 18); }
  }

  const at = (event) => Math.min(canvas.clientWidth, Math.max(0, event.clientX - canvas.getBoundingClientRect().left));
  const moment = (position) => new Date(first + (position / canvas.clientWidth) * (last - first)).toISOString();
  canvas.addEventListener("pointerdown", (event) => { drag = { from: at(event), to: at(event) }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const row = rows.findLast((one) => micros(one.time) <= Date.parse(moment(at(event))));
    if (row) note.textContent = `${time(row.time)}: ${row.requests} requests, ${row.writes} writes, ${row.denied} refused`;
    if (drag) { drag.to = at(event); requestAnimationFrame(draw); }
  });
  canvas.addEventListener("pointerup", () => {
    const chosen = drag;
    drag = null;
    if (chosen && Math.abs(chosen.to - chosen.from) > 5) zoom(moment(Math.min(chosen.from, chosen.to)), moment(Math.max(chosen.from, chosen.to)));
    else draw();
  });
  canvas.addEventListener("dblclick", reset);
  canvas.addEventListener("keydown", (event) => {
    const width = canvas.clientWidth;
    if (event.key === "ArrowLeft") cursor = Math.max(0, cursor - 0.02);
    else if (event.key === "ArrowRight") cursor = Math.min(1, cursor + 0.02);
    else if (event.key === "+" || event.key === "=") return zoom(moment(Math.max(0, cursor - 0.2) * width), moment(Math.min(1, cursor + 0.2) * width));
    else if (event.key === "-" || event.key === "Escape") return reset();
    else return;
    event.preventDefault();
    draw();
  });
  for (const name of ["focus", "blur"]) canvas.addEventListener(name, draw);
  new ResizeObserver(draw).observe(canvas);
  document.addEventListener("theme", draw);
  return box;
}
