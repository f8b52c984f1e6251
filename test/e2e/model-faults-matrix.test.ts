// Proves what a caller sees of each way in which a model provider can fail, by dialect, whole and streamed, passed through and translated: nothing hangs, every hold settles.
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bodyOf, eventsOf, pathOf, type Dialect } from "../demo/dialect-calls.ts";
import { complaints } from "../demo/vendor-schemas.ts";
import { PRICE, type JsonRecord } from "./document.ts";
import { openStage, readAll, traceIdOf, type Stage, type Tenant } from "./harness.ts";
import {
  cellOf,
  FAULTS,
  faultsTable,
  mayRetry,
  type Cell,
  type Code,
  type Fault,
  type Kind,
} from "./model-faults-table.ts";

type Spoken = Exclude<Dialect, "list">;

/** A caller's dialect, the one of the provider that is asked, and what else the caller says. */
type Leg = readonly [caller: Spoken, provider: Spoken, more?: JsonRecord];

const LEGS: readonly Leg[] = [
  ["chat", "chat"],
  // Usage is asked of the provider all the same, and kept from a caller who did not.
  ["chat", "chat", { stream_options: null }],
  ["responses", "responses"],
  ["messages", "messages"],
  ["generate", "generate"],
  ["chat", "messages"],
  ["messages", "chat"],
  ["chat", "generate"],
  ["generate", "chat"],
  ["responses", "chat"],
  ["chat", "responses"],
];

const PROVIDERS: Readonly<Record<Spoken, JsonRecord>> = {
  chat: { kind: "openai-compatible", base_url: "http://demo.upstream/v1" },
  responses: { kind: "openai-compatible", base_url: "http://demo.upstream/v1", dialects: ["responses"] },
  messages: { kind: "anthropic", base_url: "http://demo.upstream/v1" },
  generate: { kind: "gemini", base_url: "http://demo.upstream/v1beta" },
};

/** Longer than a loaded machine needs for an answer that is there, shorter than anybody waits. */
const TIMEOUTS = { first_byte_ms: 1_500, idle_ms: 1_000, total_ms: 45_000 };
/** What a call may take beyond its time-outs on a loaded machine. */
const SLACK_MS = 8_000;
/** More at once would only wait for each other. */
const AT_ONCE = 8;

interface Asked {
  readonly leg: Leg;
  readonly fault: Fault;
  readonly isStream: boolean;
  readonly cell: Cell;
}

const ASKED: readonly Asked[] = LEGS.flatMap((leg) =>
  FAULTS.flatMap((fault) =>
    [false, true].flatMap((isStream) => {
      const cell = cellOf(fault, isStream, leg[0] !== leg[1]);
      return cell === undefined ? [] : [{ leg, fault, isStream, cell }];
    }),
  ),
);

const nameOf = ({ leg, fault, isStream }: Asked): string =>
  `leg${LEGS.indexOf(leg)}-${fault.model}-${isStream ? "stream" : "whole"}`;

/** What its caller saw of a call. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly isBroken: boolean;
  readonly tookMs: number;
}

/** The same, and what the ledger and the trace say of it. */
interface Seen extends Answer {
  readonly held: number;
  readonly used: number;
  readonly attributes: JsonRecord;
}

let stage: Stage;
let tenant: Tenant;
const seen = new Map<string, Seen>();

beforeAll(async () => {
  stage = await openStage();
  const dialects = [...new Set(LEGS.map(([, provider]) => provider))];
  const models = dialects.flatMap((dialect) =>
    FAULTS.map(({ model }) => [
      `${dialect}-${model}`,
      { provider: `at_${dialect}`, upstream: model, context: 8_000, max_output_tokens: 1_000, price: PRICE },
    ]),
  );
  tenant = await stage.tenant({
    models: Object.fromEntries(models) as JsonRecord,
    providers: Object.fromEntries(
      dialects.map((dialect) => [
        `at_${dialect}`,
        { ...PROVIDERS[dialect], service: "DEMO", secret: "demo_model", timeouts: TIMEOUTS },
      ]),
    ),
  });
  const answers = await inParallel(ASKED, makeCall);
  const looked = await inParallel(answers, lookUp);
  for (const [name, saw] of looked) seen.set(name, saw);
}, 180_000);
afterAll(() => stage.close());

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const left = [...items.entries()];
  const done: R[] = [];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) done[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return done;
}

