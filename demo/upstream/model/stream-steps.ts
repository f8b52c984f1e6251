// Decides the steps of a streamed answer: what is sent, where it waits, and how each fault breaks it.
import type { Chunk } from "./completion-shapes.ts";
import type { Behaviour, ModelFault } from "./model-id.ts";

/** How a call ended. A cut call was billed for what it had put out; a failed one costs nothing. */
export type Ending = "completed" | "cut" | "failed";

/** One thing the stream does next. `outputBytes` is the model output inside the bytes sent. */
export type Step =
  | { readonly kind: "send"; readonly bytes: string; readonly outputBytes: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "stall" }
  /** The last step: close the body, or with `isBroken` tear the connection down. */
  | { readonly kind: "end"; readonly ending: Ending; readonly isBroken: boolean };

/** An error in the middle of a 200 stream, as OpenAI words it. */
export const IN_BAND_ERROR = {
  error: {
    message: "The server had an error while processing your request.",
    type: "server_error",
    param: null,
    code: null,
  },
};

const BIG_EVENT_BYTES = 1_048_576;

/** Long enough for what was sent to leave before the connection is torn down under it. */
const FLUSH_MS = 20;

/** The stream faults that strike after the third chunk of output. */
const LATE_ENDS: Partial<Record<ModelFault, readonly Step[]>> = {
  "fault-hang-mid": [{ kind: "stall" }],
  "fault-cut": [
    { kind: "wait", ms: FLUSH_MS },
    { kind: "end", ending: "cut", isBroken: true },
  ],
  "fault-in-band-late": [
    send(`data: ${JSON.stringify(IN_BAND_ERROR)}\n\n`),
    { kind: "end", ending: "cut", isBroken: false },
  ],
};

/** The steps of a stream. Faults before the headers are not decided here. */
export function* streamSteps(behaviour: Behaviour, chunks: Iterable<Chunk>): Generator<Step> {
  const fault = behaviour.kind === "fault" ? behaviour.fault : undefined;
  if (fault === "fault-in-band") yield send(`data: ${JSON.stringify(IN_BAND_ERROR)}\n\n`);
  if (fault === "fault-in-band" || fault === "fault-empty-stream") {
    yield { kind: "end", ending: "failed", isBroken: false };
    return;
  }
  const lateEnd = fault === undefined ? undefined : LATE_ENDS[fault];
  let outputs = 0;
  for (const chunk of chunks) {
    if (lateEnd !== undefined && outputs === 3) {
      yield* lateEnd;
      return;
    }
    if (chunk.kind === "output") outputs += 1;
    yield* chunkSteps(fault, chunk, outputs);
    if (behaviour.kind === "paced" && chunk.kind === "output") yield { kind: "wait", ms: behaviour.delayMs };
  }
  yield send(reframe("data: [DONE]\n\n", fault, false));
  yield { kind: "end", ending: "completed", isBroken: false };
}

/** The steps of a body that is not streamed; hang-mid and cut stop half way through. */
export function* bodySteps(behaviour: Behaviour, body: string, outputBytes: number): Generator<Step> {
  const fault = behaviour.kind === "fault" ? behaviour.fault : undefined;
  const broken = fault === "fault-hang-mid" || fault === "fault-cut" ? LATE_ENDS[fault] : undefined;
  if (broken !== undefined) {
    yield send(body.slice(0, body.length / 2), Math.floor(outputBytes / 2));
    yield* broken;
    return;
  }
  if (fault === "fault-empty-stream") {
    yield { kind: "end", ending: "failed", isBroken: false };
    return;
  }
  yield send(fault === "fault-garbage-event" ? `{"id": nonsense ${body.slice(0, 20)}` : body, outputBytes);
  yield { kind: "end", ending: "completed", isBroken: false };
}

function* chunkSteps(fault: ModelFault | undefined, chunk: Chunk, outputs: number): Generator<Step> {
  if (fault === "fault-garbage-event" && outputs === 3 && chunk.kind === "output")
    yield send('data: {"id": nonsense\n\n');
  const isPadded = fault === "fault-big-event" && outputs === 3 && chunk.kind === "output";
  const body = isPadded ? { ...chunk.body, obfuscation: "x".repeat(BIG_EVENT_BYTES) } : chunk.body;
  yield send(reframe(`data: ${JSON.stringify(body)}\n\n`, fault, chunk.kind === "role"), chunk.outputBytes);
}

/** CRLF line ends, and a byte order mark before the first event. */
function reframe(event: string, fault: ModelFault | undefined, isFirst: boolean): string {
  if (fault !== "fault-crlf") return event;
  return (isFirst ? "\uFEFF" : "") + event.replaceAll("\n", "\r\n");
}

function send(bytes: string, outputBytes = 0): Step {
  return { kind: "send", bytes, outputBytes };
}
