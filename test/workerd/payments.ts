// Seeds tenants whose tool pays and can be undone, stands in for its upstream, and makes time pass for one call.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { compose } from "../../src/compose.ts";
import type { Env } from "../../src/env.ts";
import { runErrands } from "../../src/jobs/run-errands.ts";
import type { CallWork } from "../../src/core/state/tool-call-after.ts";
import { bindings, createKey, createTenant, request, upstream, type MoreConfig } from "./tenant.ts";

export interface CallShown {
  readonly id: string;
  readonly status: string;
  readonly replayed: boolean;
  readonly attempts: number;
  readonly held_until?: string;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly code?: string;
  readonly compensates?: string;
  readonly compensation?: { readonly id: string; readonly status: string; readonly message?: string };
  readonly resolution?: { readonly by: string; readonly evidence: string };
  readonly approval?: { readonly id: string };
  readonly saga?: {
    readonly status: string;
    readonly members: readonly { readonly tool_call_id: string; readonly tool: string; readonly status: string }[];
    readonly not_undone: readonly string[];
  };
}

const { ports, recorder } = ((): {
  ports: ReturnType<typeof compose>["ports"];
  recorder: ReturnType<typeof compose>;
} => {
  const runtime = compose(bindings as unknown as Env);
  return { ports: runtime.ports, recorder: runtime };
})();

const object = (properties: Readonly<Record<string, unknown>>): unknown => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const text = { type: "string" };

/** Tools that pay, reverse and look up. */
export const TOOLS = {
  pay: {
    kind: "http",
    method: "POST",
    url: "https://tool.test/pay",
    effect: "write",
    amount: { field: "amount_usd", currency: "USD" },
    timeout_ms: 500,
    idempotency: { header: "Idempotency-Key" },
    input_schema: object({ to: text, amount_usd: { type: "number" } }),
    compensation: { tool: "reverse", args: { payment: "result.id", to: "args.to", reason: "undone by the gateway" } },
    probe: {
      tool: "find",
      args: { key: "call.idempotency_key" },
      succeeded_when: "size(result.data) == 1",
      failed_when: "size(result.data) == 0",
      result: "result.data.0",
    },
  },
  reverse: {
    kind: "http",
    method: "POST",
    url: "https://tool.test/reverse",
    effect: "write",
    input_schema: object({ payment: text, to: text, reason: text }),
  },
  find: {
    kind: "http",
    method: "GET",
    url: "https://tool.test/find",
    effect: "read",
    input_schema: object({ key: text }),
  },
} as const;

/** What happened at the upstream, in order; and how it behaves. */
export class Bank {
  readonly log: string[] = [];
  readonly #paid = new Map<string, { readonly id: string; readonly to: string }>();
  /** Answers a request to a path in the bank's stead; `undefined` lets it act. */
  meddle: (
    path: string,
    body: Readonly<Record<string, unknown>>,
  ) => Response | undefined | Promise<Response | undefined> = () => undefined;
  /** Loses the answer to these payments, after their effect. */
  loses: (to: string) => boolean = () => false;

