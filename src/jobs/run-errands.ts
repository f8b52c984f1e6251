// Consumes the queue of calls: sends what was held, settles what is unknown, goes on with what is being undone.
import { readErrand, type CallErrand } from "../core/state/call-errand.ts";
import { continueCompensation } from "../gateway/compensate-call.ts";
import type { Ports, Recorder } from "../gateway/ports.ts";
import { releaseCall } from "../gateway/release-call.ts";
import { settleCall } from "../gateway/settle-call.ts";
import { continueUnwinding } from "../gateway/unwind-saga.ts";

/** A queue message as its consumer sees it. */
export interface ErrandMessage {
  readonly body: unknown;
  ack(): void;
}

/**
 * Runs the errands of a batch. Each may be run twice: the call's object lets only one of them act. One that fails is
 * taken all the same: its object asks again until it is done.
 */
export async function runErrands(ports: Ports, messages: readonly ErrandMessage[], recorder: Recorder): Promise<void> {
  await Promise.all(
    messages.map(async (message) => {
      const errand = readErrand(message.body);
      if (errand === undefined) console.error(JSON.stringify({ event: "errand_dropped" }));
      else await run(ports, errand, recorder).catch((error: unknown) => failed(errand, error));
      message.ack();
    }),
  );
}

function run(ports: Ports, { tenant, tool_call: id, work }: CallErrand, recorder: Recorder): Promise<void> {
  switch (work) {
    case "send":
      return releaseCall(ports, { tenant, id }, recorder);
    case "settle":
      return settleCall(ports, { tenant, id }, recorder);
    case "compensate":
      return continueCompensation(ports, { tenant, id }, recorder);
    case "unwind":
      return continueUnwinding(ports, { tenant, id }, recorder);
    default:
      return work satisfies never;
  }
}

function failed({ work, tool_call }: CallErrand, error: unknown): void {
  const reason = error instanceof Error ? error.name : "unknown";
  console.error(JSON.stringify({ event: "errand_failed", work, tool_call, reason }));
}
