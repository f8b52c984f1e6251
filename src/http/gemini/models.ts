// Answers `GET /v1beta/models` and `GET /v1beta/models/{model}`: the models that the key's actors may use, in Google's list shape.
import { refuse } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { usableModels, type UsableModel } from "../middleware/usable-models.ts";
import { geminiError } from "./errors.ts";

/** Whether a request comes from a Gemini client: its key or its own name stands where only Google's clients put them. */
export function isGeminiClient(c: HttpContext): boolean {
  const { req } = c;
  return (
    req.header("x-goog-api-key") !== undefined ||
    req.header("x-goog-api-client") !== undefined ||
    req.query("key") !== undefined
  );
}

const PATH = /^\/v1(?:beta)?\/models\//;

/** What a path says behind `/v1beta/models/`: names hold slashes, dots and colons, as they come or encoded. */
export function modelInPath(c: HttpContext): string {
  const rest = new URL(c.req.url).pathname.replace(PATH, "");
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
}

/** Models on a page when the request does not say, and at most. */
const PAGE = 50;
const LARGEST_PAGE = 1000;

/** Lists the models, a page at a time: `pageSize`, `pageToken`. */
export async function listGeminiModels(c: HttpContext): Promise<Response> {
  const found = await usableModels(c);
  if (!found.ok) return geminiError(found);
  const size = Number(c.req.query("pageSize") ?? PAGE);
  if (!Number.isInteger(size) || size < 1)
    return geminiError(refuse("invalid_request", "pageSize: expected a whole number of at least 1"));
  const token = c.req.query("pageToken") ?? "";
  const rest = token === "" ? found.value : found.value.slice(found.value.findIndex(({ name }) => name === token) + 1);
  const page = rest.slice(0, Math.min(size, LARGEST_PAGE));
  const last = page.at(-1);
  return Response.json({
    models: page.map(modelInfo),
    ...(last === undefined || page.length === rest.length ? {} : { nextPageToken: last.name }),
  });
}

/** Answers one model, if the key's actors may use it. */
export async function getGeminiModel(c: HttpContext): Promise<Response> {
  const found = await usableModels(c);
  if (!found.ok) return geminiError(found);
  const asked = modelInPath(c);
  const model = found.value.find(({ name }) => name === asked);
  return model === undefined
    ? geminiError(refuse("unknown_model", `no model "${asked}" that this key may use`))
    : Response.json(modelInfo(model));
}

function modelInfo({ name, entry, publishedAt }: UsableModel): object {
  return {
    name: `models/${name}`,
    version: new Date(publishedAt).toISOString(),
    displayName: name,
    ...(entry.context === undefined ? {} : { inputTokenLimit: entry.context }),
    ...(entry.max_output_tokens === undefined ? {} : { outputTokenLimit: entry.max_output_tokens }),
    supportedGenerationMethods: ["generateContent", "streamGenerateContent", "countTokens"],
  };
}
