// Proves how orders of exports are worked off: piece by piece, each once, waiting as long as asked, and given up in the end.
import { afterEach, beforeEach, describe, expect, test, vi, type Mock } from "vitest";
import { checkConfig } from "../../src/core/config/check.ts";
import { unpublished } from "../../src/core/config/published.ts";
import { writeExportOrder, type ExportOrder } from "../../src/core/trace/export-order.ts";
import { NO_CALLER, type TraceRecord } from "../../src/core/trace/record.ts";
import type { ExportAnswer, ExportRequest } from "../../src/gateway/ports/exports.ts";
import { exportTraces, type ExportMessage } from "../../src/jobs/export-traces.ts";
import { decodeOfficial } from "../otlp/official.ts";

beforeEach(() => {
  vi.spyOn(console, "error").mockReturnValue();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const CONFIG = checkConfig(
  {
    trace: {
      exports: {
        backend: { url: "https://otlp.example.com/v1/traces" },
        actors: { url: "https://otlp.example.com/v1/traces", only: { actors: ["other"] } },
      },
    },
    egress: { allow: ["otlp.example.com"] },
  },
  { priceBook: null, secrets: null, services: null, allowPrivateEgress: false },
);

function record(at: number): TraceRecord {
  const spanId = (at + 1).toString(16).padStart(16, "0");
  return {
    v: 1,
    index: {
      tenant: "acme",
      trace_hex: "0af7651916cd43dd8448eb211c80319c",
      span_id: spanId,
      trace_id: "tr_0af7651916cd43dd8448eb211c80319c",
      started_at: 1_780_000_000_000,
      duration_ms: 5,
      kind: "chat",
      session_id: "s",
      task_id: null,
      actor: "agent",
      subject: "m",
      status: "succeeded",
      decision: "allow",
      error_code: null,
      policy_version: "v1-000000000000",
      cost_micro_usd: 0,
      input_tokens: 0,
      output_tokens: 0,
      seq: 1,
      call_id: null,
      ...NO_CALLER,
    },
    spans: [
      {
        span_id: spanId,
        parent_span_id: null,
        name: "chat m",
        kind: "client",
        start_ms: 1_780_000_000_000,
        end_ms: 1_780_000_000_005,
        status: "ok",
        attributes: {},
      },
    ],
    payloads: [],
  };
}

interface Run {
  readonly message: ExportMessage & { readonly ack: Mock<() => void>; readonly retry: Mock<ExportMessage["retry"]> };
  readonly sent: readonly ExportRequest[];
  readonly queued: readonly { readonly orders: readonly ExportOrder[]; readonly delay: number | undefined }[];
  readonly counted: readonly { readonly sent: number; readonly failed: number; readonly failure: string | null }[];
}

const TAKEN: ExportAnswer = { type: "taken", rejected: 0, reason: "" };
const later = (retryAfterMs: number | null = null): ExportAnswer => ({
  type: "later",
  reason: "status_503",
  retryAfterMs,
});

const unused = (): Promise<never> => Promise.reject(new Error("not here"));

async function run(
  answers: readonly ExportAnswer[],
  given: {
    readonly lines?: number;
    readonly attempts?: number;
    readonly exporter?: string;
    readonly body?: unknown;
    /** The first line whose piece cannot be read. */
    readonly unreadableFrom?: number;
    readonly isUncounted?: boolean;
  } = {},
): Promise<Run> {
  const { lines = 60, attempts = 1, exporter = "backend" } = given;
  if (!CONFIG.ok) throw new Error(JSON.stringify(CONFIG.mistakes));
  const config = unpublished(CONFIG.document, CONFIG.rules);
  const order = {
    tenant: "acme",
    segment: "segments/acme/x",
    lines: Array.from({ length: lines }, (_, at) => at),
    exporter,
  };
  const message = {
    body: given.body ?? writeExportOrder(order),
    attempts,
    ack: vi.fn<() => void>(),
    retry: vi.fn<ExportMessage["retry"]>(),
  };
  const left = [...answers];
  const sent: ExportRequest[] = [];
  const queued: { orders: readonly ExportOrder[]; delay: number | undefined }[] = [];
  const counted: { sent: number; failed: number; failure: string | null }[] = [];
  await exportTraces(
    {
      system: { now: () => 1_780_000_001_000, randomHex: () => "", wait: () => Promise.resolve() },
      configs: {
        active: () => Promise.resolve(config),
        recent: () => Promise.resolve(config),
        current: () => Promise.resolve(undefined),
        version: () => Promise.resolve(undefined),
        publish: () => Promise.reject(new Error("not here")),
        versions: () => Promise.resolve([]),
      },
      segments: {
        put: unused,
        days: unused,
        list: unused,
        scan: unused,
        blank: unused,
        removeBefore: unused,
        read: (_, __, asked) =>
          asked.some((line) => line >= (given.unreadableFrom ?? lines))
            ? Promise.reject(new Error("R2 internal error"))
            : Promise.resolve(asked.map(record)),
      },
      exporter: {
        send: (request) => {
          sent.push(request);
          return Promise.resolve(left.shift() ?? TAKEN);
        },
      },
      exportQueue: {
        send: (orders, delay) => {
          queued.push({ orders, delay });
          return Promise.resolve();
        },
      },
      exportLedger: {
        add: (_, __, figures) => {
          if (given.isUncounted === true) return Promise.reject(new Error("D1 is overloaded"));
          counted.push(figures);
          return Promise.resolve();
        },
        list: () => Promise.resolve([]),
      },
    },
    [message],
  );
  return { message, sent, queued, counted };
}

function linesIn(request: ExportRequest | undefined): number {
  const text = JSON.stringify(decodeOfficial(request?.body ?? new Uint8Array()));
  return text.split('"name":"chat m"').length - 1;
}

describe("an order", () => {
  test("goes out in pieces, and is done when all are taken", async () => {
    const { message, sent, counted } = await run([]);
    expect(sent.map(linesIn)).toEqual([25, 25, 10]);
    expect(message.ack).toHaveBeenCalledOnce();
    expect(message.retry).not.toHaveBeenCalled();
    expect(counted.map((each) => each.sent)).toEqual([25, 25, 10]);
  });

  test("waits as long as the exporter asks, else ever longer", async () => {
    const asked = await run([later(42_000)]);
    expect(asked.message.retry).toHaveBeenCalledExactlyOnceWith({ delaySeconds: 42 });
    expect(asked.message.ack).not.toHaveBeenCalled();
    expect(asked.counted).toEqual([]);
    const delays = await Promise.all(
      [1, 2, 3, 19].map(async (attempts) => (await run([later()], { attempts })).message.retry.mock.calls[0]?.[0]),
    );
    expect(delays.map((delay) => delay?.delaySeconds)).toEqual([5, 10, 20, 3_600]);
  });

  test("of which a piece was taken is replaced by one for the rest: nothing is sent twice", async () => {
    const { message, queued, counted } = await run([TAKEN, later(7_000)]);
    expect(message.ack).toHaveBeenCalledOnce();
    expect(queued).toHaveLength(1);
    expect(queued[0]?.delay).toBe(7);
    expect(queued[0]?.orders[0]?.lines).toEqual(Array.from({ length: 35 }, (_, at) => at + 25));
    expect(counted.map((each) => each.sent)).toEqual([25]);
  });

  test("of which a piece cannot be read, or counted, sends nothing twice", async () => {
    const unread = await run([], { unreadableFrom: 30 });
    expect([unread.sent.length, unread.message.ack.mock.calls.length]).toEqual([1, 1]);
    expect(unread.queued.flatMap(({ orders }) => orders).map(({ lines }) => lines.length)).toEqual([35]);
    const uncounted = await run([], { isUncounted: true });
    expect([uncounted.sent.length, uncounted.message.ack.mock.calls.length]).toEqual([3, 1]);
  });

  test("that is refused is dropped and counted, and its other pieces are still tried", async () => {
    const { message, sent, counted } = await run([{ type: "refused", reason: "status_400" }]);
    expect(sent).toHaveLength(3);
    expect(message.ack).toHaveBeenCalledOnce();
    expect(counted[0]).toMatchObject({ sent: 0, failed: 25, failure: "status_400" });
    expect(counted[1]).toMatchObject({ sent: 25, failed: 0, failure: null });
  });

  test("is given up after twenty deliveries", async () => {
    const { message, counted } = await run([later(), later(), later()], { attempts: 20 });
    expect(message.ack).toHaveBeenCalledOnce();
    expect(counted.map((each) => each.failed)).toEqual([25, 25, 10]);
  });

  test("for an exporter that is gone, that takes none of it, or that is no order, is done", async () => {
    for (const given of [{ exporter: "gone" }, { exporter: "actors" }, { body: "nonsense" }, { body: 7 }]) {
      const { message, sent } = await run([], given);
      expect(message.ack).toHaveBeenCalledOnce();
      expect(sent).toEqual([]);
    }
  });
});
