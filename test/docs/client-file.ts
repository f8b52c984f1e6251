// Reads a file that the docs show for another program, by the ending of its name.
import path from "node:path";
import { experimental_readRawConfig as readToml } from "wrangler";
import { parse } from "yaml";

/** What stands in the file `name` below a folder, whose text is given; throws where it cannot be read. */
export function readClientFile(folder: string, name: string, text: string): unknown {
  switch (path.extname(name)) {
    case ".json":
      return JSON.parse(text);
    case ".toml":
      // The project has no parser of TOML but the one that reads its own wrangler.toml.
      return readToml({ config: path.join(folder, name) }).rawConfig;
    case ".yaml":
      return parse(text);
    default:
      throw new Error(`${name}: expected the ending .json, .toml or .yaml`);
  }
}
