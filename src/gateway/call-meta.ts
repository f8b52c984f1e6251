// Names what every answer tells about its call, whatever became of it.

/** What every answer tells about its call. */
export interface CallMeta {
  readonly traceId: string;
  readonly session: string;
  readonly policyVersion: string | undefined;
  readonly remainingUsd: number | null;
  readonly model?: string;
  readonly tier?: string;
  readonly routeReason?: string;
  /** The release that answered. */
  readonly release?: string;
}
