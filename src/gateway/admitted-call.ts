// Names what a model call is between its admission and its answer.
import type { ModelCall } from "../core/call.ts";
import type { ResolvedModel } from "../core/config/published.ts";
import type { Refusal } from "../core/errors.ts";
import type { Defer, Recorder } from "./ports.ts";
import type { ModelCallTally } from "./settle-model-call.ts";

/** What every answer tells about its call, whatever became of it. */
export interface CallMeta {
  readonly traceId: string;
  readonly session: string;
  readonly policyVersion: string | undefined;
  readonly remainingUsd: number | null;
  readonly model?: string;
  readonly tier?: string;
  readonly routeReason?: string;
}

/** An answer for the surface to render: the provider's, or a refusal. */
export type ModelAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      readonly headers: Headers;
      readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
      readonly meta: CallMeta;
    }
  | { readonly ok: false; readonly refusal: Refusal; readonly meta: CallMeta };

/** What a call brings along besides its ports. */
export interface CallSurroundings {
  readonly defer: Defer;
  readonly recorder: Recorder;
  /** Aborted when the caller goes away. */
  readonly callerSignal: AbortSignal;
}

/** An admitted call on its way to the provider. */
export interface AdmittedCall {
  readonly call: ModelCall;
  readonly model: ResolvedModel;
  readonly tally: ModelCallTally;
  readonly meta: CallMeta;
  /** Output tokens that the hold pays for, over all choices. */
  readonly grantedOutput: number;
  readonly abort: AbortController;
  readonly around: CallSurroundings;
}
