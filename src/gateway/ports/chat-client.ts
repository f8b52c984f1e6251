// Names what judges speak through: a client of chat completions whose requests go wherever its `fetch` leads them.
import type { JsonObject } from "../../core/json/canonical.ts";

/** What a chat completion came to. */
export type ChatAnswer = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string };

/** A client of one model. Never throws. */
export interface ChatClient {
  complete(model: string, request: JsonObject): Promise<ChatAnswer>;
}

/** Clients over a `fetch` of ours. */
export interface ChatClients {
  over(fetch: (url: string, body: string) => Promise<Response>): ChatClient;
}
