// The console: pages by the address after #, a time range that goes along, everything reachable by keyboard.

import { ask, hasToken, setToken, Refused } from "./server.js";
import { cell, el, facts, json, say, table, time, visible } from "./dom.js";
import { chart } from "./chart.js";

const PAGES = { findings: "Findings", risk: "Risk", timeline: "Timeline", sessions: "Sessions", secrets: "Secrets", search: "Search", sql: "SQL" };
const FILTERS = { user: "User", source_ip: "Source IP", namespace: "Namespace", resource: "Resource", name: "Name", verb: "Verb", credential: "Credential", user_agent: "User agent" };
const RANGE = ["last", "since", "until", "cluster"];
const SEVERITIES = ["critical", "high", "medium", "low", "informational"];

// --- where we are ------------------------------------------------------------------------------

function here() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  const asked = {};
  for (const [name, value] of new URLSearchParams(search ?? "")) asked[name] = name in asked ? [].concat(asked[name], value) : value;
  return { page: page || "findings", rest: rest.map(decodeURIComponent), asked };
}

function link(page, asked = {}, keep = true) {
  const range = keep ? Object.fromEntries(RANGE.map((name) => [name, here().asked[name]])) : {};
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...range, ...asked })) for (const one of [].concat(value ?? [])) if (one !== "") search.append(name, one);
  const text = search.toString();
  return "#/" + page + (text ? "?" + text : "");
}

const go = (page, asked) => { location.hash = link(page, asked); };
const range = (asked) => Object.fromEntries(RANGE.map((name) => [name, asked[name]]));
const identity = (user) => link("identity/" + encodeURIComponent(user));
// A day around an event: enough to find it quickly.
const around = (moment) => ({ since: new Date(Date.parse(moment) - 3600e3).toISOString(), until: new Date(Date.parse(moment) + 3600e3).toISOString(), last: "" });
const eventLink = (row) => (row.event_id ? link("event/" + row.event_id, around(row.time ?? row.request_received_at ?? row.first_seen)) : null);
const objectLink = (row) => {
  const resource = (row.resource ?? "").split("/")[0];
  return resource && row.name ? link("object/" + [resource, row.namespace ?? "", row.name].map(encodeURIComponent).join("/")) : null;
};

const WHO = {
  time: {}, cluster: {},
  user_name: { label: "who", link: (row) => identity(row.user_name) },
  acting_as: { label: "acting as", link: (row) => identity(row.acting_as) },
  source_ip: { label: "from", link: (row) => link("timeline", { source_ip: row.source_ip }) },
  verb: {}, resource: {}, namespace: {},
  name: { show: (row) => (objectLink(row) ? el("a", { href: objectLink(row) }, cell("name", row.name)) : cell("name", row.name)) },
  path: {},
  code: { show: (row) => el("span", { class: row.code >= 400 ? "code-bad" : "" }, cell("code", row.code)) },
};
const SEVERITY = { show: (row) => (row.severity ? el("span", { class: "severity " + (SEVERITIES.includes(row.severity) ? row.severity : "") }, row.severity) : "") };

// --- copy as -----------------------------------------------------------------------------------

async function copy(text, what) {
  try { await navigator.clipboard.writeText(text); say(what + " copied"); } catch { window.prompt("Copy this", text); }
}

const quoted = (text) => "'" + String(text).replaceAll("'", "''") + "'";
const shell = (text) => "'" + String(text).replaceAll("'", "'\\''") + "'";
const COLUMN = { user: "user_name", credential: "credential_id" };

