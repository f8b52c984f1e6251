// Routes of what masking took away: values of tokens, and records kept unmasked, for an auditor who says why.
import * as z from "zod/mini";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { readRaw, revealTokens, type Look } from "../../gateway/reveal.ts";
import type { RawRecord } from "../../gateway/ports/masking.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { namedTrace } from "./named-trace.ts";
import { readBody, type ApiRoute } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const MAX_TOKENS = 100;
/** The record of a look names every token, and has to fit into one message of the queue. */
const MAX_TOKEN_CHARS = 25_000;
const REASON_EXPECTED = "expected why, in 3 to 500 characters: it is kept with your name";
const reason = z.string().check(
  z.maxLength(500, REASON_EXPECTED),
  z.refine((text) => text.trim().length >= 3, REASON_EXPECTED),
);

const Revealing = z.strictObject({
  tokens: z.array(z.string().check(z.maxLength(20_000))).check(
    z.minLength(1),
    z.maxLength(MAX_TOKENS),
    z.refine(
      (tokens) => tokens.reduce((sum, token) => sum + token.length, 0) <= MAX_TOKEN_CHARS,
      `expected at most ${MAX_TOKEN_CHARS} characters of tokens at once`,
    ),
  ),
  reason,
});
const RawView = z.object({
  trace_id: z.string(),
  records: z.array(
    z.object({
      span_id: z.string(),
      expires_at: z.string(),
      spans: z.array(
        z.object({ span_id: z.string(), name: z.string(), attributes: z.record(z.string(), z.unknown()) }),
      ),
      payloads: z.array(
        z.object({ name: z.string(), span_id: z.string(), content_type: z.string(), body: z.nullable(z.string()) }),
      ),
    }),
  ),
});

/** The routes. */
export const revealRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/traces/reveal",
    operationId: "revealTokens",
    summary: "Open tokens that stand in place of masked values; the look is recorded first",
    tag: "traces",
    permission: "traces.reveal",
    body: Revealing,
    responses: {
      200: {
        description: "The value of each token; null for one that no key of the tenant has made, and for credentials",
        schema: z.object({ values: z.array(z.object({ token: z.string(), value: z.nullable(z.string()) })) }),
      },
      503: { description: "The look cannot be recorded" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const body = await readBody(c, Revealing);
      if (!body.ok) return problem(body);
      const { ports } = c.var.runtime;
      const look = { ...lookOf(c, tenant.value, body.value.reason), tokens: body.value.tokens };
      const values = await revealTokens(ports, c.var.runtime.recorder(deferOf(c)), look);
      if (!values.ok) return problem(values);
      const shown = body.value.tokens.map((token) => ({ token, value: values.value.get(token) ?? null }));
      return Response.json({ values: shown }, NO_STORE);
    },
  },
  {
    method: "GET",
    path: "/v1/traces/:id/raw",
    operationId: "getRawTrace",
    summary: "Read what is kept of a trace as it was before masking; the look is recorded first",
    tag: "traces",
    permission: "traces.reveal",
    parameters: [
      { name: "id", in: "path", description: "The trace id, `tr_…`", required: true },
      { name: "reason", in: "query", description: "Why, in 3 to 500 characters", required: true },
    ],
    responses: {
      200: { description: "The records, without credentials", schema: RawView },
      404: { description: "Nothing of it is kept unmasked, or no longer" },
      503: { description: "The look cannot be recorded" },
    },
    answer: async (c) => {
      const named = await namedTrace(c);
      if (!named.ok) return problem(named);
      const { tenant, trace, asked } = named.value;
      const why = readReason(c);
      if (!why.ok) return problem(why);
      const { ports } = c.var.runtime;
      const look = { ...lookOf(c, tenant, why.value), trace };
      const records = await readRaw(ports, c.var.runtime.recorder(deferOf(c)), look);
      if (!records.ok) return problem(records);
      return records.value.length === 0
        ? notFound(`what trace "${asked}" was before masking`)
        : Response.json({ trace_id: trace.shown, records: records.value.map(shownRaw) }, NO_STORE);
    },
  },
];

const NO_STORE = { headers: { "cache-control": "no-store" } };

function lookOf(c: HttpContext, tenant: string, why: string): Look {
  return { tenant, by: c.var.principal.keyId, reason: why };
}

function readReason(c: HttpContext): Outcome<string> {
  const parsed = reason.safeParse(c.req.query("reason"));
  if (parsed.success) return accept(parsed.data);
  return refuse("invalid_request", `reason: ${REASON_EXPECTED}`, {
    mistakes: [{ path: "reason", message: REASON_EXPECTED }],
  });
}

function shownRaw({ span_id, spans, payloads, expires_at }: RawRecord): z.infer<typeof RawView>["records"][number] {
  return {
    span_id,
    expires_at: new Date(expires_at).toISOString(),
    spans: spans.map((span) => ({ span_id: span.span_id, name: span.name, attributes: { ...span.attributes } })),
    payloads: payloads.map(({ name, span_id: id, content_type, body }) => ({ name, span_id: id, content_type, body })),
  };
}