async function makeCall(asked: Asked): Promise<readonly [name: string, answer: Answer]> {
  const {
    leg: [caller, provider, more = {}],
    fault,
    isStream,
  } = asked;
  const model = `${provider}-${fault.model}`;
  const started = performance.now();
  const response = await stage.fetch(
    "POST",
    pathOf(caller, model, isStream),
    bodyOf(caller, model, { stream: isStream, more }),
    {
      key: tenant.agent,
      headers: { "interlock-session": nameOf(asked), "anthropic-version": "2023-06-01" },
    },
  );
  const { text, isBroken } = await readAll(response);
  const tookMs = performance.now() - started;
  return [nameOf(asked), { status: response.status, headers: response.headers, text, isBroken, tookMs }];
}

/** Looks a call up once all are made: looking often slows what is looked at. */
async function lookUp([name, answer]: readonly [name: string, answer: Answer]): Promise<readonly [string, Seen]> {
  const { used, held } = await tenant.settled(name);
  const { attributes } = await tenant.tracedCall(traceIdOf(answer));
  return [name, { ...answer, used, held, attributes }];
}

/** Each dialect's words: its marker of success, and the errors that a translated answer tells. */
const WORDS: Readonly<Record<Spoken, { readonly marker: RegExp } & Readonly<Record<Kind, string>>>> = {
  chat: {
    marker: /data: \[DONE\]\s*$/,
    invalid_request: "invalid_request_error",
    authentication: "authentication_error",
    rate_limit: "rate_limit_error",
    overloaded: "server_error",
    server: "server_error",
  },
  responses: {
    marker: /"type":"response.completed"/,
    invalid_request: "invalid_request_error",
    authentication: "authentication_error",
    rate_limit: "rate_limit_error",
    overloaded: "server_error",
    server: "server_error",
  },
  messages: {
    marker: /"type":"message_stop"/,
    invalid_request: "invalid_request_error",
    authentication: "authentication_error",
    rate_limit: "rate_limit_error",
    overloaded: "overloaded_error",
    server: "api_error",
  },
  generate: {
    marker: /"finishReason":"STOP"/,
    invalid_request: "INVALID_ARGUMENT",
    authentication: "UNAUTHENTICATED",
    rate_limit: "RESOURCE_EXHAUSTED",
    overloaded: "UNAVAILABLE",
    server: "INTERNAL",
  },
};

/** What the provider says of each fault, in its own dialect. */
const OWN_WORDS: Readonly<Record<string, Readonly<Record<Spoken, string>>>> = {
  "fault-400": own("This request is refused."),
  "fault-401": { ...own("invalid_api_key"), messages: "authentication_error", generate: "UNAUTHENTICATED" },
  "fault-429": { ...own("rate_limit_exceeded"), messages: "rate_limit_error", generate: "RESOURCE_EXHAUSTED" },
  "fault-500-html": own("<html>"),
  "fault-503": { ...own("overloaded"), messages: "temporarily unavailable" },
  "fault-529": { ...own("overloaded"), messages: "overloaded_error" },
  "fault-in-band": { ...own("had an error"), messages: "overloaded_error", generate: "UNAVAILABLE" },
  "fault-in-band-late": { ...own("had an error"), messages: "overloaded_error", generate: "UNAVAILABLE" },
};

function own(words: string): Readonly<Record<Spoken, string>> {
  return { chat: words, responses: words, messages: words, generate: words };
}

