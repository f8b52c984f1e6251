// Routes of sessions: what is used, held and left, why one is paused, and what a person makes of that.
import * as z from "zod/mini";
import { DIMENSIONS, type Dimension } from "../../core/budget/amounts.ts";
import { accept, type Outcome } from "../../core/errors.ts";
import { explainTo, isAgentOnly } from "../../core/policy/disclosure.ts";
import { mayActAs } from "../../core/principal.ts";
import type { Account } from "../../core/state/account.ts";
import { headroom } from "../../core/state/account.ts";
import { sessionInput } from "../../core/state/session-facts.ts";
import type { SessionPause } from "../../core/state/session-messages.ts";
import { formatUsd } from "../../core/units/money.ts";
import type { Recorder, SessionView } from "../../gateway/ports.ts";
import { resumeSession, stopSession, type SessionActed, type SessionOrder } from "../../gateway/resume-session.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const figure = z.union([z.string(), z.int()]);
const Budget = z.record(
  z.string(),
  z.object({ limit: z.nullable(figure), used: figure, held: figure, remaining: z.nullable(figure), set_aside: figure }),
);
const Session = z.object({
  id: z.string(),
  actor: z.nullable(z.string()),
  budget: Budget,
  tasks: z.record(z.string(), Budget),
  /** Why it takes no calls, and whether a person can let it go on (`paused`) or it is over (`ended`). */
  pause: z.nullable(
    z.object({ kind: z.enum(["paused", "ended"]), rule_id: z.string(), reason: z.string(), at: z.string() }),
  ),
  counters: z.object({
    calls: z.int(),
    tool_calls: z.int(),
    failures: z.int(),
    consecutive_failures: z.int(),
    calls_admitted: z.int(),
    open_holds: z.int(),
    expired_holds: z.int(),
    unclean_stops: z.int(),
    records_waiting: z.int(),
  }),
  /** Labels that untrusted tool results have left. */
  taint: z.array(z.string()),
  facts: z.record(z.string(), z.unknown()),
  /** Shares of limits across sessions that it was granted; counts, or micro-units of an amount. */
  leases: z.array(z.object({ limit: z.string(), amount: z.number(), used: z.number(), expires_at: z.string() })),
  forfeited_usd: z.string(),
  last_activity_at: z.nullable(z.string()),
});

const words = z.string().check(z.maxLength(500));
const Resumption = z.strictObject({ comment: z.optional(words) });
const Stop = z.strictObject({
  reason: words.check(z.refine((text) => text.trim() !== "", "expected the reason, which the agent is told")),
});

/** The routes. */
export const sessionRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/sessions/:id",
    operationId: "getSession",
    summary: "Read a session's budget and counters",
    tag: "sessions",
    permission: "sessions.read",
    parameters: [{ name: "id", in: "path", description: "The session id", required: true }],
    responses: {
      200: { description: "The session", schema: Session },
      404: { description: "No call was ever made in it" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const id = pathParameter(c, "id");
      const { ports } = c.var.runtime;
      const view = await ports.sessions.read(tenant.value, id);
      const { actor } = view.state;
      const { principal } = c.var;
      if (actor === null || (isAgentOnly(principal) && !mayActAs(principal, actor))) return notFound(`session "${id}"`);
      const config = isAgentOnly(principal) ? await ports.configs.active(tenant.value) : undefined;
      const session = shown(id, view, ports.system.now());
      return Response.json(explainTo(principal, config) === "full" ? session : withoutFigures(session));
    },
  },
  {
    ...actRoute("resume", "Let a paused session go on: repeats and failures count anew"),
    body: Resumption,
    answer: (c) =>
      act(c, Resumption, (order, { comment }, recorder) =>
        resumeSession(c.var.runtime.ports, { ...order, reason: comment?.trim() ?? null }, recorder),
      ),
  },
  {
    ...actRoute("pause", "Pause a session: every call in it waits until a person resumes it"),
    body: Stop,
    answer: (c) => stop(c, "paused"),
  },
  {
    ...actRoute("end", "End a session for good"),
    body: Stop,
    answer: (c) => stop(c, "ended"),
  },
];

function actRoute(verb: string, summary: string): Omit<ApiRoute, "answer" | "body"> {
  return {
    method: "POST",
    path: `/v1/sessions/:id/${verb}`,
    operationId: `${verb}Session`,
    summary,
    tag: "sessions",
    permission: "sessions.write",
    parameters: [{ name: "id", in: "path", description: "The session id", required: true }],
    responses: {
      200: { description: "The session as it stands now", schema: Session },
      400: { description: "A field is missing or wrong" },
      403: { description: "The session was ended for good" },
      404: { description: "No call was ever made in it" },
    },
  };
}

