// Names what an attempt at a tool may have failed of.

/** What an attempt may have failed of, as a tool's `retry.on` names it. */
export const RETRY_CAUSES = ["timeout", "connection", "rate_limited", "unavailable", "server_error"] as const;
/** One of these; `unsent`: what came before the sending failed, so that the upstream surely saw nothing. */
export type RetryCause = (typeof RETRY_CAUSES)[number] | "unsent";
