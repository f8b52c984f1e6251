// The controls of the demo itself: what has happened, what shall fail next, and starting over.
import { Hono } from "hono";
import { parseRecord } from "../json-source.ts";
import { toolError, type ToolHost } from "./context.ts";
import { isToolFault } from "./tool-faults.ts";

/** Routes under `/_demo`. They ask for no token: the demo upstream listens on loopback only. */
export const demoControls = new Hono<ToolHost>();

demoControls.get("/effects", async (c) => c.json(await c.var.state.tallyEffects()));

demoControls.post("/reset", async (c) => {
  await c.var.state.reset();
  return c.json({ reset: true });
});

demoControls.post("/faults", async (c) => {
  const body = parseRecord(await c.req.text());
  const { path_prefix: pathPrefix, fault, times = 1 } = body ?? {};
  if (typeof pathPrefix !== "string" || typeof fault !== "string" || !isToolFault(fault)) {
    return toolError(c, 422, "invalid_fault", "path_prefix must be a text and fault the name of a fault.");
  }
  if (typeof times !== "number" || !Number.isInteger(times) || times < 1) {
    return toolError(c, 422, "invalid_times", "times must be a whole number from 1.");
  }
  await c.var.state.armFault({ pathPrefix, fault, times });
  return c.json({ path_prefix: pathPrefix, fault, times }, 201);
});
