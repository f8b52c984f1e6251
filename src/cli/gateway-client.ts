// Touches the gateway over HTTP: one request, its answer parsed, whatever else came told apart.
import type * as z from "zod/mini";
import { mistakesOf } from "../core/config/mistakes.ts";
import { isJsonObject } from "../core/json/canonical.ts";
import type { Connection } from "./connection.ts";
import { CommandFailure, EXIT } from "./exit-codes.ts";
import { ProblemDocument } from "./received.ts";

const TIMEOUT_MS = 30_000;
/** For what is as long as it is. */
const DOWNLOAD_TIMEOUT_MS = 600_000;

/** One request. */
export interface GatewayRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path and query; what a person typed into it is percent-encoded. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, in place of a body. */
  readonly text?: string;
  readonly ifMatch?: string;
}

/** What was asked for, or the gateway's refusal of it. */
export type GatewayAnswer<T> =
  | { readonly ok: true; readonly value: T; readonly etag: string | undefined }
  | { readonly ok: false; readonly status: number; readonly problem: ProblemDocument };

/** The gateway as one key of one tenant sees it. */
export class GatewayClient {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * The answer, parsed; a refusal is a value. Throws a `CommandFailure` when the gateway cannot be reached, does not
   * answer in 30 s, redirects, or answers what is neither the expected shape nor a problem document.
   */
  async ask<T extends z.ZodMiniType>(request: GatewayRequest, schema: T): Promise<GatewayAnswer<z.output<T>>> {
    const response = await this.#fetch(request);
    const body = jsonOf(await this.#textOf(response));
    const asked = `${request.method} ${request.path.split("?")[0] ?? ""}`;
    if (!response.ok) {
      const problem = ProblemDocument.safeParse(body);
      if (problem.success) return { ok: false, status: response.status, problem: problem.data };
      throw this.#unexpected(response, `${asked} answered ${response.status}, and not with a problem document`);
    }
    const parsed = schema.safeParse(body);
    if (parsed.success) return { ok: true, value: parsed.data, etag: response.headers.get("etag") ?? undefined };
    const places = mistakesOf(parsed.error.issues).map((mistake) => mistake.path || "body");
    throw this.#unexpected(response, `${asked} answered ${response.status} without a valid ${places.join(", ")}`);
  }

  /** The answer's value. Throws a `CommandFailure` for everything else. */
  async get<T extends z.ZodMiniType>(request: GatewayRequest, schema: T): Promise<z.output<T>> {
    const answer = await this.ask(request, schema);
    if (!answer.ok) throw refusalFailure(answer);
    return answer.value;
  }

  /**
   * The pieces of a body that is no JSON, as they come. Throws a `CommandFailure` as `ask` does, and for a refusal.
   */
  async *pieces(path: string): AsyncGenerator<Uint8Array> {
    const response = await this.#fetch({ method: "GET", path }, DOWNLOAD_TIMEOUT_MS);
    if (!response.ok) {
      const problem = ProblemDocument.safeParse(jsonOf(await this.#textOf(response)));
      if (problem.success) throw refusalFailure({ status: response.status, problem: problem.data });
      throw this.#unexpected(response, `GET ${path.split("?")[0] ?? ""} answered ${response.status}`);
    }
    try {
      for await (const piece of response.body ?? []) yield piece;
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async #fetch({ method, path, body, text, ifMatch }: GatewayRequest, timeoutMs = TIMEOUT_MS): Promise<Response> {
    const { origin, key, tenant } = this.#connection;
    const headers = new Headers({ authorization: `Bearer ${key}`, accept: "application/json" });
    if (tenant !== undefined) headers.set("interlock-tenant", tenant);
    if (ifMatch !== undefined) headers.set("if-match", ifMatch);
    if (body !== undefined) headers.set("content-type", "application/json");
    if (text !== undefined) headers.set("content-type", "application/x-ndjson");
    const sent = text !== undefined ? { body: text } : body === undefined ? {} : { body: JSON.stringify(body) };
    try {
      // A key and a secret go to the address that was named, and to no other.
      const redirect = "manual";
      return await fetch(`${origin}${path}`, {
        method,
        headers,
        redirect,
        signal: AbortSignal.timeout(timeoutMs),
        ...sent,
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  async #textOf(response: Response): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  #unreachable(error: unknown): CommandFailure {
    return new CommandFailure(EXIT.couldNotRun, [
      `could not reach ${this.#connection.origin}: ${causeOf(error)}`,
      "is the gateway running there? --url (INTERLOCK_URL) names another one",
    ]);
  }

  #unexpected(response: Response, what: string): CommandFailure {
    const location = response.headers.get("location");
    const moved = location === null ? [] : [`it points to ${location}: pass the gateway's own address as --url`];
    return new CommandFailure(EXIT.couldNotRun, [
      what,
      ...moved,
      `is ${this.#connection.origin} an Interlock gateway of this version?`,
    ]);
  }
}

/** How a refusal ends a command: `code: detail`, then one line per mistake. */
export function refusalFailure(refused: {
  readonly status: number;
  readonly problem: ProblemDocument;
}): CommandFailure {
  const { code, detail, errors = [] } = refused.problem;
  const exit = refused.status < 500 ? EXIT.refused : EXIT.couldNotRun;
  const hint = errors.some(({ path }) => path === "Interlock-Tenant")
    ? ["pass --tenant <id>, or set INTERLOCK_TENANT"]
    : [];
  return new CommandFailure(exit, [
    `${code}: ${detail}`,
    ...errors.map(({ path, message }) => `  ${path === "" ? message : `${path}: ${message}`}`),
    ...hint,
  ]);
}

/** A body's value; nothing for no body, the text itself where it is not JSON. */
function jsonOf(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return "the request failed";
  if (error.name === "TimeoutError") return `no answer in ${TIMEOUT_MS / 1000} s`;
  const cause: unknown = error.cause;
  const code = isJsonObject(cause) ? cause["code"] : undefined;
  if (typeof code === "string") return code;
  return cause instanceof Error ? cause.message : error.message;
}