function copies(asked, path = "events") {
  const given = Object.entries(asked).filter(([name, value]) => value && (name in FILTERS || RANGE.includes(name)));
  const filters = given.filter(([name]) => name in FILTERS);
  const where = filters.map(([name, value]) =>
    name === "user" ? `(user_name = ${quoted(value)} OR impersonated_user_name = ${quoted(value)})`
      : name === "resource" && String(value).includes("/") ? `resource = ${quoted(value.split("/")[0])} AND subresource = ${quoted(value.split("/")[1])}`
        : `${COLUMN[name] ?? name} = ${quoted(value)}`);
  if (asked.since) where.push(`stage_at >= ${quoted(asked.since)}`);
  if (asked.until) where.push(`stage_at < ${quoted(asked.until)}`);
  if (asked.cluster) where.push(`cluster IN (${[].concat(asked.cluster).map(quoted).join(", ")})`);
  const sql = `SELECT * FROM requests${where.length ? "\nWHERE " + where.join("\n  AND ") : ""}\nORDER BY request_received_at`;
  const search = new URLSearchParams();
  for (const [name, value] of given) for (const one of [].concat(value)) search.append(name, one);
  const curl = `curl -H "Authorization: Bearer $TOKEN" ${shell(`${location.origin}/v1/${path}?${search}`)}`;
  const python = (value) => JSON.stringify(value);
  const keywords = given.filter(([name]) => name !== "cluster").map(([name, value]) => `${({ user: "user_name", credential: "credential_id", pod: "pod_name" })[name] ?? name}=${python(value)}`);
  if (asked.cluster) keywords.push(`clusters=${python([].concat(asked.cluster))}`);
  const notebook = `import ashiato\n\nlake = ashiato.open_lake("LAKE")\nlake.timeline(${keywords.join(", ")}).df()`;
  return el("div", { class: "row" }, el("span", { class: "dim" }, "Copy as"),
    el("button", { type: "button", onclick: () => copy(sql, "SQL") }, "SQL"),
    el("button", { type: "button", onclick: () => copy(curl, "curl") }, "curl"),
    el("button", { type: "button", onclick: () => copy(notebook, "Notebook cell") }, "Notebook cell"));
}

// --- pages -------------------------------------------------------------------------------------

const pages = {};

pages.findings = async ({ asked }) => {
  const chosen = [].concat(asked.severity ?? []);
  const { rows } = await ask("findings", { ...range(asked), severity: chosen, rule: asked.rule });
  const form = el("form", { class: "filters", "aria-label": "Filter findings" },
    SEVERITIES.map((name) => el("label", {}, el("span", { class: "severity " + name }, name), el("input", {
      type: "checkbox", checked: chosen.includes(name),
      onchange: (event) => go("findings", { severity: SEVERITIES.filter((one) => (one === name ? event.target.checked : chosen.includes(one))), rule: asked.rule }),
    }))),
    asked.rule && el("button", { type: "button", onclick: () => go("findings", { severity: chosen }) }, "All rules"));
  const order = (row) => SEVERITIES.indexOf(row.severity);
  rows.sort((a, b) => order(a) - order(b) || b.last_seen.localeCompare(a.last_seen));
  const about = (row) => { const entity = parsed(row.entity); return entity.user_name ?? Object.values(entity).filter(Boolean).join(", "); };
  return [
    el("h1", {}, "Findings"),
    el("p", { class: "dim" }, rows.length ? `${rows.length} stored findings, worst first.` : "No stored findings in this range. Rules judge with `ashiato detect --new` (or `--store`)."),
    form,
    rows.length ? table(rows, {
      severity: SEVERITY, title: { label: "what" },
      entity: { label: "who", show: (row) => visible(about(row)) },
      cluster: {}, first_seen: { label: "first" }, last_seen: { label: "last" }, event_count: { label: "requests" }, rule_id: { label: "rule", link: (row) => link("findings", { rule: row.rule_id }) },
    }, (row) => link("finding/" + row.finding_id)) : null,
  ];
};

const parsed = (text) => { try { return typeof text === "string" ? JSON.parse(text) : text ?? {}; } catch { return {}; } };

