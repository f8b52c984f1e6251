// Decides by their names what Gemini models take: generations differ in how they are told to think.

const FIRST_WITH_LEVELS = 3;

/** The generation of a Gemini model; `undefined` for names that tell none, such as `gemini-flash-latest`. */
function generationOf(model: string): number | undefined {
  const found = /(?:^|\/)gemini-(\d+)/.exec(model)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Whether a model is told how hard to think by a level; older ones by a number of tokens. */
export function thinksByLevel(model: string): boolean {
  return (generationOf(model) ?? FIRST_WITH_LEVELS) >= FIRST_WITH_LEVELS;
}

/**
 * What stands for the signature of a call that Gemini did not make. From Gemini 3 on a call without a signature is refused;
 * this is Google's own word for a call that comes from elsewhere. `undefined` for models that want none.
 */
export function signatureOfForeignCall(model: string): string | undefined {
  return thinksByLevel(model) ? "skip_thought_signature_validator" : undefined;
}
