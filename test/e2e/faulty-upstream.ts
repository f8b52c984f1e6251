// Starts a tool on loopback that fails in the way its path asks for, and counts the effects it has had.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The ways to fail. Before the effect: `reset_before`, `hang`, the statuses and the redirect. After it: the rest. */
export const FAULTS = [
  "refuse",
  "reset_before",
  "reset_after",
  "hang",
  "slow_body",
  "half_body",
  "status_429",
  "status_500",
  "status_503",
  "garbage",
  "redirect",
  "huge",
] as const;
/** One of them. */
export type Fault = (typeof FAULTS)[number];

/** What reached one case. */
export interface Seen {
  readonly requests: number;
  readonly effects: number;
  /** Most requests of the case that were unanswered at once. */
  readonly most: number;
  readonly keys: readonly string[];
}

/** A running upstream. Paths: `/<case>/<fault or none>/<times to fail>`; `?ms=` answers that late. */
export interface FaultyUpstream {
  readonly origin: string;
  /** An address where nobody listens. */
  readonly refusing: string;
  seen(name: string): Seen;
  stop(): Promise<void>;
}

interface Case {
  requests: number;
  effects: number;
  running: number;
  most: number;
  readonly keys: string[];
  readonly answered: Set<string>;
}

const HUGE = Buffer.alloc(700_000, "x");

/** Starts one on a free port. A key that it has seen before has no second effect. */
export async function startFaultyUpstream(): Promise<FaultyUpstream> {
  const cases = new Map<string, Case>();
  const sockets = new Set<Socket>();
  const caseOf = (name: string): Case => {
    const known = cases.get(name) ?? { requests: 0, effects: 0, running: 0, most: 0, keys: [], answered: new Set() };
    cases.set(name, known);
    return known;
  };
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => void answer(request, response, caseOf));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  const origin = await listen(server);
  const spare = createServer();
  const refusing = await listen(spare);
  await new Promise((resolve) => spare.close(resolve));
  return {
    origin,
    refusing,
    seen: (name) => {
      const { requests, effects, most, keys } = caseOf(name);
      return { requests, effects, most, keys: [...keys] };
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the faulty upstream has no port");
  return `http://127.0.0.1:${address.port}`;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  caseOf: (name: string) => Case,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://upstream");
  const [, name = "", fault = "none", times = "0"] = url.pathname.split("/");
  const at = caseOf(name);
  at.requests += 1;
  at.running += 1;
  at.most = Math.max(at.most, at.running);
  response.on("close", () => (at.running -= 1));
  const isFaulty = at.requests <= Number(times);
  if (isFaulty && failBefore(fault, response)) return;
  const key = String(request.headers["idempotency-key"] ?? "");
  if (key !== "") at.keys.push(key);
  if (request.method !== "GET" && (key === "" || !at.answered.has(key))) at.effects += 1;
  if (key !== "") at.answered.add(key);
  const ms = Number(url.searchParams.get("ms") ?? 0);
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
  if (isFaulty && failAfter(fault, response)) return;
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ done: name }));
}

function failBefore(fault: string, response: ServerResponse): boolean {
  switch (fault) {
    case "reset_before":
      response.socket?.resetAndDestroy();
      return true;
    case "hang":
      return true;
    case "status_429":
    case "status_503":
      response.writeHead(Number(fault.slice(7)), { "retry-after": "1" }).end("{}");
      return true;
    case "status_500":
      response.writeHead(500).end("{}");
      return true;
    case "redirect":
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end();
      return true;
    default:
      return false;
  }
}

function failAfter(fault: string, response: ServerResponse): boolean {
  switch (fault) {
    case "reset_after":
      response.socket?.resetAndDestroy();
      return true;
    case "slow_body":
      response.writeHead(200, { "content-type": "application/json" }).write('{"done":');
      return true;
    case "half_body":
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write('{"done":');
      setTimeout(() => response.destroy(), 20);
      return true;
    case "garbage":
      response.writeHead(200, { "content-type": "application/json" }).end("<<< not json >>>");
      return true;
    case "huge":
      response.writeHead(200, { "content-type": "application/json" }).end(HUGE);
      return true;
    default:
      return false;
  }
}
