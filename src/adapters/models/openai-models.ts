// Reaches OpenAI and OpenAI-compatible providers: the tenant's credential in, nothing of the caller's.
import type { Dialect } from "../../core/dialect/dialect.ts";
import type { Secrets } from "../../gateway/ports.ts";
import type { Models, ModelResponse } from "../../gateway/ports/models.ts";
import type { Egress } from "../egress.ts";

const OPENAI_BASE = "https://api.openai.com/v1";

const PATHS: Readonly<Record<Dialect, string>> = {
  chat: "chat/completions",
  responses: "responses",
  messages: "messages",
  generate: "generate",
  embeddings: "embeddings",
  count_tokens: "messages/count_tokens",
  count_generate: "countTokens",
};

/** Providers that speak the OpenAI dialect. */
export function openAiModels(egress: Egress, secrets: Secrets): Models {
  return {
    send: async (request): Promise<ModelResponse> => {
      const { provider } = request;
      const credential =
        provider.secret === undefined
          ? undefined
          : await secrets.reveal(request.tenant, provider.secret).catch(() => undefined);
      if (provider.secret !== undefined && credential === undefined)
        return { type: "blocked", message: `the stored secret "${provider.secret}" cannot be read` };
      const headers = new Headers([...request.headers]);
      headers.set("content-type", "application/json");
      if (credential !== undefined) headers.set("authorization", `Bearer ${credential}`);
      const base = (provider.base_url ?? OPENAI_BASE).replace(/\/+$/, "");
      const allowedHosts = provider.base_url === undefined ? ["api.openai.com"] : request.allowedHosts;
      try {
        const answer = await egress({
          url: `${base}/${PATHS[request.dialect]}${request.query === "" ? "" : `?${request.query}`}`,
          method: "POST",
          headers,
          body: request.body,
          allowedHosts,
          service: provider.service,
          signal: request.signal,
        });
        if (!answer.sent) return { type: "blocked", message: answer.reason };
        const { response } = answer;
        return {
          type: "answered",
          status: response.status,
          headers: response.headers,
          body: response.body,
          bytes: () => boundedBytes(response),
          credential,
        };
      } catch (error) {
        if (request.signal.aborted) return { type: "aborted" };
        return {
          type: "unreachable",
          message:
            error instanceof Error
              ? "the model provider's connection failed"
              : "the model provider could not be reached",
        };
      }
    },
  };
}

/** Answers larger than this are a fault of the provider: nothing whole is larger than a context window. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** The whole body, read natively when its length is known, chunk by chunk when only reading tells; throws past the bound. */
async function boundedBytes(response: Response): Promise<ArrayBuffer> {
  const declared = response.headers.get("content-length");
  const isPlain = response.headers.get("content-encoding") === null;
  if (declared !== null && isPlain && Number(declared) <= MAX_ANSWER_BYTES) return response.arrayBuffer();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new RangeError("the answer is larger than 32 MiB");
    chunks.push(chunk);
  }
  return new Blob(chunks).arrayBuffer();
}
