// Reaches Workers AI through the deployment's binding.
import type { ModelRequest, ModelResponse } from "../../gateway/ports/models.ts";
import { answered, unanswered } from "./answered.ts";

/** What is used of the `AI` binding: the raw answer of a model, whose name the binding's own types list one by one. */
export interface WorkersAi {
  run(
    model: string,
    input: Readonly<Record<string, unknown>>,
    options: { readonly returnRawResponse: true; readonly signal: AbortSignal },
  ): Promise<Response>;
}

/** The deployment's binding, if it has one. */
export function workersAiOf(env: Readonly<Record<string, unknown>>): WorkersAi | undefined {
  const { AI: binding } = env;
  return isWorkersAi(binding) ? binding : undefined;
}

function isWorkersAi(value: unknown): value is WorkersAi {
  return typeof value === "object" && value !== null && "run" in value && typeof value.run === "function";
}

/**
 * Asks a model in chat completions. Models that answer in the binding's older form are refused: turning that form into a
 * chat completion would need a finish reason that nobody gave.
 */
export async function askWorkersAi(ai: WorkersAi | undefined, request: ModelRequest): Promise<ModelResponse> {
  if (ai === undefined)
    return { type: "blocked", message: "this deployment has no Workers AI: its `AI` binding is missing" };
  const input = inputOf(request.body);
  if (input === undefined)
    return { type: "blocked", message: "the request cannot be put to Workers AI: it is not JSON" };
  try {
    const { signal } = request;
    const response = await ai.run(request.model, input, { returnRawResponse: true, signal });
    return isStream(response) || !response.ok ? answered(response, undefined) : await chatOnly(response);
  } catch (error) {
    return unanswered(error, request.signal);
  }
}

/** The binding takes the model apart from the rest. */
function inputOf(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const { model: _model, ...input } = JSON.parse(body) as Record<string, unknown>;
    return input;
  } catch {
    return undefined;
  }
}

function isStream({ headers }: Response): boolean {
  return (headers.get("content-type") ?? "").includes("event-stream");
}

async function chatOnly(response: Response): Promise<ModelResponse> {
  const text = await response.text();
  const isChat = /"(?:choices|error)"\s*:/.test(text);
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  const message =
    "this Workers AI model does not answer in chat completions: use its OpenAI-compatible HTTP API instead";
  // The model has worked and is billed: a status that tells of a refusal would give the hold back.
  const error = JSON.stringify({ error: { message, type: "server_error", param: null, code: "not_chat" } });
  return answered(new Response(isChat ? text : error, { status: isChat ? response.status : 504, headers }), undefined);
}
