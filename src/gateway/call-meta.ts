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
  /** Seconds since the answer was kept, where it was given before; `null` where the route keeps answers and had none. */
  readonly keptAgeS?: number | null;
  /** The release that answered. */
  readonly release?: string;
}
