// Proves what cases in JSONL mean: our own, the short form, and other tools' as far as they map; masked before they are kept.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GENERATING } from "../../src/core/dialect/names.ts";
import type { EvalCase } from "../../src/core/eval/case.ts";
import { cutCases } from "../../src/core/eval/dataset/cut.ts";
import {
  exportCases,
  importCases,
  type ImportAround,
  type Imported,
  type ImportFormat,
} from "../../src/core/eval/dataset/import.ts";
import { importVersion } from "../../src/gateway/evals/make-dataset.ts";
import type { Ports, Recorder } from "../../src/gateway/ports.ts";
import type { Outcome } from "../../src/core/errors.ts";
import { published } from "./policy-fixture.ts";
import { SECRETS } from "./secret-fixtures.ts";
import { CONFIG, refundStory, START } from "./eval-recording.ts";

const AROUND: ImportAround = {
  format: "cases",
  tools: Object.keys(CONFIG.published.document.tools),
  mask: (text) => text,
  now: START,
  prompt: null,
};

function read(lines: readonly unknown[], more: Partial<ImportAround> = {}): Imported {
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  return importCases(text, { ...AROUND, ...more });
}

/** The only case; fails the test for a mistake. */
function one(line: unknown, more: Partial<ImportAround> = {}): EvalCase {
  const { cases, mistakes } = read([line], more);
  const [first] = cases;
  if (first === undefined) throw new Error(JSON.stringify(mistakes));
  return first;
}

function wrong(line: unknown, format: ImportFormat = "cases", prompt: string | null = null): readonly string[] {
  const { cases, mistakes } = read([line], { format, prompt });
  expect(cases).toEqual([]);
  return mistakes.map(({ path, message }) => `${path}: ${message}`);
}

const RECORDED = GENERATING.flatMap((dialect) =>
  cutCases(refundStory({ dialect, session: dialect }).tool("crm.note", { id: "x" }, "denied", "d").records, {
    tools: new Map(Object.entries(CONFIG.published.document.tools)),
    outcomes: new Map(),
    labelFromRecording: true,
    isIncomplete: true,
  }).flatMap((each) => (each.type === "case" ? [each.case] : [])),
);
const HELLO = [{ role: "user", content: "Hello" }];
const [ANY] = RECORDED;

const anyText = fc.string({ minLength: 1, unit: "grapheme" });
const anyObject = fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.oneof(anyText, fc.integer(), fc.boolean()), {
  noNullPrototype: true,
});
const anyCase: fc.Arbitrary<EvalCase> = fc
  .record({
    id: fc.stringMatching(/^[a-z]{1,20}$/),
    request: fc.record({ messages: fc.constant(HELLO), metadata: anyObject }),
    reply: fc.option(fc.record({ text: anyText, finish: fc.constantFrom("stop" as const, null) })),
    tool: fc.option(fc.record({ args: anyObject, content: anyText, is_error: fc.boolean() })),
    labels: fc.record({ reference: anyText, contains: fc.array(anyText), json: anyObject }, { requiredKeys: [] }),
    risk: fc.constantFrom("low" as const, "critical" as const),
    outcome: fc.option(fc.constant("refunded")),
  })
  .map(({ id, request, reply, tool, ...rest }) => ({
    ...rest,
    id,
    cluster: id,
    source: null,
    tags: ["t"],
    injection: tool === null ? null : { id: "i", at: 0, canary: "canary" },
    calls: [
      {
        dialect: "chat",
        request,
        reply: reply === null ? null : { parts: [{ type: "text", text: reply.text }], finish: reply.finish },
        at: 0,
        duration_ms: 1,
        cost_micro_usd: 2,
        input_tokens: 3,
        output_tokens: 4,
      },
    ],
    tools:
      tool === null
        ? []
        : [{ name: "a", tool: null, args: JSON.stringify(tool.args), content: tool.content, is_error: tool.is_error }],
    asks: [],
  }));

