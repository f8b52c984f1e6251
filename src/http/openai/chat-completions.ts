// Answers `POST /v1/chat/completions`.
import type { HttpContext } from "../context.ts";
import { answerModelCall, type ModelSurface } from "../middleware/model-surface.ts";
import { openAiError } from "./errors.ts";

const SURFACE: ModelSurface = { dialect: "chat", passedOn: ["openai-beta", "accept"], refused: openAiError };

/** Answers a chat completion. */
export function chatCompletions(c: HttpContext): Promise<Response> {
  return answerModelCall(c, SURFACE);
}