function stop(c: HttpContext, kind: "paused" | "ended"): Promise<Response> {
  return act(c, Stop, (order, { reason }, recorder) =>
    stopSession(c.var.runtime.ports, { ...order, kind, reason: reason.trim() }, recorder),
  );
}

/** A person's act on a session; a request without a body is one with an empty one. */
async function act<T extends z.ZodMiniType>(
  c: HttpContext,
  schema: T,
  perform: (
    order: Omit<SessionOrder, "reason">,
    body: z.output<T>,
    recorder: Recorder,
  ) => Promise<Outcome<SessionActed>>,
): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const hasBody = c.req.raw.body !== null && c.req.header("content-length") !== "0";
  const empty = hasBody ? undefined : schema.safeParse({});
  const body = empty?.success === true ? accept(empty.data) : await readBody(c, schema);
  if (!body.ok) return problem(body);
  const { runtime, principal } = c.var;
  const session = pathParameter(c, "id");
  const order = { tenant: tenant.value, session, by: principal.keyId };
  const acted = await perform(order, body.value, runtime.recorder(deferOf(c)));
  return acted.ok ? Response.json(shown(session, acted.value.view, runtime.ports.system.now())) : problem(acted);
}

function shown(id: string, { state, outboxDepth }: SessionView, now: number): z.infer<typeof Session> {
  const seen = sessionInput({ ...state, id }, [], now);
  return {
    id,
    actor: state.actor,
    budget: state.session === null ? {} : budgetOf(state.session),
    tasks: Object.fromEntries(Object.entries(state.tasks).map(([task, account]) => [task, budgetOf(account)])),
    pause: state.pause === null ? null : pauseView(state.pause),
    counters: {
      ...seen.counters,
      calls_admitted: state.seq,
      open_holds: Object.keys(state.holds).length,
      expired_holds: state.expiredHolds,
      unclean_stops: state.uncleanStops,
      records_waiting: outboxDepth,
    },
    taint: [...seen.taint],
    facts: { ...seen.facts },
    leases: Object.values(state.leases).map(({ key, amount, used, expiresAt }) => ({
      limit: key,
      amount,
      used,
      expires_at: new Date(expiresAt).toISOString(),
    })),
    forfeited_usd: formatUsd(state.forfeited.usd),
    last_activity_at: state.lastActivityAt === 0 ? null : new Date(state.lastActivityAt).toISOString(),
  };
}

/** A session as an agent may know it that is not told the policy's figures: what is used, not what is allowed. */
function withoutFigures({ pause, budget, tasks, ...session }: z.infer<typeof Session>): z.infer<typeof Session> {
  return {
    ...session,
    pause: pause === null ? null : { ...pause, reason: pause.rule_id },
    budget: used(budget),
    tasks: Object.fromEntries(Object.entries(tasks).map(([task, figures]) => [task, used(figures)])),
    // A share is a fixed part of its limit.
    leases: [],
  };
}

function used(budget: z.infer<typeof Budget>): z.infer<typeof Budget> {
  const only = ({ used, held }: z.infer<typeof Budget>[string]): z.infer<typeof Budget>[string] => ({
    used,
    held,
    limit: null,
    remaining: null,
    set_aside: 0,
  });
  return Object.fromEntries(Object.entries(budget).map(([dimension, figures]) => [dimension, only(figures)]));
}

function pauseView({ kind, rule_id, message, at }: SessionPause): NonNullable<z.infer<typeof Session>["pause"]> {
  return { kind, rule_id, reason: message, at: new Date(at).toISOString() };
}

function budgetOf(account: Account): z.infer<typeof Budget> {
  return Object.fromEntries(
    DIMENSIONS.map((dimension) => {
      const show = figureOf(dimension);
      const limit = account.limits[dimension];
      const room = headroom(account, dimension);
      const idle = account.committed[dimension] - account.used[dimension] - account.held[dimension];
      return [
        dimension,
        {
          limit: limit === undefined ? null : show(limit),
          used: show(account.used[dimension]),
          held: show(account.held[dimension]),
          remaining: room === undefined ? null : show(Math.max(0, room)),
          set_aside: show(Math.max(0, idle)),
        },
      ];
    }),
  );
}

function figureOf(dimension: Dimension): (value: number) => string | number {
  return dimension === "usd" || dimension === "tool_usd" ? formatUsd : (value) => value;
}
