// Decides what a million calls cost on the platform: counted work of each kind of call, times the platform's list prices.

/** List prices in dollars per million, as of November 2026: docs/guides/cost.md says where they stand. */
export const PRICES = {
  workerRequest: 0.3,
  cpuMs: 0.02,
  objectRequest: 0.15,
  objectSecond: 1.6,
  rowWritten: 1,
  queueMessage: 1.2,
  r2Put: 4.5,
} as const;

/** Rows that D1 bills: a record's row and its words; a listed call's line, its key and two indexes; a ledger's statement. */
export const D1_ROWS = { record: 2, listedCall: 4, statement: 1 } as const;

/** Rows that an object writes, those of its alarms among them: a call's own; its charge and conclusion in its session's ledger, and that ledger's state. */
export const OBJECT_ROWS = { call: 4, chargeOfCall: 4, deniedCall: 2 } as const;

/** Calls of one session, over which what a session costs once is shared. */
export const CALLS_PER_SESSION = 10;
/** Rows that a session's ledger writes once: its state and the exact figures once it is quiet, two alarms, its statement kept and sent. */
const SESSION_ROWS = 6;
/** Messages of one consumer batch, of which one segment is made. */
const MESSAGES_PER_BATCH = 100;

/** What one call takes. `d1Rows` and `objectRows` are rows written. */
export interface Work {
  readonly workerRequests: number;
  readonly cpuMs: number;
  readonly objectRequests: number;
  readonly objectSeconds: number;
  readonly objectRows: number;
  readonly d1Rows: number;
  readonly queueMessages: number;
  readonly r2Puts: number;
}

const perSession = 1 / CALLS_PER_SESSION;
const recorded = {
  workerRequests: 1 + 1 / MESSAGES_PER_BATCH,
  queueMessages: 1 + perSession,
  r2Puts: 1 / MESSAGES_PER_BATCH,
};
const statement = D1_ROWS.statement * perSession;

/** What a call of each kind takes. */
export const WORK: Readonly<Record<"model call" | "tool call" | "denied call", Work>> = {
  "model call": {
    ...recorded,
    cpuMs: 3,
    // Admitted and settled.
    objectRequests: 2,
    objectSeconds: 0.01,
    objectRows: SESSION_ROWS * perSession,
    d1Rows: D1_ROWS.record + statement,
  },
  "tool call": {
    ...recorded,
    cpuMs: 4,
    // Begun, charged, finished, concluded, and forgotten by an alarm.
    objectRequests: 5,
    objectSeconds: 0.03,
    objectRows: OBJECT_ROWS.call + OBJECT_ROWS.chargeOfCall + SESSION_ROWS * perSession,
    d1Rows: D1_ROWS.record + D1_ROWS.listedCall + statement,
  },
  "denied call": {
    ...recorded,
    queueMessages: 1,
    cpuMs: 3,
    // Begun, its session asked, and forgotten by an alarm.
    objectRequests: 3,
    objectSeconds: 0.02,
    objectRows: OBJECT_ROWS.deniedCall,
    d1Rows: D1_ROWS.record + D1_ROWS.listedCall,
  },
};

/** Dollars per million calls, by what they are paid for. */
export function costOf(
  work: Work,
): Readonly<Record<"requests" | "objects" | "objectRows" | "queue" | "d1" | "r2", number>> {
  return {
    requests: work.workerRequests * PRICES.workerRequest + work.cpuMs * PRICES.cpuMs,
    objects: work.objectRequests * PRICES.objectRequest + work.objectSeconds * PRICES.objectSecond,
    objectRows: work.objectRows * PRICES.rowWritten,
    queue: work.queueMessages * PRICES.queueMessage,
    d1: work.d1Rows * PRICES.rowWritten,
    r2: work.r2Puts * PRICES.r2Put,
  };
}
