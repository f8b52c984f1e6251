// Decides which jobs a cron runs, and runs them one after another: what fails of one stops none of the others.

/** A job of the cron. */
export interface Job {
  readonly name: string;
  /** When it runs, as in wrangler.toml. Jobs of different crons share no invocation, and so no invocation's limits. */
  readonly cron: string;
  readonly run: () => Promise<void>;
}

/** Runs the jobs of a cron; all of them for one that no job names. A job that fails is reported, and the next begins. */
export async function runJobs(jobs: readonly Job[], cron: string): Promise<void> {
  const named = jobs.filter((job) => job.cron === cron);
  for (const { name, run } of named.length > 0 ? named : jobs) {
    try {
      await run();
    } catch (error) {
      const reason = error instanceof Error ? error.name : "unknown";
      console.error(JSON.stringify({ event: "job_failed", job: name, reason }));
    }
  }
}
