// Routes of sessions: what is used, held and left.
import * as z from "zod/mini";
import { DIMENSIONS, type Dimension } from "../../core/budget/amounts.ts";
import { mayActAs } from "../../core/principal.ts";
import type { Account } from "../../core/state/account.ts";
import { headroom } from "../../core/state/account.ts";
import { formatUsd } from "../../core/units/money.ts";
import type { SessionView } from "../../gateway/ports.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, type ApiRoute } from "./route.ts";
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
  counters: z.object({
    calls_admitted: z.int(),
    open_holds: z.int(),
    expired_holds: z.int(),
    unclean_stops: z.int(),
    records_waiting: z.int(),
  }),
  forfeited_usd: z.string(),
  last_activity_at: z.nullable(z.string()),
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
      const view = await c.var.runtime.ports.sessions.read(tenant.value, id);
      const { actor } = view.state;
      const { principal } = c.var;
      const isOthers =
        actor !== null && principal.roles.every((role) => role === "agent") && !mayActAs(principal, actor);
      return actor === null || isOthers ? notFound(`session "${id}"`) : Response.json(shown(id, view));
    },
  },
];

function shown(id: string, { state, outboxDepth }: SessionView): z.infer<typeof Session> {
  return {
    id,
    actor: state.actor,
    budget: state.session === null ? {} : budgetOf(state.session),
    tasks: Object.fromEntries(Object.entries(state.tasks).map(([task, account]) => [task, budgetOf(account)])),
    counters: {
      calls_admitted: state.seq,
      open_holds: Object.keys(state.holds).length,
      expired_holds: state.expiredHolds,
      unclean_stops: state.uncleanStops,
      records_waiting: outboxDepth,
    },
    forfeited_usd: formatUsd(state.forfeited.usd),
    last_activity_at: state.lastActivityAt === 0 ? null : new Date(state.lastActivityAt).toISOString(),
  };
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
