// Proves how recorded sessions are cut into cases, in every dialect, and what keeps a stretch from being one.
import { describe, expect, it } from "vitest";
import type { Turn } from "../../src/core/dialect/conversation.ts";
import { GENERATING, type GeneratingDialect } from "../../src/core/dialect/names.ts";
import { readCase } from "../../src/core/eval/dataset/import.ts";
import type { EvalCase } from "../../src/core/eval/case.ts";
import { cutCases, type Cut, type CutAround } from "../../src/core/eval/dataset/cut.ts";
import { governedTool } from "../../src/core/eval/dataset/governed-tool.ts";
import { secretInCase } from "../../src/core/eval/dataset/secret-in-case.ts";
import { safeName } from "../../src/core/dialect/tool-names.ts";
import type { OutcomeName, ReportedOutcome } from "../../src/core/trace/outcome.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import { SECRETS } from "./secret-fixtures.ts";
import {
  asks,
  CONFIG,
  INPUT_TOKENS,
  Recording,
  refundStory,
  refundTurns,
  results,
  START,
  user,
} from "./eval-recording.ts";

const AROUND: CutAround = {
  tools: new Map(Object.entries(CONFIG.published.document.tools)),
  outcomes: new Map(),
  labelFromRecording: false,
  isIncomplete: false,
};
const TRACE = "a".repeat(32);

function cut({ records }: Pick<Recording, "records">, around: Partial<CutAround> = {}): readonly Cut[] {
  return cutCases(records, { ...AROUND, ...around });
}

function casesOf(recording: Pick<Recording, "records">, around: Partial<CutAround> = {}): readonly EvalCase[] {
  return cut(recording, around).flatMap((each) => (each.type === "case" ? [each.case] : []));
}

function onlyCase(recording: Pick<Recording, "records">, around: Partial<CutAround> = {}): EvalCase {
  const found = cut(recording, around);
  const [first] = found;
  if (found.length !== 1 || first?.type !== "case") throw new Error(JSON.stringify(found));
  return first.case;
}

function whys(recording: Pick<Recording, "records">): readonly string[] {
  return cut(recording).map((each) => (each.type === "case" ? "case" : each.why));
}

function reported(outcome: OutcomeName | null, at: number): ReportedOutcome {
  return {
    tenant: "t",
    trace_hex: TRACE,
    id: `oc_${at}`,
    outcome,
    labels: {},
    scores: {},
    comment: null,
    source: null,
    at,
    recorded_at: at,
    recorded_by: "k",
    digest: "",
  };
}

const HELLO: Turn = user("Hello");
const GREETS: Turn = { role: "assistant", parts: [{ type: "text", text: "Good day." }] };
const said = (text: string): readonly [{ readonly type: "text"; readonly text: string }] => [{ type: "text", text }];

describe.each(GENERATING.flatMap((dialect) => [false, true].map((isStream) => ({ dialect, isStream }))))(
  "a session of $dialect, streamed: $isStream",
  ({ dialect, isStream }) => {
    it("is one case of its user's message: exact requests, answers, tools with what the model was shown", () => {
      const recording = refundStory({ dialect, isStream });
      const made = onlyCase(recording);
      expect(made.calls.map(({ request }) => request)).toEqual(
        recording.records.filter(({ index }) => index.kind === "chat").map(requestWithoutStream),
      );
      expect(made.calls.map(({ reply }) => reply?.finish)).toEqual(["tool_calls", "tool_calls", "stop"]);
      expect(made.calls[2]?.reply?.parts).toEqual([{ type: "text", text: "It is done." }]);
      expect(made.calls[0]).toMatchObject({ dialect, at: START, cost_micro_usd: 7, input_tokens: INPUT_TOKENS });
      expect(made.tools).toEqual([
        {
          name: "crm_get_customer",
          tool: "crm.get_customer",
          args: '{"id":"cus_123"}',
          content: "a customer",
          is_error: false,
        },
        {
          name: "billing_refund",
          tool: "billing.refund",
          args: '{"id":"cus_123","amount_usd":42}',
          content: expect.stringContaining("done"),
          is_error: false,
        },
      ]);
      expect(made.asks.map(({ ask, status }) => [ask.tool, status])).toEqual([
        ["crm.get_customer", "succeeded"],
        ["billing.refund", "succeeded"],
      ]);
      expect(made.source).toEqual({
        trace_id: `tr_${TRACE}`,
        session: "s1",
        actor: "support",
        release: null,
        user: "user_8812",
      });
      expect(readCase(JSON.parse(JSON.stringify(made)))).toEqual({ ok: true, value: made });
    });

    it("is one case for each message, and a result that only the next message's request shows counts", () => {
      const note = asks("c9", "crm_note", { id: "x" });
      const first: readonly Turn[] = [user("Note it"), { role: "assistant", parts: [note] }];
      const next: Turn = { role: "user", parts: [...results(["c9", "crm_note", "noted"]).parts, ...said("And now?")] };
      const recording = new Recording({ dialect, isStream })
        .model([user("Note it")], [note])
        .tool("crm.note", { id: "x" }, "succeeded")
        .model([...first, next], said("Nothing."));
      const cases = casesOf(recording);
      expect(cases.map(({ calls, tools, asks: governed }) => [calls.length, tools.length, governed.length])).toEqual([
        [1, 1, 1],
        [1, 0, 0],
      ]);
      expect(cases[0]?.tools[0]).toMatchObject({ tool: "crm.note", content: "noted" });
      expect(new Set(cases.map(({ cluster }) => cluster))).toEqual(new Set(["s1"]));
    });
  },
);

