// Proves that no credential and no control character reaches a terminal, and which connections are refused.
import { expect, test } from "vitest";
import { connectionOf } from "../../src/cli/connection.ts";
import { CommandFailure } from "../../src/cli/exit-codes.ts";
import { keyTable } from "../../src/cli/key-commands.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import { shortText, tableLines, visibleText } from "../../src/cli/visible-text.ts";

function terminal(): { readonly written: Terminal; readonly out: string[]; readonly err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const written = new Terminal({
    writeOut: (text) => out.push(text),
    writeErr: (text) => err.push(text),
    readIn: () => Promise.resolve(new Uint8Array()),
    isInteractive: false,
  });
  return { written, out, err };
}

test("a hidden credential is in no line, however it is spelled", () => {
  const { written, out, err } = terminal();
  const key = "root_0123456789abcdef";
  written.hide(key);
  written.print(`a ${key} b`);
  written.warn(btoa(key));
  written.printJson({ at: key });
  expect([...out, ...err].join("")).not.toMatch(/0123456789|cm9vdF/);
});

test("a key's text never stands on stderr, also one that nobody hid", () => {
  const { written, err } = terminal();
  written.warn("no such command 'ilk_24b5a3958cd6e15dcb29ec18'");
  expect(err).toEqual(["no such command '[API key]'\n"]);
});

test("JSON stays JSON after escaping", () => {
  const { written, out } = terminal();
  const value = { text: "a\u001b\u009b\u202e\n\t\u007f", list: [1, "ä😀"] };
  written.printJson(value);
  for (const character of ["\u001b", "\u009b", "\u202e", "\u007f"]) expect(out.join("")).not.toContain(character);
  expect(JSON.parse(out.join(""))).toEqual(value);
});

test("text is shown on one line and shortened with the number of characters left out", () => {
  expect(visibleText("a\r\n\tb")).toBe(String.raw`a\u000d\n\tb`);
  expect(shortText("a".repeat(160))).toHaveLength(160);
  expect(shortText("a".repeat(161))).toMatch(/^a{160}… \(1 more characters, see --full\)$/);
  expect(shortText(`${"a".repeat(159)}😀`).isWellFormed()).toBe(true);
});

test("tables align, and a tenant without keys says so", () => {
  expect(tableLines(["A", "LONG"], [["xyz", "1"]])).toEqual(["A    LONG", "xyz  1"]);
  expect(keyTable({ data: [] })).toEqual(["no keys"]);
  const key = { id: "key_1", name: "n", roles: ["agent", "auditor"], actors: ["*"], scopes: [], created_at: "2026" };
  expect(keyTable({ data: [key] })[1]).toBe("key_1  n     agent,auditor  *       -       2026");
});

const GOOD = { url: "https://gateway.example/", key: "k1", tenant: "demo" };

test("a connection is what the options say", () => {
  expect(connectionOf(GOOD)).toEqual({ origin: "https://gateway.example", key: "k1", tenant: "demo" });
  expect(connectionOf({ ...GOOD, url: "http://h:1/base/", key: "k1\n", tenant: "" })).toEqual({
    origin: "http://h:1/base",
    key: "k1",
    tenant: undefined,
  });
});

test.each([
  [{ key: "" }, /--key <key>.*INTERLOCK_KEY/],
  [{ key: "se cret" }, /--key/],
  [{ key: "secrét" }, /--key/],
  [{ url: "ftp://x" }, /--url/],
  [{ url: "http://secret:secret@x" }, /--url/],
  [{ url: "gateway" }, /--url/],
  [{ tenant: "De mo" }, /--tenant/],
])("%j is a usage error that repeats no credential", (wrong, message) => {
  const fails = (): unknown => connectionOf({ ...GOOD, ...wrong });
  expect(fails).toThrow(CommandFailure);
  expect(fails).toThrow(message);
  expect(fails).not.toThrow(/secr|se cret/);
});