/** The kind of a provider's error, as its own dialect tells it. */
function kindOf(model: string, provider: Spoken): Kind {
  if (model === "fault-400") return "invalid_request";
  if (model === "fault-401") return "authentication";
  if (model === "fault-429") return "rate_limit";
  if (model === "fault-500-html" || model === "fault-garbage-event") return "server";
  if (provider === "generate") return "overloaded";
  return provider === "messages" && model !== "fault-503" ? "overloaded" : "server";
}

/** Checks that an object is an error in its dialect's shape. */
function expectErrorShape(caller: Spoken, value: unknown): void {
  if (caller === "messages") expect(complaints("anthropic", "AError", value)).toEqual([]);
  else if (caller === "generate") {
    expect(value).toMatchObject({
      error: { code: expect.any(Number), message: expect.any(String), status: expect.any(String) },
    });
  } else expect(complaints("openai", "ErrorResponse", value)).toEqual([]);
}

/** Words of answers that are not made of pieces. */
const ANSWERS: Readonly<Record<string, string>> = { "text-10": "tok tok tok", "late-150": "model." };

function expectSaid(asked: Asked, { text }: Seen): void {
  const {
    leg: [caller, provider],
    fault,
    isStream,
    cell: { says },
  } = asked;
  switch (says) {
    case "answer":
      expect(text).toContain(ANSWERS[fault.model] ?? "piece 8");
      break;
    case "pieces":
      expect(text).toContain("piece 2");
      // The event that is broken off in the middle may have come as far as its text.
      expect(text.includes("piece 4") && fault.model !== "fault-truncated").toBe(false);
      break;
    case "preamble":
      expect(text).not.toContain("piece 1");
      break;
    case "own words":
      expectOwnWords(fault.model, text, provider);
      break;
    case "error":
      expect(text).toContain(WORDS[caller][kindOf(fault.model, provider)]);
      expectErrorShape(caller, JSON.parse(text));
      break;
    case "upstream_timeout":
    case "upstream_failed":
      expect(text).toMatch(codeIn(says));
      expectErrorShape(caller, JSON.parse(text));
  }
  if (!isStream) expect(text).not.toMatch(/^(data|event):/m);
}

/** A code as an error tells it; Google writes its reasons in capitals. */
function codeIn(code: Code): RegExp {
  return new RegExp(`"${code}"`, "i");
}

function expectOwnWords(model: string, text: string, provider: Spoken): void {
  const words = OWN_WORDS[model]?.[provider];
  if (words !== undefined) expect(text).toContain(words);
  else if (model === "fault-empty-stream") expect(text).toBe("");
  else expect(() => JSON.parse(text) as unknown).toThrow();
}

