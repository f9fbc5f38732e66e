import { commonArgs, defineSubcommand } from "../internal/cli/command.ts";
import { VERSION } from "../internal/cli/version.ts";
import { bundle } from "../internal/manifests/bundle.ts";
import { imageFlag, versionFlag, writeFiles } from "./shared/manifests.ts";

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
    const version = versionFlag("bundle-version", args["bundle-version"]);
    const image = imageFlag("image", args.image);
    if (!image.includes("@")) {
      log.warn(
        "The bundle names its image by a tag, so that it is not for a disconnected cluster: give --image=IMAGE@sha256:… for that",
      );
    }
    await writeFiles(args.output, bundle({ image, version }), "bundle", log);
  },
});
