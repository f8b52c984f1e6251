// Consumes the queue of exports: sends a segment's records to one exporter as OTLP, in pieces, each piece once.
import { takes, type ExportEntry } from "../core/config/export-document.ts";
import { readExportOrder, type ExportOrder } from "../core/trace/export-order.ts";
import { exportOf } from "../core/trace/otlp-export.ts";
import { writeExportJson } from "../core/trace/otlp-json.ts";
import { writeExportProtobuf } from "../core/trace/otlp-protobuf.ts";
import type { TraceRecord } from "../core/trace/record.ts";
import type { Ports } from "../gateway/ports.ts";
import type { ExportAnswer } from "../gateway/ports/exports.ts";

/** A queue message as its consumer sees it. */
export interface ExportMessage {
  readonly body: unknown;
  /** How often it has been delivered to a consumer, this time included. */
  readonly attempts: number;
  ack(): void;
  retry(options: { readonly delaySeconds: number }): void;
}

type ExportPorts = Pick<Ports, "system" | "configs" | "segments" | "exportQueue" | "exporter" | "exportLedger">;

/** Records that are read, and sent, at once. */
const PIECE = 25;
const FIRST_RETRY_S = 5;
const LONGEST_RETRY_S = 3_600;
/** Deliveries after which a piece is given up: with the delays between them about half a day. */
const MAX_ATTEMPTS = 20;

/**
 * Exports a batch of orders. What an exporter has taken is not sent to it again: when a later piece has to wait, the
 * message is replaced by one for the rest, so that only a consumer which dies between an answer and its acknowledgement
 * sends a piece twice. What must not be sent again, or could not be for too long, is counted and dropped: the records
 * themselves stay where they are.
 */
export async function exportTraces(ports: ExportPorts, messages: readonly ExportMessage[]): Promise<void> {
  await Promise.all(
    messages.map((message) => handle(ports, message).catch((error: unknown) => failed(message, error))),
  );
}

function failed(message: ExportMessage, error: unknown): void {
  console.error(JSON.stringify({ event: "export_failed", reason: error instanceof Error ? error.name : "unknown" }));
  message.retry({ delaySeconds: delayAfter(message.attempts) });
}

function delayAfter(attempts: number): number {
  return Math.min(FIRST_RETRY_S * 2 ** (attempts - 1), LONGEST_RETRY_S);
}

async function handle(ports: ExportPorts, message: ExportMessage): Promise<void> {
  const order = readExportOrder(message.body);
  const config = order === undefined ? undefined : await ports.configs.active(order.tenant);
  const entry = order === undefined ? undefined : config?.published.document.trace.exports[order.exporter];
  if (order === undefined || config === undefined || entry === undefined) {
    // An export that is no longer configured is none.
    if (order === undefined) console.error(JSON.stringify({ event: "export_order_dropped" }));
    message.ack();
    return;
  }
  const { allow } = config.published.document.egress;
  let attempts = message.attempts;
  for (let at = 0; at < order.lines.length; at += PIECE) {
    const piece = { ...order, lines: order.lines.slice(at, at + PIECE) };
    const outcome = await sendPiece(ports, piece, entry, allow).catch((error: unknown) => notSent(error, at));
    if (outcome.answer.type === "later" && attempts < MAX_ATTEMPTS) {
      await postpone(
        ports,
        message,
        { order: { ...order, lines: order.lines.slice(at) }, isFirst: at === 0 },
        outcome.answer,
      );
      return;
    }
    await count(ports, piece, outcome);
    // Once one piece has been given up, each of the others has one try.
    attempts = outcome.answer.type === "later" ? MAX_ATTEMPTS : 1;
  }
  message.ack();
}

/** What could not be read waits like what was not taken, so that what an exporter has taken before it is not sent again. */
function notSent(error: unknown, at: number): Outcome {
  if (at === 0) throw error;
  const reason = error instanceof Error ? error.name : "unknown";
  return { answer: { type: "later", reason, retryAfterMs: null }, spans: 0 };
}

/** Waits as long as the exporter asks; a message of which a piece has been taken is replaced by one for the rest. */
async function postpone(
  ports: ExportPorts,
  message: ExportMessage,
  left: { readonly order: ExportOrder; readonly isFirst: boolean },
  answer: ExportAnswer & { readonly type: "later" },
): Promise<void> {
  const asked = answer.retryAfterMs === null ? undefined : Math.ceil(answer.retryAfterMs / 1_000);
  const delaySeconds = Math.min(asked ?? delayAfter(left.isFirst ? message.attempts : 1), MAX_DELAY_S);
  if (left.isFirst) {
    message.retry({ delaySeconds });
    return;
  }
  await ports.exportQueue.send([left.order], delaySeconds);
  message.ack();
}

/** The longest that a queue delays a message. */
const MAX_DELAY_S = 43_200;

interface Outcome {
  readonly answer: ExportAnswer;
  readonly spans: number;
}

async function sendPiece(
  ports: ExportPorts,
  order: ExportOrder,
  entry: ExportEntry,
  allowedHosts: readonly string[],
): Promise<Outcome> {
  const { tenant } = order;
  const read = await ports.segments.read(tenant, order.segment, order.lines);
  const records = read.filter(({ index }) => index.tenant === tenant && takes(entry, index));
  const spans = records.reduce((sum, record) => sum + record.spans.length, 0);
  if (spans === 0) return { answer: { type: "taken", rejected: 0, reason: "" }, spans };
  const body = encoded(tenant, records, entry);
  return { answer: await ports.exporter.send({ tenant, entry, body, allowedHosts }), spans };
}

function encoded(tenant: string, records: readonly TraceRecord[], entry: ExportEntry): Uint8Array<ArrayBuffer> {
  const spans = exportOf(tenant, records, { hasContent: entry.content, resource: entry.resource });
  return entry.encoding === "json"
    ? new Uint8Array(encoder.encode(writeExportJson(spans)))
    : writeExportProtobuf(spans);
}

const encoder = new TextEncoder();

async function count(ports: ExportPorts, { tenant, exporter }: ExportOrder, { answer, spans }: Outcome): Promise<void> {
  if (spans === 0) return;
  const failed = answer.type === "taken" ? Math.min(answer.rejected, spans) : spans;
  if (failed > 0) {
    console.error(JSON.stringify({ event: "export_dropped", tenant, exporter, spans: failed, reason: answer.reason }));
  }
  const failure = failed > 0 ? answer.reason : null;
  try {
    await ports.exportLedger.add(tenant, exporter, { sent: spans - failed, failed, failure, at: ports.system.now() });
  } catch {
    // A figure that is too low is better than spans that are sent twice.
    console.error(JSON.stringify({ event: "export_not_counted", tenant, exporter, spans }));
  }
}
