// A stand-in for the gateway that answers one thing to everything and keeps what the CLI sent it.
import { onTestFinished } from "vitest";
import { runCli, type CliRun } from "./run-cli.ts";
import { standIn } from "./stand-in.ts";

/** One request of the CLI. */
export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly ifMatch: string | undefined;
  readonly body: unknown;
}

/** What was sent so far, and the CLI beside it. */
export interface RecordingGateway {
  readonly sent: readonly Sent[];
  readonly run: (args: readonly string[], input?: string) => Promise<CliRun>;
}

/** Stands until the running test is over. */
export async function recordingGateway(answer: unknown, status = 200): Promise<RecordingGateway> {
  const sent: Sent[] = [];
  const server = await standIn(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const text = Buffer.concat(chunks).toString();
    const { method = "", url = "", headers } = request;
    sent.push({ method, url, ifMatch: headers["if-match"], body: text === "" ? undefined : JSON.parse(text) });
    response.writeHead(status).end(JSON.stringify(answer));
  });
  onTestFinished(() => server.stop());
  const env = { INTERLOCK_URL: server.url, INTERLOCK_KEY: "test-key-123" };
  return {
    sent,
    run: (args, input) => runCli(args, { cwd: import.meta.dirname, env, ...(input === undefined ? {} : { input }) }),
  };
}
