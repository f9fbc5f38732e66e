import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { UsageError } from "../internal/cli/errors.ts";
import { imageFlag } from "../internal/cli/values.ts";
import { VERSION } from "../internal/cli/version.ts";
import { bundle } from "../internal/manifests/bundle.ts";

export default defineSubcommand({
  summary: "Write an OLM bundle, for a catalogue of the Operator Lifecycle Manager",
  args: {
    output: { type: "string", alias: "o", valueHint: "FOLDER", required: true, description: "Folder to write it to" },
    image: { type: "string", valueHint: "IMAGE", required: true, description: "Image of onloadctl, best by digest" },
    "bundle-version": { type: "string", valueHint: "VERSION", default: VERSION, description: "Version of the bundle" },
    ...commonArgs,
  },
  examples: [
    {
      run: "onloadctl manifests bundle --output=bundle --image=registry.example.com/onloadctl:0.1.0\npodman build -f bundle/bundle.Dockerfile -t registry.example.com/onload-operator-bundle:0.1.0 bundle",
      does: "Make the bundle and its image",
    },
  ],
  async run({ args, log }) {
    const version = args["bundle-version"];
    if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
      throw new UsageError(`Flag --bundle-version cannot be "${version}": give a version such as 0.1.0`);
    }
    for (const [path, text] of Object.entries(bundle({ image: imageFlag("image", args.image), version }))) {
      const file = join(args.output, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
      log.info("Wrote a file of the bundle", { file });
    }
  },
});
