// Starts a provider on loopback that keeps the exact bytes it was sent and answers with the exact bytes it was told.
import { createServer, type IncomingHttpHeaders } from "node:http";

/** A request as it arrived. */
export interface Recorded {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** A recording provider. */
export interface RecordingUpstream {
  readonly origin: string;
  readonly requests: Recorded[];
  /** Whether it answers nothing, and how many callers left it unanswered. */
  isSilent: boolean;
  left: number;
  /** What it answers from now on. */
  answer: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array };
  stop(): Promise<void>;
}

/** Starts one on a free port. */
export async function startRecordingUpstream(): Promise<RecordingUpstream> {
  const requests: Recorded[] = [];
  const upstream: RecordingUpstream = {
    origin: "",
    requests,
    isSilent: false,
    left: 0,
    answer: { status: 200, headers: { "content-type": "application/json" }, body: new Uint8Array() },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      requests.push({
        at: Date.now(),
        url: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString("utf8"),
      });
      response.on("close", () => {
        if (!response.writableEnded) upstream.left += 1;
      });
      if (upstream.isSilent) return;
      response.writeHead(upstream.answer.status, upstream.answer.headers);
      response.end(upstream.answer.body);
    });
  });
  server.keepAliveTimeout = 100;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the recording upstream has no port");
  return Object.assign(upstream, { origin: `http://127.0.0.1:${address.port}` });
}
