// Show an answer: a table, a value, or an error. Texts of the server are only ever set as text.

import { fill, text } from "./text.js";

const ROWS = 200;
const node = (id) => document.getElementById(id);

// Keep numbers as the server wrote them: 8.0 stays 8.0, and integers over 2^53 are not rounded.
export function parseExact(source) {
  return JSON.parse(source, (_, value, context) => {
    const isOther = typeof value === "number" && context?.source !== undefined && context.source !== String(value);
    return isOther && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
  });
}

export function showWaiting() {
  begin(text.running, false);
}

export function showError(title, detail) {
  begin(title, true);
  node("value").textContent = detail;
  node("value").hidden = !detail;
}

export function showAnswer(envelope, duration_ms) {
  const data = envelope.data;
  const isTable = data !== null && typeof data === "object" && Array.isArray(data.index_names);
  begin(`${envelope.type} · ${duration_ms} ms`, false);
  if (isTable) {
    const size = { rows: data.data.length, columns: data.columns.length, shown: ROWS };
    node("outcome").textContent += ` · ${fill(size.rows > ROWS ? text.firstRows : text.rows, size)}`;
    fillTable(data);
    node("grid").hidden = false;
  } else {
    node("value").textContent = typeof data === "string" ? data : JSON.stringify(data, null, 2);
    node("value").hidden = false;
  }
}

function begin(title, isBad) {
  node("result").hidden = false;
  node("result").classList.toggle("bad", isBad);
  node("outcome").textContent = title;
  node("value").hidden = node("grid").hidden = true;
}

function fillTable(data) {
  const table = node("grid").querySelector("table");
  const names = data.index_names.map((name) => (name === null ? "" : cellText(name)));
  const head = document.createElement("thead");
  const body = document.createElement("tbody");
  head.append(makeRow([...names, ...data.columns.map(cellText)].map((name) => makeCell("th", name, "col"))));
  (data.data[0] ?? []).forEach((item, at) => {
    if (isNumber(item)) head.firstChild.cells[names.length + at].className = "number";
  });
  data.data.slice(0, ROWS).forEach((row, at) => {
    const labels = data.index_names.length > 1 ? data.index[at] : [data.index[at]];
    body.append(makeRow([...labels.map((label) => makeCell("th", label, "row")), ...row.map((item) => makeCell("td", item))]));
  });
  table.replaceChildren(head, body);
}

function makeRow(cells) {
  const row = document.createElement("tr");
  row.append(...cells);
  return row;
}

function makeCell(kind, value, scope) {
  const cell = document.createElement(kind);
  cell.textContent = cellText(value);
  if (scope) cell.scope = scope;
  if (isNumber(value)) cell.className = "number";
  if (value === null) cell.className = "missing";
  return cell;
}

function isNumber(value) {
  return typeof value === "number" || Boolean(JSON.isRawJSON?.(value));
}

function cellText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
