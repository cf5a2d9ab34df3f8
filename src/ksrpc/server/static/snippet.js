// The call of the form as a program: for a shell, and for Python. No token in either: they read $KSRPC_TOKEN.

const KEYWORDS = new Set(("False None True and as assert async await break class continue def del elif else except finally for " +
  "from global if import in is lambda nonlocal not or pass raise return try while with yield").split(" "));

const quoteShell = (words) => `'${words.replaceAll("'", `'\\''`)}'`;

export function makeCurl(base, path, body, hasToken) {
  const token = hasToken ? ` \\\n  -H "Authorization: Bearer $KSRPC_TOKEN"` : "";
  const address = quoteShell(`${base}v1/call/${encodeURIComponent(path)}`);
  return `curl -s ${address}${token} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoteShell(body)}`;
}

export function makePython(base, path, told, hasToken) {
  const dot = path.lastIndexOf(".");
  const module = dot < 0 ? path : path.slice(0, dot);
  const target = dot < 0 ? "module" : `module.${path.slice(dot + 1)}`;
  const given = [...told.args.map(literal), ...keywords(told.kwargs)].join(", ");
  const remark = hasToken ? "  # token: $KSRPC_TOKEN" : "";
  return [
    "import ksrpc",
    "",
    `gw = ksrpc.connect(${literal(base.replace(/\/$/, ""))})${remark}`,
    `module = gw.module(${literal(module)})`,
    `print(${target}(${given}))`,
  ].join("\n");
}

function keywords(kwargs) {
  const entries = Object.entries(kwargs);
  const isPlain = entries.every(([name]) => /^[A-Za-z_]\w*$/.test(name) && !KEYWORDS.has(name));
  if (isPlain) return entries.map(([name, value]) => `${name}=${literal(value)}`);
  return [`**${literal(kwargs)}`];
}

function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object" || JSON.isRawJSON?.(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  return `{${Object.entries(value).map(([name, item]) => `${literal(name)}: ${literal(item)}`).join(", ")}}`;
}