function requestWithoutStream({ payloads }: TraceRecord): unknown {
  const body = JSON.parse(payloads.find(({ name }) => name === "request")?.body ?? "") as Record<string, unknown>;
  delete body["stream"];
  delete body["stream_options"];
  return body;
}

describe("a stretch", () => {
  it("ends where the user says something new, and not where the same words come again in the history", () => {
    const recording = new Recording()
      .model([HELLO], said("Good day."))
      .model([HELLO, GREETS, HELLO], said("Good day again."));
    expect(casesOf(recording).map(({ calls }) => calls[0]?.reply?.parts)).toEqual([
      said("Good day."),
      said("Good day again."),
    ]);
  });

  it("keeps a second conversation of the same session apart, though its calls come in between", () => {
    const story = refundStory({ session: "s1" }).records;
    const aside = new Recording({ startsAt: START + 500 }).model([user("Is this about money?")], said("yes")).records;
    const cases = casesOf({ records: [...story, ...aside] });
    expect(cases.map(({ calls, tools }) => [calls.length, tools.length])).toEqual([
      [3, 2],
      [1, 0],
    ]);
  });

  it("keeps it apart also where it was asked the same, by which of them waits for a tool", () => {
    const story = refundStory().records;
    const words = "Please refund $42 to cus_123, the parcel arrived broken.";
    const aside = new Recording({ startsAt: START + 500 }).model([user(words)], said("billing")).records;
    const done: Turn = { role: "assistant", parts: said("It is done.") };
    const next = new Recording({ startsAt: START + 60_000 }).model(
      [...refundTurns(), done, user("Thank you")],
      said("Gladly."),
    );
    const cases = casesOf({ records: [...story, ...aside, ...next.records] });
    expect(cases.map(({ calls, tools }) => [calls.length, tools.length])).toEqual([
      [3, 2],
      [1, 0],
      [1, 0],
    ]);
  });

  it("goes on where the model's own words come last: they are to be continued", () => {
    const begun: Turn = { role: "assistant", parts: said("Good") };
    const recording = new Recording({ dialect: "messages" })
      .model([HELLO], said("Good"))
      .model([HELLO, begun], said(" day."));
    expect(onlyCase(recording).calls).toHaveLength(2);
  });

  it("has tool calls that came before its first model call, and those of its time alone", () => {
    const recording = new Recording()
      .tool("crm.get_customer", {}, "succeeded", "before")
      .model([HELLO], said("Good day."))
      .tool("crm.note", {}, "succeeded", "first")
      .model([HELLO, GREETS, user("And?")], said("Nothing."))
      .tool("crm.erase", {}, "succeeded", "second");
    expect(casesOf(recording).map(({ asks: governed }) => governed.map(({ ask }) => ask.tool))).toEqual([
      ["crm.get_customer", "crm.note"],
      ["crm.erase"],
    ]);
  });

  it("has arguments as the model wrote them, and a result as it was first shown", () => {
    const look = { ...asks("c1", "search", {}), args: '{ "q":  1 }' };
    const more = asks("c2", "search", { q: 2 });
    const rewritten: Turn = { role: "assistant", parts: [{ ...look, args: '{"q":1}' }] };
    const first: readonly Turn[] = [HELLO, rewritten, results(["c1", "search", "seen"])];
    const cleared: readonly Turn[] = [
      HELLO,
      rewritten,
      results(["c1", "search", "[cleared]"]),
      { role: "assistant", parts: [more] },
      results(["c2", "search", "more"]),
    ];
    const recording = new Recording().model([HELLO], [look]).model(first, [more]).model(cleared, said("ok"));
    expect(onlyCase(recording).tools.map(({ args, content }) => [args, content])).toEqual([
      ['{ "q":  1 }', "seen"],
      ['{"q":2}', "more"],
    ]);
  });

  it("is spoiled by a call in its midst that cannot be read, and others are not", () => {
    const story = refundStory().records;
    const records = story.map((record, at) =>
      at === 2
        ? { ...record, payloads: record.payloads.map((each) => ({ ...each, body: null, omitted: "x" })) }
        : record,
    );
    const after = new Recording({ startsAt: START + 60_000 }).model([user("Thank you")], said("Gladly.")).records;
    expect(whys({ records: [...records, ...after] })).toEqual(["body_omitted", "case"]);
  });

  it("leaves a failed call out, and is one with the message that was sent again", () => {
    const recording = new Recording().model([HELLO], null, { status: "failed" }).model([HELLO], said("Good day."));
    expect(onlyCase(recording).calls).toHaveLength(1);
    expect(whys(new Recording().model([HELLO], null, { status: "failed" }))).toEqual(["not_answered"]);
  });

  it("takes results from a request that failed: the model's next call was to see them", () => {
    const look = asks("c1", "crm_get_customer", { id: "y" });
    const shown: readonly Turn[] = [HELLO, { role: "assistant", parts: [look] }, results(["c1", look.name, "seen"])];
    const recording = new Recording().model([HELLO], [look]).model(shown, null, { status: "failed" });
    expect(onlyCase(recording)).toMatchObject({ calls: [{}], tools: [{ content: "seen" }] });
  });

  it("goes on where the caller caches the prompt up to another place", () => {
    const cached = (text: string): Turn => ({ role: "user", parts: [{ type: "text", text, cache: { ttl: "5m" } }] });
    const look = asks("c1", "crm_get_customer", { id: "y" });
    const after: readonly Turn[] = [HELLO, { role: "assistant", parts: [look] }, results(["c1", look.name, "seen"])];
    const recording = new Recording({ dialect: "messages" }).model([cached("Hello")], [look]).model(after, said("ok"));
    expect(JSON.stringify(recording.records[0])).toContain("cache_control");
    expect(onlyCase(recording).calls).toHaveLength(2);
  });

  it("has no tool for a call whose result nobody saw", () => {
    expect(onlyCase(new Recording().model([HELLO], [asks("c1", "search", {})])).tools).toEqual([]);
  });

  it("is no case where it begins in the midst of the work", () => {
    const [, ...later] = refundStory().records;
    expect(whys({ records: later })).toEqual(["begins_midway"]);
  });
});