  constructor() {
    upstream((outgoing) => this.#answer(outgoing));
  }

  get payments(): number {
    return this.#paid.size;
  }

  async #answer(outgoing: Request): Promise<Response> {
    const url = new URL(outgoing.url);
    if (url.pathname === "/find") {
      const found = this.#paid.get(url.searchParams.get("key") ?? "");
      const meddled = await this.meddle(url.pathname, {});
      return meddled ?? Response.json({ data: found === undefined ? [] : [found] });
    }
    const body = await outgoing.json<Record<string, string>>();
    const meddled = await this.meddle(url.pathname, body);
    if (meddled !== undefined) return meddled;
    if (url.pathname === "/reverse") {
      this.log.push(`reverse ${body["payment"] ?? ""}`);
      return Response.json({ reversed: body["payment"] ?? null });
    }
    const key = outgoing.headers.get("idempotency-key") ?? crypto.randomUUID();
    const to = body["to"] ?? "";
    if (!this.#paid.has(key)) this.log.push(`pay ${to}`);
    const payment = this.#paid.get(key) ?? { id: `p_${to}`, to };
    this.#paid.set(key, payment);
    if (this.loses(to)) throw new Error("the connection was lost");
    return Response.json(payment, { status: 201 });
  }
}

export interface Payer {
  readonly id: string;
  readonly agent: string;
  readonly operator: string;
}

/** A tenant that pays. */
export async function createPayer(
  tools: Readonly<Record<string, unknown>> = {},
  more: MoreConfig = {},
): Promise<Payer> {
  const { id, agent } = await createTenant(
    { session: { tool_usd: 100 } },
    {},
    { ...more, tools: { ...TOOLS, ...tools } },
  );
  const payer = { id, agent, operator: await createKey(id, ["operator"]) };
  payers.push(payer);
  return payer;
}

const payers: Payer[] = [];

/** Ends what a test began: no probe of its calls, which go on for hours, reaches the next test's upstream. */
export async function stopPayers(): Promise<void> {
  for (const { operator } of payers.splice(0))
    await request("/v1/switches", operator, {
      method: "POST",
      body: JSON.stringify({ kind: "halt", scope: { actor: "agent" }, reason: "the test is over" }),
    });
}

/** Pays. */
export async function pay(
  { agent }: Payer,
  to: string,
  envelope: Readonly<Record<string, unknown>> = {},
  tool = "pay",
): Promise<CallShown & { readonly http: number; readonly tool_call?: CallShown }> {
  const answer = await request("/v1/tool-calls", agent, {
    method: "POST",
    headers: { "idempotency-key": `key-${to}` },
    body: JSON.stringify({ session_id: "s1", ...envelope, tool_call: { name: tool, args: { to, amount_usd: 5 } } }),
  });
  return { ...(await answer.json<CallShown>()), http: answer.status };
}

/** Reads a call. */
export async function read({ agent }: Payer, id: string): Promise<CallShown> {
  return (await request(`/v1/tool-calls/${id}`, agent)).json();
}

/** Posts to a call. */
export async function act(
  key: string,
  id: string,
  verb: "resolve" | "compensate" | "withdraw",
  body: unknown = {},
): Promise<CallShown & { readonly http: number }> {
  const answer = await request(`/v1/tool-calls/${id}/${verb}`, key, { method: "POST", body: JSON.stringify(body) });
  return { ...(await answer.json<CallShown>()), http: answer.status };
}

/** What the session has used of its tool dollars. */
export async function used({ agent }: Payer): Promise<string> {
  const view = await (await request("/v1/sessions/s1", agent)).json<{ budget: { tool_usd: { used: string } } }>();
  return view.budget.tool_usd.used;
}

/** Does what the queue would ask for, now. */
export async function errand({ id: tenant }: Payer, call: string, work: CallWork): Promise<void> {
  const waiting: Promise<unknown>[] = [];
  const body = JSON.stringify({ v: 1, tenant, tool_call: call, work });
  await runErrands(
    ports,
    [{ body, ack: () => undefined }],
    recorder.recorder((each) => void waiting.push(each)),
  );
  await Promise.all(waiting);
}

/** Makes everything of a call due now; with `rings` its alarm rings too. */
export async function makeDue({ id }: Payer, call: string, rings = false): Promise<void> {
  const stub = (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${id}/${call}`);
  await runInDurableObject(stub, (_, state) => {
    const [row] = state.storage.sql.exec<{ body: string }>("SELECT body FROM state").toArray();
    const record = JSON.parse(row?.body ?? "{}") as {
      heldUntil: number | null;
      work: { dueAt: number | null } | null;
      absentAt: number | null;
    };
    const past = Date.now() - 1;
    if (record.heldUntil !== null) record.heldUntil = past;
    if (record.work !== null) record.work.dueAt = past;
    if (record.absentAt !== null) record.absentAt -= 60_000;
    state.storage.sql.exec("UPDATE state SET body = ?", JSON.stringify(record));
  });
  await evictDurableObject(stub);
  if (rings) await runDurableObjectAlarm(stub);
}
