// Speaks OpenAI's chat completions.
import { eventStream, type ModelDialect } from "../dialect.ts";
import { readChatRequest } from "./chat-request.ts";
import { completionBody, completionChunks } from "./chat-shapes.ts";
import { openAiHeaders, refuseAsOpenAi, SERVER_ERROR } from "./openai-errors.ts";

const IN_BAND = { error: SERVER_ERROR };

/** `POST /v1/chat/completions`. */
export const chatDialect: ModelDialect = {
  read: readChatRequest,
  whole: completionBody,
  frames: completionChunks,
  framing: eventStream(false, ": keep-alive\n\n", "data: [DONE]\n\n"),
  inBand: () => ({ whole: IN_BAND, first: IN_BAND, late: () => IN_BAND }),
  refuse: refuseAsOpenAi,
  headers: openAiHeaders,
};
