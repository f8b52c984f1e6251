// Declares the bindings and variables the demo upstream reads.
import type { DemoState } from "./demo-state.ts";

/** What the runtime hands to the demo upstream; everything is optional so a bare bench can leave it out. */
export interface DemoEnv {
  readonly DEMO_STATE?: DurableObjectNamespace<DemoState>;
  readonly MODEL_TOKEN?: string;
  readonly BILLING_TOKEN?: string;
  readonly CRM_TOKEN?: string;
  readonly STRICT_COUNT?: string;
}

/** The one object that remembers every effect, or undefined when none is bound. */
export function stateOf(env: DemoEnv): DurableObjectStub<DemoState> | undefined {
  return env.DEMO_STATE?.getByName("demo");
}
