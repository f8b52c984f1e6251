// An HTTP server that stands where the gateway should be, and answers what a test wants.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A running stand-in, and the requests it saw. */
export interface StandIn {
  readonly url: string;
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/** Serves on a free loopback port. */
export async function standIn(
  answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<StandIn> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method ?? ""} ${request.url ?? ""}`);
    void answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Stands between the CLI and a gateway: everything passes, and `between` runs once, after the gateway has answered the
 * first request that `matches`, before the CLI hears of it.
 */
export function between(
  gatewayUrl: string,
  matches: (request: IncomingMessage) => boolean,
  action: () => Promise<unknown>,
): Promise<StandIn> {
  let hasRun = false;
  return standIn(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const headers = Object.fromEntries(
      ["authorization", "interlock-tenant", "content-type", "if-match"].flatMap((name) => {
        const value = request.headers[name];
        return typeof value === "string" ? [[name, value]] : [];
      }),
    );
    const answer = await fetch(`${gatewayUrl}${request.url ?? ""}`, {
      method: request.method ?? "GET",
      headers,
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    });
    const body = await answer.text();
    if (!hasRun && matches(request)) {
      hasRun = true;
      await action();
    }
    const etag = answer.headers.get("etag");
    response.writeHead(answer.status, etag === null ? {} : { etag }).end(body);
  });
}
