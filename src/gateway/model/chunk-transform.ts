// Decides how changes of a stream are put one behind the other.

/** Changes a stream chunk by chunk on its way to the caller. */
export interface ChunkTransform {
  /** What goes out for a chunk; nothing while too little has come. */
  pass(chunk: Uint8Array): Uint8Array | undefined;
  /** What goes out once the upstream has ended properly. */
  flush(): Uint8Array | undefined;
  /** Whether it has told the caller of an error, after which nothing comes. */
  readonly isBroken?: boolean;
}

/** The one change behind the other; without either, nothing is changed. */
export function both(
  first: ChunkTransform | undefined,
  second: ChunkTransform | undefined,
): ChunkTransform | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return {
    pass: (chunk) => passed(second, first.pass(chunk)),
    flush: () => together([passed(second, first.flush()), second.flush()]),
    get isBroken() {
      return first.isBroken === true || second.isBroken === true;
    },
  };
}

function passed(transform: ChunkTransform, chunk: Uint8Array | undefined): Uint8Array | undefined {
  return chunk === undefined ? undefined : transform.pass(chunk);
}

/** Pieces that are there, as one; `undefined` where there is none. */
export function together(pieces: readonly (Uint8Array | undefined)[]): Uint8Array | undefined {
  const present = pieces.filter((piece) => piece !== undefined);
  if (present.length < 2) return present[0];
  const all = new Uint8Array(present.reduce((size, piece) => size + piece.byteLength, 0));
  let at = 0;
  for (const piece of present) {
    all.set(piece, at);
    at += piece.byteLength;
  }
  return all;
}