pages.finding = async ({ rest, asked }) => {
  const [{ rows }, { rows: rules }] = await Promise.all([ask("findings", { limit: 10000 }), ask("rules")]);
  const found = rows.find((row) => row.finding_id === rest[0]);
  if (!found) return [el("h1", {}, "No such finding"), el("p", {}, "It may be of a cluster that this token may not look at.")];
  const rule = rules.find((one) => one.id === found.rule_id);
  const entity = parsed(found.entity);
  const evidence = parsed(found.evidence);
  const span = { since: new Date(Date.parse(found.first_seen) - 600e3).toISOString(), until: new Date(Date.parse(found.last_seen) + 600e3).toISOString(), last: "", cluster: found.cluster };
  return [
    el("p", { class: "dim" }, el("span", { class: "severity " + found.severity }, found.severity), ` · ${found.confidence} confidence · ${found.rule_id}`),
    el("h1", {}, visible(found.title)),
    facts({ ...entity, cluster: found.cluster, first: time(found.first_seen), last: time(found.last_seen), requests: found.event_count }),
    el("div", { class: "row" },
      entity.user_name && el("a", { href: identity(entity.user_name) }, "Who is this"),
      el("a", { href: link("timeline", { ...span, user: entity.user_name ?? "", source_ip: entity.user_name ? "" : entity.source_ip ?? "" }) }, "What happened around it")),
    rule && el("section", { class: "card" }, el("h2", {}, "Why it matters"), el("p", {}, rule.why), el("h2", {}, "What to check"), el("ol", {}, rule.triage.map((step) => el("li", {}, step))), el("p", { class: "dim" }, "Often harmless: ", rule.false_positives), el("p", { class: "dim" }, "Not seen by it: ", rule.blind_spots)),
    el("h2", {}, "Evidence"),
    table(Array.isArray(evidence) ? evidence : [], { request_received_at: { label: "time" }, detail: {}, user_name: WHO.user_name, source_ip: WHO.source_ip, verb: {}, resource: {}, namespace: {}, name: WHO.name, response_code: { label: "code" } }, eventLink),
  ];
};

pages.timeline = async ({ asked }) => {
  const filter = Object.fromEntries(Object.keys(FILTERS).map((name) => [name, asked[name]]));
  const question = { ...range(asked), ...filter, writes: asked.writes, denied: asked.denied };
  const form = el("form", { class: "filters", "aria-label": "Filter requests", onsubmit: (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    go("timeline", { ...given });
  } },
  Object.entries(FILTERS).map(([name, label]) => el("label", {}, label, el("input", { name, value: asked[name] ?? "", autocomplete: "off", spellcheck: "false" }))),
  el("label", {}, "Only writes", el("input", { type: "checkbox", name: "writes", value: "true", checked: asked.writes === "true" })),
  el("label", {}, "Only refused", el("input", { type: "checkbox", name: "denied", value: "true", checked: asked.denied === "true" })),
  el("button", { class: "main" }, "Show"));
  const list = el("div");
  const more = el("button", { type: "button" }, "More");
  let rows = [];
  async function load(cursor) {
    const page = await ask("events", { ...question, limit: 200, cursor, findings: true });
    rows = rows.concat(page.rows);
    list.replaceChildren(rows.length ? table(rows, WHO, (row) => (row.kind === "finding" ? link("finding/" + row.finding_id) : eventLink(row))) : el("p", {}, "No request matches: widen the time range, or drop a filter."));
    more.hidden = !page.next;
    more.onclick = () => load(page.next).catch(explain);
  }
  const [{ rows: bars }] = await Promise.all([ask("histogram", { ...question, buckets: 400 }), load()]);
  return [
    el("h1", {}, "Timeline"), form,
    chart(bars, { zoom: (since, until) => go("timeline", { ...filter, writes: asked.writes, denied: asked.denied, since, until, last: "" }), reset: () => go("timeline", { ...filter, since: "", until: "", last: "" }) }),
    copies(asked), list, more,
  ];
};

pages.identity = async ({ rest, asked }) => {
  const user = rest.join("/");
  const page = await ask("identity", { ...range(asked), user });
  const summary = page.summary[0];
  const seen = { requests: {}, denied: { label: "refused" }, first_seen: { label: "first" }, last_seen: { label: "last" } };
  const part = (title, rows, columns, open) => (rows.length ? [el("h2", {}, title), table(rows, columns, open)] : []);
  return [
    el("h1", {}, visible(user)),
    facts({ requests: summary.requests, refused: summary.requests ? `${summary.denied} (${Math.round(100 * summary.denied_ratio)} %)` : 0, "first seen": time(summary.first_seen), "last seen": time(summary.last_seen), namespaces: summary.namespaces, addresses: summary.source_ips, groups: (summary.groups ?? []).join(", ") }),
    el("div", { class: "row" }, el("a", { href: link("timeline", { user }) }, "Timeline"), el("a", { href: link("sessions", { user }) }, "Sessions")),
    copies({ ...asked, user }),
    part("Findings", page.findings, { severity: SEVERITY, title: { label: "what" }, first_seen: { label: "first" }, last_seen: { label: "last" }, event_count: { label: "requests" } }, (row) => link("finding/" + row.finding_id)),
    part("What it does", page.actions, { verb: {}, resource: {}, namespace: {}, ...seen }, (row) => link("timeline", { user, verb: row.verb, resource: row.resource, namespace: row.namespace })),
    part("From where", page.addresses, { source_ip: { label: "address" }, ...seen }, (row) => link("timeline", { user, source_ip: row.source_ip })),
    part("With what (as claimed)", page.agents, { user_agent: {}, ...seen }),
    part("Credentials", page.credentials, { credential_id: {}, pod_name: {}, node_name: {}, source_ips: {}, ...seen }, (row) => link("timeline", { credential: row.credential_id })),
    part("Acted as", page.acted_as, { user_name: WHO.user_name, groups: {}, ...seen }),
    part("Was acted as by", page.acted_by, { user_name: WHO.user_name, groups: {}, ...seen }),
  ];
};

