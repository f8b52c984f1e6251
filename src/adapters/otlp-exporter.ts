// Sends OTLP to a tenant's exporters: its stored secrets into headers, gzip, through the egress guard, one attempt each.
import type { ExportEntry } from "../core/config/export-document.ts";
import { readAnswerJson } from "../core/trace/otlp-json.ts";
import type { OtlpExportAnswer, OtlpRead } from "../core/trace/otlp-model.ts";
import { readAnswerProtobuf } from "../core/trace/otlp-protobuf.ts";
import type { Secrets, System } from "../gateway/ports.ts";
import type { ExportAnswer, Exporter } from "../gateway/ports/exports.ts";
import { readBounded } from "./bounded-body.ts";
import type { Egress } from "./egress.ts";
import { readRetryAfter } from "./retry-after.ts";

/** How long a receiver may take. */
const TIMEOUT_MS = 30_000;
/** What is read of an answer. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Statuses after which the same may be sent again (OTLP 1.x, section "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Exporters through `egress`. A secret that is missing or unreadable sends nothing: it may be stored yet. */
export function otlpExporter(egress: Egress, secrets: Pick<Secrets, "reveal">, system: Pick<System, "now">): Exporter {
  return {
    send: async ({ tenant, entry, body, allowedHosts }): Promise<ExportAnswer> => {
      const headers = await headersOf(secrets, tenant, entry);
      if (headers === undefined) return later("secret_unreadable");
      try {
        const answer = await egress({
          url: entry.url,
          method: "POST",
          headers,
          body: await gzipped(body),
          allowedHosts,
          service: undefined,
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        return answer.sent ? await toldBy(answer.response, system.now()) : { type: "refused", reason: "blocked" };
      } catch {
        return later("unreachable");
      }
    },
  };
}

function later(reason: string, retryAfterMs: number | null = null): ExportAnswer {
  return { type: "later", reason, retryAfterMs };
}

async function headersOf(
  secrets: Pick<Secrets, "reveal">,
  tenant: string,
  { headers: configured, encoding }: ExportEntry,
): Promise<Headers | undefined> {
  const headers = new Headers();
  try {
    for (const [name, value] of Object.entries(configured)) {
      const secret = typeof value === "string" ? value : await secrets.reveal(tenant, value.secret);
      if (secret === undefined) return undefined;
      headers.set(name, typeof value === "string" ? secret : `${value.prefix ?? ""}${secret.trim()}`);
    }
  } catch {
    // A secret that is not readable, or that is no header's value.
    return undefined;
  }
  headers.set("content-type", encoding === "json" ? "application/json" : "application/x-protobuf");
  headers.set("content-encoding", "gzip");
  headers.set("user-agent", "interlock-otlp/1");
  return headers;
}

async function gzipped(body: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function toldBy(response: Response, now: number): Promise<ExportAnswer> {
  const { status, ok, headers } = response;
  if (ok) return takenBy(response);
  await response.body?.cancel();
  if (RETRYABLE.has(status)) return later(`status_${status}`, readRetryAfter(headers.get("retry-after"), now));
  return { type: "refused", reason: `status_${status}` };
}

/** A 2xx is a success, in part if its body says so; a body that is none of OTLP's says nothing. */
async function takenBy(response: Response): Promise<ExportAnswer> {
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const answer = await (isJson ? readJson(response) : readProtobuf(response)).catch(() => undefined);
  const { rejectedSpans, errorMessage } = answer?.ok === true ? answer.value.partialSuccess : NOTHING;
  return {
    type: "taken",
    rejected: Number(rejectedSpans),
    reason: rejectedSpans === 0n ? "" : errorMessage.slice(0, 200),
  };
}

const NOTHING = { rejectedSpans: 0n, errorMessage: "" };

async function readJson(response: Response): Promise<OtlpRead<OtlpExportAnswer> | undefined> {
  const text = await readBounded(response, MAX_ANSWER_BYTES);
  return text === undefined ? undefined : readAnswerJson(text);
}

async function readProtobuf(response: Response): Promise<OtlpRead<OtlpExportAnswer> | undefined> {
  const declared = Number(response.headers.get("content-length") ?? Number.NaN);
  if (!(declared <= MAX_ANSWER_BYTES)) {
    await response.body?.cancel();
    return undefined;
  }
  return readAnswerProtobuf(new Uint8Array(await response.arrayBuffer()));
}