describe("what is no case", () => {
  const withPayload = (
    name: string,
    change: (payload: TraceRecord["payloads"][number]) => TraceRecord["payloads"][number],
  ): Pick<Recording, "records"> => ({
    records: refundStory().records.map((record) => ({
      ...record,
      payloads: record.payloads.map((payload) => (payload.name === name ? change(payload) : payload)),
    })),
  });

  it("names what is missing or broken, and nothing of it is cut", () => {
    const gone = withPayload("request", (payload) => ({ ...payload, body: null, omitted: "sampled out" }));
    expect(new Set(whys(gone))).toEqual(new Set(["body_omitted"]));
    const lost = withPayload("response", (payload) => ({ ...payload, body: null, omitted: "too large" }));
    expect(new Set(whys(lost))).toContain("body_omitted");
    const garbled = withPayload("request", (payload) => ({ ...payload, body: "{not json" }));
    expect(new Set(whys(garbled))).toEqual(new Set(["body_unreadable"]));
    const other = withPayload("response", (payload) => ({ ...payload, body: '{"hello":1}' }));
    expect(new Set(whys(other))).toContain("body_unreadable");
  });

  it("names an answer that broke off, in every dialect", () => {
    const broken = (dialect: GeneratingDialect): readonly string[] => {
      const records = new Recording({ dialect, isStream: true }).model([HELLO], said("Good day.")).records;
      return whys({
        records: records.map((record) => ({
          ...record,
          payloads: record.payloads.map((payload) =>
            payload.name === "response" ? { ...payload, body: firstFrames(payload.body ?? "") } : payload,
          ),
        })),
      });
    };
    expect(GENERATING.map(broken)).toEqual(GENERATING.map(() => ["answer_cut_off"]));
  });

  it("is a session without a model call, and calls that evals made themselves", () => {
    expect(whys({ records: [] })).toEqual(["no_model_call"]);
    expect(whys(new Recording().tool("crm.note", {}, "succeeded"))).toEqual(["no_model_call"]);
    const replayed = refundStory().records.map((record) => ({
      ...record,
      index: { ...record.index, kind: "replay" as const },
    }));
    expect(whys({ records: replayed })).toEqual(["no_model_call"]);
  });

  it("is a case of more than 1 MiB of UTF-8, all its requests together", () => {
    const loop = (text: string, rounds: number): Recording => {
      const recording = new Recording();
      let turns: readonly Turn[] = [user(text)];
      for (let round = 1; round < rounds; round += 1) {
        const call = asks(`c${round}`, "search", { round });
        recording.model(turns, [call]);
        turns = [...turns, { role: "assistant", parts: [call] }, results([call.id, call.name, "none"])];
      }
      return recording.model(turns, said("ok"));
    };
    expect(whys(loop("x".repeat(400_000), 2))).toEqual(["case"]);
    expect(whys(loop("x".repeat(400_000), 3))).toEqual(["too_large"]);
    expect(whys(loop("é".repeat(300_000), 2))).toEqual(["too_large"]);
  });
});

