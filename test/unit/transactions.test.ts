// Proves what a tool may say of its probe and its compensation, how their arguments are made, and what a probe's answer says.
import { describe, expect, it } from "vitest";
import { checkConfig } from "../../src/core/config/check.ts";
import { retentionMs } from "../../src/core/config/transaction-document.ts";
import { mapArguments } from "../../src/core/policy/argument-mapping.ts";
import { findingOf, type ProbeEntry } from "../../src/core/policy/finding.ts";

const schema = (...names: readonly string[]): unknown => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
  additionalProperties: false,
});
const http = { kind: "http", method: "POST", url: "https://tool.example.com/x" };
const read = { ...http, method: "GET", effect: "read", input_schema: schema("key") };

function mistakesOf(pay: Readonly<Record<string, unknown>>): readonly string[] {
  const checked = checkConfig(
    {
      tools: {
        pay: { ...http, effect: "write", input_schema: schema("to"), ...pay },
        undo: { ...http, effect: "write", input_schema: schema("id") },
        find: read,
      },
      egress: { allow: ["tool.example.com"] },
    },
    { priceBook: null, secrets: null, services: null, allowPrivateEgress: false },
  );
  return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
}

const probe = { tool: "find", args: { key: "call.idempotency_key" }, succeeded_when: "size(result.data) == 1" };

describe("publishing", () => {
  it.each<readonly [string, Readonly<Record<string, unknown>>]>([
    ["a probe", { probe: { ...probe, failed_when: "status == 404", result: "result.data.0" } }],
    ["a compensation", { compensation: { tool: "undo", args: { id: "result.payment.id" } } }],
    ["a repeat", { settle: "repeat", idempotency: { header: "Idempotency-Key" } }],
    ["a held call", { hold_s: 30, idempotency: { required: true } }],
  ])("takes %s", (_, entry) => {
    expect(mistakesOf(entry)).toEqual([]);
  });

  it.each<readonly [string, Readonly<Record<string, unknown>>, string]>([
    [
      "a tool that is not there",
      { compensation: { tool: "und", args: {} } },
      'tools.pay.compensation.tool: "und" is not in the config (did you mean "undo"?)',
    ],
    [
      "an argument that is required",
      { compensation: { tool: "undo", args: {} } },
      'tools.pay.compensation.args: expected "id": "undo" requires it',
    ],
    [
      "an argument that is not there",
      { compensation: { tool: "undo", args: { id: "x", di: "y" } } },
      'tools.pay.compensation.args.di: "undo" has no such argument',
    ],
    [
      "a path that leads nowhere",
      { compensation: { tool: "undo", args: { id: "args.too" } } },
      'tools.pay.compensation.args.id: "too" is not an argument of the tool (did you mean "to"?)',
    ],
    [
      "a probe of a result",
      { probe: { ...probe, args: { key: "result.id" } } },
      "tools.pay.probe.args.key: a call of unknown outcome has no result",
    ],
    [
      "a probe that writes",
      { probe: { ...probe, tool: "undo", args: { id: "call.id" } } },
      'tools.pay.probe.tool: expected a tool with effect "read"',
    ],
    [
      "a condition over the session",
      { probe: { ...probe, succeeded_when: "session.id == 'x'" } },
      "tools.pay.probe.succeeded_when: ",
    ],
    ["a condition that is none", { probe: { ...probe, succeeded_when: "size(" } }, "tools.pay.probe.succeeded_when: "],
    ["a repeat without a key", { settle: "repeat" }, "tools.pay.settle: expected `idempotency.header` beside it"],
    ["a probe that is not declared", { settle: "probe" }, "tools.pay.settle: expected a `probe` beside it"],
    [
      "a read that is undone",
      { effect: "read", compensation: { tool: "undo", args: { id: "1" } } },
      "tools.pay.compensation: a read has nothing to undo",
    ],
  ])("refuses %s", (_, entry, told) => {
    expect(mistakesOf(entry).join("\n")).toContain(told);
  });

  it("reads how long keys are kept: a day when it does not say", () => {
    expect([retentionMs({}), retentionMs({ retention: "48h" })]).toEqual([86_400_000, 172_800_000]);
    const over = checkConfig(
      { idempotency: { retention: "31d" } },
      { priceBook: null, secrets: null, services: null, allowPrivateEgress: false },
    );
    expect(over.ok).toBe(false);
  });
});

describe("a mapping", () => {
  const source = {
    args: { to: "ann", deep: { n: 1 } },
    result: { data: [{ id: "p_1" }], none: null },
    call: { id: "tc_1", idempotency_key: "k" },
  };

  it("reads paths into the call, list indices included, and takes anything else as it is", () => {
    const made = mapArguments(
      { a: "result.data.0.id", b: "args.deep.n", c: "call.idempotency_key", d: "results.id", e: 7, f: "result.none" },
      source,
    );
    expect(made).toEqual({ ok: true, args: { a: "p_1", b: 1, c: "k", d: "results.id", e: 7, f: null } });
  });

  it.each(["result.data.1.id", "args.other", "result.__proto__.x", "result.constructor"])("misses %s", (path) => {
    expect(mapArguments({ a: path }, source)).toEqual({ ok: false, missing: [JSON.stringify(path)] });
  });
});

describe("a probe's answer", () => {
  const entry: ProbeEntry = {
    ...probe,
    failed_when: "status == 404 || size(result.data) == 0",
    result: "result.data.0",
  };
  const says = (result: Parameters<typeof findingOf>[1]["result"], status = 200, of = entry): string => {
    const seen = { result, status, args: { to: "ann" }, call: { id: "tc_1", idempotency_key: "k" }, argsSchema: {} };
    const finding = findingOf(of, seen);
    return finding === undefined ? "nothing" : finding.type === "settled" ? finding.outcome.status : finding.type;
  };

  it("says what its conditions say, and nothing where they cannot be evaluated or contradict each other", () => {
    expect(says({ data: [{ id: 1 }] })).toBe("succeeded");
    expect(says({ data: [] })).toBe("absent");
    expect(says({ data: [1, 2] })).toBe("nothing");
    expect(says({ other: 1 })).toBe("nothing");
    expect(says("text")).toBe("nothing");
    expect(says({ data: [{}] }, 404)).toBe("nothing");
    expect(says({ n: 2 }, 200, { ...entry, succeeded_when: "result.n == 2", failed_when: "result.n == 0" })).toBe(
      "succeeded",
    );
    expect(says({ n: 0 }, 200, { ...entry, succeeded_when: "result.n == 2", failed_when: "result.n == 0" })).toBe(
      "absent",
    );
  });
});
