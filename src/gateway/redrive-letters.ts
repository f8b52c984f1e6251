// Sends parked letters back to the trace queue, oldest first; each is gone from its place once the queue has it.
import type { Ports } from "./ports.ts";

/** Letters that one request sends: each takes three requests of the store. */
export const MAX_REDRIVEN = 200;

/** How many letters went, and whether more are parked. */
export interface Redriven {
  readonly sent: number;
  readonly hasMore: boolean;
}

/** Sends the first letters of a tenant, or of everybody for `undefined`. Throws when the queue takes none; what it took is not sent again. */
export async function redriveLetters(
  { deadLetters }: Pick<Ports, "deadLetters">,
  tenant: string | undefined,
  limit: number,
): Promise<Redriven> {
  const { letters, nextCursor } = await deadLetters.list(tenant, { limit });
  let sent = 0;
  for (const letter of letters) if (await deadLetters.redrive(letter.id)) sent += 1;
  return { sent, hasMore: nextCursor !== null };
}
