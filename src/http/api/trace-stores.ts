// Routes over all of a tenant's records: exported as lines, and the index written anew from the segments.
import * as z from "zod/mini";
import { EXPORT_FORMATS, exportTraces } from "../../gateway/export-traces.ts";
import { userToken } from "../../gateway/user-token.ts";
import { reindexTraces } from "../../gateway/reindex-traces.ts";
import { problem } from "./errors.ts";
import { readBody, refusedFor, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";
import { readFilter, SEARCH_PARAMETERS } from "./traces.ts";

/** Records of one answer. */
const MOST = 50_000;
const USUAL = 10_000;

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const day = z.string().check(z.regex(DAY, "expected a day such as 2026-11-25"));
const Reindex = z.strictObject({
  from: z._default(day, "0000-01-01"),
  to: z._default(day, "9999-12-31"),
  /** Segments of the last fifteen minutes too: for when the trace queue is known to be empty. */
  recent: z._default(z.boolean(), false),
  cursor: z.optional(z.string().check(z.regex(/^\d{4}-\d{2}-\d{2}\/[0-9a-z.]{0,64}$/, "expected a `next_cursor`"))),
});
const Reindexed = z.object({
  segments: z.int(),
  records: z.int(),
  skipped: z.int(),
  next_cursor: z.nullable(z.string()),
});

/** The routes. They stand before `/v1/traces/:id`, which would take them for traces. */
export const traceStoreRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/traces/export",
    operationId: "exportTraces",
    summary: "Export records as lines of JSON, newest first, with all filters of a search",
    tag: "traces",
    permission: "traces.read",
    parameters: [
      {
        name: "format",
        in: "query",
        description: "`ndjson` for whole records, `rows` for flat columns; ndjson when left out",
      },
      { name: "max", in: "query", description: `1 to ${MOST} records, ${USUAL} when left out` },
      ...SEARCH_PARAMETERS,
    ],
    responses: {
      200: {
        description:
          'application/x-ndjson. The last line is `{"interlock_export": {"records": …, "next_cursor": …}}`; with `"failed": true` the rest could not be read, go on at its cursor; without it the export is not whole',
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const filter = readFilter(c, ["format", "max"]);
      if (!filter.ok) return problem(filter);
      const asked = c.req.query("format") ?? "ndjson";
      const format = EXPORT_FORMATS.find((each) => each === asked);
      const most = /^\d{1,5}$/.test(c.req.query("max") ?? "") ? Number(c.req.query("max")) : USUAL;
      if (format === undefined)
        return problem(refusedFor([{ path: "format", message: `expected one of ${EXPORT_FORMATS.join(", ")}` }]));
      if (most < 1 || most > MOST)
        return problem(refusedFor([{ path: "max", message: `expected a whole number from 1 to ${MOST}` }]));
      const { ports } = c.var.runtime;
      const { user, ...rest } = filter.value;
      const named = user === undefined ? rest : { ...rest, user: await userToken(ports, tenant.value, user) };
      const lines = exportTraces(ports, tenant.value, { filter: named, format, most });
      return new Response(streamOf(lines), {
        headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
      });
    },
  },
  {
    method: "POST",
    path: "/v1/traces/reindex",
    operationId: "reindexTraces",
    summary: "Add to the index what it lacks of the stored segments, some segments a call",
    tag: "traces",
    permission: "config.write",
    body: Reindex,
    responses: {
      200: {
        description:
          "What was read; `next_cursor` is null once all is. `skipped` segments are younger than 15 minutes: their messages may still be on their way. Refused while dead letters are parked",
        schema: Reindexed,
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const body = await readBody(c, Reindex);
      if (!body.ok) return problem(body);
      const { from, to, recent, cursor = null } = body.value;
      const done = await reindexTraces(c.var.runtime.ports, tenant.value, { from, to, cursor, hasRecent: recent });
      if (!done.ok) return problem(done);
      const { segments, records, skipped } = done.value;
      return Response.json({ segments, records, skipped, next_cursor: done.value.cursor });
    },
  },
];

/** One page at a time, and only as fast as the reader takes it. */
function streamOf(pages: AsyncGenerator<readonly string[]>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await pages.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value.map((line) => `${line}\n`).join("")));
    },
    cancel: async () => {
      await pages.return(undefined);
    },
  });
}
