// Everything from the log is hostile text: it becomes text nodes, never markup.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

// Control, bidirectional and invisible characters are shown, so that a name cannot pretend to be another one.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
export const visible = (text) => String(text).replace(HIDDEN, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

export const time = (value) => (value ? value.replace("T", " ").replace(/(\.\d{3})\d*Z$/, "$1 Z") : "");

export function cell(column, value) {
  if (value === null || value === undefined || value === "") return "";
  if (Array.isArray(value)) return visible(value.join(", "));
  if (typeof value === "object") return visible(JSON.stringify(value));
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT.*Z$/.test(value)) return time(value);
  return visible(value);
}

// A table of rows; `columns` maps a field to {label, show(row), link(row)}; rows open with click or Enter.
export function table(rows, columns, open) {
  const names = Object.keys(columns).filter((name) => columns[name].always || rows.some((row) => row[name] !== null && row[name] !== undefined && row[name] !== ""));
  const head = el("tr", {}, names.map((name) => el("th", { scope: "col" }, columns[name].label ?? name.replaceAll("_", " "))));
  const body = rows.map((row) => {
    const line = el("tr", open && open(row) ? { tabindex: 0, "data-row": "" } : {});
    if (row.kind === "finding") {
      line.classList.add("finding");
      line.append(el("td", { class: "time", "data-label": "time" }, time(row.time)),
        el("td", { colspan: Math.max(1, names.length - 1), "data-label": "finding" }, el("span", { class: "severity " + row.severity }, row.severity), " " + visible(row.title)));
    }
    for (const name of row.kind === "finding" ? [] : names) {
      const { show, link, label } = columns[name];
      const value = row[name];
      const shown = show ? show(row) : cell(name, value);
      const kind = typeof value === "number" ? "number" : typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? "time" : null;
      const inside = link && value ? el("a", { href: link(row) }, shown) : shown;
      line.append(el("td", { class: kind, "data-label": label ?? name.replaceAll("_", " ") }, inside));
    }
    if (open && open(row)) {
      const go = (event) => { if (!event.target.closest("a, button, input")) location.hash = open(row); };
      line.addEventListener("click", go);
      line.addEventListener("keydown", (event) => { if (event.key === "Enter") go(event); });
    }
    return line;
  });
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

export function json(value) {
  const pre = el("pre", { tabindex: 0 });
  const text = JSON.stringify(value, null, 2) ?? "null";
  const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)/g;
  let end = 0;
  for (const match of text.matchAll(token)) {
    pre.append(visible(text.slice(end, match.index).replaceAll("\r", "")));
    const kind = match[2] !== undefined ? "key" : match[1] !== undefined ? "string" : match[3] !== undefined ? "number" : "word";
    pre.append(el("span", { class: kind }, visible(match[1] ?? match[3] ?? match[4])), match[2] ?? "");
    end = match.index + match[0].length;
  }
  pre.append(text.slice(end));
  return pre;
}

export const facts = (pairs) => el("dl", { class: "facts" }, Object.entries(pairs).filter(([, v]) => v !== null && v !== undefined && v !== "").map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v instanceof Node ? v : cell(k, v)))));

let quiet;
export function say(text) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.classList.add("on");
  clearTimeout(quiet);
  quiet = setTimeout(() => status.classList.remove("on"), 2500);
}
