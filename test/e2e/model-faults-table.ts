// The table of what a caller sees of each way in which a model provider can fail: written down first, tested, and printed in the docs.

/** What a caller is charged: what the provider says was used, the whole hold, or nothing. */
export type Charge = "usage" | "hold" | "nothing";

/** A kind of error, whose words are the caller's dialect's own. */
export type Kind = "invalid_request" | "authentication" | "rate_limit" | "overloaded" | "server";

/** One of the gateway's own codes. */
export type Code = "upstream_timeout" | "upstream_failed";

/** What one answer is to its caller. */
export interface Cell {
  readonly status: number;
  /**
   * `answer`: the model's answer. `pieces`: its beginning. `own words`: what the provider said, byte for byte.
   * `error`: the provider's error, in the caller's dialect. A code: the gateway's own error, in the caller's dialect.
   */
  readonly says: "answer" | "pieces" | "preamble" | "own words" | "error" | Code;
  /** Of a stream: how it ends. `marker` is the dialect's own sign of success. */
  readonly end?: "marker" | "own words" | "error" | Code;
  readonly charged: Charge;
}

/** What a fault comes to where provider and caller speak the same dialect, and where the answer is translated. */
export interface Outcomes {
  readonly same: Cell;
  readonly translated: Cell;
}

/** One way to fail. */
export interface Fault {
  /** The demo model that fails so. */
  readonly model: string;
  readonly what: string;
  /** Undefined where it only happens to streams. */
  readonly whole?: Outcomes;
  readonly stream: Outcomes;
}

const both = (cell: Cell): Outcomes => ({ same: cell, translated: cell });
const whole = (status: number, says: Cell["says"], charged: Charge): Cell => ({ status, says, charged });
const streamed = (
  end: NonNullable<Cell["end"]>,
  charged: Charge,
  says: "answer" | "pieces" | "preamble" = "pieces",
): Cell => ({
  status: 200,
  says,
  end,
  charged,
});

/** A provider that refuses before it works: its own words, in the caller's dialect. */
function refused(model: string, status: number, what: string): Fault {
  const outcomes = {
    same: whole(status, "own words", "nothing"),
    translated: whole(status, "error", "nothing"),
  };
  return { model, what, whole: outcomes, stream: outcomes };
}

const WELL = both(streamed("marker", "usage", "answer"));
const TIMED_OUT = both(whole(504, "upstream_timeout", "hold"));
const CUT = both(streamed("upstream_failed", "hold"));
/** A whole answer that is no JSON object: passed on as it came, or nothing that could be translated. */
const UNREADABLE: Outcomes = {
  same: whole(200, "own words", "hold"),
  translated: whole(502, "upstream_failed", "hold"),
};
/** An error told inside a 200. */
const IN_BAND: Outcomes = {
  same: whole(200, "own words", "nothing"),
  translated: whole(502, "error", "nothing"),
};

/** Every way to fail that the demo model knows. */
export const FAULTS: readonly Fault[] = [
  { model: "text-10", what: "nothing goes wrong", whole: both(whole(200, "answer", "usage")), stream: WELL },
  refused("fault-400", 400, "400"),
  refused("fault-401", 401, "401"),
  refused("fault-429", 429, "429, with a time to come back"),
  refused("fault-500-html", 500, "500, with a page of HTML"),
  refused("fault-503", 503, "503"),
  refused("fault-529", 529, "529, Anthropic's overload"),
  { model: "fault-hang", what: "no answer, not even headers", whole: TIMED_OUT, stream: TIMED_OUT },
  {
    model: "fault-hang-preamble",
    what: "headers and an event without content, then silence",
    whole: TIMED_OUT,
    stream: both(streamed("upstream_timeout", "hold", "preamble")),
  },
  {
    model: "fault-hang-mid",
    what: "the beginning of an answer, then silence",
    whole: TIMED_OUT,
    stream: both(streamed("upstream_timeout", "hold")),
  },
  {
    model: "fault-cut",
    what: "the connection is torn down in the middle",
    whole: both(whole(502, "upstream_failed", "hold")),
    stream: CUT,
  },
  { model: "fault-half", what: "the body ends in the middle", whole: UNREADABLE, stream: CUT },
  { model: "fault-truncated", what: "the body ends inside of an event", whole: UNREADABLE, stream: CUT },
  {
    model: "fault-in-band",
    what: "an error with status 200, in a stream as its first event",
    whole: IN_BAND,
    stream: both(whole(502, "upstream_failed", "nothing")),
  },
  {
    model: "fault-in-band-late",
    what: "an error in the middle of a stream",
    whole: IN_BAND,
    stream: { same: streamed("own words", "hold"), translated: streamed("error", "hold") },
  },
  {
    model: "fault-empty-stream",
    what: "an empty body",
    whole: UNREADABLE,
    stream: both(whole(502, "upstream_failed", "hold")),
  },
  { model: "fault-crlf", what: "CRLF line ends and a byte order mark", stream: WELL },
  { model: "fault-pings", what: "comments and pings between the events", stream: WELL },
  {
    model: "fault-garbage-event",
    what: "an event, or a body, that is no JSON",
    whole: UNREADABLE,
    // What was used is told behind the broken event, and costs what it costs.
    stream: { same: streamed("marker", "usage", "answer"), translated: streamed("error", "usage") },
  },
  {
    model: "fault-no-usage",
    what: "an answer without usage",
    whole: both(whole(200, "answer", "hold")),
    stream: both(streamed("marker", "hold", "answer")),
  },
  {
    model: "fault-big-event",
    what: "an event, or a body, of a megabyte",
    whole: both(whole(200, "answer", "usage")),
    stream: WELL,
  },
  {
    model: "late-150",
    what: "a first byte that is late, within the time allowed",
    whole: both(whole(200, "answer", "usage")),
    stream: WELL,
  },
  { model: "late-5000", what: "a first byte that is later than that", whole: TIMED_OUT, stream: TIMED_OUT },
];

/** The cell of a fault. */
export function cellOf(fault: Fault, isStream: boolean, isTranslated: boolean): Cell | undefined {
  const outcomes = isStream ? fault.stream : fault.whole;
  return isTranslated ? outcomes?.translated : outcomes?.same;
}

/** Whether the official clients send the call again: a refusal says so, else the status does; a stream that began is never sent again. */
export function mayRetry({ status, says }: Cell): boolean {
  if (says === "upstream_timeout" || says === "upstream_failed") return true;
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

const CHARGED: Readonly<Record<Charge, string>> = { usage: "usage", hold: "the hold", nothing: "nothing" };

function said(cell: Cell): string {
  const { status, says, end } = cell;
  const words = says.startsWith("upstream_") ? `\`${says}\`` : says;
  const ended =
    end === undefined || end === "marker" ? "" : `, then ${end.startsWith("upstream_") ? `\`${end}\`` : end}`;
  return `${status} ${words}${ended}; ${CHARGED[cell.charged]}${mayRetry(cell) ? "; again" : ""}`;
}

function column(outcomes: Outcomes | undefined): string {
  if (outcomes === undefined) return "";
  const same = said(outcomes.same);
  const translated = said(outcomes.translated);
  return same === translated ? same : `${same}<br>translated: ${translated}`;
}

/** The table as the guide shows it. */
export function faultsTable(): string {
  const rows = FAULTS.map(({ what, ...fault }) => `| ${what} | ${column(fault.whole)} | ${column(fault.stream)} |`);
  return ["| the provider sends | a whole answer | a stream |", "|---|---|---|", ...rows].join("\n");
}