function changes(text) {
  if (!text) return null;
  return el("ul", { class: "changes" }, parsed(text).map((change) => el("li", { class: change.operation },
    visible({ add: `+ ${change.path} ${JSON.stringify(change.after)}`, remove: `- ${change.path} ${JSON.stringify(change.before)}`, replace: `~ ${change.path} ${JSON.stringify(change.before)} → ${JSON.stringify(change.after)}` }[change.operation] ?? ""))));
}

pages.object = async ({ rest, asked }) => {
  const [resource, namespace, name] = rest;
  const { rows } = await ask("history", { ...range(asked), resource, namespace, name });
  return [
    el("h1", {}, visible([resource, [namespace, name].filter(Boolean).join("/")].join(" "))),
    el("div", { class: "row" }, el("a", { href: link("timeline", { resource, namespace, name }) }, "Everything about it, reads too")),
    el("p", { class: "dim" }, "Every write to it, and what changed as far as the log shows its bodies."),
    rows.length ? table(rows, { time: {}, cluster: {}, user_name: WHO.user_name, acting_as: WHO.acting_as, source_ip: WHO.source_ip, verb: {}, subresource: {}, code: WHO.code, applied: { show: (row) => (row.applied ? "yes" : "no") }, changes: { label: "what changed", show: (row) => changes(row.changes) ?? "" } }, eventLink) : el("p", {}, "No write to it in this range."),
  ];
};

pages.event = async ({ rest, asked }) => {
  const event = await ask("events/" + rest[0], range(asked));
  const reference = event.objectRef ?? {};
  const object = objectLink({ resource: reference.resource, namespace: reference.namespace, name: reference.name });
  return [
    el("h1", {}, visible(`${event.verb ?? ""} ${[reference.resource, reference.subresource].filter(Boolean).join("/") || event.requestURI || ""}`)),
    facts({ who: event.user?.username && el("a", { href: identity(event.user.username) }, visible(event.user.username)), "acting as": event.impersonatedUser?.username, from: (event.sourceIPs ?? []).at(-1), object: object && el("a", { href: object }, visible([reference.namespace, reference.name].filter(Boolean).join("/"))), code: event.responseStatus?.code, received: time(event.requestReceivedTimestamp), level: event.level, stage: event.stage }),
    el("div", { class: "row" }, el("button", { type: "button", onclick: () => copy(JSON.stringify(event, null, 2), "JSON") }, "Copy JSON"),
      el("button", { type: "button", onclick: () => copy(`SELECT * FROM events WHERE event_id = ${quoted(rest[0])}`, "SQL") }, "Copy as SQL"),
      event.user?.username && event.requestReceivedTimestamp && el("a", { href: link("timeline", { user: event.user.username, ...around(event.requestReceivedTimestamp) }) }, "What else they did then")),
    event.requestObject !== undefined ? [el("h2", {}, "What was sent"), json(event.requestObject)] : null,
    event.responseObject !== undefined ? [el("h2", {}, "What was answered"), json(event.responseObject)] : null,
    el("h2", {}, "The whole event, as it came"), json(event),
  ];
};

pages.sessions = async ({ asked }) => {
  const { rows } = await ask("sessions", { ...range(asked), user: asked.user, namespace: asked.namespace });
  return [
    el("h1", {}, "Sessions"), el("p", { class: "dim" }, "Into pods, nodes and services: exec, attach, port-forward, proxy. What was typed into a shell is in no audit log."),
    table(rows, { started: {}, seconds: {}, cluster: {}, user_name: WHO.user_name, source_ip: WHO.source_ip, kind: {}, namespace: {}, name: WHO.name, container: {}, command: { show: (row) => visible((row.command ?? []).join(" ")) }, tty: {}, code: WHO.code }, (row) => link("event/" + row.event_ids[0], around(row.started))),
  ];
};

