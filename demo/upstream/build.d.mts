// Types of the bundler of the demo upstream.

/** Writes the demo upstream as a single ES module to `outfile`. */
export declare function buildUpstream(outfile: string): Promise<void>;
