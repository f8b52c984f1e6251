// JavaScript of the ways a Worker can pass a stream on: untouched, metered, or without one frame.

/** `source` is the body of `(body, ctx) => stream`; `strips` says it withholds the usage frame. */
export interface Way {
  readonly name: string;
  readonly strips: boolean;
  readonly source: string;
}

/** NOTE: enough here, where frames are whole; a product must carry a split frame over. */
const stripper = String.raw`
const latin = new TextDecoder("latin1");
const utf8 = new TextDecoder();
const isUsage = (value) => utf8.decode(value).includes('"usage":{');
function strip(value) {
  const text = latin.decode(value);
  const at = text.indexOf('"usage":{');
  if (at < 0) return value;
  const before = text.lastIndexOf("\n\n", at);
  const from = before < 0 ? 0 : before + 2;
  const to = text.indexOf("\n\n", at) + 2;
  const kept = new Uint8Array(value.length - (to - from));
  kept.set(value.subarray(0, from), 0);
  kept.set(value.subarray(to), from);
  return kept;
}`;

const readEach = (act: string): string => `
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    ${act}
  }`;

const readEachByob = (act: string): string => `
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(16384);
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) break;
    ${act}
    buffer = value.buffer;
  }`;

const intoIdentity = (loop: string): string => `
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  ctx.waitUntil((async () => { ${loop} await writer.close(); })());
  return readable;`;

const onPull = (type: string, act: string): string => `
  const reader = body.getReader();
  return new ReadableStream({ ${type}
    async pull(controller) {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) { controller.close(); return; }
        ${act}
      }
    },
    cancel: (why) => reader.cancel(why),
  });`;

const onStart = (type: string, act: string): string => `
  return new ReadableStream({ ${type}
    async start(controller) { ${readEach(act)} controller.close(); },
  });`;

const bytes = `type: "bytes",`;
const enqueueKept = "if (!isUsage(value)) { controller.enqueue(value); return; }";

/**
 * A tee branch that is drained into native memory keeps the source flowing, so that the other
 * branch gathers what has come in meanwhile. Reading that one at most every `pauseMs` takes a burst
 * in two or three reads in place of one per frame; slower frames are passed on at once.
 */
const pausedReads = (pauseMs: number): string => `
  const [copy, main] = body.tee();
  const stop = new AbortController();
  const tap = new IdentityTransformStream();
  const whole = new Response(tap.readable).text().catch(() => undefined);
  const drained = copy.pipeTo(tap.writable, { signal: stop.signal }).catch(() => undefined);
  const { readable, writable } = new IdentityTransformStream();
  const writer = writable.getWriter();
  const reader = main.getReader({ mode: "byob" });
  writer.closed.catch((why) => { stop.abort(why); return reader.cancel(why); });
  ctx.waitUntil((async () => {
    try {
      let buffer = new ArrayBuffer(16384);
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(buffer));
        if (done) break;
        const kept = strip(value);
        if (kept.length > 0) await writer.write(kept);
        await scheduler.wait(${pauseMs});
        buffer = value.buffer;
      }
      await writer.close();
    } catch (why) {
      stop.abort(why);
      await writer.abort(why).catch(() => undefined);
    }
    await Promise.all([drained, whole]);
  })());
  return readable;`;

const teePiped = `
  const [copy, main] = body.tee();
  const { readable, writable } = new IdentityTransformStream();
  ctx.waitUntil(main.pipeTo(writable).then(() => new Response(copy).text()));
  return readable;`;

const teeDrained = `
  const [copy, main] = body.tee();
  const tap = new IdentityTransformStream();
  ctx.waitUntil(Promise.all([copy.pipeTo(tap.writable), new Response(tap.readable).text()]));
  return main;`;

const identityPiped = `
  const { readable, writable } = new IdentityTransformStream();
  ctx.waitUntil(body.pipeTo(writable));
  return readable;`;

const transformed = `
  return body.pipeThrough(new TransformStream({
    transform(value, controller) { if (!isUsage(value)) controller.enqueue(value); },
  }));`;

const generated = `
  return ReadableStream.from((async function* () {
    for await (const value of body) if (!isUsage(value)) yield value;
  })());`;

const pass = (name: string, source: string): Way => ({ name, strips: false, source });
const without = (name: string, source: string): Way => ({ name, strips: true, source });

export const ways: readonly Way[] = [
  pass("bare", "return body;"),
  pass("a  tee, piped, copy read after", teePiped),
  pass("a1 tee, copy drained by an identity pipe", teeDrained),
  pass("a2 piped into an identity stream", identityPiped),
  pass("b  BYOB loop, identity", intoIdentity(readEachByob("await writer.write(value);"))),
  without("b1 b, strips", intoIdentity(readEachByob("if (!isUsage(value)) await writer.write(value);"))),
  pass("c  reader loop, identity", intoIdentity(readEach("await writer.write(value);"))),
  without("c1 c, strips, writes not awaited", intoIdentity(readEach("if (!isUsage(value)) void writer.write(value);"))),
  pass("d  byte stream, pull", onPull(bytes, "controller.enqueue(value); return;")),
  without("e  d, strips", onPull(bytes, enqueueKept)),
  without("e1 value stream, pull, strips", onPull("", enqueueKept)),
  without("e2 value stream, start loop, strips", onStart("", "if (!isUsage(value)) controller.enqueue(value);")),
  without("f  JS TransformStream, strips", transformed),
  without("g  ReadableStream.from, strips", generated),
  without("h  tee, reads 2 ms apart, strips", pausedReads(2)),
  without("h1 tee, reads 4 ms apart, strips", pausedReads(4)),
  without("h2 tee, reads 8 ms apart, strips", pausedReads(8)),
];

/** A whole Worker that proxies to `env.UPSTREAM` and hands the stream on in this way. */
export function workerSource(way: Way): string {
  return `${stripper}
function touch(body, ctx) { ${way.source} }
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    const answer = await fetch(new Request(env.UPSTREAM + pathname, request));
    return new Response(touch(answer.body, ctx), answer);
  },
};
`;
}