pages.secrets = async ({ asked }) => {
  const { rows } = await ask("secret-access", { ...range(asked), namespace: asked.namespace, name: asked.name });
  return [
    el("h1", {}, "Who read which secret"), el("p", { class: "dim" }, "* is a list or a watch: it shows every secret in reach. New: not before the range, as far as the lake goes back."),
    table(rows, { is_new: { label: "new", show: (row) => (row.is_new ? "new" : "") }, cluster: {}, namespace: {}, name: { link: (row) => link("timeline", { resource: "secrets", namespace: row.namespace, name: row.name === "*" ? "" : row.name }) }, user_name: WHO.user_name, acting_as: WHO.acting_as, reads: {}, refused: {}, verbs: {}, source_ips: { label: "from" }, first_seen: { label: "first" }, last_seen: { label: "last" } }),
  ];
};

pages.search = async ({ asked }) => {
  const form = el("form", { class: "filters", onsubmit: (event) => { event.preventDefault(); go("search", Object.fromEntries(new FormData(event.target))); } },
    el("label", {}, "Text in bodies, paths, names, annotations", el("input", { name: "text", value: asked.text ?? "", required: true, minlength: 3, size: 50 })), el("button", { class: "main" }, "Search"));
  if (!asked.text) return [el("h1", {}, "Search"), form];
  const { rows } = await ask("search", { ...range(asked), text: asked.text });
  return [el("h1", {}, "Search"), form, rows.length ? table(rows, { ...WHO, place: {}, snippet: {} }, eventLink) : el("p", {}, "Nothing holds it. Redacted values cannot be found.")];
};

pages.risk = async ({ asked }) => {
  const by = asked.by ?? "identity";
  const { rows } = await ask("risk", { ...range(asked), by });
  const most = Math.max(1, ...rows.map((row) => row.score));
  return [
    el("h1", {}, "Risk"), el("p", { class: "dim" }, "What findings add up to: severity and confidence, fading with time, more for distinct tactics."),
    el("div", { class: "row" }, ["identity", "workload", "source", "namespace"].map((name) => el("a", { href: link("risk", { by: name }), "aria-current": name === by ? "true" : null }, name))),
    rows.length ? table(rows, {
      score: { show: (row) => { const bar = el("span", { class: "bar" }); bar.style.width = Math.max(2, (90 * row.score) / most) + "px"; return el("span", {}, bar, row.score.toFixed(1)); } },
      entity: { label: by, show: (row) => (by === "identity" ? el("a", { href: identity(row.entity) }, visible(row.entity)) : visible(row.entity)) },
      acting_as: { label: "acting as" }, cluster: {}, reasons: { show: (row) => el("ul", { class: "changes" }, (row.reasons ?? []).map((reason) => el("li", {}, visible(reason)))) },
    }) : el("p", {}, "No findings in this range, so no risk to rank."),
  ];
};

pages.sql = async ({ asked }) => {
  const text = el("textarea", { name: "query", "aria-label": "SQL", spellcheck: "false" });
  text.value = asked.query ?? "SELECT user_name, verb, count(*) AS requests\nFROM requests\nGROUP BY ALL\nORDER BY requests DESC\nLIMIT 50";
  const result = el("div");
  const run = async () => {
    result.replaceChildren(el("p", { class: "dim" }, "Asking ..."));
    try {
      const began = performance.now();
      const { rows, truncated } = await ask("sql", {}, { body: { query: text.value, limit: 2000, ...Object.fromEntries(Object.entries(range(asked)).filter(([, v]) => v).map(([k, v]) => [k, k === "cluster" ? [].concat(v) : v])) } });
      const columns = Object.fromEntries(Object.keys(rows[0] ?? {}).map((name) => [name, { always: true }]));
      result.replaceChildren(el("p", { class: "dim" }, `${rows.length} rows${truncated ? ", and more" : ""} in ${Math.round(performance.now() - began)} ms`), rows.length ? table(rows, columns, (row) => eventLink({ ...row, time: row.time ?? row.request_received_at ?? row.stage_at })) : "");
    } catch (error) { result.replaceChildren(problem(error)); }
  };
  text.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(); });
  return [el("h1", {}, "SQL"), el("p", { class: "dim" }, "One SELECT over events, requests, findings, quarantine. Ctrl+Enter runs it."), text, el("div", { class: "row" }, el("button", { class: "main", type: "button", onclick: run }, "Run")), result];
};

