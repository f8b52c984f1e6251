// Decides the steps of an answer's body: what is sent, where it waits, and how each fault breaks it.
import { textOf, type JsonRecord } from "../json-source.ts";
import type { Frame, Framing, InBand } from "./dialect.ts";
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

/** A stream in a dialect, before any fault. */
export interface StreamPlan {
  readonly frames: Iterable<Frame>;
  readonly framing: Framing;
  readonly inBand: InBand;
}

const BIG_EVENT_BYTES = 1_048_576;

/** Long enough for what was sent to leave before the connection is torn down under it. */
const FLUSH_MS = 20;

/** Pieces of output after which the late faults strike. */
const LATE = 3;

const STALL: readonly Step[] = [{ kind: "stall" }];
const TEAR: readonly Step[] = [
  { kind: "wait", ms: FLUSH_MS },
  { kind: "end", ending: "cut", isBroken: true },
];
const CLOSE: readonly Step[] = [{ kind: "end", ending: "cut", isBroken: false }];

/** How a body goes on that breaks in the middle. */
const BREAKS: Partial<Record<ModelFault, readonly Step[]>> = {
  "fault-hang-mid": STALL,
  "fault-hang-preamble": STALL,
  "fault-cut": TEAR,
  "fault-half": CLOSE,
  "fault-truncated": CLOSE,
};

/** The steps of a stream. Faults before the headers are not decided here. */
export function* streamSteps(behaviour: Behaviour, plan: StreamPlan): Generator<Step> {
  const fault = behaviour.kind === "fault" ? behaviour.fault : undefined;
  const { framing, inBand } = plan;
  if (fault === "fault-in-band") yield send(framing.write(...named(inBand.first), 0) + endOfList(framing));
  if (fault === "fault-in-band" || fault === "fault-empty-stream") {
    yield { kind: "end", ending: "failed", isBroken: false };
    return;
  }
  let outputs = 0;
  let at = 0;
  for (const frame of plan.frames) {
    if (fault !== undefined && breaksBefore(fault, frame, outputs)) {
      yield* broken(fault, plan, frame, at);
      return;
    }
    if (frame.kind === "output") outputs += 1;
    yield* frameSteps(fault, { frame, framing, at }, outputs);
    at += 1;
    if (behaviour.kind === "paced" && frame.kind === "output") yield { kind: "wait", ms: behaviour.delayMs };
  }
  yield send(reframe(framing.close, fault, false));
  yield { kind: "end", ending: "completed", isBroken: false };
}

function breaksBefore(fault: ModelFault, { kind }: Frame, outputs: number): boolean {
  if (fault === "fault-hang-preamble") return kind === "output";
  return outputs === LATE && (fault === "fault-in-band-late" || BREAKS[fault] !== undefined);
}

function* broken(fault: ModelFault, { framing, inBand }: StreamPlan, frame: Frame, at: number): Generator<Step> {
  if (fault === "fault-in-band-late") {
    yield send(framing.write(...named(inBand.late(at)), at) + endOfList(framing));
    yield* CLOSE;
    return;
  }
  if (fault === "fault-truncated") {
    const whole = framing.write(...named(frame.body), at);
    yield send(whole.slice(0, Math.floor(whole.length * 0.7)));
  }
  yield* BREAKS[fault] ?? [];
}

/** A list of events is closed even after an error; a stream of events just ends. */
function endOfList({ close }: Framing): string {
  return close === "]" ? close : "";
}

/** The steps of a body that is not streamed; those that break stop half way through. */
export function* bodySteps(behaviour: Behaviour, body: string, outputBytes: number): Generator<Step> {
  const fault = behaviour.kind === "fault" ? behaviour.fault : undefined;
  const breaks = fault === undefined ? undefined : BREAKS[fault];
  if (breaks !== undefined) {
    yield send(body.slice(0, body.length / 2), Math.floor(outputBytes / 2));
    yield* breaks;
    return;
  }
  if (fault === "fault-empty-stream") {
    yield { kind: "end", ending: "failed", isBroken: false };
    return;
  }
  yield send(fault === "fault-garbage-event" ? `{"id": nonsense ${body.slice(0, 20)}` : body, outputBytes);
  yield { kind: "end", ending: "completed", isBroken: false };
}

interface Placed {
  readonly frame: Frame;
  readonly framing: Framing;
  readonly at: number;
}

function* frameSteps(fault: ModelFault | undefined, placed: Placed, outputs: number): Generator<Step> {
  const { frame, framing, at } = placed;
  const isThird = outputs === LATE && frame.kind === "output";
  const [json, name] = named(frame.body);
  if (fault === "fault-garbage-event" && isThird) yield send(framing.write('{"id": nonsense', name, at));
  if (fault === "fault-pings") yield send(framing.idle);
  const isPadded = fault === "fault-big-event" && isThird;
  const sent = isPadded ? JSON.stringify({ ...frame.body, obfuscation: "x".repeat(BIG_EVENT_BYTES) }) : json;
  yield send(reframe(framing.write(sent, name, at), fault, at === 0), frame.outputBytes);
}

/** An event's JSON, and the name it goes by: its own type. */
function named(body: JsonRecord): [json: string, name: string] {
  return [JSON.stringify(body), textOf(body["type"]) ?? "message"];
}

/** CRLF line ends, and a byte order mark before the first event. */
function reframe(event: string, fault: ModelFault | undefined, isFirst: boolean): string {
  if (fault !== "fault-crlf") return event;
  return (isFirst ? "\uFEFF" : "") + event.replaceAll("\n", "\r\n");
}

function send(bytes: string, outputBytes = 0): Step {
  return { kind: "send", bytes, outputBytes };
}
