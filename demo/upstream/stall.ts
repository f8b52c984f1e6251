// Decides how the upstream stays silent without the runtime taking it for a hung Worker.

/** Never settles. A pending timer is needed: the runtime answers for a Worker that waits on nothing. */
export async function stallForever(): Promise<never> {
  for (;;) await scheduler.wait(60_000);
}
