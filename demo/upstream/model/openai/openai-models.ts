// Lists the models as OpenAI does.
import { LISTED_MODELS } from "../model-id.ts";
import { openAiHeaders } from "./openai-errors.ts";

/** The answer to `GET /v1/models`. */
export function listOpenAiModels(): Response {
  const data = LISTED_MODELS.map((id) => ({
    id,
    object: "model",
    created: 1_767_225_600,
    owned_by: "interlock-demo",
  }));
  return Response.json({ object: "list", data }, { headers: openAiHeaders() });
}
