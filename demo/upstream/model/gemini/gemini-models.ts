// Lists the models as Gemini does.
import { LISTED_MODELS } from "../model-id.ts";

/** The answer to `GET /v1beta/models`. */
export function listGeminiModels(): Response {
  const models = LISTED_MODELS.filter((id) => !id.includes("embedding")).map((id) => ({
    name: `models/${id}`,
    version: "001",
    displayName: id,
    inputTokenLimit: 128_000,
    outputTokenLimit: 4096,
    supportedGenerationMethods: ["generateContent", "countTokens"],
  }));
  return Response.json({ models });
}
