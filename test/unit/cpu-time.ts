// Measures how long a function computes, whatever else the machine does meanwhile.

/** The least CPU time of this thread, in milliseconds, that a function took in so many runs. */
export function cpuMs(run: () => unknown, runs = 5): number {
  const times = Array.from({ length: runs }, () => {
    const before = process.threadCpuUsage();
    run();
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}
