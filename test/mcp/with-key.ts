// Puts a loopback proxy before an endpoint that adds the API key, for clients that cannot send one.
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { listenOn } from "./web-server.ts";

/** A proxy in front of one endpoint. */
export interface KeyedEndpoint {
  /** The endpoint, by the name `localhost`, under the proxy's port. */
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** Passes everything on as it came, Host and Origin too, streams both ways, and ends a request whose caller left. */
export async function withKey(targetUrl: string, key: string): Promise<KeyedEndpoint> {
  const target = new URL(targetUrl);
  const server = createServer((incoming, outgoing) => forward(target, key, incoming, outgoing));
  server.requestTimeout = 0;
  const listening = await listenOn(server);
  return { url: `http://localhost:${listening.port}${target.pathname}`, stop: listening.stop };
}

function forward(target: URL, key: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const headers = withAuthorization(incoming.rawHeaders, key);
  const onward = httpRequest(
    { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers, agent: false },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      outgoing.flushHeaders();
      pipeline(answer, outgoing, () => onward.destroy());
    },
  );
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
}

/** The caller's own authorization stays. */
function withAuthorization(raw: readonly string[], key: string): string[] {
  const hasOwn = raw.some((name, index) => index % 2 === 0 && name.toLowerCase() === "authorization");
  return hasOwn ? [...raw] : [...raw, "Authorization", `Bearer ${key}`];
}
