// Speaks chat completions with OpenAI's own client, whose requests never leave the Worker: its `fetch` is ours.
import OpenAI from "openai";
import type { ChatCompletionCreateParamsNonStreaming } from "openai/resources/chat/completions";
import type { ChatClients } from "../../gateway/ports/chat-client.ts";

/** Where the client believes to speak to; nothing is ever sent there. */
const NOWHERE = "https://interlock.invalid/v1";
const RETRIES = 1;

/** Clients of the `openai` package. */
export const openAiChat: ChatClients = {
  over: (send) => {
    const client = new OpenAI({
      apiKey: "none",
      baseURL: NOWHERE,
      maxRetries: RETRIES,
      fetch: async (input, init) => send(urlOf(input), typeof init?.body === "string" ? init.body : ""),
    });
    return {
      complete: async (model, request) => {
        try {
          // What is asked is made by us; the client sends members that it does not know as they are.
          const asked = { ...request, model } as unknown as ChatCompletionCreateParamsNonStreaming;
          const { choices } = await client.chat.completions.create(asked);
          const [first] = choices;
          const text = first?.message.content ?? "";
          return text === ""
            ? { ok: false, why: first?.message.refusal ?? "the model said nothing" }
            : { ok: true, text };
        } catch (error) {
          return { ok: false, why: error instanceof Error ? error.message.slice(0, 300) : "the model did not answer" };
        }
      },
    };
  },
};

function urlOf(input: string | URL | Request): string {
  return typeof input === "string" ? input : input instanceof URL ? input.href : input.url;
}
