// Builds cases, episodes and graders for unit tests of evals.
import fc from "fast-check";
import { GraderDocument, type GraderEntry, type GraderOf } from "../../src/core/config/grader-document.ts";
import type { CaseCall, CaseTool, EvalCase } from "../../src/core/eval/case.ts";
import type { Episode, EpisodeCall, EpisodeTurn } from "../../src/core/eval/episode.ts";
import { compileGrader } from "../../src/core/eval/graders/cel.ts";
import { grade } from "../../src/core/eval/graders/grade.ts";
import type { Graded } from "../../src/core/eval/graders/graded.ts";
import type { Grade } from "../../src/core/eval/grade.ts";
import type { RecordedCall } from "../../src/core/policy/replay/recorded-call.ts";

/** A parsed grader of a kind. */
export function grader<K extends GraderEntry["kind"]>(kind: K, members: object = {}): GraderOf<K> {
  return GraderDocument.parse({ id: "g", kind, ...members }) as GraderOf<K>;
}

/** A turn that says a text and makes calls. */
export function turn(text: string, calls: readonly EpisodeCall[] = [], more: Partial<EpisodeTurn> = {}): EpisodeTurn {
  const figures = { duration_ms: 200, cost_micro_usd: 30, input_tokens: 10, output_tokens: 5 };
  return { text, refusal: null, finish: "stop", calls, model: "small", ...figures, ...more };
}

/** A call of a governed tool, by the name that models use for it. */
export function call(tool: string, args: object | string = {}, more: Partial<EpisodeCall> = {}): EpisodeCall {
  return {
    name: tool.replaceAll(".", "_"),
    tool,
    args: typeof args === "string" ? args : JSON.stringify(args),
    decision: { effect: "allow", rules: [] },
    answer: "recorded",
    result: "{}",
    ...more,
  };
}

/** A completed episode. */
export function episode(turns: readonly EpisodeTurn[], more: Partial<Episode> = {}): Episode {
  return { status: "completed", why: null, turns, call: null, ...more };
}

/** A recorded model call that answered a text, with a request that shows some results. */
export function caseCall(request: CaseCall["request"], parts: NonNullable<CaseCall["reply"]>["parts"]): CaseCall {
  const figures = { at: 1_000, duration_ms: 300, cost_micro_usd: 40, input_tokens: 12, output_tokens: 6 };
  return { dialect: "chat", request, reply: { parts, finish: "stop" }, ...figures };
}

/** A recorded tool call. */
export function caseTool(tool: string, content: string, args: object = {}): CaseTool {
  return { name: tool.replaceAll(".", "_"), tool, args: JSON.stringify(args), content, is_error: false };
}

/** A governed call as the policy saw it. */
export function ask(tool: string, args: RecordedCall["ask"]["args"], effect = "allow"): RecordedCall {
  return {
    callId: null,
    traceId: "t",
    startedAt: 1_000,
    endedAt: 1_001,
    status: effect === "allow" ? "succeeded" : "denied",
    effect,
    ask: {
      actor: "a",
      principal: { key_id: "k", roles: ["agent"], scopes: ["*"] },
      tool,
      args,
      constraints: {},
      session: "s",
      task: null,
      intent: null,
      confidence: null,
      user: null,
      user_origin: "declared",
      user_prompt: null,
      release: null,
      confirmed: false,
    },
    outcome: null,
  };
}

/** A case with one recorded call. */
export function evalCase(more: Partial<EvalCase> = {}): EvalCase {
  return {
    id: "case_1",
    cluster: "session_1",
    source: null,
    tags: ["tool:crm.read"],
    risk: "medium",
    labels: {},
    injection: null,
    outcome: null,
    calls: [caseCall({ messages: [{ role: "user", content: "hello" }] }, [{ type: "text", text: "hi" }])],
    tools: [],
    asks: [],
    ...more,
  };
}

/** What a grader says of an episode; compiles an expression first. */
export function say(entry: GraderEntry, tested: Episode, more: Partial<Graded> = {}): Grade {
  if (entry.kind === "judge") throw new Error("a judge is asked elsewhere");
  const compiled = entry.kind === "cel" ? compileGrader(entry) : undefined;
  if (compiled?.ok === false) throw new Error(compiled.message);
  const each = more.case ?? evalCase();
  return grade(entry, { case: each, episode: tested, recorded: episode([turn("hi")]), ...more }, compiled?.grader);
}

/** The value alone. */
export function valueOf(entry: GraderEntry, tested: Episode, more: Partial<Graded> = {}): number | null {
  return say(entry, tested, more).value;
}

