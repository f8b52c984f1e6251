// Decides what of a recorded event stream is masked: what was cut into pieces is masked as the text it makes.
import { maskJson, type PathOf } from "./mask-json.ts";
import type { TextMasker } from "./mask-text.ts";

/** A string in an event's data, where it can be put back. */
interface Piece {
  readonly event: Event;
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly text: string;
  /** What equal pieces of other events share. */
  readonly place: string;
}

/** A line of data that is JSON. */
interface Event {
  readonly line: number;
  readonly value: unknown;
  isChanged: boolean;
}

/**
 * The text of an event stream, masked. The frames stay: a value that was split over the pieces of an answer has its
 * token in the piece where it began, and the others lose their part of it. Whatever reads the stream puts together
 * what it would have, masked. Lines whose data is not JSON, such as the last one of a stream that broke off, are masked
 * as text. Throws where an event cannot be masked.
 */
export function maskStream(masker: TextMasker, text: string, where: PathOf): string {
  const lines = text.split(/(\r\n|\r|\n)/);
  const events = lines.flatMap((line, at) => eventOf(line, at) ?? []);
  for (const pieces of Map.groupBy(events.flatMap(piecesOf), ({ place }) => place).values())
    maskSplit(masker, pieces, where);
  const byLine = new Map(events.map((event) => [event.line, event]));
  return lines
    .map((line, at) => {
      const event = byLine.get(at);
      if (event === undefined) return masker.mask(line);
      const data = event.isChanged ? JSON.stringify(event.value) : dataIn(line);
      const masked = maskJson(masker, data, where);
      return masked === dataIn(line) ? line : `data: ${masked}`;
    })
    .join("");
}

function dataIn(line: string): string {
  return line.slice("data:".length);
}

function eventOf(line: string, at: number): Event | undefined {
  if (!line.startsWith("data:")) return undefined;
  try {
    const value: unknown = JSON.parse(dataIn(line));
    return typeof value === "object" && value !== null ? { line: at, value, isChanged: false } : undefined;
  } catch {
    return undefined;
  }
}

/** Every string of an event, with the place that equal pieces of other events have: lists count by their `index`. */
function piecesOf(event: Event): readonly Piece[] {
  const pieces: Piece[] = [];
  const walk = (value: unknown, place: string): void => {
    if (typeof value !== "object" || value === null) return;
    const holder = value as Record<string, unknown>;
    const own = typeof holder["index"] === "number" ? `${place}#${holder["index"]}` : place;
    for (const [key, member] of Object.entries(holder)) {
      const at = Array.isArray(value) ? own : `${own}.${key}`;
      if (typeof member !== "string") walk(member, at);
      else pieces.push({ event, holder, key, text: member, place: at });
    }
  };
  walk(event.value, "");
  return pieces;
}

/** Pieces of one place, masked as one text; names and ids, which are the same in every event, are not pieces. */
function maskSplit(masker: TextMasker, pieces: readonly Piece[], where: PathOf): void {
  const [first] = pieces;
  if (first === undefined || pieces.length < 2 || pieces.every(({ text }) => text === first.text)) return;
  const whole = pieces.map(({ text }) => text).join("");
  const asJson = maskedAsJson(masker, whole, where);
  const masked =
    asJson === undefined
      ? masker.maskPieces(pieces.map(({ text }) => text))
      : pieces.map(({ text }, at) => (asJson === whole ? text : at === 0 ? asJson : ""));
  for (const [at, piece] of pieces.entries()) {
    const text = masked[at] ?? "";
    if (text === piece.text) continue;
    piece.holder[piece.key] = text;
    piece.event.isChanged = true;
  }
}

/** Arguments of a call come in pieces too: together they are JSON. */
function maskedAsJson(masker: TextMasker, whole: string, where: PathOf): string | undefined {
  if (!/^\s*\{/.test(whole)) return undefined;
  try {
    JSON.parse(whole);
  } catch {
    return undefined;
  }
  return maskJson(masker, whole, where);
}
