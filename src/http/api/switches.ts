// Routes of kill switches: which are set, set one, clear one.
import * as z from "zod/mini";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { isSet, SWITCH_KINDS, type SwitchScope } from "../../core/policy/switches.ts";
import type { SwitchRecord } from "../../core/state/tenant-ledger.ts";
import { clearSwitch, setSwitch } from "../../gateway/set-switch.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { pathParameter, readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const MAX_REASON = 500;
const reason = z.string().check(
  z.maxLength(MAX_REASON),
  z.refine((text) => text.trim() !== "", "expected the reason, which everyone who is stopped is told"),
);
const scoped = z.string().check(z.minLength(1), z.maxLength(195));

/** What is posted. */
const Order = z.strictObject({
  kind: z.enum(SWITCH_KINDS),
  /** Members that a call must all match; the whole tenant when left out. */
  scope: z._default(
    z.strictObject({
      actor: z.optional(scoped),
      release: z.optional(scoped),
      tool: z.optional(scoped),
      session: z.optional(scoped),
    }),
    {},
  ),
  reason,
  expires_at: z.optional(z.iso.datetime({ offset: true, error: "expected an RFC 3339 time" })),
});
const Clearing = z.strictObject({ reason: z.optional(reason) });

const SwitchView = z.object({
  id: z.string(),
  kind: z.string(),
  scope: z.record(z.string(), z.string()),
  reason: z.string(),
  status: z.enum(["set", "expired", "cleared"]),
  set_by: z.string(),
  set_at: z.string(),
  expires_at: z.nullable(z.string()),
  cleared_by: z.nullable(z.string()),
  cleared_at: z.nullable(z.string()),
  clear_reason: z.nullable(z.string()),
  /** What could not be checked when it was set. */
  warnings: z.optional(z.array(z.string())),
});

/** The routes. */
export const switchRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/switches",
    operationId: "listSwitches",
    summary: "List the kill switches that are set, newest first",
    tag: "switches",
    permission: "switches.read",
    parameters: [{ name: "all", in: "query", description: "`true` to list cleared and expired ones too" }],
    responses: { 200: { description: "The switches", schema: z.object({ data: z.array(SwitchView) }) } },
    answer: (c) => listSwitches(c),
  },
  {
    method: "POST",
    path: "/v1/switches",
    operationId: "setSwitch",
    summary: "Set a kill switch: it bites everywhere within two seconds, running streams included",
    tag: "switches",
    permission: "switches.write",
    body: Order,
    responses: {
      201: { description: "It is set, durably", schema: SwitchView },
      400: { description: "A field is missing or wrong, or the scope names a tool or actor that the config has not" },
    },
    answer: (c) => postSwitch(c),
  },
  {
    method: "DELETE",
    path: "/v1/switches/:id",
    operationId: "clearSwitch",
    summary: "Clear a kill switch",
    tag: "switches",
    permission: "switches.write",
    parameters: [
      { name: "id", in: "path", description: "The switch id, `sw_…`", required: true },
      { name: "reason", in: "query", description: "Why it is cleared; a body's `reason` is read as well" },
    ],
    responses: {
      200: { description: "It is cleared", schema: SwitchView },
      404: { description: "No such switch is set" },
    },
    answer: (c) => deleteSwitch(c),
  },
];

async function listSwitches(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const all = c.req.query("all") ?? "false";
  if (all !== "true" && all !== "false") return problem(named("all", "expected true or false"));
  const { switches, system } = c.var.runtime.ports;
  const now = system.now();
  const shown = (await switches.list(tenant.value)).map((record) => view(record, now));
  return Response.json({ data: all === "true" ? shown : shown.filter(({ status }) => status === "set") });
}

async function postSwitch(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const body = await readBody(c, Order);
  if (!body.ok) return problem(body);
  const { ports } = c.var.runtime;
  const { kind, scope, reason: why, expires_at } = body.value;
  const now = ports.system.now();
  const expiresAt = expires_at === undefined ? null : Date.parse(expires_at);
  if (expiresAt !== null && !(expiresAt > now)) return problem(named("expires_at", "expected a time in the future"));
  const set = await setSwitch(
    ports,
    {
      tenant: tenant.value,
      by: c.var.principal.keyId,
      kind,
      scope: present(scope),
      reason: why.trim(),
      expiresAt,
    },
    c.var.runtime.recorder(deferOf(c)),
  );
  if (!set.ok) return problem(set);
  const { record, warnings } = set.value;
  const shown = { ...view(record, ports.system.now()), ...(warnings.length === 0 ? {} : { warnings: [...warnings] }) };
  return Response.json(shown, { status: 201, headers: { location: `/v1/switches/${record.id}` } });
}

async function deleteSwitch(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const why = await readClearing(c);
  if (!why.ok) return problem(why);
  const { ports } = c.var.runtime;
  const order = { tenant: tenant.value, id: pathParameter(c, "id"), by: c.var.principal.keyId, reason: why.value };
  const cleared = await clearSwitch(ports, order, c.var.runtime.recorder(deferOf(c)));
  return cleared.ok ? Response.json(view(cleared.value, ports.system.now())) : problem(cleared);
}

async function readClearing(c: HttpContext): Promise<Outcome<string | null>> {
  const hasBody = c.req.raw.body !== null && c.req.header("content-length") !== "0";
  if (hasBody) {
    const body = await readBody(c, Clearing);
    if (!body.ok) return body;
    if (body.value.reason !== undefined) return accept(body.value.reason.trim());
  }
  const text = c.req.query("reason")?.trim();
  if (text !== undefined && text.length > MAX_REASON)
    return named("reason", `expected at most ${MAX_REASON} characters`);
  return accept(text === undefined || text === "" ? null : text);
}

function named(path: string, message: string): ReturnType<typeof refuse> {
  return refuse("invalid_request", `${path}: ${message}`, { mistakes: [{ path, message }] });
}

function present(scope: Readonly<Record<string, string | undefined>>): SwitchScope {
  return Object.fromEntries(Object.entries(scope).filter(([, name]) => name !== undefined));
}

function view(record: SwitchRecord, now: number): z.infer<typeof SwitchView> {
  const { id, kind, scope, reason: why, set_by, set_at, expires_at, cleared_by, cleared_at, clear_reason } = record;
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    id,
    kind,
    scope: { ...scope },
    reason: why,
    status: cleared_at === null ? (isSet(record, now) ? "set" : "expired") : "cleared",
    set_by,
    set_at: time(set_at),
    expires_at: expires_at === null ? null : time(expires_at),
    cleared_by,
    cleared_at: cleared_at === null ? null : time(cleared_at),
    clear_reason,
  };
}
