// Names what a model call is between its decision and its answer.
import type { ModelCall } from "../../core/call.ts";
import type { ActiveConfig } from "../../core/config/published.ts";
import type { Dialect } from "../../core/dialect/dialect.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Decision } from "../../core/policy/decision.ts";
import type { RoutePlan } from "../../core/routing/plan.ts";
import type { CallMeta } from "../call-meta.ts";
import type { Defer, Recorder } from "../ports.ts";
import type { CallWatch } from "./call-watch.ts";
import type { ChunkTransform } from "./chunk-transform.ts";

/** An answer for the surface to render: the provider's, in the caller's dialect, or a refusal. */
export type ModelAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      readonly headers: Headers;
      readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
      readonly meta: CallMeta;
    }
  | { readonly ok: false; readonly refusal: Refusal; readonly meta: CallMeta };

/** What a caller was answered, once that is over: the provider's own words. */
export interface Answered {
  /** The provider's dialect. */
  readonly dialect: Dialect;
  /** The whole of it, unless `isCut`: a stream longer than is kept has lost its middle. */
  readonly text: string;
  readonly contentType: string;
  /** The config's name of the model that answered. */
  readonly model: string;
  readonly isStream: boolean;
  readonly isCut: boolean;
  /** Whether it ended as it should. */
  readonly isSuccess: boolean;
  /** What ids were made of where the answer was translated. */
  readonly seed: string;
}

/** What a call brings along besides its ports. */
export interface CallSurroundings {
  readonly defer: Defer;
  readonly recorder: Recorder;
  /** Aborted when the caller goes away. */
  readonly callerSignal: AbortSignal;
  /** Changes a stream that is in the caller's dialect already, on its last step to the caller. */
  readonly shows?: ChunkTransform;
  /** Told before an answer is given that another call was given before. */
  readonly onRepeated?: () => void;
  /** Told once, when the answer is over. */
  readonly onAnswered?: (answered: Answered) => void;
}

/** A call that may be made, and how it is to be answered. */
export interface PlannedCall {
  readonly call: ModelCall;
  readonly config: ActiveConfig;
  readonly plan: RoutePlan;
  readonly decision: Decision;
  readonly meta: CallMeta;
  readonly around: CallSurroundings;
  readonly watch: CallWatch;
}
