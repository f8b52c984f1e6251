// Routes by which a config change is looked at before it is made: check, diff, replay.
import * as z from "zod/mini";
import { CHANGE_GROUPS } from "../../core/config/diff.ts";
import { ConfigDocument } from "../../core/config/document.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { EFFECTS } from "../../core/policy/decision.ts";
import type { ReplayExample } from "../../core/policy/replay/replay-report.ts";
import { MAX_REPLAYED, replayPolicy, type PolicyReplay, type ReplayQuestion } from "../../gateway/replay-policy.ts";
import { compareVersions, reviewCandidate } from "../../gateway/review-config.ts";
import type { HttpContext } from "../context.ts";
import { readCandidate } from "./config-candidate.ts";
import { problem } from "./errors.ts";
import { readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const effect = z.enum(EFFECTS);
const Change = z.object({
  group: z.enum(CHANGE_GROUPS),
  kind: z.enum(["added", "removed", "changed"]),
  path: z.string(),
  before: z.optional(z.unknown()),
  after: z.optional(z.unknown()),
  says: z.string(),
  widens: z.boolean(),
  narrows: z.boolean(),
});
const Boundaries = z.object({
  probes: z.int(),
  truncated: z.boolean(),
  changes: z.array(
    z.object({
      tool: z.string(),
      actor: z.string(),
      probe: z.string(),
      args: z.record(z.string(), z.unknown()),
      before: effect,
      after: effect,
    }),
  ),
});
const Mistake = z.object({ path: z.string(), message: z.string() });
const Checked = z.object({
  ok: z.boolean(),
  digest: z.string(),
  warnings: z.array(Mistake),
  diff: z.array(Change),
  boundaries: Boundaries,
});
const Compared = z.object({ from: z.int(), to: z.int(), diff: z.array(Change), boundaries: Boundaries });

const instant = z.union([z.iso.datetime({ offset: true }), z.int().check(z.gte(0))]);
const Question = z.strictObject({
  /** A candidate document; or `version`, a published one. */
  config: z.optional(z.record(z.string(), z.unknown())),
  version: z.optional(z.int().check(z.gte(1))),
  /** RFC 3339 time or epoch milliseconds; 24 hours before `to` when left out. */
  from: z.optional(instant),
  /** Now when left out. */
  to: z.optional(instant),
  actor: z.optional(z.string()),
  /** Decides calls of this tool only; the others still count as history. */
  tool: z.optional(z.string()),
  /** Tool calls read at most, the newest first. */
  limit: z.optional(z.int().check(z.gte(1), z.lte(MAX_REPLAYED))),
});

const Side = z.object({
  effect,
  reasons: z.array(z.object({ rule_id: z.string(), effect, values: z.optional(z.record(z.string(), z.unknown())) })),
});
const Example = z.object({
  tool_call_id: z.nullable(z.string()),
  trace_id: z.string(),
  at: z.string(),
  tool: z.string(),
  actor: z.string(),
  amount_usd: z.string(),
  before: Side,
  after: Side,
});
const moved = { count: z.int(), amount_usd: z.string(), examples: z.array(Example) };
const Replay = z.object({
  active: z.string(),
  candidate: z.string(),
  from: z.string(),
  to: z.string(),
  read: z.int(),
  truncated: z.boolean(),
  sessions_cut: z.int(),
  evaluated: z.int(),
  changed: z.int(),
  newly_allowed_writes: z.object({ ...moved, needs_review: z.boolean() }),
  transitions: z.array(z.object({ from: effect, to: effect, ...moved })),
  by_rule: z.array(z.object({ rule_id: z.string(), appears: z.int(), disappears: z.int() })),
  by_tool: z.array(z.object({ tool: z.string(), evaluated: z.int(), changed: z.int() })),
  changed_amount_usd: z.string(),
  not_replayed: z.array(z.object({ why: z.string(), count: z.int() })),
  drift: z.object({
    count: z.int(),
    examples: z.array(z.object({ trace_id: z.string(), recorded: z.string(), now: effect })),
  }),
  notes: z.array(z.string()),
});

/** What every replay rests on. */
const NOTES = [
  "no kill switch was set and no approval was given in the replay: what a person decided then is not decided again",
  "limits are counted within the window alone, for the active version and the candidate alike",
];

/** The routes. */
export const configReviewRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/config/check",
    operationId: "checkConfig",
    summary: "Check a config without publishing it, and compare it with the active version",
    tag: "config",
    permission: "config.read",
    body: ConfigDocument,
    responses: {
      200: { description: "It could be published; what that would change", schema: Checked },
      422: { description: "Every mistake in the document, with its path" },
    },
    answer: async (c) => {
      const read = await readCandidate(c);
      if (!read.ok) return problem(read);
      const { ports, deployment } = c.var.runtime;
      const checked = await reviewCandidate(ports, deployment, read.value.principal, read.value.candidate);
      return checked.ok ? Response.json({ ok: true, ...checked.value }) : problem(checked);
    },
  },
  {
    method: "GET",
    path: "/v1/config/diff",
    operationId: "diffConfig",
    summary: "Compare two published versions: what changed, and where decisions differ at the edges",
    tag: "config",
    permission: "config.read",
    parameters: [
      { name: "from", in: "query", description: "A version number, 0 for none; the one before `to` when left out" },
      { name: "to", in: "query", description: "A version number; the active one when left out" },
    ],
    responses: {
      200: { description: "The changes", schema: Compared },
      404: { description: "No such version" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const asked = readVersions(c);
      if (!asked.ok) return problem(asked);
      const compared = await compareVersions(c.var.runtime.ports, tenant.value, asked.value);
      return compared.ok ? Response.json(compared.value) : problem(compared);
    },
  },
  {
    method: "POST",
    path: "/v1/config/replay",
    operationId: "replayConfig",
    summary: "Decide recorded calls again under a candidate policy: what would have changed",
    tag: "config",
    permission: "config.read",
    body: Question,
    responses: {
      200: { description: "Changed decisions, newly allowed writes first", schema: Replay },
      422: { description: "Every mistake in the candidate, with its path" },
      503: { description: "Nothing is published to compare with" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const body = await readBody(c, Question);
      if (!body.ok) return problem(body);
      const question = questionOf(body.value);
      if (!question.ok) return problem(question);
      const replayed = await replayPolicy(c.var.runtime.ports, tenant.value, question.value);
      return replayed.ok ? Response.json(shownReplay(replayed.value)) : problem(replayed);
    },
  },
];

function readVersions(c: HttpContext): Outcome<{ readonly from?: number; readonly to?: number }> {
  const [from, to] = [c.req.query("from"), c.req.query("to")];
  const wrong = [
    ...(from === undefined || /^\d{1,9}$/.test(from) ? [] : ["from"]),
    ...(to === undefined || /^[1-9]\d{0,8}$/.test(to) ? [] : ["to"]),
  ];
  if (wrong.length > 0)
    return refuse("invalid_request", `${wrong.join(", ")}: expected a version number`, {
      mistakes: wrong.map((path) => ({ path, message: "expected a version number" })),
    });
  return accept({
    ...(from === undefined ? {} : { from: Number(from) }),
    ...(to === undefined ? {} : { to: Number(to) }),
  });
}

function questionOf(body: z.infer<typeof Question>): Outcome<ReplayQuestion> {
  const { config, version, from, to, actor, tool, limit } = body;
  if ((config === undefined) === (version === undefined))
    return refuse("invalid_request", "expected either `config` (a candidate document) or `version` (a published one)", {
      mistakes: [{ path: "config", message: "expected either config or version" }],
    });
  return accept({
    candidate: version === undefined ? { document: config } : { version },
    ...(from === undefined ? {} : { from: msOf(from) }),
    ...(to === undefined ? {} : { to: msOf(to) }),
    ...(actor === undefined ? {} : { actor }),
    ...(tool === undefined ? {} : { tool }),
    ...(limit === undefined ? {} : { limit }),
  });
}

function msOf(instant: string | number): number {
  return typeof instant === "number" ? instant : Date.parse(instant);
}

function shownReplay(found: PolicyReplay): z.infer<typeof Replay> {
  const time = (ms: number): string => new Date(ms).toISOString();
  const shown = <T extends { readonly examples: readonly ReplayExample[] }>(
    part: T,
  ): Omit<T, "examples"> & { examples: z.infer<typeof Example>[] } => ({
    ...part,
    examples: part.examples.map(({ at_ms, before, after, ...rest }) => ({
      ...rest,
      at: time(at_ms),
      before: { ...before, reasons: [...before.reasons] },
      after: { ...after, reasons: [...after.reasons] },
    })),
  });
  const { count } = found.newly_allowed_writes;
  return {
    ...found,
    from: time(found.from),
    to: time(found.to),
    newly_allowed_writes: { ...shown(found.newly_allowed_writes), needs_review: count > 0 },
    transitions: found.transitions.map(shown),
    by_rule: [...found.by_rule],
    by_tool: [...found.by_tool],
    not_replayed: [...found.not_replayed],
    drift: { ...found.drift, examples: [...found.drift.examples] },
    notes: NOTES,
  };
}
