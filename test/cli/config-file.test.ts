// Proves what a config file may say, and that mistakes find their lines.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { changeLines } from "../../src/cli/config-changes.ts";
import { mistakeLine, readConfigText } from "../../src/cli/config-file.ts";

const YAML = `# first line
tools:
  billing.refund:
    kind: http
    input_schema:
      properties: { a.b: { type: nothing } }
  billing:
    url: &url https://x.example
    pii:
      writes: [text, tekst]
actors:
  one: &one
    allowed_tools:
      - billing.refund
      - biling.refund
  two: *one
`;

test.each([
  ["tools.billing.refund.kind", 4],
  ["tools.billing.refund.input_schema.properties.a.b.type", 6],
  ["tools.billing.url", 8],
  ["tools.billing.pii.writes.1", 10],
  ["actors.one.allowed_tools.1", 15],
  // A member that is missing stands nowhere: its parent's line is the nearest.
  ["tools.billing.refund.method", 3],
  ["tools.billing.pii.writes.7", 10],
  ["actors.two.allowed_tools.1", 15],
  ["egress.allow.0", undefined],
  ["", undefined],
])("the mistake at %j is on line %j", (path, line) => {
  const read = readConfigText(YAML);
  if (!read.ok) throw new Error("expected a document");
  expect(read.locate({ path, message: "m" }).line).toBe(line);
});

test("JSON with tabs is read like YAML", () => {
  const read = readConfigText('{\n\t"egress": {\n\t\t"allow": ["a.example"]\n\t}\n}\n');
  expect(read).toMatchObject({ ok: true, document: { egress: { allow: ["a.example"] } } });
  expect(read.ok && read.locate({ path: "egress.allow.0", message: "m" }).line).toBe(3);
});

test("amounts keep their value, and text that looks like an amount stays text", () => {
  const read = readConfigText('a: 42.00\nb: "42.00"\nc: 1e2\nd: 0x1f\ne: 0.000001\n');
  expect(read).toMatchObject({ ok: true, document: { a: 42, b: "42.00", c: 100, d: 31, e: 0.000001 } });
});

test.each([
  ["a: 9007199254740993", 1, "a", /9007199254740993 cannot be held exactly/],
  ["a:\n  b.c:\n    - .inf", 3, "a.b.c", /cannot be held exactly/],
  ["a: 1\nb: 2\na: 3", 3, "", /unique/],
  ["a: 1\nb: [", 2, "", /./],
  ["a: !secret x", 1, "", /Unresolved tag/],
  ["a: 1\n---\nb: 2", 2, "", /multiple documents/],
])("%j is refused on line %j", (text, line, path, message) => {
  const read = readConfigText(text);
  expect(read).toMatchObject({ ok: false, mistakes: [{ line, path, message: expect.stringMatching(message) }] });
});

test("aliases that multiply without end are refused, not expanded", () => {
  const levels = Array.from(
    { length: 12 },
    (_, at) => `l${at}: &l${at} [${Array.from({ length: 9 }, () => (at === 0 ? "x" : `*l${at - 1}`)).join(",")}]`,
  );
  expect(readConfigText(levels.join("\n"))).toMatchObject({
    ok: false,
    mistakes: [{ message: expect.stringMatching(/alias/i) }],
  });
});

test("a mistake is one line with its path, and its line where that is known", () => {
  expect(mistakeLine({ path: "a.b", message: "expected a name", line: 3 })).toBe("a.b: expected a name (line 3)");
  expect(mistakeLine({ path: "", message: "expected an object" })).toBe("document: expected an object");
});

test("changes are named entry by entry, defaults filled in", () => {
  const active = {
    providers: { p: { kind: "openai" } },
    models: {},
    tools: {},
    actors: { a: { scopes: ["x"] }, b: {} },
    egress: { allow: [] },
  };
  expect(
    changeLines(active, { actors: { a: { scopes: ["y"] }, c: {} }, providers: { p: { kind: "openai" } } }),
  ).toEqual(["~ actors.a", "- actors.b", "+ actors.c"]);
  expect(changeLines(active, active)).toEqual([]);
  expect(changeLines(undefined, { egress: { allow: ["x.example"] } })).toEqual(["~ egress.allow"]);
});

test("a document that this version does not know is compared as it stands", () => {
  expect(changeLines({ later: { a: 1 } }, { later: { a: 2 }, flag: true })).toEqual(["+ flag", "~ later.a"]);
});

test("the demo tenant's own file is read without complaint", () => {
  const text = readFileSync(new URL("../../demo/interlock.yaml", import.meta.url), "utf8");
  expect(readConfigText(text).ok).toBe(true);
});
