// Decides what server-sent events a text holds, however it is cut into pieces (WHATWG HTML §9.2.6).

/** One event: its name, empty when the stream gave none, and its data. */
export interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

/**
 * Parses an event stream piece by piece. A byte order mark at its very start is skipped; lines end with CR, LF or both,
 * also where a piece ends between them; comments, `id` and `retry` are skipped; an event without data is none. O(length):
 * the start of an unfinished line is kept in pieces and joined once.
 */
export class EventParser {
  #partial: string[] = [];
  #data: string[] = [];
  #name = "";
  #isFirst = true;
  #endedInCr = false;

  /** The events that this piece completes, in order. */
  push(piece: string): readonly ServerSentEvent[] {
    if (piece === "") return [];
    const events: ServerSentEvent[] = [];
    let from = 0;
    if (this.#isFirst && piece.charCodeAt(0) === 0xfeff) from = 1;
    this.#isFirst = false;
    if (this.#endedInCr && piece.charCodeAt(from) === LF) from += 1;
    this.#endedInCr = false;
    const ends = new LineEnds(piece);
    for (let end = ends.after(from); end !== -1; end = ends.after(from)) {
      const event = this.#line(this.#whole(piece.slice(from, end)));
      if (event !== undefined) events.push(event);
      from = end + 1;
      if (piece.charCodeAt(end) !== CR) continue;
      if (from === piece.length) this.#endedInCr = true;
      else if (piece.charCodeAt(from) === LF) from += 1;
    }
    if (from < piece.length) this.#partial.push(piece.slice(from));
    return events;
  }

  #whole(end: string): string {
    if (this.#partial.length === 0) return end;
    const line = this.#partial.join("") + end;
    this.#partial = [];
    return line;
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const event = this.#data.length === 0 ? undefined : { name: this.#name, data: this.#data.join("\n") };
    this.#data = [];
    this.#name = "";
    return event;
  }
}

const LF = 10;
const CR = 13;
const SPACE = 32;

/** Where the lines of a text end: each of both characters is looked for once, however many lines there are. */
class LineEnds {
  readonly #text: string;
  #lf = -2;
  #cr = -2;

  constructor(text: string) {
    this.#text = text;
  }

  after(from: number): number {
    if (this.#lf !== -1 && this.#lf < from) this.#lf = this.#text.indexOf("\n", from);
    if (this.#cr !== -1 && this.#cr < from) this.#cr = this.#text.indexOf("\r", from);
    return this.#cr === -1 || (this.#lf !== -1 && this.#lf < this.#cr) ? this.#lf : this.#cr;
  }
}

/** Every whole event of a text; one that its end cuts off is left out. */
export function eventsOf(text: string): readonly ServerSentEvent[] {
  return new EventParser().push(text);
}