describe("cases of ours", () => {
  it("come out of an export as they went in: recorded ones of every dialect, and any others", () => {
    expect(RECORDED).toHaveLength(GENERATING.length);
    expect(importCases(exportCases(RECORDED), AROUND)).toEqual({ cases: RECORDED, mistakes: [] });
    fc.assert(
      fc.property(fc.uniqueArray(anyCase, { selector: ({ id }) => id, maxLength: 5 }), (cases) => {
        expect(importCases(exportCases(cases), AROUND)).toEqual({ cases, mistakes: [] });
      }),
    );
  });

  it("are refused by line and field, and what is right is read all the same", () => {
    const { cases, mistakes } = read([
      ANY,
      "",
      { ...ANY, id: "two", risk: "huge" },
      "{",
      "[1]",
      { ...ANY, id: "three", calls: [] },
      { ...ANY, id: "four", nonsense: 1 },
      { ...ANY, id: "five", injection: { id: "i", at: 2, canary: "c" } },
      { ...ANY, id: "six", calls: [{ ...ANY?.calls[0], request: { hello: 1 } }] },
      ANY,
    ]);
    expect(cases.map(({ id }) => id)).toEqual([ANY?.id]);
    expect(mistakes.map(({ line, path, message }) => `${line} ${path}: ${message}`)).toEqual([
      expect.stringMatching(/^3 risk: .*low/),
      "4 : expected a JSON object",
      "5 : expected a JSON object",
      "6 calls: expected at least one call",
      "7 nonsense: unknown field",
      "8 injection.at: expected the index of one of its tools",
      "9 calls.0.request: expected a request of `chat`",
      `10 id: is the case of line 1`,
    ]);
  });

  it("tell at most a hundred mistakes", () => {
    expect(read(Array.from({ length: 300 }, () => "{")).mistakes).toHaveLength(100);
  });

  it("are at most 1 MiB each", () => {
    const long = (chars: number): object => ({ messages: [{ role: "user", content: "x".repeat(chars) }] });
    expect(read([long(1_000_000)]).cases).toHaveLength(1);
    expect(wrong(long(1_048_576))).toEqual([": expected at most 1 MiB"]);
  });
});

describe("the short form", () => {
  it("is a chat request with its labels, tools and outputs", () => {
    const made = one({
      id: "refund-1",
      messages: HELLO,
      system: "Be kind.",
      tools: [{ type: "function", function: { name: "billing_refund", parameters: { type: "object" } } }],
      tool_outputs: [
        { name: "billing_refund", args: { amount_usd: 4 }, result: { done: true } },
        { name: "search", args: {}, result: "nothing", is_error: true },
      ],
      expected: { tools: [{ tool: "billing.refund", args: { amount_usd: 4 } }], json: null },
      reference: "It is done.",
      tags: ["smoke"],
      risk: "high",
      cluster: "thread-9",
    });
    expect(made).toEqual({
      id: "refund-1",
      cluster: "thread-9",
      source: null,
      tags: ["smoke"],
      risk: "high",
      labels: {
        tools: [{ tool: "billing.refund", args: { amount_usd: 4 } }],
        json: null,
        reference: "It is done.",
      },
      injection: null,
      outcome: null,
      calls: [
        {
          dialect: "chat",
          request: {
            messages: [{ role: "system", content: "Be kind." }, ...HELLO],
            tools: [{ type: "function", function: { name: "billing_refund", parameters: { type: "object" } } }],
          },
          reply: null,
          at: START,
          duration_ms: 0,
          cost_micro_usd: 0,
          input_tokens: 0,
          output_tokens: 0,
        },
      ],
      tools: [
        {
          name: "billing_refund",
          tool: "billing.refund",
          args: '{"amount_usd":4}',
          content: '{"done":true}',
          is_error: false,
        },
        { name: "search", tool: null, args: "{}", content: "nothing", is_error: true },
      ],
      asks: [],
    });
    expect(importCases(exportCases([made]), AROUND)).toEqual({ cases: [made], mistakes: [] });
  });

  it("has an id of its content where it gives none, and is a cluster of its own", () => {
    const made = one({ messages: HELLO });
    expect(made).toMatchObject({ cluster: made.id, risk: "medium", labels: {} });
    expect(made.id).toMatch(/^case_[0-9a-f]{16}$/);
    expect(read([{ messages: HELLO }, { messages: HELLO, tags: ["again"] }]).mistakes).toEqual([
      { line: 2, path: "id", message: "is the case of line 1" },
    ]);
  });

  it("is refused by field", () => {
    expect(wrong({ message: HELLO })).toEqual([
      "messages: is missing: expected an array",
      'message: unknown field (did you mean "messages"?)',
    ]);
    expect(wrong({ messages: [] })).toEqual(["messages: expected at least one message"]);
    expect(wrong({ messages: [...HELLO, { role: "assistant", content: "Hi" }] })).toEqual([
      "messages.1: expected a last message that the model is to answer",
    ]);
    expect(wrong({ messages: HELLO, reference: "a", expected: { reference: "b" } })).toEqual([
      "reference: stands in `expected` already",
    ]);
    expect(wrong({ messages: [{ role: "user", content: 7 }] })).toEqual([
      expect.stringMatching(/^messages\.0\.content/),
    ]);
    expect(wrong({ messages: HELLO, id: "has space" })).toEqual([expect.stringMatching(/^id: expected 1 to 128/)]);
  });
});

