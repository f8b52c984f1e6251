// What the bench knows about one thing it puts load on.
import type { LoadName } from "../load/loads.ts";
import type { StreamTarget } from "../load/stream-client.ts";

/** A running gateway, Worker or upstream. CPU is counted over the process tree under `pid`. */
export interface Target extends StreamTarget {
  readonly name: string;
  readonly pid: number;
  /** What runs and where its state lies, for the report. */
  readonly what: string;
  readonly loads: readonly LoadName[];
}

/** A target that was asked for and does not run, with the reason to print. */
export interface Skipped {
  readonly name: string;
  readonly why: string;
}

/** A build to serve: the file it starts at, where its state goes, and what it proxies to. */
export interface Build {
  readonly name: string;
  readonly entry: string;
  readonly folder: string;
  readonly upstream: string;
}

export const chatPath = "/v1/chat/completions";

export const plainLoads: readonly LoadName[] = ["small", "agent", "stream"];
export const allLoads: readonly LoadName[] = [...plainLoads, "stream-usage"];

/** Headers of a client that talks to a provider with its own key. */
export const clientHeaders: Readonly<Record<string, string>> = { Authorization: "Bearer sk-bench" };
