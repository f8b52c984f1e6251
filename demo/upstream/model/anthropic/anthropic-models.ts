// Lists the models as Anthropic does.
import { LISTED_MODELS } from "../model-id.ts";
import { anthropicHeaders } from "./anthropic-errors.ts";

/** The answer to `GET /v1/models` of a caller that names Anthropic's version. */
export function listAnthropicModels(): Response {
  const data = LISTED_MODELS.filter((id) => !id.includes("embedding")).map((id) => ({
    type: "model",
    id,
    display_name: id,
    created_at: "2026-01-01T00:00:00Z",
    lifecycle: "active",
  }));
  const page = { data, has_more: false, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return Response.json(page, { headers: anthropicHeaders() });
}
