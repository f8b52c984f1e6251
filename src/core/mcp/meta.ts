// Names the members of `_meta` that are the gateway's own, and those of the protocol that it reads.

/** How every member of `_meta` begins that is the gateway's own. */
export const OURS = "dev.interlock/";

/** The gateway's members of `_meta`, under its reverse domain name. */
export const META = {
  /** What the call was: id, trace, session, status, policy version. */
  call: "dev.interlock/call",
  /** A call that waits for people: id, status, url, expiry. */
  approval: "dev.interlock/approval",
  /** Why there is no result: the catalogue's code and more. */
  error: "dev.interlock/error",
  /** The signed name of the session, for clients that keep none: sent back, it goes on with it. */
  session: "dev.interlock/session",
  /** The caller's own idempotency key of one call. */
  idempotencyKey: "dev.interlock/idempotency-key",
  /** Where a listed tool is from, and what it does. */
  tool: "dev.interlock/tool",
} as const;

/** The Tasks extension. */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";
