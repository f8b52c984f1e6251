// Turns an event stream into the one JSON array that Google streams when nobody asks for events: each chunk an element.
import { EventParser } from "../../core/stream/events.ts";

/** The events of a stream as elements of an array, as they come. */
export function jsonArrayOf(events: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let isFirst = true;
  return events.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, controller) => {
        let text = "";
        for (const { data } of parser.push(decoder.decode(bytes, { stream: true }))) {
          text += `${isFirst ? "[" : ",\r\n"}${data}`;
          isFirst = false;
        }
        if (text !== "") controller.enqueue(encoder.encode(text));
      },
      flush: (controller) => controller.enqueue(encoder.encode(isFirst ? "[]\n" : "\n]\n")),
    }),
  );
}
