// Answers `GET /v1/models` and `GET /v1/models/{id}` to Anthropic clients: the models that the key's actors may use, in their list shape.
import { refuse } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { usableModels, type UsableModel } from "../middleware/usable-models.ts";
import { anthropicError } from "./errors.ts";

/** Whether a request comes from an Anthropic client: each of them names the version it speaks. */
export function isAnthropicClient(c: HttpContext): boolean {
  return c.req.header("anthropic-version") !== undefined;
}

/** Models on a page when the request does not say, and at most. */
const PAGE = 20;
const LARGEST_PAGE = 1000;

/** Lists the models, a page at a time: `limit`, `after_id`, `before_id`. */
export async function listAnthropicModels(c: HttpContext): Promise<Response> {
  const found = await usableModels(c);
  if (!found.ok) return anthropicError(found);
  const limit = Number(c.req.query("limit") ?? PAGE);
  if (!Number.isInteger(limit) || limit < 1 || limit > LARGEST_PAGE)
    return anthropicError(refuse("invalid_request", `limit: expected a whole number from 1 to ${LARGEST_PAGE}`));
  const all = found.value.map((model) => modelInfo(model));
  const { page, hasMore } = pageOf(all, limit, { after: c.req.query("after_id"), before: c.req.query("before_id") });
  return Response.json({
    data: page,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: hasMore,
  });
}

/** Answers one model, if the key's actors may use it. */
export async function retrieveAnthropicModel(c: HttpContext): Promise<Response> {
  const found = await usableModels(c);
  if (!found.ok) return anthropicError(found);
  const id = c.req.param("id") ?? "";
  const model = found.value.find(({ name }) => name === id);
  return model === undefined
    ? anthropicError(refuse("unknown_model", `no model "${id}" that this key may use`))
    : Response.json(modelInfo(model));
}

interface ModelInfo {
  readonly id: string;
  readonly [member: string]: unknown;
}

function modelInfo({ name, entry, publishedAt }: UsableModel): ModelInfo {
  return {
    type: "model",
    id: name,
    display_name: name,
    created_at: new Date(publishedAt).toISOString(),
    lifecycle: "active",
    deprecated_at: null,
    retires_at: null,
    line: null,
    capabilities: null,
    max_input_tokens: entry.context ?? null,
    max_tokens: entry.max_output_tokens ?? null,
  };
}

function pageOf(
  all: readonly ModelInfo[],
  limit: number,
  { after, before }: { readonly after: string | undefined; readonly before: string | undefined },
): { readonly page: readonly ModelInfo[]; readonly hasMore: boolean } {
  if (before !== undefined) {
    const end = all.findIndex(({ id }) => id === before);
    const rest = all.slice(0, Math.max(0, end));
    return { page: rest.slice(-limit), hasMore: rest.length > limit };
  }
  const rest = after === undefined ? all : all.slice(all.findIndex(({ id }) => id === after) + 1);
  return { page: rest.slice(0, limit), hasMore: rest.length > limit };
}