// --- the frame ---------------------------------------------------------------------------------

function problem(error) {
  if (error.name === "AbortError") return el("span");
  return el("section", { class: "card error", role: "alert" }, el("strong", {}, visible(error.message)), error.hint ? el("p", { class: "dim" }, visible(error.hint)) : null);
}

const explain = (error) => { if (error.name !== "AbortError") say(error.message); };

function askForToken(main) {
  main.replaceChildren(el("section", { class: "card" }, el("h1", {}, "Who is looking?"), el("p", {}, "A token is needed: the address that `ashiato api` printed carries one, or use your own."),
    el("form", { class: "filters", onsubmit: (event) => { event.preventDefault(); setToken(new FormData(event.target).get("token").trim()); draw(); } },
      el("label", {}, "Token", el("input", { name: "token", type: "password", autocomplete: "off", required: true })), el("button", { class: "main" }, "Look"))));
}

function frame({ page, asked }) {
  const nav = document.getElementById("nav");
  nav.replaceChildren(...Object.entries(PAGES).map(([name, label]) => el("a", { href: link(name), "aria-current": name === page ? "page" : null }, label)));
  const bar = document.getElementById("range");
  const apply = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target.closest("form")));
    const rest = Object.fromEntries(Object.entries(asked).filter(([name]) => !RANGE.includes(name)));
    const path = location.hash.replace(/^#\/?/, "").split("?")[0] || "findings";
    location.hash = link(path, { ...rest, ...given, cluster: given.cluster }, false);
  };
  bar.replaceChildren(el("form", { class: "filters", onsubmit: apply },
    el("label", {}, "Last", el("select", { name: "last", onchange: (event) => { if (event.target.value) { event.target.form.since.value = ""; event.target.form.until.value = ""; } apply(event); } }, ["", "1h", "24h", "7d", "30d"].map((value) => el("option", { value, selected: (asked.last ?? "") === value }, value || "all")))),
    el("label", {}, "From (UTC)", el("input", { name: "since", value: asked.since ?? "", placeholder: "2026-11-23T08:00:00Z", size: 24 })),
    el("label", {}, "Until (UTC)", el("input", { name: "until", value: asked.until ?? "", size: 24 })),
    el("label", {}, "Cluster", el("input", { name: "cluster", value: [].concat(asked.cluster ?? [])[0] ?? "", size: 14 })),
    el("button", {}, "Apply")));
}

let drawing = 0;
async function draw() {
  const place = here();
  const turn = ++drawing;
  const main = document.getElementById("main");
  frame(place);
  if (!hasToken()) return askForToken(main);
  document.title = (PAGES[place.page] ?? place.rest.at(-1) ?? "Ashiato") + " · Ashiato";
  main.setAttribute("aria-busy", "true");
  try {
    const content = await (pages[place.page] ?? pages.findings)(place);
    if (turn !== drawing) return;
    main.replaceChildren(...content.flat(3).filter(Boolean));
  } catch (error) {
    if (turn !== drawing || error.name === "AbortError") return;
    if (error instanceof Refused && error.status === 401) return askForToken(main);
    main.replaceChildren(problem(error));
  } finally {
    if (turn === drawing) main.removeAttribute("aria-busy");
  }
}

const theme = () => localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
const wear = () => { document.documentElement.dataset.theme = theme(); document.dispatchEvent(new Event("theme")); };
document.getElementById("theme").addEventListener("click", () => { localStorage.setItem("theme", theme() === "dark" ? "light" : "dark"); wear(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", wear);
addEventListener("hashchange", () => { draw(); document.getElementById("main").focus({ preventScroll: true }); scrollTo(0, 0); });
addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const index = Number(event.key) - 1;
  if (index in Object.keys(PAGES)) go(Object.keys(PAGES)[index]);
  if (event.key === "/") { event.preventDefault(); document.querySelector("#main input")?.focus(); }
  if (event.key === "j" || event.key === "k") {
    const rows = [...document.querySelectorAll("tr[data-row]")];
    const at = rows.indexOf(document.activeElement);
    rows[Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))]?.focus();
  }
});
wear();
draw();
