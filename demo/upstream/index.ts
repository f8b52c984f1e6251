// The demo upstream Worker: sends model requests to the scripted model and the rest to the tool APIs and the help desk.
import { Hono } from "hono";
import type { DemoEnv } from "./env.ts";
import { answerHelpdesk } from "./mcp/helpdesk.ts";
import { answerModelApi, isModelPath } from "./model/model-api.ts";
import { billing } from "./tools/billing.ts";
import { requireState, requireToken, toolError, type ToolHost } from "./tools/context.ts";
import { crm } from "./tools/crm.ts";
import { demoControls } from "./tools/demo-controls.ts";
import { injectFault } from "./tools/tool-faults.ts";

export { DemoState } from "./demo-state.ts";

const tools = new Hono<ToolHost>();
tools.use("/billing/*", requireToken("BILLING_TOKEN"));
tools.use("/crm/*", requireToken("CRM_TOKEN"));
tools.use("/mcp/*", requireToken("CRM_TOKEN"));
tools.use("*", requireState);
tools.use("/billing/*", injectFault);
tools.use("/crm/*", injectFault);
tools.route("/billing", billing);
tools.route("/crm", crm);
tools.all("/mcp/helpdesk", (c) => answerHelpdesk(c.req.raw, c.var.state));
tools.route("/_demo", demoControls);
tools.notFound((c) => toolError(c, 404, "not_found", "No such route."));

export default {
  fetch(request, env, ctx) {
    const isModelApi = isModelPath(new URL(request.url).pathname);
    return isModelApi ? answerModelApi(request, env, ctx) : tools.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<DemoEnv>;
