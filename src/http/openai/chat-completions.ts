// Translates `POST /v1/chat/completions`: the fields we own are read, every other byte is left alone.
import type { ModelCall } from "../../core/call.ts";
import { accept, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { isJsonObject, type Json } from "../../core/json/canonical.ts";
import { duplicateKey, locateMembers, memberText, type ObjectText } from "../../core/json/members.ts";
import { explainTo, isAgentOnly, toldRefusal } from "../../core/policy/disclosure.ts";
import type { ModelAnswer } from "../../gateway/admitted-call.ts";
import { callModel } from "../../gateway/model-call.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { authenticate, authorize } from "../middleware/authenticate.ts";
import { MAX_MODEL_BODY, readBodyText, type BodyText } from "../middleware/body.ts";
import { readCallContext, setCallHeaders } from "../middleware/call-context.ts";
import { openAiError } from "./errors.ts";

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
/** Caller headers that a provider may need. */
const PASSED_ON = ["openai-beta", "accept"];

/** The longest model name that is looked up. */
const MAX_NAME = 256;
/** The most output tokens one call may ask for: larger holds would not be exact integers. */
const MAX_OUTPUT = 8_000_000;

/** Answers a chat completion. */
export async function chatCompletions(c: HttpContext): Promise<Response> {
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return openAiError(authenticated);
  const { principal, credential } = authenticated.value;
  c.set("principal", principal);
  c.set("credential", credential);
  const authorized = authorize(principal, "call");
  if (!authorized.ok) return openAiError(authorized);
  const body = await readBodyText(c, MAX_MODEL_BODY);
  const call = body.ok ? readCall(c, body.value) : body;
  if (!call.ok) return openAiError(call);
  const defer = deferOf(c);
  const around = { defer, recorder: c.var.runtime.recorder(defer), callerSignal: c.req.raw.signal };
  const calling = callModel(c.var.runtime.ports, call.value, around);
  // A caller that leaves must not end the settlement: the runtime drops a handler that nothing else waits for.
  defer(calling.catch(() => undefined));
  const answer = await calling;
  return render(answer.ok ? answer : { ...answer, refusal: await told(c, answer.refusal) });
}

function render(answer: ModelAnswer): Response {
  if (!answer.ok) {
    const response = openAiError(answer.refusal);
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

function readCall(c: HttpContext, { text, bytes }: BodyText): Outcome<ModelCall> {
  const body = locateMembers(text);
  if (body === undefined) return refuse("invalid_request", "the body is not a JSON object");
  const duplicate = duplicateKey(body);
  if (duplicate !== undefined) return invalid(duplicate, "stands twice in the body");
  const fields = readFields(body);
  if (!fields.ok) return fields;
  const context = readCallContext(c, { surface: { kind: "chat", subject: fields.value.model } });
  if (!context.ok) return context;
  const headers = new Map(
    PASSED_ON.flatMap((name) => {
      const value = c.req.header(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  return accept({ context: context.value, operation: "chat", body, bodyBytes: bytes, headers, ...fields.value });
}

type Fields = Pick<ModelCall, "model" | "isStream" | "wantsUsage" | "streamOptions" | "maxOutput" | "choices">;

function readFields(body: ObjectText): Outcome<Fields> {
  const model = valueOf(body, "model");
  if (typeof model !== "string" || model === "" || model.length > MAX_NAME) {
    return invalid("model", `expected the name of a model, at most ${MAX_NAME} characters`);
  }
  if (valueOf(body, "service_tier") === "priority") {
    return invalid(
      "service_tier",
      "expected auto, default or flex: priority costs more than the list price that a hold is computed from",
    );
  }
  const stream = readStream(body);
  if (!stream.ok) return stream;
  const output = readOutput(body);
  return output.ok ? accept({ model, ...stream.value, ...output.value }) : output;
}

function readOutput(body: ObjectText): Outcome<Pick<Fields, "choices" | "maxOutput">> {
  const choices = valueOf(body, "n") ?? 1;
  if (typeof choices !== "number" || !Number.isInteger(choices) || choices < 1 || choices > 128)
    return invalid("n", "expected an integer from 1 to 128");
  const maxOutput = maxOutputOf(body);
  if (!maxOutput.ok) return maxOutput;
  const { field = "n", tokens = 0 } = maxOutput.value ?? {};
  if (tokens * choices > MAX_OUTPUT)
    return invalid(field, `expected at most ${MAX_OUTPUT} output tokens over all choices`);
  return accept({ choices, maxOutput: maxOutput.value });
}

function readStream(body: ObjectText): Outcome<Pick<Fields, "isStream" | "wantsUsage" | "streamOptions">> {
  const stream = valueOf(body, "stream") ?? false;
  if (typeof stream !== "boolean") return invalid("stream", "expected true or false");
  const options = valueOf(body, "stream_options") ?? undefined;
  if (options !== undefined && !isJsonObject(options)) return invalid("stream_options", "expected an object");
  return accept({ isStream: stream, wantsUsage: options?.["include_usage"] === true, streamOptions: options });
}

function maxOutputOf(body: ObjectText): Outcome<ModelCall["maxOutput"]> {
  const found = (["max_completion_tokens", "max_tokens"] as const).flatMap((field) => {
    const tokens = valueOf(body, field);
    return tokens === undefined || tokens === null ? [] : [{ field, tokens }];
  });
  if (found.length > 1) return invalid("max_tokens", "expected either max_tokens or max_completion_tokens, not both");
  const one = found[0];
  if (one === undefined) return accept(undefined);
  const { field, tokens } = one;
  return typeof tokens === "number" && Number.isInteger(tokens) && tokens >= 1
    ? accept({ field, tokens })
    : invalid(field, "expected a whole number of at least 1");
}

function valueOf(body: ObjectText, key: string): Json | undefined {
  const text = memberText(body, key);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function invalid(param: string, expected: string): Outcome<never> {
  return refuse("invalid_request", `${param}: ${expected}`, { mistakes: [{ path: param, message: expected }] });
}
