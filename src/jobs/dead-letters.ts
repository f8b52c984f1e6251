// Consumes the trace queue's dead letters: stores them after all, or parks them in R2 until somebody sends them again.
import { reportFailure, storeMessages, type StorePorts } from "./trace-index.ts";
import { lettersOf, type TraceMessage } from "./trace-lines.ts";

/** With so many failures in a row the store is down, and the rest is parked without being tried. */
const DOWN_AFTER = 3;

/**
 * Stores what the trace queue gave up on, together and then each message alone, so that one which cannot be stored takes
 * no other with it. What is still not stored is parked; a message is acknowledged once it is stored or parked, and comes
 * again when neither was possible.
 */
export async function storeDeadLetters(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  const stored = await storeMessages(ports, messages).then(
    () => true,
    () => false,
  );
  if (stored) for (const message of messages) message.ack();
  else await storeOneByOne(ports, messages);
}

async function storeOneByOne(ports: StorePorts, messages: readonly TraceMessage[]): Promise<void> {
  let failures = 0;
  let parked = 0;
  for (const message of messages) {
    try {
      const isStored = failures < DOWN_AFTER && (await storeMessages(ports, [message]).then(isTrue, isFalse));
      failures = isStored ? 0 : failures + 1;
      if (!isStored) await park(ports, message);
      if (!isStored) parked += 1;
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

function isTrue(): boolean {
  return true;
}

function isFalse(): boolean {
  return false;
}
