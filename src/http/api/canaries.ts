// Routes of canaries: how one stands, and how two releases compare.
import * as z from "zod/mini";
import { refuse } from "../../core/errors.ts";
import { compareReleases } from "../../gateway/watch-canary.ts";
import type { HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { pathParameter, refusedFor, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const AGENT: Parameter = { name: "agent", in: "path", description: "An agent of the config", required: true };
const Look = z.record(z.string(), z.unknown());
const DAY_MS = 86_400_000;
const WATCHES = 20;

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
      200: {
        description: "The canary and its watches, newest first",
        schema: z.object({ agent: z.string(), canary: z.nullable(z.string()), watches: z.array(Look) }),
      },
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
      { name: "from", in: "query", description: "RFC 3339; seven days ago when left out" },
      { name: "to", in: "query", description: "RFC 3339; now when left out" },
    ],
    responses: {
      200: { description: "Figures and tests", schema: Look },
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
  return Response.json({
    agent,
    live: pointer.live.release,
    canary: pointer.canary?.release ?? null,
    weight: pointer.canary?.weight ?? 0,
    watches: watches.map(({ generation, release, live, status, startedAt, lookedAt, evidence }) => ({
      generation,
      release,
      live_release: live,
      status,
      started_at: new Date(startedAt).toISOString(),
      looked_at: new Date(lookedAt).toISOString(),
      ...evidence,
    })),
  });
}

async function compare(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { a, b, from, to } = c.req.query();
  const { ports } = c.var.runtime;
  const now = ports.system.now();
  const start = from === undefined ? now - 7 * DAY_MS : Date.parse(from);
  const end = to === undefined ? now : Date.parse(to);
  const mistakes = [
    ...(a === undefined || b === undefined || a === b
      ? [{ path: "b", message: "expected two releases, `a` and `b`" }]
      : []),
    ...(Number.isNaN(start) ? [{ path: "from", message: "expected an RFC 3339 time" }] : []),
    ...(Number.isNaN(end) ? [{ path: "to", message: "expected an RFC 3339 time" }] : []),
  ];
  if (mistakes.length > 0 || a === undefined || b === undefined) return problem(refusedFor(mistakes));
  const compared = await compareReleases(ports, {
    tenant: tenant.value,
    agent: pathParameter(c, "agent"),
    releases: [a, b],
    from: start,
    to: end,
  });
  if (!compared.ok) return problem(compared);
  // Sessions were not drawn between these two by lot, unless one was the other's canary: a difference need not be theirs.
  return Response.json({
    ...compared.value,
    is_randomised: false,
    note: "a window that was chosen after looking at it, or releases that did not run side by side, make a difference say less than its p",
  });
}
