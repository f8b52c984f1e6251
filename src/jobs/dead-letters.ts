// Consumes the trace queue's dead letters: stores them after all, or parks those that were tried alone in R2 until somebody sends them again.
import { reportFailure, storeMessages, type StorePorts } from "./trace-index.ts";
import { lettersOf, type TraceMessage } from "./trace-lines.ts";

/** After so many failures in a row what is left of a batch comes again later, for the store seems to be down. */
const DOWN_AFTER = 3;
/** From this delivery on a message is parked untried rather than left to the queue, which drops it after a hundred. */
const LAST_DELIVERIES = 90;

/**
 * Stores what the trace queue gave up on, together and then each message that failed alone, so that one which cannot be
 * stored takes no other with it. What was tried alone and is still not stored is parked; a message is acknowledged once
 * it is stored or parked, and comes again when neither was possible or it was not tried.
 */
export async function storeDeadLetters(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const failed = await storeMessages(ports, messages, { isRepeat: true });
  for (const message of messages) if (!failed.has(message)) message.ack();
  await storeOneByOne(ports, [...failed.keys()]);
}

async function storeOneByOne(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  let failures = 0;
  let parked = 0;
  for (const message of messages) {
    const isTried = failures < DOWN_AFTER;
    try {
      const isStored = isTried && (await storeMessages(ports, [message], { isRepeat: true })).size === 0;
      if (isTried) failures = isStored ? 0 : failures + 1;
      if (!isTried && message.attempts < LAST_DELIVERIES) {
        message.retry();
        continue;
      }
      if (!isStored) {
        await park(ports, message);
        parked += 1;
      }
      message.ack();
    } catch (error) {
      reportFailure("dead_letter_not_parked", 1, error);
      message.retry();
    }
  }
  if (parked > 0) console.error(JSON.stringify({ event: "dead_letters_parked", messages: parked }));
}

async function park({ deadLetters }: StorePorts, message: TraceMessage): Promise<void> {
  await Promise.all(lettersOf(message, "store_failed").map((letter) => deadLetters.park(letter)));
}
