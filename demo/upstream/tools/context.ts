// Decides who may call the tool APIs and hands their routes the state object.
import type { Context, MiddlewareHandler } from "hono";
import type { DemoState } from "../demo-state.ts";
import { stateOf, type DemoEnv } from "../env.ts";

/** What every tool route works with. */
export interface ToolHost {
  Bindings: DemoEnv;
  Variables: { state: DurableObjectStub<DemoState> };
}

/** A refusal in the shape all tool APIs share. */
export function toolError(
  c: Context<ToolHost>,
  status: 401 | 404 | 409 | 422 | 429 | 500 | 503,
  code: string,
  message: string,
): Response {
  return c.json({ error: { code, message } }, status);
}

/** Lets pass only the bearer token in the named variable; without that variable, nobody. */
export function requireToken(variable: "BILLING_TOKEN" | "CRM_TOKEN"): MiddlewareHandler<ToolHost> {
  return async (c, next) => {
    const token = c.env[variable];
    if (token === undefined || c.req.header("authorization") !== `Bearer ${token}`) {
      return toolError(c, 401, "unauthorized", "A valid bearer token is required.");
    }
    return next();
  };
}

/** Finds the state object; without one no tool can have an effect. */
export const requireState: MiddlewareHandler<ToolHost> = async (c, next) => {
  const state = stateOf(c.env);
  if (state === undefined) return toolError(c, 503, "no_state", "No DEMO_STATE object is bound.");
  c.set("state", state);
  return next();
};
