// Starts a chat provider on loopback whose path says what each request of a case gets: `/<case>/<step>,<step>…/v1/chat/completions`.
import { createServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** A running provider. */
export interface ScriptedProvider {
  /** The base URL of a case: its requests get its steps in order, the last one again and again. */
  base(name: string, ...steps: readonly string[]): string;
  readonly host: string;
  /** Requests that a case has seen, by their model. */
  requests(name: string): readonly string[];
  /** Requests of a case that their caller ended before they were answered. */
  left(name: string): number;
  stop(): Promise<void>;
}

interface Seen {
  readonly models: string[];
  left: number;
}

/** Starts one on a free port. */
export async function startScriptedProvider(): Promise<ScriptedProvider> {
  const cases = new Map<string, Seen>();
  const sockets = new Set<Socket>();
  const seen = (name: string): Seen => {
    const known = cases.get(name) ?? { models: [], left: 0 };
    cases.set(name, known);
    return known;
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const [, name = "", steps = ""] = (request.url ?? "").split("/");
      const at = seen(name);
      const asked = {
        ...(JSON.parse(Buffer.concat(chunks).toString("utf8")) as { model: string; stream?: boolean }),
        key: String(request.headers.authorization),
      };
      at.models.push(asked.model);
      response.on("close", () => {
        if (!response.writableEnded) at.left += 1;
      });
      const all = steps.split(",");
      play(all[at.models.length - 1] ?? all.at(-1) ?? "ok", asked, response);
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the scripted provider has no port");
  const host = `127.0.0.1:${address.port}`;
  return {
    base: (name, ...steps) => `http://${host}/${name}/${steps.join(",")}/v1`,
    host,
    requests: (name) => [...seen(name).models],
    left: (name) => seen(name).left,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Asked {
  /** What it came with as `authorization`. */
  readonly key: string;
  readonly model: string;
  readonly stream?: boolean;
}

function play(step: string, asked: Asked, response: ServerResponse): void {
  const [kind = "", figure = "0"] = step.split("-");
  if (/^\d+$/.test(kind)) {
    const headers = { "content-type": "application/json", ...(figure === "0" ? {} : { "retry-after": figure }) };
    response.writeHead(Number(kind), headers).end(JSON.stringify({ error: { message: `says ${kind}`, type: "t" } }));
    return;
  }
  if (kind === "hang") return;
  if (kind === "reset") response.socket?.destroy();
  else if (kind === "slow") setTimeout(() => answer(asked, response, []), Number(figure));
  else answer(asked, response, EVENTS[kind] ?? []);
}

const chunk = (model: string, delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const ERROR = 'data: {"error":{"message":"overloaded","type":"overloaded_error"}}\n\n';
const HANG = "hang";

/** What comes instead of a whole stream. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  inband: [ERROR],
  late: ["role", ERROR],
  mid: ["role", "text", ERROR],
  pause: ["role", HANG],
  silence: ["role", "text", HANG],
  backlog: ["role", ...Array.from({ length: 60 }, () => "text"), HANG],
  echo: ["echo"],
  garbage: ["role", "text", "data: no json\n\n", HANG],
};

const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

function answer({ model, stream, key }: Asked, response: ServerResponse, events: readonly string[]): void {
  if (stream !== true) {
    const message = { role: "assistant", content: `by ${model}` };
    response.writeHead(200, { "content-type": "application/json" }).end(
      JSON.stringify({
        id: "c",
        object: "chat.completion",
        created: 1,
        model,
        choices: [{ index: 0, message, finish_reason: "stop" }],
        usage: USAGE,
      }),
    );
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const whole = [
    chunk(model, { role: "assistant", content: "" }),
    chunk(model, { content: `by ${model}` }),
    chunk(model, {}, "stop"),
    `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model, choices: [], usage: USAGE })}\n\n`,
    "data: [DONE]\n\n",
  ];
  if (events.length === 0) {
    response.end(whole.join(""));
    return;
  }
  for (const event of events) {
    if (event === HANG) return;
    const frames: Readonly<Record<string, string | undefined>> = {
      role: whole[0],
      text: whole[1],
      echo: `data: ${JSON.stringify({ error: { message: `bad key ${key}`, type: "authentication_error" } })}\n\n`,
    };
    response.write(frames[event] ?? event);
  }
  response.end();
}
