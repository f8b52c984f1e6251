// Answers `POST /v1/embeddings`.
import type { HttpContext } from "../context.ts";
import { answerModelCall, type ModelSurface } from "../middleware/model-surface.ts";
import { openAiError } from "./errors.ts";

const SURFACE: ModelSurface = { dialect: "embeddings", passedOn: ["openai-beta", "accept"], refused: openAiError };

/** Answers with a vector for each input. A body that says it is too long is refused unread. */
export function embeddings(c: HttpContext): Promise<Response> {
  return answerModelCall(c, SURFACE);
}
