// List what may be called, describe it, call it. The token lives in this variable and nowhere else.

import { parseExact, showAnswer, showError, showWaiting } from "./result.js";
import { makeCurl, makePython } from "./snippet.js";
import { fill, text, translate } from "./text.js";

const ANSWER_BYTES = 32 * 2 ** 20;
const OPEN_MODULES = 8;
const OPEN_MEMBERS = 40;
const base = new URL("./", document.baseURI).href;
const node = (id) => document.getElementById(id);

let token = "";
let target = null;
let running = null;
let shown = 0;

class Failure extends Error {
  constructor(title, detail) {
    super(detail);
    this.title = title;
  }
}

// Asking

async function ask(address, options = {}) {
  const headers = { "X-Ksrpc": "1", Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let reply;
  try {
    reply = await fetch(base + address, { ...options, headers, credentials: "omit", cache: "no-store", redirect: "error" });
    if (Number(reply.headers.get("Content-Length")) > ANSWER_BYTES) {
      await reply.body?.cancel();
      throw new Failure(text.tooLarge, "");
    }
    return { status: reply.status, told: parseExact(await reply.text()) };
  } catch (error) {
    if (error.name === "AbortError") throw new Failure(text.stopped, "");
    throw error instanceof Failure ? error : new Failure(reply ? `${reply.status}` : text.noAnswer, String(error.message));
  }
}

async function askPlain(address) {
  const { status, told } = await ask(address);
  if (status !== 200) throw new Failure(`${status} ${told.title}`, told.detail);
  return told;
}

// The list

async function loadList() {
  node("list-note").textContent = text.loading;
  node("access-note").textContent = "";
  node("tree").replaceChildren();
  try {
    const { user, modules } = await askPlain("v1/modules");
    const isShort = modules.length <= OPEN_MODULES;
    node("tree").append(...modules.map((module) => makeModule(module, isShort && module.members?.length <= OPEN_MEMBERS)));
    node("access-note").textContent = fill(text.user, { name: user });
    node("list-note").textContent = "";
    filter();
    await show();
  } catch (error) {
    const isToken = String(error.title).startsWith("401");
    node("list-note").textContent = isToken && !token ? text.needToken : `${error.title}: ${error.message}`;
    if (isToken) node("token").focus();
  }
}

function makeModule(module, isOpen) {
  const item = document.createElement("li");
  item.dataset.path = module.path;
  if (module.kind !== "module") {
    item.append(makeLink(module.path, module.path));
    if (module.error) item.append(makeText("p", module.error, "bad"));
    return item;
  }
  const details = document.createElement("details");
  const summary = makeText("summary", `${module.path} `);
  const list = document.createElement("ul");
  details.open = isOpen;
  summary.append(makeText("small", String(module.members.length)));
  list.append(...module.members.map((name) => makeMember(`${module.path}.${name}`, name)));
  details.append(summary, list);
  item.append(details);
  return item;
}

function makeMember(path, name) {
  const item = document.createElement("li");
  item.dataset.path = path;
  item.append(makeLink(path, name));
  return item;
}

function makeLink(path, label) {
  const link = makeText("a", label);
  link.href = `#${encodeURIComponent(path)}`;
  return link;
}

function makeText(kind, words, className = "") {
  const made = document.createElement(kind);
  made.textContent = words;
  made.className = className;
  return made;
}

function filter() {
  const wanted = node("search").value.trim().toLowerCase();
  let all = 0;
  let hits = 0;
  for (const top of node("tree").children) {
    const items = [...top.querySelectorAll("li")];
    const found = items.filter((item) => item.dataset.path.toLowerCase().includes(wanted));
    items.forEach((item) => { item.hidden = !found.includes(item); });
    top.hidden = found.length === 0 && !top.dataset.path.toLowerCase().includes(wanted);
    if (wanted && found.length && top.firstChild.tagName === "DETAILS") top.firstChild.open = true;
    all += items.length || 1;
    hits += items.length ? found.length : Number(!top.hidden);
  }
  node("list-note").textContent = !wanted ? "" : hits ? fill(text.count, { shown: hits, all }) : text.nothing;
}

// One target

async function show() {
  const path = decodeURIComponent(location.hash.slice(1));
  if (!path || path === "main") return;
  const turn = ++shown;
  running?.abort();
  mark(path);
  node("welcome").hidden = true;
  node("target").hidden = false;
  let described = { path, kind: "", version: "", doc: "", members: [], signature: null };
  let problem = "";
  target = null;
  describe(described, text.loading);
  try {
    described = await askPlain(`v1/describe/${encodeURIComponent(path)}`);
    target = described;
  } catch (error) {
    problem = `${error.title}: ${error.message}`;
  }
  if (turn === shown) describe(described, problem);
}

function mark(path) {
  for (const link of document.querySelectorAll("#tree a")) {
    const isCurrent = decodeURIComponent(link.hash.slice(1)) === path;
    if (!isCurrent) {
      link.removeAttribute("aria-current");
      continue;
    }
    link.setAttribute("aria-current", "page");
    const details = link.closest("details");
    if (details) details.open = true;
    link.scrollIntoView({ block: "nearest" });
  }
}

function describe(described, note) {
  const isCallable = Boolean(target) && described.kind !== "module";
  node("path").textContent = described.path;
  node("kind").textContent = text.names[described.kind] ?? "";
  node("version").textContent = described.version;
  node("target-note").textContent = note;
  node("signature").textContent = isCallable ? writeSignature(described) : "";
  node("doc").textContent = described.doc;
  node("members").replaceChildren(...(described.members.map((name) => makeMember(`${described.path}.${name}`, name))));
  node("call").hidden = node("copies").hidden = !isCallable;
  node("arguments").hidden = described.kind === "value";
  node("result").hidden = true;
  const example = makeExample(described.signature ?? []);
  node("args").value = JSON.stringify(example.args);
  node("kwargs").value = JSON.stringify(example.kwargs, null, 1).replace(/\n */g, " ");
  update();
}

function writeSignature(described) {
  const name = described.path.slice(described.path.lastIndexOf(".") + 1);
  if (described.kind === "value") return name;
  const returns = described.returns ? ` -> ${described.returns}` : "";
  if (!described.signature) return `${name}(…)${returns}`;
  const parts = [];
  let kind = "";
  for (const parameter of described.signature) {
    if (kind === "POSITIONAL_ONLY" && parameter.kind !== kind) parts.push("/");
    if (parameter.kind === "KEYWORD_ONLY" && !["KEYWORD_ONLY", "VAR_POSITIONAL"].includes(kind)) parts.push("*");
    kind = parameter.kind;
    parts.push(writeParameter(parameter));
  }
  if (kind === "POSITIONAL_ONLY") parts.push("/");
  const line = `${name}(${parts.join(", ")})${returns}`;
  return line.length <= 90 ? line : `${name}(\n    ${parts.join(",\n    ")},\n)${returns}`;
}

function writeParameter(parameter) {
  const stars = { VAR_POSITIONAL: "*", VAR_KEYWORD: "**" }[parameter.kind] ?? "";
  const annotation = parameter.annotation ? `: ${parameter.annotation}` : "";
  const equals = parameter.annotation ? " = " : "=";
  return `${stars}${parameter.name}${annotation}${parameter.default ? equals + parameter.default : ""}`;
}

function makeExample(signature) {
  const example = { args: [], kwargs: {} };
  for (const parameter of signature) {
    if (parameter.default || parameter.kind.startsWith("VAR_")) continue;
    const value = makeValue(parameter.annotation);
    if (parameter.kind === "POSITIONAL_ONLY") example.args.push(value);
    else example.kwargs[parameter.name] = value;
  }
  return example;
}

function makeValue(annotation) {
  const kind = annotation.split(/[\s[|]/)[0];
  const known = { str: "", int: 1, float: 1, bool: true, list: [], tuple: [], dict: {} };
  return known[kind] ?? null;
}

// The form

function readForm() {
  if (target?.kind === "value") return { args: [], kwargs: {}, body: "{}" };
  const args = readField("args", "[]", Array.isArray, text.notList);
  const kwargs = readField("kwargs", "{}", (value) => !Array.isArray(value), text.notObject);
  return { args: args.value, kwargs: kwargs.value, body: `{"args": ${args.source}, "kwargs": ${kwargs.source}}` };
}

function readField(name, empty, accepts, complaint) {
  const source = node(name).value.trim() || empty;
  let value;
  node(name).setAttribute("aria-invalid", "true");
  try {
    value = parseExact(source);
  } catch {
    throw new Failure(name, text.notJson);
  }
  if (value === null || typeof value !== "object" || JSON.isRawJSON?.(value) || !accepts(value)) throw new Failure(name, complaint);
  node(name).removeAttribute("aria-invalid");
  return { source, value };
}

function update() {
  if (!target || target.kind === "module") return;
  try {
    const told = readForm();
    node("curl").textContent = makeCurl(base, target.path, told.body, Boolean(token));
    node("python").textContent = makePython(base, target.path, told, Boolean(token));
  } catch (error) {
    node("curl").textContent = node("python").textContent = `${error.title}: ${error.message}`;
  }
}

async function run() {
  if (!target || running) return;
  const started = performance.now();
  const turn = shown;
  const mine = (running = new AbortController());
  node("run").disabled = true;
  node("stop").disabled = false;
  try {
    const { body } = readForm();
    showWaiting();
    const query = new URLSearchParams({ func: target.path, fmt: "json" });
    const headers = { "Content-Type": "application/json" };
    const { status, told } = await ask(`api/post?${query}`, { method: "POST", body, headers, signal: mine.signal });
    if (turn !== shown) return;
    if (status === 200) showAnswer(told, Math.round(performance.now() - started));
    else showError(`${status} ${told.type}`, told.data);
  } catch (error) {
    if (turn === shown) showError(error.title ?? text.noAnswer, error.message);
  } finally {
    running = null;
    node("run").disabled = false;
    node("stop").disabled = true;
  }
}

async function copy(button) {
  const source = node(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = text.copied;
  } catch { // not a secure context: plain HTTP from another machine
    getSelection().selectAllChildren(source);
    button.textContent = text.selected;
  }
  setTimeout(() => { button.textContent = text.copy; }, 2000);
}

// Wiring

translate();
node("address").textContent = base.replace(/\/$/, "");
node("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = node("token").value.trim();
  update();
  loadList();
});
node("search").addEventListener("input", filter);
node("skip").addEventListener("click", (event) => {
  event.preventDefault();
  node("main").focus();
});
node("call").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
node("call").addEventListener("input", update);
node("call").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
});
node("stop").addEventListener("click", () => running?.abort());
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button));
document.addEventListener("keydown", (event) => {
  const isTyping = ["INPUT", "TEXTAREA"].includes(event.target.tagName);
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    node("search").focus();
  }
});
addEventListener("hashchange", show);
loadList();