describe("samples of OpenAI's Evals", () => {
  // The shapes of docs/build-eval.md in openai/evals.
  it("are messages and the reference", () => {
    const made = one(
      { input: [{ role: "system", content: "Answer." }, ...HELLO], ideal: "Good day" },
      { format: "openai_evals" },
    );
    expect(made).toMatchObject({
      calls: [{ request: { messages: [{ role: "system" }, {}] } }],
      labels: { reference: "Good day" },
    });
    expect(one({ input: "Hello", ideal: ["Hi"] }, { format: "openai_evals" })).toMatchObject({
      calls: [{ request: { messages: HELLO } }],
      labels: { reference: "Hi" },
    });
  });

  it("are refused where they say what no label says", () => {
    expect(wrong({ input: HELLO, ideal: ["a", "b"] }, "openai_evals")).toEqual([
      "ideal: expected one text: no label says `any of these`",
    ]);
    expect(wrong({ input: HELLO, ideal: "a", choice_scores: {} }, "openai_evals")).toEqual([
      "choice_scores: unknown field",
    ]);
  });
});

describe("test cases of promptfoo", () => {
  const test = (assert: readonly object[], vars: object = { q: "Hello" }): object => ({ vars, assert });

  it("are the only variable as the message, or a prompt with a place for each, and labels", () => {
    const asserts = [
      { type: "icontains", value: "hi" },
      { type: "contains-all", value: ["a", "b"] },
      { type: "equals", value: "Good day" },
      { type: "llm-rubric", value: "is kind" },
    ];
    expect(one({ ...test(asserts), description: "greets" }, { format: "promptfoo" })).toMatchObject({
      tags: ["greets"],
      calls: [{ request: { messages: HELLO } }],
      labels: { contains: ["hi", "a", "b"], reference: "Good day", rubric: "is kind" },
    });
    const vars = { name: "Ann", n: 3 };
    expect(
      one(test([{ type: "equals", value: { ok: true } }], vars), {
        format: "promptfoo",
        prompt: "{{name}} wants {{ n }}",
      }),
    ).toMatchObject({
      calls: [{ request: { messages: [{ content: "Ann wants 3" }] } }],
      labels: { json: { ok: true } },
    });
  });

  it("are refused by the name of what does not map", () => {
    const refused = (assertion: object): readonly string[] => wrong(test([assertion]), "promptfoo");
    expect(refused({ type: "javascript", value: "output.length" })).toEqual([
      "assert.0.type: `javascript` has no counterpart here",
    ]);
    expect(refused({ type: "not-contains", value: "x" })).toEqual([
      "assert.0.type: `not-contains` has no counterpart here",
    ]);
    expect(refused({ type: "constructor" })).toEqual(["assert.0.type: `constructor` has no counterpart here"]);
    expect(refused({ type: "contains", value: 3 })).toEqual(["assert.0.value: expected a text"]);
    expect(refused({ type: "equals" })).toEqual(["assert.0.value: expected what the answer equals"]);
    expect(refused({ type: "contains", value: "a", weight: 2 })).toEqual(["assert.0.weight: unknown field"]);
    const equals = { type: "equals", value: "a" };
    expect(wrong(test([equals, equals]), "promptfoo")).toEqual(["assert.1.type: a case has one `reference`"]);
    expect(wrong(test([], { a: "x", b: "y" }), "promptfoo")).toEqual([
      "vars: expected one variable, or a prompt that says where each stands",
    ]);
    expect(wrong(test([], { q: "file://x.txt" }), "promptfoo")).toEqual([
      "vars.q: expected the text itself, not a file",
    ]);
    expect(wrong(test([], { q: ["a", "b"] }), "promptfoo")).toEqual([expect.stringMatching(/^vars\.q: /)]);
    expect(wrong(test([]), "promptfoo", "{{other}}")).toEqual([
      "vars.other: is missing: the prompt has a place for it",
    ]);
    expect(wrong(test([]), "promptfoo", "{{ q | upper }}")).toEqual([
      "prompt: expected no filters or statements, only `{{name}}`",
    ]);
  });
});

