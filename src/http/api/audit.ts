// Routes of the audit chain: read by page, verified, exported, proven, and the keys by which anybody verifies it.
import * as z from "zod/mini";
import { AUDIT_KINDS, AuditEventShape, type AuditKind } from "../../core/audit/event.ts";
import { AuditKeyShape, SignedCheckpointShape } from "../../core/audit/lines.ts";
import { PROBLEM_KINDS } from "../../core/audit/problem.ts";
import { InclusionProofShape } from "../../core/audit/proof.ts";
import { didYouMean } from "../../core/config/mistakes.ts";
import { accept, type Mistake, type Outcome } from "../../core/errors.ts";
import { exportAudit, listAudit, proveAudit, type AuditFilter } from "../../gateway/read-audit.ts";
import { verifyAudit } from "../../gateway/verify-audit.ts";
import type { HttpContext } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { pathParameter, refusedFor, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const Entry = z.object({ event: AuditEventShape, hash: z.string() });
const Verification = z.object({
  ok: z.boolean(),
  events: z.int(),
  from_seq: z.int(),
  head: z.object({ seq: z.int(), hash: z.string() }),
  checkpoint: z.nullable(SignedCheckpointShape),
  problems: z.array(z.object({ seq: z.int(), kind: z.enum(PROBLEM_KINDS), detail: z.string() })),
  next: z.nullable(z.int()),
});
const query = (name: string, description: string): Parameter => ({ name, in: "query", description });
const TIMES = [
  query("from", "RFC 3339 time or epoch milliseconds, inclusive"),
  query("to", "RFC 3339 time or epoch milliseconds, inclusive"),
];

/** The routes. */
export const auditRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/audit",
    operationId: "listAudit",
    summary: "Read the audit chain, newest entry first",
    tag: "audit",
    permission: "audit.read",
    parameters: [
      query("kind", `Only events of this kind: ${AUDIT_KINDS.join(", ")}`),
      query("who", "Only what this key, or this approver's link, did"),
      ...TIMES,
      query("limit", "1 to 200, 50 when left out"),
      query("cursor", "`next_cursor` of the page before; a page with filters may be short and have one"),
    ],
    responses: {
      200: {
        description: "One page of entries",
        schema: z.object({ data: z.array(Entry), next_cursor: z.nullable(z.string()) }),
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const filter = readFilter(c);
      if (!filter.ok) return problem(filter);
      const { entries, next } = await listAudit(c.var.runtime.ports, tenant.value, filter.value);
      return Response.json({ data: entries, next_cursor: next === null ? null : String(next) });
    },
  },
  {
    method: "GET",
    path: "/v1/audit/verify",
    operationId: "verifyAudit",
    summary: "Verify the audit chain, a stretch at a time: every entry hashed again, every signature checked",
    tag: "audit",
    permission: "audit.read",
    parameters: [query("from_seq", "The entry to start at, 1 when left out; `next` of the stretch before")],
    responses: {
      200: {
        description: "What was found; `next` is where to go on, null at the end of the chain",
        schema: Verification,
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const read = readQuery(c, { from_seq: seqOf });
      if (!read.ok) return problem(read);
      return Response.json(await verifyAudit(c.var.runtime.ports, tenant.value, read.value.from_seq ?? 1));
    },
  },
  {
    method: "GET",
    path: "/v1/audit/export",
    operationId: "exportAudit",
    summary: "Export the audit chain as NDJSON, which `interlock audit verify --file` verifies offline",
    tag: "audit",
    permission: "audit.read",
    parameters: [
      query("from", "Only segments appended since: RFC 3339 time or epoch milliseconds"),
      query("to", "Only segments appended until: RFC 3339 time or epoch milliseconds"),
    ],
    responses: { 200: { description: "One line where it starts, the keys, then entries and signed checkpoints" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const read = readQuery(c, { from: timeOf, to: timeOf });
      if (!read.ok) return problem(read);
      const { from = 0, to = Number.MAX_SAFE_INTEGER } = read.value;
      const lines = exportAudit(c.var.runtime.ports, tenant.value, { from, to });
      const headers = { "content-type": "application/x-ndjson", "cache-control": "no-store" };
      return new Response(streamOf(lines), { headers });
    },
  },
  {
    method: "GET",
    path: "/v1/audit/keys",
    operationId: "listAuditKeys",
    summary: "Every public key that has signed checkpoints, as a JWK set (RFC 7517, RFC 8037)",
    tag: "audit",
    permission: "audit.read",
    responses: { 200: { description: "The keys", schema: z.object({ keys: z.array(AuditKeyShape) }) } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const keys = await c.var.runtime.ports.auditSigner.keys();
      return Response.json({ keys: keys.map((key) => ({ ...key, alg: "EdDSA", use: "sig" })) });
    },
  },
  {
    method: "GET",
    path: "/v1/audit/:seq/proof",
    operationId: "proveAudit",
    summary: "Prove that one event is in the chain, up to a signed checkpoint, without showing any other",
    tag: "audit",
    permission: "audit.read",
    parameters: [{ name: "seq", in: "path", description: "The entry's number", required: true }],
    responses: {
      200: { description: "The proof", schema: InclusionProofShape },
      404: { description: "No such entry" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const asked = pathParameter(c, "seq");
      const seq = seqOf(asked);
      if (seq === undefined) return problem(refusedFor([{ path: "seq", message: EXPECTED.seq }]));
      const proof = await proveAudit(c.var.runtime.ports, tenant.value, seq);
      return proof === undefined ? notFound(`audit entry ${asked}`) : Response.json(proof);
    },
  },
];

const EXPECTED = {
  kind: `expected one of ${AUDIT_KINDS.join(", ")}`,
  who: "expected the id of a key, 1 to 200 characters",
  from: "expected an RFC 3339 time or epoch milliseconds",
  to: "expected an RFC 3339 time or epoch milliseconds",
  limit: "expected a whole number from 1 to 200",
  cursor: "expected the `next_cursor` of a page",
  seq: "expected the number of an entry, from 1",
  from_seq: "expected the number of an entry, from 1",
} as const;

type Readers = { readonly [Name in keyof typeof EXPECTED]?: (text: string) => unknown };
type Read<R extends Readers> = {
  readonly [Name in keyof R]?: R[Name] extends (text: string) => infer T ? Exclude<T, undefined> : never;
};

/** The query as its readers have it; refuses `invalid_request` with each parameter that is unknown or unreadable. */
function readQuery<R extends Readers>(c: HttpContext, readers: R): Outcome<Read<R>> {
  const known = [...Object.keys(readers), "tenant"];
  const mistakes: Mistake[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(c.req.query())) {
    if (!known.includes(name)) mistakes.push({ path: name, message: `unknown parameter${didYouMean(name, known)}` });
    const reader = isName(name) ? readers[name] : undefined;
    if (reader === undefined || !isName(name)) continue;
    const value = reader(text);
    if (value === undefined) mistakes.push({ path: name, message: EXPECTED[name] });
    else values[name] = value;
  }
  return mistakes.length === 0 ? accept(values as Read<R>) : refusedFor(mistakes);
}

function isName(name: string): name is keyof typeof EXPECTED {
  return Object.hasOwn(EXPECTED, name);
}

function readFilter(c: HttpContext): Outcome<AuditFilter> {
  const read = readQuery(c, { kind: kindOf, who: whoOf, from: timeOf, to: timeOf, limit: limitOf, cursor: seqOf });
  if (!read.ok) return read;
  const { cursor, ...filter } = read.value;
  return accept({ limit: 50, ...filter, ...(cursor === undefined ? {} : { before: cursor }) });
}

function kindOf(text: string): AuditKind | undefined {
  return AUDIT_KINDS.find((kind) => kind === text);
}

function whoOf(text: string): string | undefined {
  return text.length >= 1 && text.length <= 200 ? text : undefined;
}

function limitOf(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 200 ? Number(text) : undefined;
}

function seqOf(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

function timeOf(text: string): number | undefined {
  const at = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** Lines written at once. */
const LINES_AT_ONCE = 100;

/** The lines as they come, read no faster than they are taken. */
function streamOf(lines: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const taken: string[] = [];
      while (taken.length < LINES_AT_ONCE) {
        const { done, value } = await lines.next();
        if (done === true) break;
        taken.push(value);
      }
      if (taken.length > 0) controller.enqueue(encoder.encode(`${taken.join("\n")}\n`));
      if (taken.length < LINES_AT_ONCE) controller.close();
    },
    cancel: async () => {
      await lines.return(undefined);
    },
  });
}