function expectEnd(asked: Asked, { text }: Seen): void {
  const {
    leg: [caller, provider],
    fault,
    cell: { end },
  } = asked;
  if (end === undefined) return;
  const { marker } = WORDS[caller];
  if (end === "marker") {
    expect(text).toMatch(marker);
    expect(text).not.toMatch(/"(?:upstream_\w+|error)":\{/);
    return;
  }
  expect(text).not.toMatch(marker);
  const last = lastEvent(caller, text);
  const words =
    end === "error"
      ? WORDS[caller][kindOf(fault.model, provider)]
      : end === "own words"
        ? (OWN_WORDS[fault.model]?.[provider] ?? "")
        : "";
  expect(JSON.stringify(last)).toContain(words);
  if (caller === "responses") {
    // The vendor's list of codes for a failed response is closed: ours has no place in it.
    expect(complaints("openai", "ResponseStreamEvent", last)).toEqual([]);
    expect(last).toMatchObject(end === "own words" ? {} : { response: { status: "failed" } });
    return;
  }
  if (end === "upstream_timeout" || end === "upstream_failed") expect(JSON.stringify(last)).toMatch(codeIn(end));
  expectErrorShape(caller, last);
}

/** The last event of a stream; one that was cut off before it is not looked at. */
function lastEvent(caller: Spoken, text: string): unknown {
  const frames = text.split("\n\n").filter((frame) => frame.trim() !== "");
  return eventsOf(caller, `${frames.at(-1) ?? ""}\n\n`).at(-1)?.data;
}

const titleOf = ([caller, provider, more]: Leg): string =>
  `${caller} from ${provider}${more === undefined ? "" : ` with ${JSON.stringify(more)}`}`;

describe.each(LEGS.map((leg) => [titleOf(leg), leg] as const))("%s", (_, leg) => {
  const cases = ASKED.filter((asked) => asked.leg === leg).map(
    (asked) => [`${asked.fault.model}, ${asked.isStream ? "streamed" : "whole"}`, asked] as const,
  );

  test.each(cases)("%s", (__, asked) => {
    const { cell, isStream } = asked;
    const saw = seen.get(nameOf(asked));
    if (saw === undefined) throw new Error("the call was never made");
    expect([saw.status, saw.isBroken]).toEqual([cell.status, false]);
    expectSaid(asked, saw);
    expectEnd(asked, saw);
    const isStreaming = saw.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    expect(isStreaming).toBe(isStream && cell.end !== undefined);
    const isOurs = cell.says === "upstream_timeout" || cell.says === "upstream_failed";
    expect(saw.headers.get("x-should-retry")).toBe(isOurs ? String(mayRetry(cell)) : null);
    const isSilent = [cell.says, cell.end].includes("upstream_timeout");
    const allowedMs = isSilent ? TIMEOUTS.first_byte_ms + TIMEOUTS.idle_ms : TIMEOUTS.total_ms;
    expect(saw.tookMs).toBeLessThan(allowedMs + SLACK_MS);
    expectCharge(cell, saw);
  });
});

function expectCharge({ charged }: Cell, { used, held, attributes }: Seen): void {
  const cost = Number(attributes["interlock.cost.micro_usd"]);
  const reserved = Number(attributes["interlock.reservation.micro_usd"]);
  expect(held).toBe(0);
  expect(attributes["interlock.cost.basis"]).toBe(charged === "nothing" ? "none" : charged);
  expect(used).toBe(cost);
  if (charged === "nothing") expect(cost).toBe(0);
  if (charged === "hold") expect(cost).toBe(reserved);
  if (charged === "usage") expect(cost).toBeGreaterThan(0);
  expect(cost).toBeLessThanOrEqual(reserved);
}

test("usage that was not asked for is not shown", () => {
  const silent = ASKED.filter(({ leg: [, , more], isStream }) => more !== undefined && isStream);
  expect(silent.length).toBeGreaterThan(0);
  for (const asked of silent) expect(seen.get(nameOf(asked))?.text).not.toContain("prompt_tokens");
});

test("no call costs less than the provider bills for it", async () => {
  const costs = [...seen.values()].reduce((sum, { used }) => sum + used, 0);
  expect((await stage.effects()).billed_usd_micros).toBeLessThanOrEqual(costs);
});

test("a 429 keeps the time to come back, which Gemini tells in its body alone: there it becomes a header for others", () => {
  for (const asked of ASKED.filter(({ fault }) => fault.model === "fault-429")) {
    const told = seen.get(nameOf(asked))?.headers.get("retry-after");
    expect([nameOf(asked), told]).toEqual([
      nameOf(asked),
      asked.leg[0] === "generate" && asked.leg[1] === "generate" ? null : "7",
    ]);
  }
});

test("the guide shows this table", () => {
  const page = new URL("../../docs/guides/model-faults.md", import.meta.url);
  const [, before = "", shown = "", after = ""] =
    /^([^]*<!-- table -->\n)([^]*?)(\n<!-- end of table -->[^]*)$/.exec(readFileSync(page, "utf8")) ?? [];
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, before + faultsTable() + after);
  else expect(shown, UPDATE).toBe(faultsTable());
});

const UPDATE = "run UPDATE_DOCS=1 npx vitest run --project e2e test/e2e/model-faults-matrix.test.ts";
