// Starts a provider on loopback that embeds as Google's API does, and keeps what it was sent.
import { createServer, type IncomingMessage } from "node:http";
import type { JsonRecord } from "./document.ts";

/** A request as the provider got it. */
export interface SeenEmbedding {
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: { readonly requests: readonly JsonRecord[] };
}

/** A running provider. */
export interface GoogleEmbedder {
  readonly base: string;
  readonly host: string;
  readonly seen: SeenEmbedding[];
  stop(): Promise<void>;
}

/** Tokens that every request counts. */
export const EMBEDDED_TOKENS = 11;

/** Starts one on a free port; a model called `broken` answers Google's error, `absurd` counts more tokens than there are. */
export async function startGoogleEmbedder(): Promise<GoogleEmbedder> {
  const seen: SeenEmbedding[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString("utf8")) as SeenEmbedding["body"];
      const url = request.url ?? "";
      seen.push({ url, headers: request.headers, body });
      const isBroken = url.includes("/broken:");
      response.writeHead(isBroken ? 400 : 200, { "content-type": "application/json" });
      response.end(
        JSON.stringify(
          isBroken
            ? { error: { code: 400, message: "no such model", status: "INVALID_ARGUMENT" } }
            : {
                embeddings: body.requests.map((_, index) => ({ values: [0.5, -0.25, index] })),
                usageMetadata: { promptTokenCount: url.includes("/absurd:") ? 1e15 : EMBEDDED_TOKENS },
              },
        ),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the embedder has no port");
  const host = `127.0.0.1:${address.port}`;
  return {
    base: `http://${host}`,
    host,
    seen,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
