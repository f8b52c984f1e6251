// Calls tools of a hostile server with the official client, and tells in what way and how soon the call ended.
import {
  Client,
  ClientCredentialsProvider,
  SdkError,
  SdkErrorCode,
  StreamableHTTPClientTransport,
} from "@modelcontextprotocol/client";
import type { Revision } from "./conformance.ts";
import type { Endpoint } from "./subject.ts";

/** `answered`: with a result. `failed`: with an error, or a result that is one. `gave_up`: nothing came in the caller's time. */
export interface CallEnd {
  readonly kind: "answered" | "failed" | "gave_up";
  /** The result's text, or the error. */
  readonly text: string;
  readonly ms: number;
}

/** How to call. */
export interface Calling {
  readonly endpoint: Endpoint;
  readonly revision: Revision;
  /** How long the caller waits for each answer. */
  readonly patienceMs: number;
  /** Whether it has a user to ask, who answers at once. */
  readonly hasUser?: boolean;
  /** Logs in by itself, where nobody does it for it. */
  readonly credentials?: { readonly clientId: string; readonly clientSecret: string } | undefined;
  readonly onProgress?: (progress: number) => void;
  /** Cancels its calls. */
  readonly signal?: AbortSignal;
}

/** A connected client. */
export interface Connection {
  list(): Promise<readonly string[]>;
  call(tool: string, args?: Readonly<Record<string, unknown>>): Promise<CallEnd>;
}

let calls = 0;

/** Connects, does what is asked, and closes, so that nothing of the client is left running. */
export async function connected<T>(calling: Calling, act: (connection: Connection) => Promise<T>): Promise<T> {
  const { endpoint, revision, patienceMs: timeout, credentials, onProgress } = calling;
  const client = new Client(
    { name: "interlock-tests", version: "1.0.0" },
    {
      capabilities: calling.hasUser === true ? { elicitation: { form: {} } } : {},
      versionNegotiation: { mode: revision === "2026-07-28" ? { pin: revision } : "legacy" },
    },
  );
  if (calling.hasUser === true) {
    client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { password: "hunter2" } }));
  }
  const transport = new StreamableHTTPClientTransport(new URL(endpoint.url), {
    requestInit: { headers: { ...endpoint.headers } },
    ...(credentials === undefined
      ? {}
      : { authProvider: new ClientCredentialsProvider({ ...credentials, expectedIssuer: originOf(endpoint) }) }),
  });
  try {
    await client.connect(transport, { timeout });
    return await act({
      list: async () => (await client.listTools(undefined, { timeout })).tools.map((tool) => tool.name),
      call: (tool, args) => {
        // No two calls are alike: the same again might be answered from what the first did.
        calls += 1;
        const params = { name: tool, arguments: { note: `call ${calls}`, ...args } };
        return endOf(async () => {
          const result = await client.callTool(params, {
            timeout,
            ...(calling.signal === undefined ? {} : { signal: calling.signal }),
            ...(onProgress === undefined ? {} : { onprogress: ({ progress }) => onProgress(progress) }),
          });
          const text = result.content.map((block) => (block.type === "text" ? block.text : block.type)).join("\n");
          return { text, isError: result.isError === true };
        });
      },
    });
  } finally {
    await client.close();
  }
}

/** One call on a connection of its own; that the connection fails is an end too. */
export function callOnce(calling: Calling, tool = "act"): Promise<CallEnd> {
  const start = performance.now();
  return connected(calling, (connection) => connection.call(tool)).catch((error: unknown) => endBy(error, start));
}

async function endOf(act: () => Promise<{ readonly text: string; readonly isError: boolean }>): Promise<CallEnd> {
  const start = performance.now();
  try {
    const { text, isError } = await act();
    return { kind: isError ? "failed" : "answered", text, ms: performance.now() - start };
  } catch (error) {
    return endBy(error, start);
  }
}

function endBy(error: unknown, start: number): CallEnd {
  const isTimeout = error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout;
  return { kind: isTimeout ? "gave_up" : "failed", text: String(error), ms: performance.now() - start };
}

const originOf = ({ url }: Endpoint): string => new URL(url).origin;