function firstFrames(text: string): string {
  const frames = text.split(/\r?\n\r?\n/);
  return `${frames.slice(0, Math.max(1, frames.findIndex((frame) => frame.includes("Good")) + 1)).join("\n\n")}\n\n`;
}

describe("what a case says of itself", () => {
  it("has an id of its content alone: not of tenant, session, trace or time", () => {
    const one = onlyCase(refundStory());
    const other = onlyCase(refundStory({ session: "s2", trace: "b", startsAt: START + 9e6 }));
    expect(other.id).toBe(one.id);
    expect(one.id).toMatch(/^case_[0-9a-f]{16}$/);
    expect(onlyCase(refundStory({}, 43)).id).not.toBe(one.id);
  });

  it("is tagged with tools, models, releases, denials, approvals and outcomes, each once", () => {
    const recording = refundStory({ release: "r7" })
      .tool("billing.refund", { amount_usd: 75 }, "denied", "d")
      .tool("billing.refund", { amount_usd: 48 }, "pending_approval", "p")
      .approved("billing.refund", { amount_usd: 48 });
    const outcomes = new Map([[TRACE, [reported("resolved", 1), reported("complaint", 3), reported(null, 4)]]]);
    expect(onlyCase(recording, { outcomes, isIncomplete: true })).toMatchObject({
      tags: [
        "approved",
        "denied",
        "incomplete",
        "model:m",
        "outcome:complaint",
        "release:r7",
        "tool:billing.refund",
        "tool:crm.get_customer",
      ],
      outcome: "complaint",
      risk: "critical",
    });
  });

  it("weighs its risk by what its calls could do and what came of them", () => {
    const risk = (recording: Recording, outcome?: OutcomeName): string =>
      onlyCase(recording, {
        outcomes: outcome === undefined ? new Map() : new Map([[TRACE, [reported(outcome, 1)]]]),
      }).risk;
    const plain = (): Recording => new Recording().model([HELLO], said("ok"));
    expect(risk(plain())).toBe("low");
    expect(risk(plain().tool("crm.get_customer", {}, "succeeded"))).toBe("low");
    expect(risk(plain(), "resolved")).toBe("low");
    expect(risk(plain().tool("crm.note", {}, "succeeded"))).toBe("medium");
    expect(risk(plain().tool("billing.refund", {}, "succeeded"))).toBe("medium");
    expect(risk(plain(), "escalated")).toBe("high");
    expect(risk(plain().tool("crm.note", {}, "denied"))).toBe("high");
    expect(risk(plain().tool("billing.refund", { amount_usd: 1 }, "succeeded"))).toBe("high");
    expect(risk(plain().tool("crm.erase", {}, "succeeded"))).toBe("high");
    expect(risk(plain().tool("crm.erase", {}, "denied"))).toBe("critical");
    expect(risk(plain().tool("billing.refund", { amount_usd: 1 }, "succeeded"), "complaint")).toBe("critical");
  });

  it("leaves repeats of a tool call out, and says where an ask is not kept", () => {
    const recording = new Recording()
      .model([HELLO], said("ok"))
      .tool("crm.note", {}, "succeeded", "n")
      .tool("crm.note", {}, "replayed", "n");
    expect(onlyCase(recording).asks).toHaveLength(1);
    const records = recording.records.map((record) => ({
      ...record,
      payloads: record.payloads.filter(({ name }) => name !== "ask"),
    }));
    expect(onlyCase({ records })).toMatchObject({ asks: [], tags: ["ask_missing", "model:m"] });
  });

  it("has no labels unless the recording is to propose them: tools that succeeded, and the outcome", () => {
    const outcomes = new Map([[TRACE, [reported("refunded", 1)]]]);
    expect(onlyCase(refundStory(), { outcomes }).labels).toEqual({});
    expect(onlyCase(refundStory(), { outcomes, labelFromRecording: true }).labels).toEqual({
      tools: [
        { tool: "crm.get_customer", args: { id: "cus_123" } },
        { tool: "billing.refund", args: { id: "cus_123", amount_usd: 42 } },
      ],
      outcome: "refunded",
    });
    const denied = asks("c1", "billing_refund", { amount_usd: 9 });
    const refused = new Recording()
      .model([HELLO], [denied])
      .tool("billing.refund", { amount_usd: 9 }, "denied")
      .model([HELLO, { role: "assistant", parts: [denied] }, results(["c1", denied.name, "no"])], said("I may not."));
    expect(onlyCase(refused, { labelFromRecording: true })).toMatchObject({ labels: {}, tools: [{ content: "no" }] });
  });

  it("proposes a call whose arguments the caller changed on its way, and none whose result was an error", () => {
    const note = asks("c1", "crm_note", { id: "x" });
    const find = asks("c2", "search", { q: 1 });
    const [noted, found] = [results(["c1", "crm_note", "ok"]), results(["c2", "search", "gone"])];
    const failed = found.parts.map((part) => (part.type === "tool_result" ? { ...part, isError: true } : part));
    const recording = new Recording({ dialect: "messages" })
      .model([HELLO], [note, find])
      .tool("crm.note", { id: "x", by: "agent" }, "succeeded")
      .model(
        [HELLO, { role: "assistant", parts: [note, find] }, { role: "user", parts: [...noted.parts, ...failed] }],
        said("ok"),
      );
    const made = onlyCase(recording, { labelFromRecording: true });
    expect(made.tools.map(({ is_error }) => is_error)).toEqual([false, true]);
    expect(made.labels).toEqual({ tools: [{ tool: "crm.note", args: { id: "x" } }] });
  });
});

