// Route of exports: what each configured exporter has taken, and what it has not.
import * as z from "zod/mini";
import { problem } from "./errors.ts";
import type { ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const Export = z.object({
  name: z.string(),
  /** The host it goes to; `null` for one that is no longer configured. */
  host: z.nullable(z.string()),
  encoding: z.nullable(z.string()),
  sent_spans: z.int(),
  failed_spans: z.int(),
  last_failure: z.nullable(z.string()),
  changed_at: z.nullable(z.string()),
});

/** The route. */
export const exportRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/exports",
    operationId: "listExports",
    summary: "Where traces are exported to, with the spans that were sent and that failed",
    tag: "traces",
    permission: "traces.read",
    responses: { 200: { description: "Every exporter", schema: z.object({ data: z.array(Export) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const { configs, exportLedger } = c.var.runtime.ports;
      const [config, figures] = await Promise.all([configs.active(tenant.value), exportLedger.list(tenant.value)]);
      const configured = config?.published.document.trace.exports ?? {};
      const names = [...new Set([...Object.keys(configured), ...figures.map(({ exporter }) => exporter)])].toSorted();
      const data = names.map((name): z.infer<typeof Export> => {
        const entry = configured[name];
        const counted = figures.find(({ exporter }) => exporter === name);
        return {
          name,
          host: entry === undefined ? null : new URL(entry.url).host,
          encoding: entry?.encoding ?? null,
          sent_spans: counted?.sent ?? 0,
          failed_spans: counted?.failed ?? 0,
          last_failure: counted?.last_failure ?? null,
          changed_at: counted === undefined ? null : new Date(counted.changed_at).toISOString(),
        };
      });
      return Response.json({ data });
    },
  },
];
