// Routes of canaries: how one stands, and how two releases compare.
import * as z from "zod/mini";
import { versionName } from "../../core/config/release-document.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { compareReleases, type CompareAsk } from "../../gateway/compare-releases.ts";
import type { WatchRow } from "../../gateway/ports/canaries.ts";
import type { HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { readInstant, unknownParameters } from "./page-query.ts";
import { pathParameter, refusedFor, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const AGENT: Parameter = { name: "agent", in: "path", description: "An agent of the config", required: true };
const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 7;
const MAX_DAYS = 31;
const WATCHES = 20;

const Totals = z.object({ n: z.int(), sum: z.number(), sum_squares: z.number() });
const Arm = z.object({
  release: z.string(),
  sessions: z.int(),
  drawn: z.int(),
  errors: z.int(),
  denials: z.int(),
  good: z.int(),
  cost: Totals,
  latency: Totals,
});
const state = z.enum(["watching", "worse", "within", "better"]);
const figure = z.nullable(z.number());
const Metric = z.object({
  id: z.string(),
  kind: z.string(),
  state,
  says: z.string(),
  method: z.string(),
  alpha: z.number(),
  n_live: z.int(),
  n_canary: z.int(),
  live: figure,
  canary: figure,
  /** Of rates the difference, of cost and latency the ratio less one; `lower` and `upper` hold whenever one looks. */
  delta: figure,
  lower: figure,
  upper: figure,
  margin: z.number(),
  e_value: z.number(),
  p: z.number(),
});
const look = {
  state,
  says: z.string(),
  metrics: z.array(Metric),
  live: Arm,
  canary: Arm,
  sample_ratio: z.nullable(z.object({ bayes_factor: z.number(), is_alarm: z.boolean() })),
  /** Sessions that had calls of both releases: they are left out. */
  mixed: z.int(),
  calls: z.int(),
};
const WatchView = z.object({
  ...look,
  generation: z.int(),
  release: z.string(),
  live_release: z.string(),
  status: z.enum(["watching", "worse", "ended"]),
  started_at: z.string(),
  looked_at: z.string(),
  /** A long canary is compared in one window after the other. */
  window: z.int(),
  window_from: z.string(),
});
const Standing = z.object({
  agent: z.string(),
  live: z.string(),
  canary: z.nullable(z.string()),
  weight: z.int(),
  watches: z.array(WatchView),
});
const Compared = z.object({
  ...look,
  from: z.string(),
  to: z.string(),
  /** Whether the window has more calls than are read. */
  is_cut: z.boolean(),
  /** `p` and intervals hold for a window that was chosen before anybody looked: of this one nobody can know. */
  is_always_valid: z.literal(false),
  /** Nobody knows whether sessions were drawn between the two by lot. */
  is_randomised: z.literal(false),
  note: z.string(),
});
const NOTE =
  "a window that was chosen after looking, or releases that did not run side by side, make a difference say less than its p";

/** The routes. */
export const canaryRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/agents/:agent/canary",
    operationId: "getCanary",
    summary: "Read how an agent's canary stands against what is live, and what earlier watches found",
    tag: "releases",
    permission: "releases.read",
    parameters: [AGENT],
    responses: {
      200: { description: "The canary and its watches, newest first", schema: Standing },
      404: { description: "No such agent" },
    },
    answer: (c) => read(c),
  },
  {
    method: "GET",
    path: "/v1/agents/:agent/compare",
    operationId: "compareReleases",
    summary: "Compare two releases on the sessions that each had in a window",
    tag: "releases",
    permission: "releases.read",
    parameters: [
      AGENT,
      { name: "a", in: "query", description: "What is compared with", required: true },
      { name: "b", in: "query", description: "What is compared", required: true },
      { name: "from", in: "query", description: "RFC 3339 time; seven days before `to` when left out" },
      {
        name: "to",
        in: "query",
        description: "RFC 3339 time, excluded; now when left out. At most 31 days after `from`",
      },
    ],
    responses: {
      200: { description: "Figures and tests", schema: Compared },
      400: { description: "A release or an instant is missing or wrong" },
      404: { description: "No such agent or release" },
    },
    answer: (c) => compare(c),
  },
];

async function read(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const agent = pathParameter(c, "agent");
  const { pointer } = await ports.releases.read(tenant.value, agent);
  if (pointer === null) return problem(refuse("not_found", `no agent "${agent}" in the tenant's config`));
  const watches = await ports.canaries.watches(tenant.value, agent, WATCHES);
  const standing: z.infer<typeof Standing> = {
    agent,
    live: pointer.live.release,
    canary: pointer.canary?.release ?? null,
    weight: pointer.canary?.weight ?? 0,
    watches: watches.map(watchView),
  };
  return Response.json(standing);
}

function watchView({
  generation,
  release,
  live,
  status,
  startedAt,
  lookedAt,
  evidence,
}: WatchRow): z.infer<typeof WatchView> {
  const { window, from, next_from: _next, told_worse: _worse, told_split: _split, metrics, ...seen } = evidence;
  return {
    ...seen,
    metrics: [...metrics],
    generation,
    release,
    live_release: live,
    status,
    started_at: new Date(startedAt).toISOString(),
    looked_at: new Date(lookedAt).toISOString(),
    window,
    window_from: new Date(from).toISOString(),
  };
}

async function compare(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const asked = readAsk(c, ports.system.now());
  if (!asked.ok) return problem(asked);
  const { from, to } = asked.value;
  const compared = await compareReleases(ports, {
    ...asked.value,
    tenant: tenant.value,
    agent: pathParameter(c, "agent"),
  });
  if (!compared.ok) return problem(compared);
  const view: z.infer<typeof Compared> = {
    ...compared.value,
    metrics: [...compared.value.metrics],
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    is_always_valid: false,
    is_randomised: false,
    note: NOTE,
  };
  return Response.json(view);
}

type Window = Pick<CompareAsk, "releases" | "from" | "to">;

function readAsk(c: HttpContext, now: number): Outcome<Window> {
  const mistakes = unknownParameters(c, ["a", "b", "from", "to", "tenant"]);
  const release = (name: string): string => {
    const text = c.req.query(name) ?? "";
    if (!versionName.safeParse(text).success) mistakes.push({ path: name, message: "expected a release of the agent" });
    return text;
  };
  const releases = [release("a"), release("b")] as const;
  if (releases[0] === releases[1]) mistakes.push({ path: "b", message: "expected another release than `a`" });
  const to = readInstant(c, "to", { fallback: now, mistakes });
  const from = readInstant(c, "from", { fallback: to - DEFAULT_DAYS * DAY_MS, mistakes });
  if (from >= to) mistakes.push({ path: "from", message: "expected a time before `to`" });
  if (to - from > MAX_DAYS * DAY_MS)
    mistakes.push({ path: "from", message: `expected at most ${MAX_DAYS} days before \`to\`` });
  return mistakes.length === 0 ? accept({ releases, from, to }) : refusedFor(mistakes);
}
