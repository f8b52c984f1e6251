// Routes of explanations: what happened in a trace or a session, as JSON or Markdown, and a session's records as one story.
import * as z from "zod/mini";
import { refuse } from "../../core/errors.ts";
import { LINK_RELS, SECTIONS, type Explanation } from "../../core/trace/explain/explanation.ts";
import { markdownOf } from "../../core/trace/explain/markdown.ts";
import { explainSession, explainTrace } from "../../gateway/explain-trace.ts";
import { readSessionPage } from "../../gateway/read-trace.ts";
import type { HttpContext } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { readPageQuery } from "./page-query.ts";
import { namedTrace } from "./named-trace.ts";
import { pathParameter, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";
import { shownTrace, Trace } from "./traces.ts";

const Sentence = z.object({
  /** What comes from outside stands between “ and ”. */
  text: z.string(),
  /** The stored spans that it rests on: at least one. */
  span_ids: z.array(z.string()).check(z.minLength(1)),
  links: z.array(z.object({ rel: z.enum(LINK_RELS), href: z.string() })),
});
const Explained = z.object({
  subject: z.object({ type: z.enum(["trace", "session"]), id: z.string() }),
  from: z.string(),
  to: z.string(),
  calls: z.int(),
  spans: z.int(),
  cost_usd: z.string(),
  sections: z.array(
    z.object({ id: z.enum(SECTIONS.map(([id]) => id)), title: z.string(), sentences: z.array(Sentence) }),
  ),
});

const ACCEPT: Parameter = {
  name: "Accept",
  in: "header",
  description: "`text/markdown` for text that can be pasted into an incident review; JSON otherwise",
};
const SESSION: Parameter = { name: "id", in: "path", description: "The session id", required: true };

/** The routes. */
export const explainRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/traces/:id/explain",
    operationId: "explainTrace",
    summary: "Explain a trace from stored facts: who, asked, seen, decided, approved, done, cost, outcome, unknown",
    tag: "traces",
    permission: "traces.read",
    parameters: [{ name: "id", in: "path", description: "The trace id, `tr_…`", required: true }, ACCEPT],
    responses: {
      200: { description: "The explanation; each sentence names its spans", schema: Explained },
      404: { description: "Nothing of it is stored (yet: records arrive within seconds)" },
    },
    answer: async (c) => {
      const named = await namedTrace(c);
      if (!named.ok) return problem(named);
      const { tenant, trace, asked } = named.value;
      return answered(c, `trace "${asked}"`, await explainTrace(c.var.runtime.ports, tenant, trace));
    },
  },
  {
    method: "GET",
    path: "/v1/sessions/:id/explain",
    operationId: "explainSession",
    summary: "Explain a session from stored facts, across all its traces and surfaces",
    tag: "sessions",
    permission: "traces.read",
    parameters: [SESSION, ACCEPT],
    responses: {
      200: { description: "The explanation; each sentence names its spans", schema: Explained },
      404: { description: "Nothing of it is stored (yet: records arrive within seconds)" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const id = pathParameter(c, "id");
      return answered(c, `session "${id}"`, await explainSession(c.var.runtime.ports, tenant.value, id));
    },
  },
  {
    method: "GET",
    path: "/v1/sessions/:id/trace",
    operationId: "getSessionTrace",
    summary: "Read a session as one story: every call, span and payload, oldest first",
    tag: "sessions",
    permission: "traces.read",
    parameters: [
      SESSION,
      { name: "limit", in: "query", description: "1 to 200 calls, 50 when left out" },
      { name: "cursor", in: "query", description: "`next_cursor` of the page before" },
    ],
    responses: {
      200: {
        description: "One page of it, in the shape of a trace",
        schema: z.object({ session_id: z.string(), ...Trace.shape, next_cursor: z.nullable(z.string()) }),
      },
      404: { description: "Nothing of it is stored (yet: records arrive within seconds)" },
    },
    answer: sessionTrace,
  },
];

async function sessionTrace(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const asked = readPageQuery(c, { known: ["limit", "cursor", "tenant"], statuses: [] });
  if (!asked.ok) return problem(asked);
  const cursor = c.req.query("cursor");
  if (cursor !== undefined && !/^\d{1,19}$/.test(cursor))
    return problem(refuse("invalid_request", "cursor: expected the `next_cursor` of a page"));
  const session = pathParameter(c, "id");
  const page = await readSessionPage(c.var.runtime.ports, tenant.value, { session, limit: asked.value.limit, cursor });
  const [first] = page.records;
  if (first === undefined && cursor === undefined) return notFound(`session "${session}"`);
  const shown = shownTrace(first?.index.trace_id ?? "", page.records);
  return Response.json({ session_id: session, ...shown, next_cursor: page.nextCursor });
}

function answered(c: HttpContext, what: string, explanation: Explanation | undefined): Response {
  if (explanation === undefined) return notFound(what);
  if (!prefersMarkdown(c.req.header("accept"))) return Response.json(explanation, { headers: { vary: "Accept" } });
  const base = c.var.runtime.publicUrl ?? new URL(c.req.url).origin;
  const headers = {
    "content-type": "text/markdown; charset=utf-8",
    vary: "Accept",
    "x-content-type-options": "nosniff",
  };
  return new Response(markdownOf(explanation, base.replace(/\/$/, "")), { headers });
}

/** Whether `text/markdown` is asked for, and no JSON before it (RFC 9110, 12.5.1; weights are not compared). */
function prefersMarkdown(accept: string | undefined): boolean {
  const types = (accept ?? "").split(",").map((each) => (each.split(";")[0] ?? "").trim().toLowerCase());
  const markdown = types.indexOf("text/markdown");
  const json = types.indexOf("application/json");
  return markdown >= 0 && (json < 0 || markdown < json);
}
