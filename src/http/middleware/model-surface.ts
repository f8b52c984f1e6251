// Takes a model call from its request to its answer, the same way on every surface: only shapes and errors differ.
import type { ModelCall } from "../../core/call.ts";
import type { Dialect, PathFields } from "../../core/dialect/dialect.ts";
import { wireOf } from "../../core/dialect/registry.ts";
import { accept, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { duplicateKey, locateMembers } from "../../core/json/members.ts";
import { explainTo, isAgentOnly, toldRefusal } from "../../core/policy/disclosure.ts";
import type { CallSurroundings, ModelAnswer } from "../../gateway/model/admitted-call.ts";
import { callModel } from "../../gateway/model/model-call.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { authenticate, authorize } from "./authenticate.ts";
import { MAX_MODEL_BODY, readBodyText } from "./body.ts";
import { readCallContext, setCallHeaders } from "./call-context.ts";

/** What is a surface's own. */
export interface ModelSurface {
  readonly dialect: Dialect;
  /** Caller headers that a provider of the same dialect may need, in lower case. */
  readonly passedOn: readonly string[];
  /** A refusal in the surface's own error shape. */
  readonly refused: (refusal: Refusal) => Response;
}

/** What a request says beside its body. */
export interface RequestLine {
  readonly path?: PathFields;
  /** The query that a provider of the same dialect gets, without `?`. */
  readonly query?: string;
}

/** Provider headers that are about its own connection, or would lie about our body. */
const NOT_PASSED_BACK = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "set-cookie",
  "transfer-encoding",
  "alt-svc",
  "nel",
  "report-to",
  "server",
  "date",
]);

/** Answers a call of a surface that needs nothing of its own between reading and rendering. */
export async function answerModelCall(
  c: HttpContext,
  surface: ModelSurface,
  line: RequestLine = {},
): Promise<Response> {
  const call = await readModelCall(c, surface, line);
  if (!call.ok) return surface.refused(call);
  return renderModelAnswer(surface, await runModelCall(c, call.value));
}

/** Reads who calls and what is asked; every other byte of the body is left alone. */
export async function readModelCall(
  c: HttpContext,
  { dialect, passedOn }: ModelSurface,
  { path = {}, query = "" }: RequestLine = {},
): Promise<Outcome<ModelCall>> {
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return authenticated;
  const { principal, credential } = authenticated.value;
  c.set("principal", principal);
  c.set("credential", credential);
  const authorized = authorize(principal, "call");
  if (!authorized.ok) return authorized;
  const read = await readBodyText(c, MAX_MODEL_BODY);
  if (!read.ok) return read;
  const body = locateMembers(read.value.text);
  if (body === undefined) return refuse("invalid_request", "the body is not a JSON object");
  const duplicate = duplicateKey(body);
  if (duplicate !== undefined)
    return refuse("invalid_request", `${duplicate}: stands twice in the body`, {
      mistakes: [{ path: duplicate, message: "stands twice in the body" }],
    });
  const fields = wireOf(dialect).readFields(body, path);
  if (!fields.ok) return fields;
  const context = readCallContext(c, { surface: { kind: "chat", subject: fields.value.model } });
  if (!context.ok) return context;
  const headers = new Map(
    passedOn.flatMap((name) => {
      const value = c.req.header(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  const call: ModelCall = {
    context: context.value,
    dialect,
    fields: fields.value,
    body,
    bodyBytes: read.value.bytes,
    headers,
    query,
    mayBeKept: !/\bno-(?:cache|store)\b/i.test(c.req.header("cache-control") ?? ""),
  };
  return accept(call);
}

/** Makes the call; what it is refused for is told as far as the caller may know. */
export async function runModelCall(
  c: HttpContext,
  call: ModelCall,
  more: Pick<CallSurroundings, "shows" | "onRepeated"> = {},
): Promise<ModelAnswer> {
  const { runtime } = c.var;
  const defer = deferOf(c);
  const around = { ...more, defer, recorder: runtime.recorder(defer), callerSignal: c.req.raw.signal };
  const calling = callModel(runtime.ports, call, around);
  // A caller that leaves must not end the settlement: the runtime drops a handler that nothing else waits for.
  defer(calling.catch(() => undefined));
  const answer = await calling;
  return answer.ok ? answer : { ...answer, refusal: await told(c, answer.refusal) };
}

/** An answer with the headers that tell of its call. */
export function renderModelAnswer(surface: Pick<ModelSurface, "refused">, answer: ModelAnswer): Response {
  if (!answer.ok) {
    const response = surface.refused(answer.refusal);
    setCallHeaders(response.headers, answer.meta);
    return response;
  }
  const headers = new Headers();
  for (const [name, value] of answer.headers)
    if (!NOT_PASSED_BACK.has(name) && !name.startsWith("cf-")) headers.set(name, value);
  setCallHeaders(headers, answer.meta);
  return new Response(answer.body, { status: answer.status, headers });
}

/** A refusal as far as the caller may know. */
async function told({ var: { principal, runtime } }: HttpContext, refusal: Refusal): Promise<Refusal> {
  if (!isAgentOnly(principal)) return refusal;
  return toldRefusal(refusal, explainTo(principal, await runtime.ports.configs.active(principal.tenant)));
}
