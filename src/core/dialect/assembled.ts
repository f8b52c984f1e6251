// Decides what the events of an answer add up to.
import type { Usage } from "../budget/price.ts";
import { EventParser } from "../stream/events.ts";
import type { StreamReader } from "./dialect.ts";
import type { Finish, ModelError, PartStart, ReplyEvent, ReplyPart } from "./reply.ts";

/** An answer as far as its events tell it. */
export interface Assembled {
  readonly id: string;
  readonly model: string;
  /** In order; a part that was never ended is there as far as it came. */
  readonly parts: readonly ReplyPart[];
  readonly finish: Finish | undefined;
  readonly stopSequence: string | undefined;
  readonly usage: Usage | undefined;
  readonly error: ModelError | undefined;
}

/** What a stream's text says, read event by event. */
export function assembledStream(reader: StreamReader, text: string): Assembled {
  const events = new EventParser().push(text).flatMap(({ data, name }) => reader.push(data, name));
  return assembled([...events, ...reader.end()]);
}

/** What events add up to. O(length). */
export function assembled(events: readonly ReplyEvent[]): Assembled {
  const starts: PartStart[] = [];
  const texts: string[][] = [];
  const states = new Map<number, ReplyEvent & { readonly type: "signed" }>();
  let known: Omit<Assembled, "parts"> = {
    id: "",
    model: "",
    finish: undefined,
    stopSequence: undefined,
    usage: undefined,
    error: undefined,
  };
  for (const event of events) {
    if (event.type === "part") {
      starts[event.index] = event.part;
      texts[event.index] = [];
    } else if (event.type === "delta") texts[event.index]?.push(event.text);
    else if (event.type === "signed") states.set(event.index, event);
    else known = told(known, event);
  }
  const parts = starts.map((start, index) => partOf(start, (texts[index] ?? []).join(""), states.get(index)));
  return { ...known, parts };
}

function told(known: Omit<Assembled, "parts">, event: ReplyEvent): Omit<Assembled, "parts"> {
  switch (event.type) {
    case "start":
      return { ...known, id: event.id, model: event.model, usage: event.usage ?? known.usage };
    case "usage":
      return { ...known, usage: event.usage };
    case "finish":
      return { ...known, finish: event.finish, stopSequence: event.stopSequence };
    case "error":
      return { ...known, error: event.error };
    case "part":
    case "delta":
    case "signed":
    case "part_end":
    case "done":
      return known;
  }
}

function partOf(
  start: PartStart,
  text: string,
  state: (ReplyEvent & { readonly type: "signed" }) | undefined,
): ReplyPart {
  const signed = state === undefined ? {} : { signed: state.signed };
  switch (start.type) {
    case "tool_call":
      return { type: "tool_call", id: start.id, name: start.name, args: text, ...signed };
    case "reasoning":
      return { type: "reasoning", text, ...signed };
    case "text":
    case "refusal":
      return { type: start.type, text };
  }
}
