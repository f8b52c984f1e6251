// A keep-alive load generator on raw sockets, for machines without wrk; prints one JSON line.
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { LoadRequest, LoadResult } from "./generator.ts";
import { sessionIds } from "./loads.ts";
import { AnswerReader } from "./answer-reader.ts";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: raw-socket.ts <request.json>");
// NOTE: written by generator.ts a moment ago, so it is taken as well formed.
const load = JSON.parse(readFileSync(file, "utf8")) as LoadRequest;
const target = new URL(load.url);

const heads = sessionIds.map((session) => {
  const headers = {
    Host: target.host,
    ...load.headers,
    "Content-Type": "application/json",
    "Interlock-Session": session,
    "Content-Length": String(Buffer.byteLength(load.body)),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${target.pathname} HTTP/1.1\r\n${lines.join("")}\r\n${load.body}`;
});

const latenciesMs: number[] = [];
let failures = 0;
let bytes = 0;
let sent = 0;
const beganMs = performance.now();
const endMs = beganMs + load.seconds * 1000;

/** Sends request after request on one connection until the time is up, reconnecting after a cut. */
async function drive(): Promise<void> {
  while (performance.now() < endMs) {
    const socket = connect(Number(target.port), target.hostname);
    socket.setNoDelay(true);
    await new Promise<void>((resolve) => talk(socket, resolve));
  }
}

function talk(socket: Socket, over: () => void): void {
  const answers = new AnswerReader();
  let sentMs = 0;
  const next = (): void => {
    if (performance.now() >= endMs) {
      socket.destroy();
      return;
    }
    sentMs = performance.now();
    socket.write(heads[sent++ % heads.length] ?? "");
  };
  socket.on("connect", next);
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    const status = answers.push(chunk);
    if (status === undefined) return;
    if (status < 200 || status > 299) failures++;
    latenciesMs.push(performance.now() - sentMs);
    next();
  });
  socket.on("error", () => failures++);
  socket.on("close", over);
}

await Promise.all(Array.from({ length: load.connections }, drive));

latenciesMs.sort((a, b) => a - b);
const percentile = (share: number): number =>
  latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0;
const result: LoadResult = {
  requests: latenciesMs.length,
  seconds: (performance.now() - beganMs) / 1000,
  failures,
  bytes,
  p50Ms: percentile(0.5),
  p99Ms: percentile(0.99),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
