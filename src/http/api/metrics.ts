// The route of metrics, for Prometheus and whatever else scrapes OpenMetrics.
import { OPEN_METRICS_TYPE, openMetricsText } from "../../core/metrics/open-metrics.ts";
import { readMetrics } from "../../gateway/read-metrics.ts";
import type { HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import type { ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

/** The routes. */
export const metricsRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/metrics",
    operationId: "readMetrics",
    summary: "Metrics in OpenMetrics 1.0 text: of the key's tenant, or of all tenants for a root key that names none",
    tag: "reports",
    permission: "reports.read",
    responses: { 200: { description: "OpenMetrics text" } },
    answer: (c) => metrics(c),
  },
];

async function metrics(c: HttpContext): Promise<Response> {
  const { principal, runtime } = c.var;
  const named = c.req.header("interlock-tenant") ?? c.req.query("tenant");
  let tenants: readonly string[];
  if (principal.isRoot && named === undefined) tenants = await runtime.ports.tenants.ids();
  else {
    const tenant = await tenantOf(c);
    if (!tenant.ok) return problem(tenant);
    tenants = [tenant.value];
  }
  const text = openMetricsText(await readMetrics(runtime.ports, tenants));
  return new Response(text, { headers: { "content-type": OPEN_METRICS_TYPE, "cache-control": "no-store" } });
}