describe("a function's name", () => {
  it("stands for the tool of that name, of that safe spelling, or the only one that reads so", () => {
    const tools = ["billing.refund", "crm.note", "search"];
    expect(governedTool("search", tools)).toBe("search");
    expect(governedTool(safeName("billing.refund"), tools)).toBe("billing.refund");
    expect(governedTool("crm_note", tools)).toBe("crm.note");
    expect(governedTool("crm_notes", tools)).toBeNull();
    expect(governedTool("a_b_c", ["a.b_c", "a_b.c"])).toBeNull();
    expect(governedTool("a_b_c", ["a.b_c", "a_b.c", "a_b_c"])).toBe("a_b_c");
  });
});

describe("a case that holds a secret", () => {
  const withArgs = (args: object): EvalCase => {
    const call = asks("c1", "search", args);
    const turns: readonly Turn[] = [HELLO, { role: "assistant", parts: [call] }, results(["c1", "search", "none"])];
    return onlyCase(new Recording().model([HELLO], [call]).model(turns, said("ok")));
  };

  it("is found by the name of a field and by a vendor's shape, and marks of the masker are none", () => {
    expect(secretInCase(withArgs({ q: "weather" }))).toBeUndefined();
    expect(secretInCase(withArgs({ password: "hunter2hunter2" }))).toBe("named-secret");
    expect(secretInCase(withArgs({ q: `token ${SECRETS["github"]?.()}` }))).toBeDefined();
    expect(secretInCase(withArgs({ password: "[secret:named-secret]" }))).toBeUndefined();
    expect(secretInCase(withArgs({ password: `[staff_no:${"a1B2".repeat(10)}]` }), ["staff_no"])).toBeUndefined();
    expect(secretInCase(withArgs({ password: `[staff_no:${"a1B2".repeat(10)}]` }))).toBe("named-secret");
  });
});
