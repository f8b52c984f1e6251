// Route by which agents send spans of their own: OTLP/HTTP 1.x, JSON and protobuf, answered in the encoding of the request.
import * as z from "zod/mini";
import { accept, ERRORS, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { telltaleId } from "../../core/guard/caller-id.ts";
import { resolveActor } from "../../core/principal.ts";
import { readExportJson, writeAnswerJson, writeStatusJson } from "../../core/trace/otlp-json.ts";
import type { OtlpExport, OtlpExportAnswer } from "../../core/trace/otlp-model.ts";
import { readExportProtobuf, writeAnswerProtobuf, writeStatusProtobuf } from "../../core/trace/otlp-protobuf.ts";
import { MAX_SPANS, receiveSpans, type Sender } from "../../core/trace/otlp-receive.ts";
import { isCallerId } from "../../core/units/identifier.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { readBodyBytes } from "../middleware/body.ts";
import type { ApiRoute } from "./route.ts";

/** The largest request, as sent and inflated. */
const MAX_BODY = 4 * 1024 * 1024;
/** Requests that one isolate reads at once: their bodies share its memory. */
const MAX_AT_ONCE = 8;
const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/x-protobuf";

let reading = 0;

/** The route. */
export const agentSpanRoutes: readonly ApiRoute[] = [
  {
    method: "POST",
    path: "/v1/traces",
    operationId: "sendSpans",
    summary: `Send an agent's own OpenTelemetry spans (OTLP/HTTP, ${JSON_TYPE} or ${PROTOBUF_TYPE}, gzip)`,
    tag: "traces",
    permission: "traces.write",
    parameters: [
      { name: "Interlock-Actor", in: "header", description: "The actor, where the key may be several" },
      { name: "Interlock-Session", in: "header", description: "The session of spans that name none" },
    ],
    responses: {
      200: {
        description: `Taken, all or in part: at most ${MAX_SPANS} spans a request`,
        schema: z.object({
          partialSuccess: z.optional(z.object({ rejectedSpans: z.string(), errorMessage: z.string() })),
        }),
      },
      400: { description: "A google.rpc.Status: not to be sent again" },
      413: { description: "Larger than 4 MiB, as sent or inflated" },
      429: { description: "To be sent again after `Retry-After`" },
    },
    refused: status,
    answer: async (c) => {
      if (reading >= MAX_AT_ONCE) {
        return status(c, refuse("rate_limited", "too many exports at once; send again", { retryAfterS: 1 }));
      }
      reading += 1;
      try {
        const taken = await take(c);
        return taken.ok ? answered(c, taken.value) : status(c, taken);
      } finally {
        reading -= 1;
      }
    },
  },
];

async function take(c: HttpContext): Promise<Outcome<OtlpExportAnswer>> {
  const type = typeOf(c);
  if (type === undefined) return refuse("invalid_request", `content-type: expected ${JSON_TYPE} or ${PROTOBUF_TYPE}`);
  const sender = senderOf(c);
  if (!sender.ok) return sender;
  const body = await readBodyBytes(c, MAX_BODY);
  if (!body.ok) return body;
  const sent = decoded(type, body.value);
  if (!sent.ok) return sent;
  const { records, answer } = receiveSpans(sent.value, sender.value);
  const recorder = c.var.runtime.recorder(deferOf(c));
  for (const record of records) recorder.write(record, [c.var.credential]);
  return accept(answer);
}

function senderOf(c: HttpContext): Outcome<Sender> {
  const { principal, runtime } = c.var;
  const actor = resolveActor(principal, c.req.header("interlock-actor"));
  if (!actor.ok) return actor;
  const session = c.req.header("interlock-session") ?? null;
  if (session !== null && !isCallerId(session))
    return refuse("invalid_request", "Interlock-Session: expected 1 to 128 letters, digits and `._:-`");
  const telltale = session === null ? undefined : telltaleId(session);
  if (telltale !== undefined) return refuse("invalid_request", `Interlock-Session: an id must not hold ${telltale}`);
  const { tenant, keyId } = principal;
  return accept({ tenant, actor: actor.value, keyId, session, now: runtime.ports.system.now() });
}

/** The encoding of the request; answers are in the same. */
function typeOf(c: HttpContext): typeof JSON_TYPE | typeof PROTOBUF_TYPE | undefined {
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  return type === JSON_TYPE || type === PROTOBUF_TYPE ? type : undefined;
}

function decoded(type: string, bytes: Uint8Array): Outcome<OtlpExport> {
  if (type === PROTOBUF_TYPE) return readOutcome(readExportProtobuf(bytes));
  try {
    return readOutcome(readExportJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)));
  } catch {
    return refuse("invalid_request", "the body is not valid UTF-8");
  }
}

function readOutcome(read: ReturnType<typeof readExportJson>): Outcome<OtlpExport> {
  return read.ok ? accept(read.value) : refuse("invalid_request", read.reason);
}

function answered(c: HttpContext, answer: OtlpExportAnswer): Response {
  if (typeOf(c) === PROTOBUF_TYPE) return respond(c, 200, writeAnswerProtobuf(answer));
  return respond(c, 200, writeAnswerJson(answer));
}

/** A refusal as `google.rpc.Status`; only 429, 502, 503 and 504 may be sent again. */
function status(c: HttpContext, refusal: Refusal): Response {
  const http = ERRORS[refusal.code].status;
  const told = { code: RPC_CODES[http] ?? RPC_UNKNOWN, message: refusal.detail };
  const body = typeOf(c) === PROTOBUF_TYPE ? writeStatusProtobuf(told) : writeStatusJson(told);
  const response = respond(c, http, body);
  if (http === 401) response.headers.set("www-authenticate", "Bearer");
  if (http === 429 || http === 503) response.headers.set("retry-after", String(refusal.retryAfterS ?? 5));
  return response;
}

/** Codes of google.rpc.Code by HTTP status. */
const RPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  413: 3,
  429: 8,
  500: 13,
  503: 14,
};
const RPC_UNKNOWN = 2;

function respond(c: HttpContext, code: number, body: string | Uint8Array<ArrayBuffer>): Response {
  return new Response(body, { status: code, headers: { "content-type": typeOf(c) ?? JSON_TYPE } });
}
