// What the page says, in the reader's language.

const ENGLISH = {
  skip: "Skip to the function",
  token: "Token",
  use: "Use",
  callable: "What you may call",
  search: "Search (press /)",
  welcome: "Try a function",
  welcomeText: "Choose a function on the left to see its signature and documentation, and to call it.",
  tokenText: "The token stays in this page's memory and is gone when you leave or reload it.",
  try: "Try it",
  argsText: "positional, a JSON list",
  kwargsText: "by name, a JSON object",
  run: "Call",
  stop: "Stop",
  shortcut: "Ctrl+Enter calls, / searches",
  copyAs: "The same elsewhere",
  copy: "Copy",
  copied: "Copied",
  selected: "Selected: press Ctrl+C",
  loading: "Loading…",
  running: "Running…",
  stopped: "Stopped",
  noAnswer: "No answer from the server",
  tooLarge: "The answer is too large to show here",
  notJson: "this is not JSON",
  notList: "this is not a JSON list: [1, \"a\"]",
  notObject: "this is not a JSON object: {\"name\": 1}",
  nothing: "Nothing matches",
  count: "{shown} of {all}",
  user: "as {name}",
  needToken: "A token is needed: paste it above",
  rows: "{rows} rows × {columns} columns",
  firstRows: "{rows} rows × {columns} columns, the first {shown} shown",
  names: { module: "module", value: "value", function: "function", coroutine: "async function", generator: "generator", class: "class" },
};

const CHINESE = {
  skip: "跳到函数",
  token: "令牌",
  use: "使用",
  callable: "可调用的内容",
  search: "搜索（按 / 键）",
  welcome: "试用函数",
  welcomeText: "在左侧选择一个函数，查看签名和文档，并直接调用。",
  tokenText: "令牌只保存在本页内存中，离开或刷新页面后即消失。",
  try: "试一试",
  argsText: "位置参数，JSON 列表",
  kwargsText: "命名参数，JSON 对象",
  run: "调用",
  stop: "停止",
  shortcut: "Ctrl+Enter 调用，/ 搜索",
  copyAs: "在别处调用",
  copy: "复制",
  copied: "已复制",
  selected: "已选中，请按 Ctrl+C",
  loading: "加载中…",
  running: "运行中…",
  stopped: "已停止",
  noAnswer: "服务器没有应答",
  tooLarge: "结果太大，无法在此显示",
  notJson: "不是 JSON",
  notList: "不是 JSON 列表：[1, \"a\"]",
  notObject: "不是 JSON 对象：{\"name\": 1}",
  nothing: "没有匹配项",
  count: "{shown} / {all}",
  user: "用户 {name}",
  needToken: "需要令牌：请粘贴到上方",
  rows: "{rows} 行 × {columns} 列",
  firstRows: "{rows} 行 × {columns} 列，显示前 {shown} 行",
  names: { module: "模块", value: "值", function: "函数", coroutine: "异步函数", generator: "生成器", class: "类" },
};

const isChinese = navigator.language.toLowerCase().startsWith("zh");
export const text = isChinese ? CHINESE : ENGLISH;

export function fill(template, values) {
  return template.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

export function translate() {
  document.documentElement.lang = isChinese ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text[node.dataset.text];
  for (const node of document.querySelectorAll("[data-placeholder]")) node.placeholder = text[node.dataset.placeholder];
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text[node.dataset.label]);
}