const words = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.json({ maxDepth: 3 }),
  fc.constantFrom("", "[doc-1]", '```json\n{"n": 1}\n```', "jane@example.com", "\uD800", "42", "__proto__"),
);
const args = fc.oneof(words, fc.constantFrom("{}", "", "[]", '{"__proto__":1}', '{"a":{"b":[1,2]}}'));
const names = fc.constantFrom("crm.read", "billing.refund", "constructor", "", "*");

/** Any call. */
const anyCall: fc.Arbitrary<EpisodeCall> = fc.record({
  name: names,
  tool: fc.option(names, { nil: null }),
  args,
  decision: fc.option(
    fc.record({
      effect: fc.constantFrom("allow", "draft", "require_approval", "deny"),
      rules: fc.array(fc.constantFrom("r1", "r2"), { maxLength: 2 }),
    }),
    { nil: null },
  ),
  answer: fc.constantFrom("recorded", "simulated", "denied", "waiting", "invalid", "divergent", "asked"),
  result: words,
});

const anyTurn: fc.Arbitrary<EpisodeTurn> = fc.record({
  text: words,
  refusal: fc.option(words, { nil: null }),
  finish: fc.constantFrom("stop", "length", null),
  calls: fc.array(anyCall, { maxLength: 3 }),
  model: fc.constant(null),
  duration_ms: fc.nat(),
  cost_micro_usd: fc.nat(),
  input_tokens: fc.nat(),
  output_tokens: fc.nat(),
});

/** Any episode, none of its turns included. */
export const anyEpisode: fc.Arbitrary<Episode> = fc.record({
  status: fc.constantFrom("completed", "divergent", "cut", "failed"),
  why: fc.option(fc.constant("because"), { nil: null }),
  turns: fc.array(anyTurn, { maxLength: 3 }),
  call: fc.option(fc.nat({ max: 2 }), { nil: null }),
});

const anyLabel = fc.oneof(
  fc.record({ tool: names }),
  fc.record({ tool: names, args: fc.constantFrom({ a: 1 }, { a: { b: [1, 2] } }, {}) }),
);

/** Any case with labels of all sorts. */
export const anyCase: fc.Arbitrary<EvalCase> = fc
  .record({
    tools: fc.option(fc.array(anyLabel, { maxLength: 3 }), { nil: undefined }),
    forbidden: fc.option(fc.array(anyLabel, { maxLength: 3 }), { nil: undefined }),
    contains: fc.option(fc.array(words, { maxLength: 2 }), { nil: undefined }),
    reference: fc.option(words, { nil: undefined }),
    json: fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }),
    canary: fc.option(fc.constant("CNRY-0123456789ab"), { nil: undefined }),
    kept: fc.boolean(),
  })
  .map(({ canary, kept, ...labels }) => {
    const whole = evalCase();
    const given = Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== undefined));
    return {
      ...whole,
      labels: given,
      injection: canary === undefined ? null : { id: "override-1", at: 0, canary },
      calls: whole.calls.map((each) => (kept ? each : { ...each, reply: null })),
    };
  });

/** One grader of each kind but judges, some of them in several forms. */
export const ALL_GRADERS: readonly GraderEntry[] = [
  grader("completed"),
  grader("json_schema", { schema: { type: "object" } }),
  grader("json_schema", { schema: { type: "object", required: ["a"] }, target: "args" }),
  grader("exact"),
  grader("exact", { value: "x", path: "a.b", ignore_case: true }),
  grader("contains"),
  grader("contains", { values: ["hi"], path: "a" }),
  grader("regex", { pattern: "^[a-z]+$" }),
  grader("regex", { pattern: "secret", forbid: true, ignore_case: true }),
  grader("numeric", { expected: 42, rel: 0.1 }),
  grader("numeric", { path: "a.0", abs: 1 }),
  grader("tool_choice"),
  grader("arguments"),
  grader("arguments", { match: "exact", tolerance: 0.1, ignore: ["a.b", "constructor"] }),
  grader("calls", { order: "strict", min: 1, max: 2, repeats: 1 }),
  grader("forbidden", { tools: ["billing.*"] }),
  grader("policy"),
  grader("policy", { as: "pass", allow: ["allow", "draft"] }),
  grader("leakage"),
  grader("citation"),
  grader("citation", { open: "|", close: "|", min: 0, field: "id" }),
  grader("cost"),
  grader("latency"),
  grader("tokens", { of: "input" }),
  grader("steps"),
  grader("cel", { expression: "size(episode.calls) == 1" }),
  grader("cel", { expression: "episode.calls.filter(c, c.effect == 'deny').size()", as: "violation" }),
  grader("cel", { expression: "double(episode.tool_calls) / 2.0", as: "score" }),
  grader("cel", { expression: "episode.tokens", as: "amount" }),
  grader("cel", { expression: "episode.calls[0].args.a > 1" }),
];
