// Answers `POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent` and `:countTokens`.
import type { PathFields } from "../../core/dialect/dialect.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { readModelCall, renderModelAnswer, runModelCall, type ModelSurface } from "../middleware/model-surface.ts";
import { geminiError } from "./errors.ts";
import { jsonArrayOf } from "./json-array.ts";
import { modelInPath } from "./models.ts";

const GENERATE: ModelSurface = { dialect: "generate", passedOn: ["x-goog-api-client"], refused: geminiError };

/** What may be asked of a model. */
const METHODS: Readonly<Record<string, { readonly surface: ModelSurface; readonly isStream: boolean }>> = {
  generateContent: { surface: GENERATE, isStream: false },
  streamGenerateContent: { surface: GENERATE, isStream: true },
  countTokens: { surface: { ...GENERATE, dialect: "count_generate" }, isStream: false },
};

/** Queries that would leave something out of the answer that is read, or wrap it. */
const NOT_OFFERED = ["fields", "$fields", "callback", "$callback"];

/** Answers whatever is asked of a model. */
export async function askModel(c: HttpContext): Promise<Response> {
  const [name, method] = splitLast(modelInPath(c), ":");
  const asked = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (asked === undefined)
    return geminiError(
      refuse("not_found", `no method "${method}" of a model: expected ${Object.keys(METHODS).join(", ")}`),
    );
  const form = formOf(c);
  if (!form.ok) return geminiError(form);
  const path: PathFields = { model: name, isStream: asked.isStream };
  const call = await readModelCall(c, asked.surface, { path });
  if (!call.ok) return geminiError(call);
  const response = renderModelAnswer(asked.surface, await runModelCall(c, call.value));
  return asked.isStream && form.value === "json" ? asArray(response) : response;
}

/** How a stream is to come: as events, or as Google has it when nobody says. */
function formOf(c: HttpContext): Outcome<"sse" | "json"> {
  const offending = NOT_OFFERED.find((name) => c.req.query(name) !== undefined);
  if (offending !== undefined) return refuse("unsupported", `${offending}: the answer passes whole`);
  const alt = c.req.query("alt") ?? c.req.query("$alt") ?? "json";
  if (alt === "sse" || alt === "json") return accept(alt);
  return refuse("invalid_request", "alt: expected sse or json", {
    mistakes: [{ path: "alt", message: "expected sse or json" }],
  });
}

function asArray(response: Response): Response {
  const isEvents = response.headers.get("content-type")?.includes("event-stream") === true;
  if (!isEvents || response.body === null) return response;
  const headers = new Headers(response.headers);
  headers.set("content-type", "application/json; charset=UTF-8");
  return new Response(jsonArrayOf(response.body), { status: response.status, headers });
}

function splitLast(text: string, separator: string): readonly [string, string] {
  const at = text.lastIndexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