describe("an import under a tenant's rules and key", () => {
  const ports = {
    configs: { active: async () => CONFIG },
    masking: { keysOf: async () => [new Uint8Array(64).fill(7)] },
    system: { now: () => START, randomHex: () => "ab".repeat(8) },
  } as unknown as Ports;
  const recorder: Recorder = { write: () => undefined, writeNow: async () => true };

  /** The cases that were kept; nothing is kept of what is refused. */
  async function importedBy(
    given: Ports,
    text: string,
    format: ImportFormat = "cases",
  ): Promise<Outcome<readonly EvalCase[]>> {
    let kept: readonly EvalCase[] = [];
    const evalDatasets = {
      create: async (tenant: string, { cases, ...rest }: { readonly cases: readonly EvalCase[] }) => {
        kept = cases;
        return { ...rest, tenant, version: 1, cases: cases.length, clusters: 1, digest: "d" };
      },
    };
    const outcome = await importVersion(
      { ...given, evalDatasets } as unknown as Ports,
      { tenant: "t", name: "d", by: "k" },
      { text, format, prompt: null },
      recorder,
    );
    if (!outcome.ok) expect(kept).toEqual([]);
    return outcome.ok ? { ok: true, value: kept } : outcome;
  }

  const imported = async (lines: readonly unknown[]): Promise<Outcome<readonly EvalCase[]>> =>
    importedBy(ports, lines.map((line) => JSON.stringify(line)).join("\n"));
  const MAIL = "ann.lee@example.com";
  const KEY = SECRETS["github"]?.() ?? "";

  it("masks every text that others wrote, also JSON within a text, and numbers that are ours stay", async () => {
    const whole = {
      ...ANY,
      id: "whole",
      tags: [MAIL],
      labels: { reference: `write to ${MAIL}`, tools: [{ tool: "crm.note", args: { to: MAIL } }] },
      source: { ...ANY?.source, user: "somebody" },
      calls: ANY?.calls.map((call) => ({
        ...call,
        at: 4_111_111_111_111_111,
        request: { messages: [{ role: "user", content: `I am ${MAIL}` }] },
        reply: { parts: [{ type: "text", text: `Hello ${MAIL}` }], finish: "stop" },
      })),
      tools: [{ name: "a", tool: null, args: JSON.stringify({ mail: MAIL }), content: KEY, is_error: false }],
      asks: ANY?.asks.map((each) => ({
        ...each,
        ask: { ...each.ask, args: { mail: MAIL } },
        outcome: { status: "succeeded", result: { mail: MAIL }, httpStatus: 200 },
      })),
    };
    const outcome = await imported([whole]);
    if (!outcome.ok) throw new Error(JSON.stringify(outcome));
    const text = JSON.stringify(outcome.value);
    expect(KEY).toHaveLength(40);
    expect(text).not.toContain(MAIL);
    expect(text).not.toContain(KEY);
    expect(text).not.toContain("somebody");
    expect(text.match(/\[email_address:/g)?.length).toBeGreaterThanOrEqual(8);
    expect(outcome.value[0]).toMatchObject({
      calls: [{ at: 4_111_111_111_111_111 }, {}, {}],
      source: { user: expect.stringMatching(/^\[user:/) },
      tools: [{ args: expect.stringMatching(/^\{"mail":"\[email_address:/) }],
    });
    // What is masked is masked: the same case goes in again and is the same.
    expect(await imported(outcome.value)).toEqual(outcome);
  });

  it("masks at the paths that the tenant's rules name, as they name them for records", async () => {
    const strict = published({ trace: { masking: { always: ["arguments.note", "result.note", "labels.rubric"] } } });
    const strictPorts = { ...ports, configs: { ...ports.configs, active: async () => strict } };
    const line = {
      ...ANY,
      labels: { tools: [{ tool: "crm.note", args: { note: "label" } }], rubric: "rubric" },
      tools: [{ name: "a", tool: null, args: '{"note":"argument"}', content: '{"note":"result"}', is_error: false }],
      asks: ANY?.asks.slice(0, 1).map((each) => ({
        ...each,
        ask: { ...each.ask, args: { note: "ask" } },
        outcome: { status: "succeeded", result: { note: "outcome" }, httpStatus: 200 },
      })),
    };
    const outcome = await importedBy(strictPorts, JSON.stringify(line));
    const token = expect.stringMatching(/^\[value:[\w-]+\]$/);
    expect(outcome).toMatchObject({
      value: [
        {
          labels: { tools: [{ tool: "crm.note", args: { note: token } }], rubric: token },
          tools: [
            {
              args: expect.stringMatching(/^\{"note":"\[value:/),
              content: expect.stringMatching(/^\{"note":"\[value:/),
            },
          ],
          asks: [{ ask: { tool: "crm.get_customer", args: { note: token } }, outcome: { result: { note: token } } }],
        },
      ],
    });
  });

  it("is all or nothing, each mistake by its line", async () => {
    expect(await imported([{ messages: HELLO }, { messages: [] }])).toMatchObject({
      ok: false,
      code: "invalid_request",
      mistakes: [{ path: "line 2: messages", message: "expected at least one message" }],
    });
    expect(await imported([])).toMatchObject({ ok: false, detail: "no line holds a case" });
  });

  it("refuses an id that tells who somebody is: ids are never masked", async () => {
    const card = "4111111111111111";
    expect(await imported([{ id: `case:${card}`, messages: HELLO }])).toMatchObject({
      mistakes: [
        { path: "line 1: id", message: "expected no payment card's number in it" },
        { path: "line 1: cluster" },
      ],
    });
  });

  it("keeps nothing where the key cannot be had, or a text cannot be masked", async () => {
    const keyless = { ...ports, masking: { keysOf: async () => Promise.reject(new Error("no key")) } };
    await expect(importedBy(keyless, "{}")).rejects.toThrow("no key");
    const unmaskable = read([{ messages: HELLO }], {
      mask: () => {
        throw new Error("too deep");
      },
    });
    expect(unmaskable).toEqual({ cases: [], mistakes: [{ line: 1, path: "", message: "could not be masked" }] });
  });
});
